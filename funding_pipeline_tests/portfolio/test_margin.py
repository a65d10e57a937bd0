"""Collateral that a book uses, against a full revaluation of the test move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.portfolio.margin import margin_rule
from funding_pipeline_tests.portfolio.situations import (
    costs_of,
    inputs_of,
    loose,
    plan_of,
    universe_of,
    wide_limits,
)

TWO = universe_of("ab", ("BTC",))
SIX = universe_of("ab", ("BTC", "ETH", "SOL"))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_survival_is_equity_above_maintenance_after_the_move_of_one_leg(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maintenance, move = rng.uniform(0.004, 0.05, 6), 0.35
    equity, book = rng.uniform(0, 2e5, 2), rng.normal(0, 1e5, 6) * (rng.random(6) > 0.3)
    inputs = inputs_of(SIX, rate=0.0, maintenance_fraction=maintenance)
    rule = margin_rule(
        SIX, inputs=inputs, collateral_usd=equity,
        limits=wide_limits(survival_move_fraction=move, collateral_haircut_fraction=0.05),
    )  # fmt: skip
    shortfall = rule.shortfall_usd(book)
    for leg in np.flatnonzero(book):
        after = np.abs(book)
        after[leg] *= 1 + move  # a short in a rise: both loss and margin grow
        venue = SIX.venue_index[leg]
        left = equity[venue] * 0.95 - move * abs(book[leg])
        needed = float(((SIX.venue_index == venue) * maintenance * after).sum())
        assert shortfall[leg] == pytest.approx(needed - left, abs=1e-6)
    assert (shortfall[book == 0] == -np.inf).all()


def test_size_on_little_collateral_has_its_closed_form() -> None:
    """E (1 - haircut) = x (move (1 + m) + m) on the poorer venue."""
    limits = wide_limits(survival_move_fraction=0.35, collateral_haircut_fraction=0.05)
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, 1e-4]), universe=TWO, config=loose(risk_limits=limits),
        collateral_usd=np.array([500_000.0, 20_000.0]),
    )  # fmt: skip
    expected = 20_000 * 0.95 / (0.35 * 1.01 + 0.01)
    assert plan.notional_target == pytest.approx([expected, -expected], rel=1e-3)


def test_maintenance_margin_takes_at_most_its_share() -> None:
    limits = wide_limits(max_margin_fraction=0.1)
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, 1e-4], maintenance_fraction=np.array([0.01, 0.05])), universe=TWO,
        config=loose(risk_limits=limits), collateral_usd=np.array([500_000.0, 40_000.0]),
    )  # fmt: skip
    assert plan.notional_target[0] == pytest.approx(0.1 * 40_000 / 0.05, rel=1e-3)


@pytest.mark.parametrize("equity", [0.0, -5_000.0])
def test_a_venue_without_equity_holds_nothing(equity: float) -> None:
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, 1e-4]), universe=TWO, held_usd=[30_000.0, -30_000.0],
        costs=costs_of(TWO), collateral_usd=np.array([500_000.0, equity]),
    )  # fmt: skip
    assert plan.status == "optimal"
    assert not plan.quantity_target.any()
