"""Equity over time: what a day began with, the highest there was, and beginning anew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.storage.journal import Journal

DAY = datetime(2025, 7, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def test_a_new_journal_knows_no_equity(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        assert journal.equity_at_start_of(DAY) is None
        assert journal.peak_equity() is None
        assert journal.equity_history(DAY) == ()


def test_a_day_begins_with_what_the_evening_before_ended_with_or_its_first_mark(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        for hours, usd in ((-9, "90"), (0, "100.5"), (3, "120"), (23.99, "80"), (24, "70")):
            journal.note_equity(at(hours), Decimal(usd))
        assert journal.equity_at_start_of(DAY) == Decimal("100.5")
        assert journal.equity_at_start_of(at(24)) == Decimal("70")
        assert journal.equity_at_start_of(at(-24)) == Decimal("90")
        assert journal.equity_at_start_of(at(48)) is None
        assert journal.peak_equity() == Decimal("120")


def test_what_was_lost_unseen_around_midnight_belongs_to_the_day(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        journal.note_equity(at(21), Decimal(100))
        journal.note_equity(at(26), Decimal(80))
        assert journal.equity_at_start_of(at(24)) == Decimal(100)


def test_it_is_exact_and_outlives_the_process(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        journal.note_equity(DAY, Decimal("1000000.000000000000000001"))
    with Journal(journal_url) as again:
        assert again.equity_at_start_of(DAY) == Decimal("1000000.000000000000000001")
        assert again.equity_history(DAY) == ((DAY, Decimal("1000000.000000000000000001")),)


def test_a_rebase_begins_the_day_and_the_peak_anew(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        journal.note_equity(at(1), Decimal(100))
        journal.rebase_equity(at(2), Decimal(60), by="person anna", reason="withdrawal")
        journal.note_equity(at(3), Decimal(65))
        assert journal.equity_at_start_of(DAY) == Decimal(60)
        assert journal.peak_equity() == Decimal(65)
        journal.rebase_equity(at(4), Decimal(200), by="person anna", reason="deposit")
        assert journal.equity_at_start_of(DAY) == Decimal(200)
        assert journal.peak_equity() == Decimal(200)


def test_the_day_after_a_rebase_begins_with_its_own_first_mark(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        journal.rebase_equity(at(2), Decimal(60), by="person anna", reason="withdrawal")
        journal.note_equity(at(25), Decimal(61))
        assert journal.equity_at_start_of(at(24)) == Decimal(61)
        assert journal.peak_equity() == Decimal(61)


def test_history_begins_where_it_is_asked_to(journal_url: str) -> None:
    with Journal(journal_url) as journal:
        for hours in range(5):
            journal.note_equity(at(hours), Decimal(hours))
        assert [usd for _, usd in journal.equity_history(at(2))] == [2, 3, 4]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.decimals(-(10**9), 10**9, places=6)), min_size=1, max_size=12))
def test_start_and_peak_are_as_if_counted_by_hand(
    tmp_path_factory: object, marks: list[tuple[bool, Decimal]]
) -> None:
    folder = tmp_path_factory.mktemp("equity")  # type: ignore[attr-defined]
    start: Decimal | None = None
    since: list[Decimal] = []
    with Journal(f"sqlite:///{folder / 'journal.sqlite'}") as journal:
        for minute, (is_rebase, usd) in enumerate(marks):
            moment = DAY + timedelta(minutes=minute)
            if is_rebase:
                journal.rebase_equity(moment, usd, by="person anna", reason="test")
                start, since = usd, []
            else:
                journal.note_equity(moment, usd)
                start = usd if start is None else start
            since.append(usd)
        assert journal.equity_at_start_of(DAY) == start
        assert journal.peak_equity() == max(since)
