"""Markets become terms, or are refused by name."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.listing import leverage_tiers, listing, step_of
from funding_pipeline.venues.registry import DIALECTS, PUBLIC_VENUES, VENUES_FOR_TRADING, dialect_of


class Somewhere(VenueDialect):
    """A venue with nothing special."""

    name = "somewhere"


def market(symbol: str = "BTC/USDT:USDT", **changes: Any) -> dict[str, Any]:
    plain = {
        "id": symbol.partition("/")[0],
        "symbol": symbol,
        "swap": True,
        "linear": True,
        "settle": "USDT",
        "contractSize": 0.01,
        "precision": {"price": 0.1, "amount": 1},
        "limits": {"amount": {"min": 2}, "cost": {"min": 5}},
        "maker": 0.0002,
        "taker": 0.0005,
        "active": True,
        "created": 1_704_067_200_000,
    }
    return {**plain, **changes}


def test_steps_are_in_coins_not_in_contracts() -> None:
    terms = listing(Somewhere(), [market()], 4, {"BTC/USDT:USDT": 8.0}).terms[0]
    assert terms.quantity_step == Decimal("0.01")
    assert terms.min_quantity == Decimal("0.02")
    assert terms.price_tick == Decimal("0.1")
    assert terms.min_notional == 5
    assert terms.interval_hours == 8.0
    assert terms.contract_type == "linear"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contractSize": None}, "contract size unknown"),
        ({"contractSize": 0}, "contract size unknown"),
        ({"settle": None}, "settle currency unknown"),
        ({"settle": "USDC"}, "settle currency unknown"),
        ({"precision": {"price": None, "amount": 1}}, "price tick unknown"),
        ({"symbol": "BTC/USDT:XYZ"}, "settles in XYZ"),
        ({"symbol": "BTC/USDT:USDT-240628"}, "is not a perpetual"),
    ],
)
def test_what_is_unknown_is_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    found = listing(Somewhere(), [market("ETH/USDT:USDT"), market(**changes)], 4, {})
    assert [terms.symbol for terms in found.terms] == ["ETH/USDT:USDT"]
    symbol, told = next(iter(found.refused.items()))
    assert symbol in told
    assert reason in told


@pytest.mark.parametrize(
    ("symbol", "base", "multiplier"),
    [
        ("1000PEPE/USDT:USDT", "PEPE", 1000),
        ("kPEPE/USDC:USDC", "PEPE", 1000),
        ("PEPE/USDT:USDT", "PEPE", 1),
        ("1MBABYDOGE/USDT:USDT", "BABYDOGE", 1_000_000),
        ("1INCH/USDT:USDT", "1INCH", 1),
    ],
)
def test_multipliers_are_in_the_name(symbol: str, base: str, multiplier: float) -> None:
    settle = symbol.rpartition(":")[2]
    assert listing(Somewhere(), [market(symbol, settle=settle)], 4, {}).refused == {}
    assert (parse_symbol(symbol).base, parse_symbol(symbol).multiplier) == (base, multiplier)


def test_what_the_venue_module_does_not_serve_is_not_listed() -> None:
    dated = market(swap=False, future=True, expiry=1_735_286_400_000)
    inverse = market("ETH/USD:ETH", linear=False, inverse=True, base="ETH", settle="ETH")
    found = listing(Somewhere(), [dated, inverse], 4, {})
    assert (found.terms, dict(found.refused)) == ((), {})


def test_precision_as_a_step_or_as_decimal_places() -> None:
    assert step_of(0.001, 4) == Decimal("0.001")
    assert step_of(1e-7, 4) == Decimal("1E-7")
    assert step_of(3, 2) == Decimal("0.001")
    assert step_of(0, 2) == 1
    assert step_of(0, 4) is None
    assert step_of(None, 4) is None
    assert step_of(5, 3) is None  # significant digits are no step


BRACKETS = [
    {"minNotional": low, "maxNotional": high, "maintenanceMarginRate": rate, "maxLeverage": 20}
    for low, high, rate in ((0, 50_000, 0.004), (50_000, 250_000, 0.005), (250_000, 1_000_000, 0.01))
]


def test_deductions_make_maintenance_margin_continuous() -> None:
    tiers = leverage_tiers(dialect_of("binance"), "BTC/USDT:USDT", BRACKETS)
    assert [tier.deduction for tier in tiers] == [0, 50, 1_300]
    for lower, upper in itertools.pairwise(tiers):
        edge = upper.floor
        assert (
            edge * lower.maintenance_rate - lower.deduction == edge * upper.maintenance_rate - upper.deduction
        )


@pytest.mark.parametrize("venue", PUBLIC_VENUES)
def test_a_rate_counts_for_the_whole_position_unless_the_venue_says_otherwise(venue: str) -> None:
    is_progressive = venue in ("binance", "bybit", "gate", "hyperliquid")
    tiers = leverage_tiers(dialect_of(venue), "BTC/USDT:USDT", BRACKETS)
    at_a_million = 1_000_000 * tiers[2].maintenance_rate - tiers[2].deduction
    assert at_a_million == (8_700 if is_progressive else 10_000)


def test_a_tier_begins_where_the_one_below_ends() -> None:
    told = [{**bracket, "minNotional": bracket["minNotional"] + 1} for bracket in BRACKETS]
    tiers = leverage_tiers(dialect_of("okx"), "BTC/USDT:USDT", told)
    assert [(tier.floor, tier.cap) for tier in tiers[1:]] == [(50_000, 250_000), (250_000, 1_000_000)]


def test_every_venue_for_trading_is_registered_and_can_trade() -> None:
    assert set(VENUES_FOR_TRADING) <= set(PUBLIC_VENUES) == set(DIALECTS)
    for name in VENUES_FOR_TRADING:
        dialect = dialect_of(name)
        assert (dialect.name, dialect.can_trade) == (name, True)
    with pytest.raises(SettingsError, match="unknown venue 'ftx'; known: binance"):
        dialect_of("ftx")
