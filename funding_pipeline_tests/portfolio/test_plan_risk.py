"""Doubt about forecasts and risk of the basis, against closed forms."""

import numpy as np
import pytest

from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, loose, plan_of, universe_of

TWO = universe_of("ab", ("BTC",))
FOUR = universe_of("ab", ("BTC", "ETH"))
FEE, HOLD_HOURS, CAPITAL = 1e-4, 240.0, 1e6


@pytest.mark.parametrize(("factor", "opens"), [(0.97, False), (1.03, True)])
def test_doubt_is_taken_off_what_each_leg_is_expected_to_earn(factor: float, opens: bool) -> None:
    """Break-even: r = aversion (sd_a + sd_b) + 4 c / h."""
    sd, aversion = np.array([2e-6, 5e-6]), 0.8
    rate = factor * (aversion * sd.sum() + 4 * FEE / HOLD_HOURS)
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, rate], rate_sd=sd), universe=TWO, costs=costs_of(TWO, cost=FEE),
        config=loose(uncertainty_aversion=aversion),
    )  # fmt: skip
    assert plan.quantity_target.any() == opens


def test_an_unknown_doubt_counts_as_none() -> None:
    inputs = inputs_of(TWO, rate=[0.0, 1e-5], rate_sd=np.array([np.nan, np.nan]))
    assert plan_of(inputs, universe=TWO, config=loose(uncertainty_aversion=1.0)).quantity_target.any()


def test_size_under_residual_risk_has_its_closed_form() -> None:
    """Maximise g x - a / (2 C) (s_a^2 + s_b^2) x^2, g = r h - 4 c."""
    sd, aversion, rate = np.array([4e-3, 3e-3]), 2_000.0, 5e-6
    expected = (rate * HOLD_HOURS - 4 * FEE) * CAPITAL / aversion / float(sd @ sd)
    assert 1_000 < expected < 150_000
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, rate], basis_sd=sd), universe=TWO, costs=costs_of(TWO, cost=FEE),
        config=loose(risk_aversion=aversion),
    )  # fmt: skip
    assert plan.notional_target == pytest.approx([expected, -expected], rel=2e-3)


def test_what_is_common_to_a_venue_does_not_diversify_between_its_coins() -> None:
    """The net of a venue carries its factor: two coins share the size that one would have."""
    sd, aversion, rate = np.array([3e-3, 3e-3]), 2_000.0, 5e-6
    config = loose(risk_aversion=aversion)
    one = plan_of(
        inputs_of(TWO, rate=[0.0, rate], venue_basis_sd=sd), universe=TWO,
        costs=costs_of(TWO, cost=FEE), config=config,
    )  # fmt: skip
    two = plan_of(
        inputs_of(FOUR, rate=[0.0, 0.0, rate, rate], venue_basis_sd=sd), universe=FOUR,
        costs=costs_of(FOUR, cost=FEE), config=config,
    )  # fmt: skip
    expected = (rate * HOLD_HOURS - 4 * FEE) * CAPITAL / aversion / float(sd @ sd)
    assert 1_000 < expected < 150_000
    assert one.notional_target[0] == pytest.approx(expected, rel=2e-3)
    assert two.notional_target[:2].sum() == pytest.approx(expected, rel=2e-3)


def test_a_venue_hedged_in_itself_has_no_common_risk() -> None:
    """Long one coin and short another on the same venue: the factor cancels, and caps are reached."""
    rate = np.array([0.0, 1e-5, 1e-5, 0.0])  # a: BTC, ETH; b: BTC, ETH
    plan = plan_of(
        inputs_of(FOUR, rate=rate, venue_basis_sd=np.array([3e-3, 3e-3])), universe=FOUR,
        costs=costs_of(FOUR, cost=FEE), config=loose(risk_aversion=1e5),
    )  # fmt: skip
    assert np.abs(plan.notional_target) == pytest.approx(np.full(4, 150_000.0), rel=1e-3)


def test_unknown_risk_counts_as_none_and_not_as_an_error() -> None:
    inputs = inputs_of(
        TWO, rate=[0.0, 1e-5], basis_sd=np.array([np.nan, 1e-3]), venue_basis_sd=np.array([np.nan, 0.0])
    )
    plan = plan_of(inputs, universe=TWO, config=loose(risk_aversion=1.0))
    assert plan.status == "optimal"
    assert plan.quantity_target.any()
