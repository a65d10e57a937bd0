"""What a journal of years costs: opening, a rebalance's share, the guard's look, migration, and bytes.

    python benchmarks/journal_size.py [--intents 1000000] [--seed 1] [--folder DIR] [--json]

A seeded SQLite journal of one year: as many fills as intents, each order filled whole, funding every eight
hours in 100 instruments of 5 venues, equity every minute. `rebalance`: every journal call of one over 40
orders but the statements' rows, which are timed alone (`statements`: a day of fills, compared once more).
`migration`: the same journal taken back to schema 2 and opened.
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from funding_pipeline.core.governance import (
    LegVerdict,
    OrderIntent,
    RiskVerdict,
    TargetPosition,
    client_order_id,
)
from funding_pipeline.core.trading import OrderRequest, OrderState
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.journal_schema import metadata
from funding_pipeline.trading.holdings import holdings

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
BEGUN = NOW - timedelta(days=365)
VENUES = ("binance", "bybit", "gate", "hyperliquid", "okx")
KEYS = tuple((venue, f"COIN{number:02}/USDT:USDT") for venue in VENUES for number in range(20))
ORDERS_PER_REBALANCE = 40
PASSES = 6
"""Of the reconcile loop."""
Row = tuple[Any, ...]


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def fill_journal(file: Path, count: int, seed: int) -> None:
    """A year's rows, with the totals that they add up to."""
    Journal(f"sqlite:///{file}", now=lambda: BEGUN).close()
    draw = random.Random(seed)
    held = dict.fromkeys(KEYS, Decimal(0))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        old = ("v0", "r0", _stamp(BEGUN), _stamp(BEGUN), "ACTIVE", "limits", "[]", "[]")
        columns = "verdict_id, rebalance, judged_at, expires_at, state, limits_version, legs, breaches"
        connection.execute(f"INSERT INTO verdicts ({columns}) VALUES ({_marks(8)})", old)
        for start in range(0, count, 50_000):
            rows = list(_orders(range(start, min(start + 50_000, count)), count, draw, held))
            for number, table in enumerate(("intents", "orders", "fills")):
                values = [row[number] for row in rows]
                names = [c.name for c in metadata.tables[table].columns if c.name != "sequence"]
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({_marks(len(names))})", values
                )
        paid = 365 * 3
        times = [_stamp(BEGUN + timedelta(hours=8 * number)) for number in range(paid)]
        columns = "venue, symbol, settled_at, amount, currency, payment_id, rate, payment_key"
        connection.executemany(
            f"INSERT INTO payments ({columns}) VALUES ({_marks(8)})",
            ((*key, at, "0.01", "USDT", None, 0.0001, "") for at in times for key in KEYS),
        )
        minutes = ((_stamp(BEGUN + timedelta(minutes=n)), "10000", "", "10000") for n in range(365 * 1440))
        connection.executemany(
            "INSERT INTO equities (at, equity_usd, note, peak_usd) VALUES (?,?,?,?)", minutes
        )
        each, more = divmod(count, len(KEYS))
        for number, (key, quantity) in enumerate(held.items()):
            own = each + (number < more)
            instrument = (*key, own, _stamp(BEGUN), "100.5", str(quantity), "0", own, 0)
            connection.execute(f"INSERT INTO instrument_totals VALUES ({_marks(9)})", instrument)
            money = (*key, "USDT", str(own * Decimal("0.05")), own, str(paid * Decimal("0.01")), paid)
            connection.execute(f"INSERT INTO currency_totals VALUES ({_marks(7)})", money)
        connection.commit()


def _marks(number: int) -> str:
    return ", ".join("?" * number)


def _orders(
    numbers: range, count: int, draw: random.Random, held: dict[tuple[str, str], Decimal]
) -> Iterator[tuple[Row, Row, Row]]:
    """Rows of intents, orders and fills."""
    for number in numbers:
        venue, symbol = KEYS[number % len(KEYS)]
        at = _stamp(BEGUN + number * (NOW - BEGUN) / count)
        side, quantity = draw.choice(("buy", "sell")), Decimal(draw.randrange(1, 1000)).scaleb(-3)
        held[venue, symbol] += quantity if side == "buy" else -quantity
        name, order, size = f"{number:024}", f"o{number}", str(quantity)
        rebalance = f"r{number // ORDERS_PER_REBALANCE}"
        intent = (
            name,
            "carry",
            rebalance,
            f"{venue} {symbol} {number}",
            1,
            "open",
            "v0",
            venue,
            symbol,
            side,
        )
        intent += ("limit", size, "100.5", "ioc", 0, at, "accepted", None, at)
        state = (name, venue, symbol, order, name, "filled", side, size, size, "100", "100.5", 0, at)
        fill = (venue, symbol, f"f{number}", order, side, size, "100", "0.05", "USDT", 0, at)
        yield intent, state, fill


def reads_of_a_book(journal: Journal) -> None:
    """What `read_book` asks."""
    midnight = NOW.replace(hour=0, minute=0)
    journal.equity_at_start_of(midnight)
    journal.peak_equity()
    journal.turnover_since(midnight)


