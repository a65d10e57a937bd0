"""Fills and payments are kept once, and a null is not a zero."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.trading import Fill
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import NOON, SYMBOLS, fill, payment


def test_fills_are_kept_once_oldest_first(journal: Journal) -> None:
    late, early = fill("1", traded_at=NOON + timedelta(seconds=1)), fill("2", fee=Decimal("-0.010"))
    assert journal.record_fills([late, early, late]) == 2
    assert journal.record_fills([early]) == 0
    assert journal.record_fills([]) == 0
    assert journal.fills() == (early, late)
    assert repr(journal.fills()) == repr((early, late))
    assert journal.fills(since=late.traded_at) == (late,)
    assert journal.fills(venue="binance", symbol=SYMBOLS[0]) == (early, late)
    assert journal.fills(venue="okx") == journal.fills(symbol=SYMBOLS[1]) == ()


def test_ids_that_count_per_symbol_or_serve_both_sides_lose_nothing(journal: Journal) -> None:
    same_id = [fill("1"), fill("1", symbol=SYMBOLS[1]), fill("1", side="sell"), fill("1", venue="okx")]
    assert journal.record_fills(same_id) == 4
    assert journal.record_fills(same_id) == 0
    assert set(journal.fills()) == set(same_id)


def test_a_null_is_not_a_zero_and_is_filled_in_later(journal: Journal) -> None:
    untold = fill("1")
    journal.record_fills([untold, fill("2", fee=Decimal(0))])
    assert [kept.fee for kept in journal.fills()] == [None, Decimal(0)]
    told = replace(untold, fee=Decimal("0.24"), fee_currency="USDT", is_maker=False)
    assert journal.record_fills([told]) == 0
    assert journal.record_fills([untold]) == 0  # the poorer answer takes nothing away
    assert journal.fills()[0] == told


def test_a_statement_that_contradicts_is_refused_whole(journal: Journal) -> None:
    journal.record_fills([fill("1")])
    with pytest.raises(
        JournalError, match=r"BTC/USDT:USDT 1 has quantity 0.010 in the journal and 0.020 now"
    ):
        journal.record_fills([fill("2"), fill("1", quantity=Decimal("0.020"))])
    assert journal.fills() == (fill("1"),)
    journal.record_payments([payment()])
    with pytest.raises(JournalError, match=r"has amount -1\.10 in the journal and 1\.10 now"):
        journal.record_payments([payment(amount=Decimal("1.10"))])


def test_payments_are_kept_once_with_or_without_an_id(journal: Journal) -> None:
    hour = timedelta(hours=1)
    same_id = [payment(settled_at=NOON + n * hour, payment_id="0x0", rate=1e-5) for n in range(3)]
    without_id = [payment(settled_at=NOON + n * hour, symbol="ETH/USDC:USDC") for n in range(3)]
    assert journal.record_payments([*same_id, *without_id]) == 6
    assert journal.record_payments([*without_id, *same_id]) == 0
    assert journal.payments(symbol="BTC/USDC:USDC") == tuple(same_id)
    assert journal.payments(venue="hyperliquid", since=NOON + 2 * hour) == (same_id[2], without_id[2])
    assert journal.record_payments([replace(without_id[0], rate=0.0)]) == 0
    assert [kept.rate for kept in journal.payments(symbol="ETH/USDC:USDC")] == [0.0, None, None]


def test_more_fills_than_one_query_may_name(journal: Journal) -> None:
    many = [fill(str(n), traded_at=NOON + timedelta(seconds=n)) for n in range(1_000)]
    assert journal.record_fills(many[:600]) == 600
    assert journal.record_fills(many) == 400
    assert journal.fills() == tuple(many)


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """One journal for all examples of a property, each on a venue of its own."""
    return Journal(f"sqlite:///{tmp_path_factory.mktemp('journal')}/journal.db")


RUNS = count(1)
FILLS = st.builds(
    fill,
    fill_id=st.integers(0, 3).map(str),
    symbol=st.sampled_from(SYMBOLS[:2]),
    side=st.sampled_from(["buy", "sell"]),
    fee=st.sampled_from([None, Decimal("0.10")]),
    fee_currency=st.sampled_from([None, "USDT"]),
)


@given(batches=st.lists(st.lists(FILLS, max_size=6), max_size=4))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_batches_in_any_order_keep_each_fill_once(statements: Journal, batches: list[list[Fill]]) -> None:
    venue = f"venue {next(RUNS)}"
    told: dict[tuple[str, str, str], Fill] = {}
    new = 0
    for batch in batches:
        batch = [replace(each, venue=venue) for each in batch]
        new += statements.record_fills(batch)
        for each in batch:
            kept = told.setdefault((each.symbol, each.fill_id, each.side), each)
            richer = replace(
                kept, fee=kept.fee or each.fee, fee_currency=kept.fee_currency or each.fee_currency
            )
            told[each.symbol, each.fill_id, each.side] = richer
    assert new == len(told)
    assert set(statements.fills(venue=venue)) == set(told.values())


def test_statements_are_durable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    Journal(url).record_fills([fill()])
    assert Journal(url).fills() == (fill(),)
