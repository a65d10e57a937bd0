"""What the state of the market stops: growth, up to a share of a limit; never a reduction."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.market_state import MarketState, Unusual, calm_state, market_state_of
from funding_pipeline.models.market_state import MARKET_STATE_SCHEMA
from funding_pipeline.models.regimes import CALM_CARRY, STRESS
from funding_pipeline_tests.execution.books import (
    FLAT,
    HELD,
    NOW,
    PAIR,
    Legs,
    allowed,
    book,
    limits,
    market,
    numbers,
    symbol,
    verdict_of,
)

GROSS = limits(max_gross_notional_usd=250_000.0)
"""PAIR is 200,000 USD gross, HELD 100,000."""
HALF = {("a", "BTC"): "1.25", ("b", "BTC"): "-1.25"}
"""Half of GROSS."""


def state(severity: str | None, *, regime: str = CALM_CARRY, age_hours: float = 0.0) -> MarketState:
    return MarketState(NOW - timedelta(hours=age_hours), regime, Unusual(severity, "volatility is 5 %"))


def under(
    found: MarketState | None, limit: RiskLimits = GROSS, *, held: Legs | None = None, plan: Legs = PAIR
) -> RiskVerdict:
    return verdict_of(plan, book(held), under=limit, knowing=replace(market(), state=found))


@pytest.mark.parametrize("severity", ["none", "notice"])
def test_what_is_only_noticed_stops_nothing(severity: str) -> None:
    assert allowed(under(state(severity))) == numbers(PAIR)


def test_in_an_alarm_nothing_grows_and_what_reduces_is_done() -> None:
    verdict = under(state("alarm"), held=HELD)
    assert allowed(verdict) == numbers(HELD)
    assert (
        verdict.legs[0]
        .reasons[0]
        .startswith("market alarm (volatility is 5 %): max_alarm_fraction of portfolio: 200,000 USD, limit 0")
    )
    assert allowed(under(state("alarm"), held=PAIR, plan=HELD)) == numbers(HELD)
    assert allowed(under(state("alarm"), held=HELD, plan=FLAT)) == numbers(FLAT)


def test_in_a_warning_the_book_grows_to_half_and_not_past_it_in_two_steps() -> None:
    first = under(state("warning"))
    assert allowed(first) == numbers(HALF)
    assert allowed(under(state("warning"), held=HALF)) == numbers(HALF)
    assert allowed(under(state("warning"), held=PAIR)) == numbers(PAIR), "nothing is closed for it"


def test_stress_allows_a_share_too_and_the_tightest_counts() -> None:
    assert allowed(under(state("none", regime=STRESS)))["a", "BTC"] == Decimal("1.5")
    both = under(state("warning", regime=STRESS))
    assert allowed(both) == numbers(HALF)
    assert {breach.limit_name for breach in both.breaches} == {"max_stress_fraction", "max_warning_fraction"}


@pytest.mark.parametrize(
    "found", [None, state(None), state("none", age_hours=13), state("none", age_hours=-13)]
)
def test_a_state_that_is_unknown_or_old_is_a_warning(found: MarketState | None) -> None:
    assert allowed(under(found)) == numbers(HALF)


def test_an_old_alarm_still_stops_and_an_old_calm_does_not_loosen_it() -> None:
    assert allowed(under(state("alarm", age_hours=24))) == numbers(FLAT)


def test_an_unusual_instrument_stops_its_base_alone() -> None:
    found = replace(calm_state(NOW), instruments={("a", symbol("BTC")): Unusual("alarm", "basis is 900 bp")})
    plan = {**PAIR, ("a", "ETH"): "10", ("b", "ETH"): "-10"}
    verdict = under(found, plan=plan)
    assert allowed(verdict) == numbers({**plan, **FLAT})
    assert "alarm (basis is 900 bp): max_alarm_fraction of a BTC" in verdict.legs[0].reasons[0]


def test_a_warned_instrument_grows_to_half_of_the_largest_leg() -> None:
    found = replace(calm_state(NOW), instruments={("b", symbol("BTC")): Unusual("warning")})
    verdict = under(found, limits(max_instrument_notional_usd=100_000.0))
    assert allowed(verdict) == numbers({("a", "BTC"): "1", ("b", "BTC"): "-1"})


def test_shares_can_be_tightened_and_not_loosened() -> None:
    tighter = GROSS.tightened({"max_warning_fraction": 0.2, "max_stress_fraction": 0.1})
    assert allowed(under(state("warning"), tighter)) == numbers({("a", "BTC"): "0.5", ("b", "BTC"): "-0.5"})
    assert allowed(under(state("none", regime=STRESS), tighter))["a", "BTC"] == Decimal("0.25")


def test_the_age_grows_with_the_speed_of_a_testnet() -> None:
    assert RiskLimits().at_speed(60).max_market_state_age_hours == 720


def test_a_long_reason_is_cut() -> None:
    verdict = under(replace(state("alarm"), market=Unusual("alarm", "x" * 1000)))
    assert len(verdict.legs[0].reasons[0]) < 400


def test_the_table_is_read_as_it_was_written() -> None:
    rows = [
        (NOW, "market", "market", "market", "warning", STRESS, "volatility"),
        (NOW, "a", symbol("BTC"), "BTC", "none", None, ""),
        (NOW, "b", symbol("BTC"), "BTC", None, None, ""),
    ]
    frame = pl.DataFrame(rows, schema=MARKET_STATE_SCHEMA, orient="row")
    found = market_state_of(frame)
    assert found is not None
    assert (found.judged_at, found.regime, found.market) == (NOW, STRESS, Unusual("warning", "volatility"))
    assert found.of(("a", symbol("BTC"))) == Unusual("none")
    assert found.of(("b", symbol("BTC"))) == found.of(("c", "?")) == Unusual(None)
    assert market_state_of(frame.clear()) is None
