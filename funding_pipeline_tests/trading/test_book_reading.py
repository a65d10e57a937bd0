"""The day's start, the peak and the turnover beside what the accounts hold: null where they are not known."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from funding_pipeline.core.trading import OrderState
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.book_reading import book_state
from funding_pipeline_tests.storage.journal_samples import (
    NOON,
    SYMBOLS,
    HandClock,
    intent,
    order_of,
    verdict,
)

MIDNIGHT = NOON - timedelta(hours=12)
BOTH = frozenset({"binance", "okx"})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}", now=HandClock()) as opened:
        opened.save_verdict(verdict())
        yield opened


def state(journal: Journal, *worth: str) -> BookState:
    """Of accounts worth so much, on binance and okx in this order."""
    books = {
        venue: VenueBook(venue, NOON, Decimal(usd)) for venue, usd in zip(sorted(BOTH), worth, strict=False)
    }
    return book_state(books, at=NOON, journal=journal, betas={}, expected=BOTH)


def ordered(journal: Journal, symbol: str, filled: str, average: str | None, **changes: object) -> OrderState:
    sent = intent(symbol=symbol, **changes)
    journal.write_intent(sent)
    price = None if average is None else Decimal(average)
    order = order_of(sent, order_id=symbol, status="filled", filled=Decimal(filled), average_price=price)
    journal.record_outcome(sent.client_order_id, "accepted", order=order)
    return order


def test_a_day_and_a_life_without_marks_begin_with_what_is_there_now(journal: Journal) -> None:
    found = state(journal, "60", "40")
    assert (found.equity_usd, found.equity_at_day_start_usd, found.peak_equity_usd) == (100, 100, 100)


def test_a_venue_that_is_missing_looks_like_no_loss_and_moves_no_peak(journal: Journal) -> None:
    journal.note_equity(MIDNIGHT, Decimal(110))
    journal.note_equity(NOON, Decimal(150))
    found = state(journal, "60")
    assert found.missing_venues == ("okx",)
    assert (found.equity_usd, found.equity_at_day_start_usd, found.peak_equity_usd) == (None, 110, 150)
    assert state(journal, "160", "40").peak_equity_usd == 200


def test_in_a_new_journal_beside_a_missing_venue_nothing_is_known(journal: Journal) -> None:
    found = state(journal, "60")
    assert (found.equity_at_day_start_usd, found.peak_equity_usd) == (None, None)


def test_turnover_counts_what_was_filled_since_midnight_also_at_a_price_that_is_not_told(
    journal: Journal,
) -> None:
    ordered(journal, SYMBOLS[0], "0.010", "60000", written_at=MIDNIGHT - timedelta(seconds=1))
    ordered(journal, SYMBOLS[1], "0.010", "50000", written_at=MIDNIGHT)
    ordered(journal, SYMBOLS[2], "0.005", None)
    ordered(journal, SYMBOLS[3], "0", None)
    assert journal.turnover_since(MIDNIGHT) == Decimal("500") + Decimal("0.005") * Decimal("60000.50")
