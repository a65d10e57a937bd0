"""What the next dollar of a limit is worth, against the optimum with the limit moved by a little."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.formulation import problem_numbers
from funding_pipeline.portfolio.legs import LegInputs, Universe
from funding_pipeline.portfolio.limits import Limits, limits_for
from funding_pipeline.portfolio.plan import PortfolioPlan
from funding_pipeline.portfolio.scenarios import scenario_set
from funding_pipeline_tests.portfolio.situations import (
    YEAR,
    costs_of,
    inputs_of,
    loose,
    plan_of,
    problem_of,
    universe_of,
    wide_limits,
)

FOUR = universe_of("ab", ("BTC", "ETH"))
RATE = np.array([0.0, 0.0, 2e-5, 3e-5])
WIDER = 500.0


def _worth_usd(limits: Limits, *, inputs: LegInputs, config: PortfolioConfig) -> float:
    """Optimum of the plan's objective, USD a year."""
    universe = limits.universe
    numbers, scale = problem_numbers(
        inputs=inputs, current_usd=np.zeros(len(universe)), costs=costs_of(universe), limits=limits,
        config=config,
    )  # fmt: skip
    best = problem_of(universe).solve(numbers).objective
    return -best * 1e-4 * scale / config.expected_hold_hours * YEAR


def _limits(inputs: LegInputs, config: PortfolioConfig, *, universe: Universe = FOUR, **rest: Any) -> Limits:
    scenarios = scenario_set(
        universe,
        venue_currency=universe.venue_currency,
        beta=inputs.beta,
        half_spread=np.zeros(len(universe)),
    )
    return limits_for(
        universe, inputs=inputs, thin=np.zeros(len(universe), dtype=bool),
        current_usd=np.zeros(len(universe)), config=config, scenarios=scenarios, **rest,
    )  # fmt: skip


def _price(plan: PortfolioPlan, limit: str, subject: str) -> float:
    found = {(price.limit, price.subject): price.usd_per_year for price in plan.shadow_prices}
    assert (limit, subject) in found, found
    return found[limit, subject]


def test_size_of_a_leg() -> None:
    """Leg a ETH may be 60,000 and its hedge more: the next dollar of the first is worth the pair's gain."""
    depth = np.array([np.nan, 30_000.0, np.nan, np.nan])
    config = loose(risk_limits=wide_limits(max_depth_participation_fraction=2.0))
    inputs = inputs_of(FOUR, rate=RATE, depth_usd=depth)
    plan = plan_of(inputs, universe=FOUR, config=config)
    limits = _limits(inputs, config)
    wider = replace(limits, upper=limits.upper + np.array([0, WIDER, 0, 0]))
    gain = _worth_usd(wider, inputs=inputs, config=config) - _worth_usd(limits, inputs=inputs, config=config)
    assert _price(plan, "depth of", "a ETH/USDT:USDT") == pytest.approx(gain / WIDER, rel=0.01)
    assert gain / WIDER == pytest.approx(3e-5 * YEAR - 4 * 5e-4 * YEAR / 240, rel=0.02)


def test_venue_beta() -> None:
    config = loose(venue_beta_band_fraction=0.1)
    inputs = inputs_of(FOUR, rate=RATE)
    plan = plan_of(inputs, universe=FOUR, config=config)
    limits = _limits(inputs, config)
    wider = replace(limits, venue_beta=limits.venue_beta + WIDER)
    gain = _worth_usd(wider, inputs=inputs, config=config) - _worth_usd(limits, inputs=inputs, config=config)
    prices = [_price(plan, "venue beta on", venue) for venue in "ab"]
    assert sum(prices) == pytest.approx(gain / WIDER, rel=0.01)


def test_gross_of_the_portfolio_and_of_a_base() -> None:
    config = loose(risk_limits=wide_limits(max_gross_notional_usd=400_000.0, max_base_notional_usd=150_000.0))
    inputs = inputs_of(FOUR, rate=RATE)
    limits = _limits(inputs, config)
    plan = plan_of(inputs, universe=FOUR, config=config)
    now = _worth_usd(limits, inputs=inputs, config=config)
    base = replace(limits, base_gross=limits.base_gross + np.array([0.0, WIDER]))
    gain = _worth_usd(base, inputs=inputs, config=config) - now
    assert _price(plan, "gross of base", "ETH") == pytest.approx(gain / WIDER, rel=0.01)


def test_collateral_on_a_venue_is_worth_what_its_survival_permits() -> None:
    """Venue b has little equity: the survival of its leg bounds the pair."""
    universe = universe_of("ab", ("BTC",))
    config = loose(risk_limits=wide_limits(survival_move_fraction=0.35))
    inputs = inputs_of(universe, rate=[0.0, 2e-5])
    equity = np.array([500_000.0, 20_000.0])
    plan = plan_of(inputs, universe=universe, config=config, collateral_usd=equity)
    assert plan.notional_target[0] == pytest.approx(20_000 / (0.35 * 1.01 + 0.01), rel=1e-3)
    limits = _limits(inputs, config, universe=universe, collateral_usd=equity)
    more = replace(limits.margin, collateral_usd=limits.margin.collateral_usd + np.array([0.0, WIDER]))
    now = _worth_usd(limits, inputs=inputs, config=config)
    gain = _worth_usd(replace(limits, margin=more), inputs=inputs, config=config) - now
    assert gain > 0
    assert _price(plan, "collateral on", "b") == pytest.approx(gain / WIDER, rel=0.01)


def test_what_does_not_bind_is_worth_nothing_and_prices_come_dearest_first() -> None:
    plan = plan_of(inputs_of(FOUR, rate=RATE), universe=FOUR)
    worth = [price.usd_per_year for price in plan.shadow_prices]
    assert worth == sorted(worth, reverse=True)
    assert {price.limit for price in plan.shadow_prices} == {"size of"}
    assert plan.shadow_prices[0].text.startswith("the next dollar of size of ")
    assert plan_of(inputs_of(FOUR, rate=0.0), universe=FOUR).shadow_prices == ()
