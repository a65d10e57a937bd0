"""The gate before every order, and what may become of an intent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import GovernanceError, JournalError
from funding_pipeline.core.governance import IntentRecord
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import (
    NOON,
    SYMBOLS,
    HandClock,
    intent,
    order_of,
    verdict,
)

OUTCOMES = ("pending", "accepted", "rejected", "unknown", "absent")
FINAL = {"accepted", "rejected", "absent"}


def test_an_intent_and_its_order_come_back_as_they_were(journal: Journal, clock: HandClock) -> None:
    journal.save_verdict(verdict())
    sent = intent(price=None, kind="market", reduce_only=True, time_in_force="ioc")
    journal.write_intent(sent)
    assert journal.intent(sent.client_order_id) == IntentRecord(sent, "pending")
    clock.advance(seconds=1)
    order = order_of(sent, filled=Decimal("0.0100"), average_price=Decimal("6.00E+4"), status="filled")
    journal.record_outcome(sent.client_order_id, "accepted", order=order)
    record = journal.intent(sent.client_order_id)
    assert record == IntentRecord(sent, "accepted", order, None, clock())
    assert repr(record) == repr(IntentRecord(sent, "accepted", order, None, clock()))  # also the zeros
    assert journal.intent("0" * 24) is None


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda journal, clock: None, "no risk verdict 'v1'"),
        (lambda journal, clock: _judged(journal, clock, hours=1), "expired at 2024-02-01 13:00:00 UTC"),
        (lambda journal, clock: _in_state(journal, "HALTED"), "trading is HALTED .* by guard .naked leg."),
        (lambda journal, clock: _in_state(journal, "REDUCING"), "trading is REDUCING"),
    ],
)
def test_what_may_not_be_sent_is_not_written(
    journal: Journal, clock: HandClock, prepare: Callable[[Journal, HandClock], None], message: str
) -> None:
    prepare(journal, clock)
    with pytest.raises(GovernanceError, match=message):
        journal.write_intent(intent())
    assert journal.intents() == ()


def test_reducing_lets_through_what_reduces_and_halted_nothing(journal: Journal) -> None:
    _in_state(journal, "REDUCING")
    journal.write_intent(intent(reduce_only=True))
    _in_state(journal, "HALTED")
    with pytest.raises(GovernanceError, match="HALTED"):
        journal.write_intent(intent(symbol=SYMBOLS[1], reduce_only=True))


@pytest.mark.parametrize("symbol", ["HYPE/USDT:USDT", "TON/USDT:USDT", "UNHEARD/USDT:USDT"])
def test_an_instrument_without_allowance_takes_only_reducing_orders(journal: Journal, symbol: str) -> None:
    journal.save_verdict(verdict())
    with pytest.raises(GovernanceError, match="allows no order in"):
        journal.write_intent(intent(symbol=symbol))
    journal.write_intent(intent(symbol=symbol, reduce_only=True))


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
def test_an_unresolved_intent_blocks_its_instrument_only(journal: Journal, outcome: str) -> None:
    journal.save_verdict(verdict())
    first = intent(1)
    journal.write_intent(first)
    if outcome == "unknown":
        journal.record_outcome(first.client_order_id, "unknown", error="timed out")
    with pytest.raises(GovernanceError, match=f"{first.client_order_id} .* is {outcome}: look it up"):
        journal.write_intent(intent(2, reduce_only=True))
    journal.write_intent(intent(1, SYMBOLS[1]))
    journal.record_outcome(first.client_order_id, "absent")
    journal.write_intent(intent(2))
    assert [record.outcome for record in journal.intents()] == ["absent", "pending", "pending"]


def test_an_id_is_used_once_and_derived(journal: Journal) -> None:
    journal.save_verdict(verdict())
    journal.write_intent(intent())
    with pytest.raises(JournalError, match="is in the journal already"):
        journal.write_intent(intent())
    with pytest.raises(JournalError, match="must have the id"):
        journal.write_intent(intent(2, client_order_id="ab" * 12))
    assert len(journal.intents()) == 1


def test_attempts_are_counted_per_leg_and_rebalance(journal: Journal) -> None:
    journal.save_verdict(verdict())
    leg = intent().leg
    assert journal.next_attempt("carry", "r1", leg) == 1
    for attempt in (1, 2):
        sent = intent(journal.next_attempt("carry", "r1", leg))
        assert sent.attempt == attempt
        journal.write_intent(sent)
        journal.record_outcome(sent.client_order_id, "rejected", error="off grid")
    assert journal.next_attempt("carry", "r1", leg) == 3
    assert journal.next_attempt("carry", "r2", leg) == 1
    assert journal.next_attempt("other", "r1", leg) == 1


def test_unresolved_and_intents_can_be_narrowed(journal: Journal) -> None:
    journal.save_verdict(verdict())
    journal.save_verdict(verdict("v2", rebalance="r2"))
    sent = [intent(1, symbol) for symbol in SYMBOLS[:3]]
    sent.append(intent(1, SYMBOLS[3], rebalance="r2", verdict_id="v2"))
    for each in sent:
        journal.write_intent(each)
    journal.record_outcome(sent[0].client_order_id, "accepted")
    journal.record_outcome(sent[1].client_order_id, "unknown", error="no answer")
    assert [record.intent for record in journal.unresolved()] == sent[1:]
    (unknown,) = journal.unresolved(venue="binance", symbol=SYMBOLS[1])
    assert (unknown.outcome, unknown.error, unknown.resolved_at) == ("unknown", "no answer", None)
    assert journal.unresolved(venue="okx") == ()
    assert [record.intent for record in journal.intents(rebalance="r2")] == sent[3:]


def test_the_venues_newest_word_is_kept(journal: Journal, clock: HandClock) -> None:
    journal.save_verdict(verdict())
    sent = intent()
    journal.write_intent(sent)

    def kept_after(**changes: object) -> tuple[str, Decimal]:
        journal.record_outcome(sent.client_order_id, "accepted", order=order_of(sent, **changes))
        clock.advance(seconds=1)
        record = journal.intent(sent.client_order_id)
        assert record is not None
        assert record.order is not None
        assert record.resolved_at == NOON  # resolved once, however often it is looked at
        return record.order.status, record.order.filled

    half, whole = Decimal("0.005"), Decimal("0.010")
    assert kept_after() == ("open", Decimal(0))
    assert kept_after(filled=half) == ("open", half)
    assert kept_after() == ("open", half)  # an answer that was overtaken on its way
    assert kept_after(filled=whole, status="filled") == ("filled", whole)
    assert kept_after(filled=whole) == ("filled", whole)


def test_an_order_of_another_instrument_is_refused_whole(journal: Journal) -> None:
    journal.save_verdict(verdict())
    sent = intent()
    journal.write_intent(sent)
    with pytest.raises(JournalError, match="the order is for ETH"):
        journal.record_outcome(sent.client_order_id, "accepted", order=order_of(sent, symbol=SYMBOLS[1]))
    assert journal.intent(sent.client_order_id) == IntentRecord(sent, "pending")


def test_outcomes_of_nothing_and_of_no_name_are_refused(journal: Journal) -> None:
    journal.save_verdict(verdict())
    journal.write_intent(intent())
    with pytest.raises(JournalError, match="no intent ffff"):
        journal.record_outcome("f" * 24, "accepted")
    with pytest.raises(JournalError, match="'done' is no outcome"):
        journal.record_outcome(intent().client_order_id, "done")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shared_journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """One journal for all examples of a property, each with ids of its own."""
    folder: Path = tmp_path_factory.mktemp("journal")
    journal = Journal(f"sqlite:///{folder}/journal.db", now=HandClock())
    journal.save_verdict(verdict())
    return journal


RUNS = count(1)


@given(wanted=st.lists(st.sampled_from(OUTCOMES), max_size=6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_outcomes_follow_the_rules_in_any_order(shared_journal: Journal, wanted: list[str]) -> None:
    sent = intent(leg=f"leg {next(RUNS)}", symbol=SYMBOLS[1])
    shared_journal.write_intent(sent)
    held = "pending"
    for outcome in wanted:
        if outcome == held in FINAL or (held not in FINAL and outcome != "pending"):
            shared_journal.record_outcome(sent.client_order_id, outcome)  # type: ignore[arg-type]
            held = outcome
        else:
            with pytest.raises(JournalError, match=f"is {held} and cannot become {outcome}"):
                shared_journal.record_outcome(sent.client_order_id, outcome)  # type: ignore[arg-type]
    record = shared_journal.intent(sent.client_order_id)
    assert record is not None
    assert record.outcome == held
    assert (record.resolved_at is not None) == (held in FINAL)
    if held not in FINAL:
        shared_journal.record_outcome(sent.client_order_id, "absent")  # frees the instrument


ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(
    quantity=st.decimals(allow_nan=False, allow_infinity=False),
    price=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1), timezones=ZONES),  # noqa: DTZ001
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_decimals_and_times_survive_exactly(
    shared_journal: Journal, quantity: Decimal, price: Decimal | None, at: datetime
) -> None:
    sent = intent(leg=f"leg {next(RUNS)}", quantity=quantity, price=price, written_at=at)
    shared_journal.write_intent(sent)
    record = shared_journal.intent(sent.client_order_id)
    assert record is not None
    assert (str(record.intent.request.quantity), str(record.intent.request.price)) == (
        str(quantity),
        str(price),
    )
    assert record.intent.written_at == at
    assert record.intent.written_at.tzinfo is UTC
    shared_journal.record_outcome(sent.client_order_id, "rejected")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": 0.1}, "0.1 is not a finite Decimal"),
        ({"quantity": Decimal("NaN")}, "not a finite Decimal"),
        ({"written_at": datetime(2024, 2, 1)}, "not a time with a time zone"),  # noqa: DTZ001
        ({"side": "long"}, "'long' is none of buy, sell"),
        ({"quantity": None}, "quantity"),
    ],
)
def test_a_wrong_value_is_refused_by_name(journal: Journal, changes: dict[str, Any], message: str) -> None:
    journal.save_verdict(verdict())
    with pytest.raises(JournalError, match=message):
        journal.write_intent(intent(**changes))
    assert journal.intents() == ()


def _judged(journal: Journal, clock: HandClock, hours: float = 0) -> None:
    journal.save_verdict(verdict())
    clock.advance(hours=hours)


def _in_state(journal: Journal, state: str) -> None:
    journal.save_verdict(verdict())
    journal.set_state(state, reason="naked leg", by="guard")  # type: ignore[arg-type]
