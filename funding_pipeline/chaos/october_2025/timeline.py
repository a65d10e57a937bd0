"""The timeline of a played scenario: measures every few seconds, and everything that was done, said or set.

What lives here: the values, and putting them in order. What does not: playing (`play`), or drawing it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Literal

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.core.governance import IntentRecord
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.testnet import Testnet

RowKind = Literal["event", "alert", "state", "orders"]
ZERO = Decimal(0)
_A_MINUTE, _PAUSE = timedelta(minutes=1), timedelta(minutes=3)


@dataclass(frozen=True)
class Sample:
    """The engines' own figures at `at` (UTC): USD, and each base's price as a fraction of the first one."""

    at: datetime
    equity_usd: Decimal
    unhedged_usd: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]

    @property
    def total_unhedged_usd(self) -> Decimal:
        """Over all bases."""
        return sum(self.unhedged_usd.values(), ZERO)


@dataclass(frozen=True)
class Row:
    """One line: something that happened, with the last measures before it."""

    at: datetime
    kind: RowKind
    text: str
    sample: Sample

    def as_json(self, began: datetime) -> dict[str, Any]:
        """`seconds` since the fall began."""
        return {
            "at": self.at.isoformat(),
            "seconds": round((self.at - began).total_seconds(), 1),
            "kind": self.kind,
            "text": self.text,
            "unhedged_usd": float(round(self.sample.total_unhedged_usd, 2)),
            "equity_usd": float(round(self.sample.equity_usd, 2)),
            "price_fraction": {base: float(round(p, 4)) for base, p in self.sample.prices.items()},
        }


def measure(
    testnet: Testnet, accounts: Mapping[str, Account], first: Mapping[str, Decimal], at: datetime
) -> Sample:
    """What is there now. `first`: price of each base when the scenario began, empty at first."""
    marks, units = _by_base(testnet, accounts)
    prices = {base: median(found) for base, found in sorted(marks.items())}
    return Sample(
        at,
        sum((testnet.seat(venue).exchange.equity(account) for venue, account in accounts.items()), ZERO),
        {base: abs(net) * prices[base] for base, net in sorted(units.items())},
        {base: price / first.get(base, price) for base, price in prices.items()},
    )


def prices_now(testnet: Testnet, accounts: Mapping[str, Account]) -> Mapping[str, Decimal]:
    """The median mark of each base, USD."""
    return {base: median(found) for base, found in _by_base(testnet, accounts)[0].items()}


def _by_base(
    testnet: Testnet, accounts: Mapping[str, Account]
) -> tuple[dict[str, list[Decimal]], dict[str, Decimal]]:
    """Marks per base unit, and the net units held."""
    marks: dict[str, list[Decimal]] = {}
    units: dict[str, Decimal] = {}
    for venue, account in sorted(accounts.items()):
        seat = testnet.seat(venue)
        for instrument in seat.quotes.instruments():
            base, multiplier = base_of(instrument.symbol)
            marks.setdefault(base, []).append(
                seat.quotes.mark(instrument.symbol, testnet.clock.now()) / multiplier
            )
            held = seat.exchange.position(account, instrument.symbol).quantity * multiplier
            units[base] = units.get(base, ZERO) + held
    return marks, units


def timeline(
    samples: Sequence[Sample],
    events: Iterable[tuple[datetime, str]],
    journal: Journal,
    who: Callable[[IntentRecord], str],
) -> tuple[Row, ...]:
    """Everything in order of time. `who` sent an order."""
    found: list[tuple[datetime, RowKind, str]] = [(at, "event", text) for at, text in events]
    found += [(a.raised_at, "alert", f"{a.severity}: {a.title}") for a in journal.alerts()]
    found += [
        (record.since, "state", f"{record.state} by {record.by}: {record.reason}")
        for record in journal.state_history()
        if record.by != "journal"
    ]
    found += [(at, "orders", text) for at, text in _orders(journal.intents(), who)]
    times = [sample.at for sample in samples]
    return tuple(
        Row(at, kind, text, samples[max(bisect_right(times, at) - 1, 0)])
        for at, kind, text in sorted(found, key=lambda row: row[0])
    )


@dataclass
class _Orders:
    """Orders of one sender for one purpose, in one leg and direction, with no long pause between them."""

    began: datetime
    ended: datetime
    records: list[IntentRecord]

    def text(self, who: str) -> str:
        """What they filled, and at what average price."""
        filled = [r.order for r in self.records if r.order is not None and r.order.filled]
        size = sum((order.filled for order in filled), ZERO)
        money = sum((o.filled * (o.average_price or ZERO) for o in filled), ZERO)
        intent = self.records[0].intent
        word = "buys" if intent.request.side == "buy" else "sells"
        what = f"{word} {size:f} of {intent.leg}" + (f" at {money / size:,.6g}" if size else "")
        many = f"{len(self.records)} order{'s' if len(self.records) > 1 else ''}"
        lasted = self.ended - self.began
        till = f" till {self.ended:%H:%M}" if lasted > _A_MINUTE else ""
        return f"{who} {what} ({many}{till}, {intent.purpose})"


def _orders(
    records: Iterable[IntentRecord], who: Callable[[IntentRecord], str]
) -> Iterable[tuple[datetime, str]]:
    """One line per run of orders that do the same thing."""
    latest: dict[tuple[str, ...], _Orders] = {}
    runs: list[tuple[str, _Orders]] = []
    for record in sorted(records, key=lambda record: record.intent.written_at):
        intent, sender = record.intent, who(record)
        key = (sender, intent.leg, intent.request.side, intent.purpose)
        run = latest.get(key)
        if run is not None and intent.written_at - run.ended <= _PAUSE:
            run.ended = intent.written_at
            run.records.append(record)
        else:
            run = latest[key] = _Orders(intent.written_at, intent.written_at, [record])
            runs.append((sender, run))
    return [(run.began, run.text(sender)) for sender, run in runs]
