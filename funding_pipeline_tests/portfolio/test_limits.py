"""The hard limits of a book: each by name, and what sets it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.limits import Limits, cvar, limits_for
from funding_pipeline.portfolio.scenarios import scenario_set
from funding_pipeline_tests.portfolio.situations import inputs_of, loose, universe_of, wide_limits

FOUR = universe_of("ab", ("BTC", "ETH"))  # a BTC, a ETH, b BTC, b ETH
NEUTRAL = np.array([100_000.0, 0.0, -100_000.0, 0.0])


def _limits(
    *, current: Floats | None = None, universe: Universe = FOUR, given: dict[str, Any] | None = None,
    rest: dict[str, Any] | None = None, **settings: Any,
) -> Limits:  # fmt: skip
    n = len(universe)
    inputs = inputs_of(universe, rate=0.0, **(given or {}))
    scenarios = scenario_set(
        universe, venue_currency=universe.venue_currency, beta=np.ones(n), half_spread=np.zeros(n)
    )
    return limits_for(
        universe, inputs=inputs, thin=np.zeros(n, dtype=bool), config=loose(**settings), scenarios=scenarios,
        current_usd=np.zeros(n) if current is None else current, **(rest or {}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "broken"),
    [
        ({}, set()),
        ({"leg_cap_fraction": 0.1}, {"leg_cap:a BTC/USDT:USDT", "leg_cap:b BTC/USDT:USDT"}),
        ({"gross_leverage": 0.15, "leg_cap_fraction": 1.0}, {"leg_cap", "venue_gross", "gross_cap"}),
        ({"venue_beta_band_fraction": 0.1}, {"venue_beta:a", "venue_beta:b"}),
        ({"max_scenario_cvar_fraction": 0.001}, {"scenario_cvar"}),
        ({"risk_limits": wide_limits(max_base_notional_usd=150_000)}, {"base_gross:BTC"}),
        ({"risk_limits": wide_limits(max_margin_fraction=0.001)}, {"margin:a", "margin:b"}),
        ({"risk_limits": wide_limits(max_venue_beta_usd=9_000)}, {"venue_beta:a", "venue_beta:b"}),
        ({"risk_limits": wide_limits(max_venue_notional_usd=9_000)}, {"venue_gross:a", "venue_gross:b"}),
    ],
)
def test_each_limit_has_its_name(settings: dict[str, Any], broken: set[str]) -> None:
    names = _limits(**settings).violations(NEUTRAL)
    assert {name for name in names if not any(name.startswith(b) for b in broken)} == set()
    assert all(any(name.startswith(b) for name in names) for b in broken)


def test_survival_and_the_net_of_bases_currencies_and_the_portfolio() -> None:
    poor = {"rest": {"collateral_usd": np.array([500_000.0, 30_000.0])}}
    limits = _limits(risk_limits=wide_limits(survival_move_fraction=0.35), **poor)
    assert limits.violations(NEUTRAL) == ("survival:b BTC/USDT:USDT",)
    naked = _limits(currency_band_fraction=0.05).violations(np.array([100_000.0, 0, 0, 0]))
    assert set(naked) == {"base_neutral:BTC", "currency_net:USDT", "portfolio_delta"}


def test_what_grows_is_bounded_by_depth_open_interest_and_volume_and_says_which() -> None:
    given = {
        "depth_usd": np.array([10_000.0, np.nan, 1e9, 1e9]),
        "open_interest_usd": np.array([1e9, 2e6, 1e9, 1e9]),
        "daily_volume_usd": np.array([1e9, 1e9, 4e5, np.nan]),
    }
    wide = wide_limits(max_depth_participation_fraction=2.0, max_open_interest_fraction=0.01)
    limits = _limits(given=given, risk_limits=wide, max_volume_fraction=0.02)
    assert limits.upper == pytest.approx([20_000, 20_000, 8_000, 150_000])
    assert limits.cap_source == ("depth of", "open interest of", "daily volume of", "size of")
    held = _limits(given=given, risk_limits=wide, max_volume_fraction=0.02, current=NEUTRAL)
    assert held.upper == pytest.approx([100_000, 20_000, 100_000, 150_000]), "what is held may stay"


def test_restrictions_are_bounds() -> None:
    current = np.array([50_000.0, 40_000.0, -50_000.0, -40_000.0])
    given = {
        "may_increase": np.array([False, True, True, True]),
        "must_close": np.array([False, True, False, False]),
        "frozen": np.array([False, False, True, False]),
        "price": np.array([100.0, 100.0, 100.0, np.nan]),
    }
    limits = _limits(current=current, given=given)
    assert limits.lower == pytest.approx([0, 0, -50_000, 0])
    assert limits.upper == pytest.approx([50_000, 0, -50_000, 0])


def test_bases_are_compared_at_one_price() -> None:
    """A venue that quotes 2 % higher carries the same quantity at a higher notional."""
    price = np.array([102.0, 100.0, 100.0, 100.0])
    even = np.array([102_000.0, 0.0, -100_000.0, 0.0])
    assert "base_neutral:BTC" not in _limits(given={"price": price}).violations(even)
    unknown = {"price": price, "reference_price": np.full(4, np.nan)}
    assert "base_neutral:BTC" not in _limits(given=unknown).violations(even)


def test_the_net_of_a_base_is_judged_in_lots() -> None:
    lots = Universe.of([Leg(venue, "X", "BTC", quantity_step=step) for venue, step in (("a", 1), ("b", 7))])
    limits = _limits(universe=lots)
    assert limits.base_net == pytest.approx([700.0])
    assert "base_neutral:BTC" not in limits.violations(np.array([50_699.0, -50_000.0]))
    assert "base_neutral:BTC" in limits.violations(np.array([50_701.0, -50_000.0]))


def test_delta_is_a_fraction_of_what_is_held_and_an_amount() -> None:
    limits = _limits(
        portfolio_delta_band_fraction=0.01, risk_limits=wide_limits(max_portfolio_delta_usd=1_500.0)
    )
    assert limits.delta_allowed(NEUTRAL / 2) == pytest.approx(1_000.0)
    assert limits.delta_allowed(NEUTRAL) == pytest.approx(1_500.0)


def test_binding_names_what_is_in_full_use() -> None:
    limits = _limits(venue_beta_band_fraction=0.2, leg_cap_fraction=0.3)
    assert limits.binding(NEUTRAL) == ("venue_beta:a", "venue_beta:b")


def test_binding_names_margin_survival_currency_and_the_whole_gross() -> None:
    limits = _limits(risk_limits=wide_limits(survival_move_fraction=0.35))
    margin = limits.margin.maintenance_usd(NEUTRAL)
    asked = 100_000 * limits.margin.survival[0] + margin
    assert limits.binding(NEUTRAL) == ()
    poor = replace(limits, margin=replace(limits.margin, collateral_usd=asked, max_fraction=1.0))
    assert poor.binding(NEUTRAL) == ("survival:a BTC/USDT:USDT", "survival:b BTC/USDT:USDT")
    tight = replace(limits.margin, max_fraction=float(margin[0] / limits.margin.collateral_usd[0]))
    assert replace(limits, margin=tight).binding(NEUTRAL) == ("margin:a", "margin:b")
    assert replace(limits, gross_cap=200_000.0).binding(NEUTRAL) == ("gross_cap",)
    one_sided = np.array([100_000.0, 0.0, 0.0, 0.0])
    assert replace(limits, currency_net=100_000.0).binding(one_sided) == ("currency_net:USDT",)


@given(
    losses=st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5),
    weight=st.lists(st.integers(1, 9), min_size=5, max_size=5),
)
def test_cvar_is_the_mean_of_the_worst_by_weight(losses: list[float], weight: list[int]) -> None:
    """Against its other definition: the least over c of c + mean excess over c / (1 - level)."""
    loss, p = np.array(losses), np.array(weight) / sum(weight)
    other = min(c + float(p @ np.maximum(loss - c, 0)) / 0.2 for c in losses)
    assert cvar(loss, p, level=0.8) == pytest.approx(other, abs=1e-3)
