"""The verdict where something is old or not known: refused by name, never taken as zero."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline_tests.execution.books import (
    FLAT,
    HELD,
    NOW,
    PAIR,
    allowed,
    book,
    facts,
    market,
    numbers,
    verdict_of,
)


def test_old_data_books_and_models_stop_growth() -> None:
    old = NOW - timedelta(hours=300)
    stale = verdict_of(PAIR, book(HELD), knowing=market(facts("b", "BTC", observed_at=old)))
    assert allowed(stale) == numbers(HELD)
    assert stale.breaches[0].limit_name == "max_data_age_seconds"
    ahead = market(facts("b", "BTC", observed_at=NOW + timedelta(hours=1)))
    assert allowed(verdict_of(PAIR, book(HELD), knowing=ahead)) == numbers(HELD)
    aged = verdict_of(PAIR, book(HELD), knowing=replace(market(), model_trained_at=old))
    assert aged.breaches[0].text() == "max_model_age_hours of model: 300 h, limit 240"
    on = book(HELD)
    on = replace(on, venues={**on.venues, "c": replace(on.venues["c"], at=old)})
    assert allowed(verdict_of(PAIR, on)) == numbers(HELD)


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ({"observed_at": None}, "time of observation of b BTC/USDT:USDT"),
        ({"price": None}, "price of b BTC/USDT:USDT"),
        ({"price": Decimal("NaN")}, "price of b BTC/USDT:USDT"),
        ({"ask_depth_10bp_usd": None}, "depth within 10 bp of b BTC/USDT:USDT"),
        ({"open_interest_usd": Decimal("NaN")}, "open interest of b BTC/USDT:USDT"),
        ({"quantity_step": None}, "quantity step of b BTC/USDT:USDT"),
        ({"tiers": ()}, "margin tiers of b BTC/USDT:USDT"),
    ],
)
def test_what_is_not_known_of_an_instrument_is_refused_by_name(missing: dict[str, Any], name: str) -> None:
    known = market(facts("b", "BTC", **missing))
    verdict = verdict_of(PAIR, knowing=known)
    assert allowed(verdict) == FLAT
    assert f"unknown: {name}" in verdict.legs[0].reasons
    assert allowed(verdict_of(FLAT, book(HELD), knowing=known)) == FLAT  # reducing is allowed all the same


@pytest.mark.parametrize(
    "name", ["equity_at_day_start_usd", "peak_equity_usd", "turnover_today_usd", "betas"]
)
@pytest.mark.parametrize("nothing", [None, Decimal("NaN")])
def test_what_is_not_known_of_the_book_is_refused_by_name(name: str, nothing: Decimal | None) -> None:
    unknown: Any = ({} if nothing is None else {"BTC": float("nan")}) if name == "betas" else nothing
    on = replace(book(HELD), **{name: unknown})
    verdict = verdict_of(PAIR, on)
    assert allowed(verdict) == numbers(HELD)
    assert any(reason.startswith("unknown: ") for reason in verdict.legs[0].reasons)
    assert allowed(verdict_of(FLAT, on)) == FLAT


def test_equity_or_wallets_that_a_venue_does_not_tell() -> None:
    on = book(HELD)
    for changed in ({"equity_usd": None}, {"equity_usd": Decimal("NaN")}, {"balances": ()}):
        untold = replace(on, venues={**on.venues, "a": replace(on.venues["a"], **changed)})
        assert allowed(verdict_of(PAIR, untold)) == numbers(HELD)
        assert allowed(verdict_of(FLAT, untold)) == FLAT


def test_a_venue_that_cannot_be_read_freezes_its_bases_and_stops_growth() -> None:
    on = book({**HELD, ("b", "ETH"): "10", ("c", "ETH"): "-10"})
    on = replace(on, venues={v: one for v, one in on.venues.items() if v != "a"})
    legs = {**FLAT, ("b", "ETH"): "5", ("c", "ETH"): "-5"}
    verdict = verdict_of(legs, on)
    kinds = {(leg.target.venue, leg.target.base): leg.decision for leg in verdict.legs}
    assert kinds["a", "BTC"] == kinds["b", "BTC"] == "refuse"
    assert allowed(verdict)["b", "BTC"] == -1  # its other leg cannot be closed: nothing is touched
    assert allowed(verdict)["b", "ETH"] == 5
    grown = {**FLAT, ("b", "ETH"): "20", ("c", "ETH"): "-20"}
    assert allowed(verdict_of(grown, on))["b", "ETH"] == 10
    missing = replace(on, expected_venues=frozenset("abc"))
    reasons = verdict_of(grown, missing).legs[-1].reasons
    assert "unknown: book of a" in reasons


def test_a_target_that_is_no_number_freezes_its_base_only() -> None:
    legs = {("a", "BTC"): Decimal("NaN"), ("b", "BTC"): "-1", ("a", "ETH"): "1", ("c", "ETH"): "-1"}
    verdict = verdict_of(legs, book(HELD))
    assert allowed(verdict)["a", "BTC"] == 1
    assert allowed(verdict)["a", "ETH"] == 1
    assert verdict.legs[0].reasons == ("unknown: target quantity of a BTC/USDT:USDT",)
