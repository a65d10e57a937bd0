"""Running totals equal what the rows add up to, whatever order things come in and whoever is killed."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_history import (
    History,
    instruments_from_rows,
    instruments_kept,
    money_from_rows,
    money_kept,
)
from funding_pipeline_tests.storage.journal_samples import (
    NOON,
    SYMBOLS,
    HandClock,
    fill,
    intent,
    order_of,
    verdict,
)


@pytest.mark.parametrize("seed", range(8))
def test_totals_are_the_sums_of_the_rows(tmp_path: Path, seed: int) -> None:
    _live_through(f"sqlite:///{tmp_path}/journal.db", History(seed, kills=0.1), steps=60)


def test_totals_on_both_databases(journal_url: str) -> None:
    _live_through(journal_url, History(99, kills=0.1), steps=40)


def _live_through(url: str, history: History, steps: int) -> None:
    with Journal(url, now=HandClock()) as first:
        first.set_state("ACTIVE", reason="test", by="anna")
    with Journal(url, now=HandClock(), commit_hook=history.hook) as journal:
        for number in range(steps):
            history.step(journal)
            if number % 10 == 9:
                assert instruments_kept(journal) == instruments_from_rows(journal)
                assert money_kept(journal) == money_from_rows(journal)
        assert any(total[2] for total in instruments_kept(journal).values())
        assert any(total[3] for total in instruments_kept(journal).values())


HOT = (
    lambda journal: journal.instrument_totals(venue="binance"),
    lambda journal: journal.known_orders("binance", SYMBOLS[0], ["1", "2"]),
    lambda journal: journal.symbols_ordered("binance", NOON),
    lambda journal: journal.turnover_since(NOON),
    lambda journal: journal.resting(),
    lambda journal: journal.unresolved(),
    lambda journal: journal.unresolved(venue="binance", symbol=SYMBOLS[0]),
    lambda journal: journal.intent("x"),
    lambda journal: journal.intents(since=NOON),
    lambda journal: journal.intents(rebalance="r1"),
    lambda journal: journal.intents(rebalance="r1", since=NOON),
    lambda journal: journal.next_attempt("carry", "r1", "leg"),
    lambda journal: journal.fills(since=NOON),
    lambda journal: journal.fills(venue="binance", symbol=SYMBOLS[0], since=NOON),
    lambda journal: journal.payments(since=NOON),
    lambda journal: journal.peak_equity(),
    lambda journal: journal.equity_at_start_of(NOON),
    lambda journal: journal.equity_history(NOON),
    lambda journal: journal.alerts(NOON),
    lambda journal: journal.state(),
    lambda journal: journal.latest_verdict(),
)
_BIG = re.compile(r"^SCAN (intents|orders|fills|payments|equities|alerts|verdicts|states)\b")


@pytest.mark.parametrize("call", HOT)
def test_no_hot_query_reads_a_big_table_whole(tmp_path: Path, call: Any) -> None:
    with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        asked = _statements(journal, lambda: call(journal))
        assert asked
        for statement, values in asked:
            for step in _plan(journal, statement, values):
                # The newest row by sequence is found from the end of the table, without reading it.
                is_newest = "ORDER BY" in statement and "LIMIT" in statement and "WHERE" not in statement
                assert is_newest or not _BIG.match(step), f"{step}: {statement}"


def test_no_write_reads_a_big_table_whole(tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path}/journal.db", now=HandClock()) as journal:
        history = History(3)
        asked = _statements(journal, lambda: [history.step(journal) for _ in range(40)])
        selects = {statement: values for statement, values in asked if statement.startswith("SELECT")}
        whole = {s for s, v in selects.items() if any(_BIG.match(step) for step in _plan(journal, s, v))}
        # `History` itself reads all fills to complete some; the newest rows are found from the end.
        unlimited = {s for s in whole if "LIMIT" not in s and "ORDER BY fills.traded_at" not in s}
        assert not unlimited


def _statements(journal: Journal, call: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, ___: Any, many: bool) -> None:
        found.append((statement, values[0] if many else values))

    event.listen(journal._engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(journal._engine, "before_cursor_execute", note)
    return [(s, v) for s, v in found if s.split(None, 1)[0] in {"SELECT", "UPDATE", "INSERT"}]


def _plan(journal: Journal, statement: str, values: Any) -> list[str]:
    with journal._engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    return [str(row[3]) for row in rows]


def test_questions_about_orders(tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path}/journal.db", now=HandClock()) as journal:
        journal.save_verdict(verdict())
        early, late, other = (
            intent(number, symbol, written_at=NOON + timedelta(hours=number))
            for number, symbol in enumerate(SYMBOLS[:3])
        )
        for number, sent in enumerate((early, late, other)):
            journal.write_intent(sent)
            order = order_of(sent, order_id=str(number), status="filled" if sent is late else "open")
            if sent is not other:
                journal.record_outcome(sent.client_order_id, "accepted", order=order)
        assert [record.intent for record in journal.resting()] == [early]
        assert journal.resting(rebalance="r2") == ()
        assert journal.known_orders("binance", SYMBOLS[0], ["0", "1", "77"]) == {"0"}
        assert journal.known_orders("binance", SYMBOLS[1], ["0"]) == set()
        assert journal.symbols_ordered("binance", NOON + timedelta(hours=1)) == set(SYMBOLS[1:3])
        assert journal.symbols_ordered("binance", NOON + timedelta(days=1)) == {SYMBOLS[2]}  # unresolved
        assert journal.symbols_ordered("okx", NOON) == set()
        assert journal.ordered() == {("binance", symbol) for symbol in SYMBOLS[:3]}


def test_fills_of_an_order_that_turns_out_to_be_ours(journal: Journal) -> None:
    journal.save_verdict(verdict())
    sent = intent()
    journal.write_intent(sent)
    journal.record_fills([fill("1"), fill("2", order_id="by hand", side="sell")])
    key = ("binance", SYMBOLS[0])
    assert journal.instrument_totals()[key].others == 0  # one of each side
    journal.record_outcome(
        sent.client_order_id, "accepted", order=order_of(sent, filled=fill().quantity, status="filled")
    )
    total = journal.instrument_totals()[key]
    assert (total.filled, total.others, total.held) == (fill().quantity, -fill().quantity, 0)
