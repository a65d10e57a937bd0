"""Terms of listed instruments: grids by the price, contract sizes, brackets that are continuous."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.testnet.listing import brackets, listed, power_of_ten


def test_hyperliquids_margin_of_a_large_position() -> None:
    """40x to 150 million USD, 20x above: 200 million need 3.125 million."""
    tier = brackets("hyperliquid_major")[1]
    assert Decimal(200_000_000) * tier.maintenance_rate - tier.deduction == Decimal(3_125_000)


def test_deductions_of_the_major_brackets() -> None:
    assert [tier.deduction for tier in brackets("major")][:3] == [0, 50, 1300]


@pytest.mark.parametrize("name", ["major", "other", "hyperliquid_major", "hyperliquid_other"])
def test_margin_is_continuous_at_every_edge_and_below_the_initial_one(name: str) -> None:
    tiers = brackets(name)
    for lower, upper in pairwise(tiers):
        assert lower.cap is not None
        edge = [lower.cap * tier.maintenance_rate - tier.deduction for tier in (lower, upper)]
        assert edge[0] == edge[1]
        assert lower.max_leverage > upper.max_leverage
    assert tiers[-1].cap is None
    assert all(tier.maintenance_rate < Decimal(1) / tier.max_leverage for tier in tiers)


def test_okx_counts_a_rate_for_the_whole_position() -> None:
    symbol = "BTC/USDT:USDT"
    terms = {
        venue: listed(venue, symbol, parse_symbol(symbol), typical_price=4e4, listed_at=5).tiers
        for venue in ("okx", "bybit")
    }
    assert {tier.deduction for tier in terms["okx"]} == {0}
    assert [replace(tier, deduction=Decimal(0)) for tier in terms["bybit"]] == list(terms["okx"])


def test_a_base_that_is_not_configured_goes_by_its_price() -> None:
    symbol = "1000PEPE/USDT:USDT"
    terms = listed("okx", symbol, parse_symbol(symbol), typical_price=0.0123, listed_at=5)
    assert terms.tick == Decimal("0.0000001")
    assert terms.contract_size == 1000
    assert terms.step == 100
    assert terms.quoted == "1000PEPE"
    assert (terms.maker_fee, terms.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))


def test_powers_of_ten() -> None:
    assert [str(power_of_ten(x)) for x in (0.3, 0.1, 1.0, 999.0, 0.0099)] == [
        "0.1",
        "0.1",
        "1",
        "100",
        "0.001",
    ]
