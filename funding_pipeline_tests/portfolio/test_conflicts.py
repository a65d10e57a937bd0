"""When limits cannot be kept together: which, in words, and only reducing."""

from dataclasses import replace

import numpy as np
import pytest

from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, loose, plan_of, problem_of

VENUES = Universe.of(
    [Leg(venue, f"{base}/USDT:USDT", base) for venue in ("gate", "okx") for base in ("BTC", "SOL")]
)  # gate BTC, gate SOL, okx BTC, okx SOL
GATE_SOL = np.array([False, True, False, False])
NO_BTC = np.array([True, False, True, False])


def test_a_frozen_leg_that_breaks_its_venues_band_is_named() -> None:
    held = np.array([0.0, 120_000.0, 0.0, -120_000.0])
    plan = plan_of(
        inputs_of(VENUES, rate=0.0, frozen=GATE_SOL, may_increase=~NO_BTC), universe=VENUES, held_usd=held,
        config=loose(venue_beta_band_fraction=0.10),
    )  # fmt: skip
    assert plan.status == "reduced"
    assert "status infeasible" in plan.status_reason
    assert "venue beta on gate" in plan.status_reason
    assert "conflicts with size of gate SOL/USDT:USDT" in plan.status_reason, plan.status_reason
    assert plan.notional_target == pytest.approx(held), "its hedge stays: without it the book is naked"


def test_the_band_is_kept_by_other_coins_where_they_may_be_traded() -> None:
    held = np.array([0.0, 120_000.0, 0.0, -120_000.0])
    plan = plan_of(
        inputs_of(VENUES, rate=0.0, frozen=GATE_SOL), universe=VENUES, held_usd=held,
        config=loose(venue_beta_band_fraction=0.10),
    )  # fmt: skip
    assert plan.status == "optimal"
    assert plan.notional_target == pytest.approx([-70_000, 120_000, 70_000, -120_000], rel=1e-3)


def test_everything_else_may_only_shrink() -> None:
    """A spread that would be taken is not; what is over a limit comes inside."""
    held = np.array([200_000.0, 120_000.0, -200_000.0, -120_000.0])
    plan = plan_of(
        inputs_of(VENUES, rate=[0.0, 0.0, 1e-4, 1e-4], frozen=GATE_SOL, may_increase=~NO_BTC),
        universe=VENUES, held_usd=held,
        config=loose(venue_beta_band_fraction=0.10),
    )  # fmt: skip
    after = plan.notional_target
    assert plan.status == "reduced"
    assert (np.abs(after) <= np.abs(held)).all()
    assert (after * held >= 0).all()
    assert after[1] == held[1]
    assert VENUES.base_matrix @ after == pytest.approx([0, 0], abs=1.0)
    assert abs(after[0]) <= 150_000 + 1


def test_a_hedge_above_its_cap_stays_and_says_why() -> None:
    held = np.array([0.0, 200_000.0, 0.0, -200_000.0])
    plan = plan_of(inputs_of(VENUES, rate=0.0, frozen=GATE_SOL), universe=VENUES, held_usd=held)
    assert plan.status == "reduced"
    assert plan.notional_target == pytest.approx(held)
    assert "size of okx SOL/USDT:USDT stays: it hedges what is frozen" in plan.status_reason


def test_a_frozen_leg_without_its_hedge_is_said() -> None:
    held = np.array([0.0, 50_000.0, 0.0, -20_000.0])
    closed = np.array([False, False, False, True])
    plan = plan_of(
        inputs_of(VENUES, rate=0.0, frozen=GATE_SOL, must_close=closed, may_increase=~closed),
        universe=VENUES, held_usd=held,
    )  # fmt: skip
    assert plan.status == "reduced"
    assert "base neutrality of SOL" in plan.status_reason
    assert plan.notional_target == pytest.approx([0, 50_000.0, 0, 0])


def test_a_frozen_leg_inside_the_limits_is_planned_around() -> None:
    """Its hedge follows it, and the rest of the book is optimised as ever."""
    held = np.array([0.0, 40_000.0, 0.0, -10_000.0])
    plan = plan_of(
        inputs_of(VENUES, rate=[0.0, 0.0, 1e-4, 0.0], frozen=GATE_SOL), universe=VENUES, held_usd=held
    )
    assert plan.status == "optimal"
    assert plan.notional_target == pytest.approx([150_000, 40_000, -150_000, -40_000], rel=1e-3)
    assert plan.quantity_target[1] == plan.quantity_before[1]


def test_what_whole_lots_leave_between_frozen_legs_is_no_conflict() -> None:
    """Both legs of a base are frozen, a fraction of a lot apart: nobody can mend that, nobody has to."""
    lots = Universe.of([replace(leg, quantity_step=1.0) for leg in VENUES.legs])
    held = np.array([0.0, 40_000.0, 0.0, -39_950.0])
    frozen = np.array([False, True, False, True])
    plan = plan_of(inputs_of(lots, rate=[0.0, 0.0, 1e-4, 0.0], frozen=frozen), universe=lots, held_usd=held)
    assert plan.status == "optimal"
    assert plan.notional_target == pytest.approx([149_900, 40_000, -149_900, -39_950], rel=1e-3)


def test_a_position_without_a_price_is_left_with_its_hedges_and_named() -> None:
    price = np.array([np.nan, 100.0, 100.0, 100.0])
    quantities = np.array([5.0, 0.0, -5.0, 0.0])  # gate BTC has no price
    inputs = inputs_of(
        VENUES, rate=[0.0, 0.0, 0.0, 1e-4], price=price, may_increase=np.isfinite(price),
        must_close=np.isnan(price),
    )  # fmt: skip
    plan = plan_portfolio(
        inputs=inputs, quantities=quantities, problem=problem_of(VENUES), universe=VENUES,
        costs=costs_of(VENUES), config=loose(),
    )  # fmt: skip
    assert (plan.quantity_target == quantities).all()
    assert plan.status != "optimal"
    assert "base neutrality of BTC" in plan.status_reason
    assert "cannot be valued" in plan.reasons[0]
    assert np.isfinite([plan.gross_usd, plan.expected_cost_usd, plan.portfolio_delta_usd]).all()
