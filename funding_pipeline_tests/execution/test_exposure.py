"""Exposure and margin by worked examples; liquidation distance against a search."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.trading import LeverageTier, PositionState
from funding_pipeline.execution.exposure import exposure
from funding_pipeline.execution.margin import (
    NEVER,
    cushion_after,
    liquidation_distance,
    maintenance_margin,
)
from funding_pipeline_tests.execution.books import book, facts, market, position, symbol, tiers

TIERS = tiers("a", "BTC")
BOOK = book(
    {("a", "BTC"): "1", ("b", "BTC"): "-0.9", ("a", "SOL"): "-100", ("b", "SOL"): "100"},
    equity={"a": "100000", "b": "50000", "c": "10000"},
)


def test_maintenance_margin_is_continuous_over_the_brackets() -> None:
    assert maintenance_margin(TIERS, Decimal(50_000)) == 200
    assert maintenance_margin(TIERS, Decimal(100_000)) == 450
    assert maintenance_margin(TIERS, Decimal(250_000)) == 1_200
    assert maintenance_margin(TIERS, Decimal(1_000_000)) == 8_700
    assert maintenance_margin(TIERS[::-1], Decimal(0)) == 0
    assert maintenance_margin((), Decimal(1)) is None


def test_hyperliquid_tiers_of_two_hundred_millions() -> None:
    # 40x to 150 million, 20x above: maintenance is half of the initial rate
    low = LeverageTier("h", "BTC", Decimal(0), Decimal("150e6"), Decimal("0.0125"), Decimal(0), Decimal(40))
    high = LeverageTier("h", "BTC", Decimal("150e6"), None, Decimal("0.025"), Decimal("1875000"), Decimal(20))
    assert maintenance_margin((low, high), Decimal("200e6")) == 3_125_000


def test_a_short_of_three_ether_is_liquidated_at_the_published_price() -> None:
    tier = LeverageTier("d", "ETH", Decimal(0), None, Decimal("0.05"), Decimal(0), Decimal(20))
    distance = liquidation_distance(
        (tier,), Decimal(-9_000), collateral=Decimal(1_000), other_margin=Decimal(0)
    )
    assert distance is not None
    assert 3_000 * (1 + float(distance)) == pytest.approx(3_174.60, abs=0.005)


def test_deltas_beta_gross_and_what_is_not_hedged() -> None:
    found = exposure(BOOK, market=market())
    assert found.portfolio_delta_usd == 5_000
    assert found.base_delta_usd == {"BTC": Decimal("5000"), "SOL": 0}
    assert found.unhedged_usd == 5_000
    assert found.gross_usd == 115_000
    assert found.equity_usd == 160_000
    a, b = found.venues["a"], found.venues["b"]
    assert [a.gross_usd, a.net_usd, a.beta_usd] == [Decimal(n) for n in (60_000, 40_000, 30_000)]
    assert b.beta_usd == -25_000
    assert a.margin_fraction == (200 + 40) / Decimal(100_000)
    assert found.venues["c"].gross_usd == 0
    assert found.collateral_by_currency == {"USDT": 160_000}
    assert [text for text in found.unknowns if "ADL" not in text] == []


def test_each_leg_alone_on_its_venues_collateral() -> None:
    # b: short 45,000 rises 35 %: loss 15,750, maintenance 60,750 x 0.005 - 50; SOL asks for 40 beside it
    need = Decimal("15750") + Decimal("253.75") + 40
    for equity, survives in ((need, True), (need - Decimal("0.01"), False)):
        one = replace(BOOK, venues={**BOOK.venues, "b": replace(BOOK.venues["b"], equity_usd=equity)})
        legs = {(leg.venue, leg.base): leg for leg in exposure(one, market=market()).legs}
        short = legs["b", "BTC"]
        assert short.survives is survives
        assert short.liquidation_distance_fraction == pytest.approx(Decimal("0.35"), abs=Decimal("1e-6"))
    assert not next(
        leg for leg in exposure(one, market=market(), haircut_fraction=0.05).legs if leg.venue == "b"
    ).survives


def test_what_is_not_known_is_named_and_is_no_zero() -> None:
    untold = replace(BOOK.venues["b"], equity_usd=None, positions=(_without_mark(),), marks={})
    one = replace(BOOK, venues={**BOOK.venues, "b": untold}, betas={"SOL": 2.0})
    found = exposure(one, market=market(facts("b", "BTC", price=None)))
    assert found.portfolio_delta_usd is None
    assert found.gross_usd is None
    assert found.equity_usd is None
    assert found.unhedged_usd is not None  # net units are known, and the base has a price elsewhere
    assert found.venues["b"].beta_usd is None
    assert found.venues["a"].beta_usd is None
    assert "equity of b" in found.unknowns
    assert f"price of b {symbol('BTC')}" in found.unknowns
    assert f"beta of a {symbol('BTC')}" in found.unknowns
    missing = exposure(replace(BOOK, expected_venues=frozenset("abz")))
    assert missing.gross_usd is None
    assert "book of z" in missing.unknowns


def _without_mark() -> PositionState:
    return position("b", "BTC", "-1", mark_price=None)


def test_margin_that_the_venue_told_is_used_where_tiers_are_not_known() -> None:
    told = replace(BOOK.venues["c"], positions=(position("c", "ETH", "1", maintenance_margin=Decimal(20)),))
    one = replace(BOOK, venues={"c": told})
    found = exposure(one)
    assert found.venues["c"].margin_fraction == Decimal("0.002")
    assert found.legs[0].survives is None
    assert found.venues["c"].nearest_liquidation_fraction is None


def test_a_long_whose_collateral_outlasts_a_price_of_zero_is_never_liquidated() -> None:
    assert (
        liquidation_distance(TIERS, Decimal(100), collateral=Decimal(101), other_margin=Decimal(0)) == NEVER
    )
    assert liquidation_distance(TIERS, Decimal(0), collateral=Decimal(-1), other_margin=Decimal(0)) == NEVER


@settings(deadline=None, derandomize=True)
@given(st.integers(-900_000, 900_000).filter(bool), st.integers(0, 400_000), st.integers(0, 5_000))
def test_the_distance_is_where_the_cushion_is_zero(notional: int, collateral: int, others: int) -> None:
    known = {"collateral": Decimal(collateral), "other_margin": Decimal(others)}
    distance = liquidation_distance(TIERS, Decimal(notional), **known)
    assert distance is not None
    if distance == NEVER:
        left = cushion_after(TIERS, Decimal(notional), **known, move=Decimal(1))
        assert left is not None
        assert left >= 0
    elif distance > 0:
        before = cushion_after(TIERS, Decimal(notional), **known, move=distance * Decimal("0.999"))
        after = cushion_after(TIERS, Decimal(notional), **known, move=distance * Decimal("1.001"))
        assert before is not None
        assert after is not None
        assert before >= 0 >= after
    else:
        now = cushion_after(TIERS, Decimal(notional), **known, move=Decimal(0))
        assert now is not None
        assert now <= 0
