"""Worked examples of payments, profits and margins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.validation.payoffs import (
    MarginBracket,
    bracket_maintenance_margin,
    brackets_are_continuous,
    break_even_days,
    deribit_rate_8h,
    funding_rate_8h,
    hyperliquid_rate_per_hour,
    inverse_funding_coin,
    inverse_pnl_coin,
    leverage_brackets,
    linear_funding,
    liquidation_price,
)

BINANCE = (
    MarginBracket(floor_usd=0, rate=0.004, deduction_usd=0),
    MarginBracket(floor_usd=50_000, rate=0.005, deduction_usd=50),
    MarginBracket(floor_usd=250_000, rate=0.01, deduction_usd=1_300),
)


def test_inverse_long_pays_in_coin() -> None:
    paid = inverse_funding_coin(contracts=10_000, contract_value=1, mark=5_000, rate=0.00025)
    assert paid == pytest.approx(-0.0005)


def test_inverse_round_trip_with_one_settlement() -> None:
    funding = inverse_funding_coin(contracts=15_000, contract_value=1, mark=750, rate=0.0025)
    price = inverse_pnl_coin(contracts=15_000, contract_value=1, entry=750, exit_price=800)
    assert funding == pytest.approx(-0.05)
    assert price == pytest.approx(1.25)
    assert price + funding == pytest.approx(1.20)


def test_hyperliquid_one_percent_premium() -> None:
    assert funding_rate_8h(0.01) == pytest.approx(0.0095)
    rate = hyperliquid_rate_per_hour(0.01)
    assert rate == pytest.approx(0.0011875)
    assert linear_funding(quantity=10, reference_price=10_000, rate=rate) == pytest.approx(-118.75)


def test_hyperliquid_recorded_premium() -> None:
    assert hyperliquid_rate_per_hour(-0.0005591732) == pytest.approx(-0.0000073966, abs=1e-10)


@given(premium=st.floats(-0.0004, 0.0006))
def test_the_plateau_of_the_common_formula(premium: float) -> None:
    assert funding_rate_8h(premium) == pytest.approx(0.0001, abs=1e-15)


def test_deribit_dampener() -> None:
    assert deribit_rate_8h(mark=10_010, index=10_000) == pytest.approx(0.00075)
    assert deribit_rate_8h(mark=9_990, index=10_000) == pytest.approx(-0.00075)
    assert deribit_rate_8h(mark=10_001, index=10_000) == 0


def test_dydx_liquidation() -> None:
    price = liquidation_price(quantity=-3, entry=3_000, equity=1_000, maintenance_fraction=0.05)
    assert price == pytest.approx(3_174.60, abs=0.005)


def test_a_fully_paid_long_cannot_be_liquidated() -> None:
    assert liquidation_price(quantity=1, entry=100, equity=100, maintenance_fraction=0.05) is None


def test_binance_brackets_are_continuous_at_every_edge() -> None:
    assert brackets_are_continuous(BINANCE)
    assert bracket_maintenance_margin(50_000, BINANCE) == pytest.approx(200)
    assert bracket_maintenance_margin(-250_000, BINANCE) == pytest.approx(1_200)
    assert bracket_maintenance_margin(1_000_000, BINANCE) == pytest.approx(8_700)
    mistyped = (*BINANCE[:2], MarginBracket(floor_usd=250_000, rate=0.01, deduction_usd=1_000))
    assert not brackets_are_continuous(mistyped)


def test_hyperliquid_btc_tiers() -> None:
    brackets = leverage_brackets([(0, 40), (150e6, 20)])
    assert bracket_maintenance_margin(200e6, brackets) == pytest.approx(3.125e6)
    assert brackets_are_continuous(brackets)


def test_round_trip_break_even() -> None:
    assert break_even_days(round_trip_fraction=0.0025, spread_per_year=0.10) == pytest.approx(9.1, abs=0.05)
    assert break_even_days(round_trip_fraction=0.0025, spread_per_year=0.0) == float("inf")


@given(entry=st.floats(1, 1e5), move=st.floats(0.5, 2), usd=st.floats(-1e6, 1e6))
def test_an_inverse_contract_earns_its_base_quantity_in_usd(entry: float, move: float, usd: float) -> None:
    """Coin profit swept at the exit price is quantity * (P1 - P0) with quantity = contracts / P0."""
    exit_price = entry * move
    coin = inverse_pnl_coin(contracts=usd, contract_value=1, entry=entry, exit_price=exit_price)
    assert coin * exit_price == pytest.approx(usd / entry * (exit_price - entry), rel=1e-9, abs=1e-6)