def guards_look(journal: Journal) -> None:
    """What one look of the guard asks at most: with a silent venue, and every position changed."""
    journal.state()
    journal.lock_holder()
    journal.unresolved()
    for number in range(10):
        journal.intent(f"{number:024}")
    journal.equity_at_start_of(NOW.replace(hour=0, minute=0))
    journal.peak_equity()
    journal.symbols_ordered("okx", NOW - timedelta(hours=1))
    journal.instrument_totals(venue="okx")
    holdings(journal, KEYS)
    journal.known_orders(*KEYS[0], ["o1", "o2", "o3"])


def rebalance(journal: Journal, verdict: RiskVerdict) -> float:
    """Seconds of reading; the writing of orders is timed by `orders`."""
    began = time.perf_counter()
    for _ in range(3):
        reads_of_a_book(journal)
    holdings(journal, sorted(journal.ordered()))
    journal.fills(since=NOW - timedelta(minutes=1))
    journal.intents(rebalance=verdict.rebalance)
    journal.resting()
    for _ in range(PASSES):
        journal.unresolved()
        journal.resting(rebalance=verdict.rebalance)
        journal.state()
    holdings(journal, sorted(journal.ordered()))
    journal.instrument_totals()
    journal.fills(since=NOW - timedelta(minutes=1))
    journal.payments(since=NOW - timedelta(hours=1))
    journal.intents(since=NOW - timedelta(hours=1))
    return time.perf_counter() - began


def orders(journal: Journal, sent: list[OrderIntent]) -> None:
    """Each order's two writes: the intent, and what became of it."""
    for intent in sent:
        journal.write_intent(intent)
        request = intent.request
        order = OrderState(
            venue=request.venue,
            symbol=request.symbol,
            order_id=f"new {intent.client_order_id}",
            client_order_id=intent.client_order_id,
            status="filled",
            side=request.side,
            quantity=request.quantity,
            filled=request.quantity,
            average_price=request.price,
            limit_price=request.price,
            reduce_only=False,
            updated_at=NOW,
        )
        journal.record_outcome(intent.client_order_id, "accepted", order=order)


def new_orders() -> tuple[RiskVerdict, list[OrderIntent]]:
    """A verdict and one rebalance's intents."""
    keys = KEYS[:ORDERS_PER_REBALANCE]
    legs = tuple(
        LegVerdict(TargetPosition(*key, "COIN", Decimal(1), Decimal(1), Decimal(100)), "pass", Decimal(1))
        for key in keys
    )
    verdict = RiskVerdict("new", "new", NOW, NOW + timedelta(hours=1), "ACTIVE", "limits", legs, ())
    sent = []
    for venue, symbol in keys:
        leg = f"{venue} {symbol}"
        name = client_order_id("carry", "new", leg, 1)
        request = OrderRequest(venue, symbol, "buy", "limit", Decimal(1), name, Decimal(100))
        sent.append(OrderIntent("carry", "new", leg, 1, "open", "new", request, NOW))
    return verdict, sent


def back_to_schema_2(file: Path) -> None:
    """Undo what the migration does."""
    with closing(sqlite3.connect(file)) as connection:
        for table in ("instrument_totals", "currency_totals"):
            connection.execute(f"DROP TABLE {table}")
        for name in ("intents_by_time", "orders_by_id", "orders_by_status", "fills_by_order"):
            connection.execute(f"DROP INDEX {name}")
        for name in ("fills_by_moment", "payments_by_moment", "equities_by_time", "alerts_by_time"):
            connection.execute(f"DROP INDEX {name}")
        connection.execute("ALTER TABLE equities DROP COLUMN peak_usd")
        connection.execute("UPDATE journal_schema SET version = 2")
        connection.commit()


def _seconds(call: Callable[[], object], times: int = 1) -> float:
    """The median."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


def measure(file: Path, count: int, seed: int) -> dict[str, float]:
    """Seconds by name, and the file's size."""
    found = {"fill_seconds": _seconds(lambda: fill_journal(file, count, seed))}
    found["file_mb"] = file.stat().st_size / 1e6
    url = f"sqlite:///{file}"
    found["open_seconds"] = _seconds(lambda: Journal(url, now=lambda: NOW).close(), 5)
    with Journal(url, now=lambda: NOW) as journal:
        verdict, sent = new_orders()
        journal.save_verdict(verdict)
        found["guards_first_look_seconds"] = _seconds(lambda: guards_look(journal))
        found["guards_look_seconds"] = _seconds(lambda: guards_look(journal), 20)
        found["rebalance_reads_seconds"] = rebalance(journal, verdict)
        found["rebalance_orders_seconds"] = _seconds(lambda: orders(journal, sent))
        day = journal.fills(since=NOW - timedelta(days=1))
        found["fills_of_a_day"] = len(day)
        found["statements_seconds"] = _seconds(lambda: journal.record_fills(day))
    back_to_schema_2(file)
    found["migration_seconds"] = _seconds(lambda: Journal(url, now=lambda: NOW).close())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--intents", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder) / "journal.db", options.intents, options.seed)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:28} {value:12.4f}")


if __name__ == "__main__":
    main()
