"""The cost at which the same trades earn nothing, by hand."""

import pytest

from funding_pipeline.validation.break_even import break_even_cost

PNL = {"funding": 100.0, "basis": 20.0, "fees": -30.0, "slippage": -10.0, "liquidation": 0.0}


def test_at_the_multiplier_the_net_is_zero() -> None:
    found = break_even_cost(PNL, traded_usd=100_000)
    times = found["multiplier"]
    assert times == pytest.approx(3.0)
    assert PNL["funding"] + PNL["basis"] + times * (PNL["fees"] + PNL["slippage"]) == pytest.approx(0)


def test_a_round_trip_is_four_trades_of_a_leg() -> None:
    found = break_even_cost(PNL, traded_usd=100_000)
    assert found["round_trip_bp_paid"] == pytest.approx(4 * 40 / 100_000 * 1e4)  # 16 bp of a leg's notional
    assert found["round_trip_bp"] == pytest.approx(48)


def test_losses_before_costs_and_no_trades() -> None:
    assert break_even_cost({**PNL, "funding": -50.0}, traded_usd=1e5)["multiplier"] == pytest.approx(-0.75)
    assert break_even_cost(dict.fromkeys(PNL, 0.0), traded_usd=0.0)["multiplier"] is None
