"""Each field of a venue's bodies made odd, one at a time, and what the gateway makes of it.

What lives here: the mutations, reading a venue with one, and the verdict. What does not: bodies
(`venue_bodies`) or the table of counts (benchmarks/venue_mutations.py).

The oracle. A row that was made odd must be refused with a reason, or have null where the odd value was, or
say the same as before, or say exactly what its source now says where that is possible (a rate of 0, another
name). Other rows must be as before. An answer without its list must be an error.
"""

import asyncio
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.venues.connection import Connection, Recorder
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline_tests.venues.canned_gateway import CannedConnection
from funding_pipeline_tests.venues.venue_bodies import Part, WholeVenue, whole_venue

ODD: Mapping[str, Any] = {
    "null": None,
    "empty text": "",
    "text 0": "0",
    "number 0": 0,
    "minus one": -1,
    "flag": True,
    "list": [],
    "object": {},
    "word": "abc",
    "text NaN": "NaN",
    "infinite": "Infinity",
    "huge": "1e400",
}
UNITS: Mapping[str, float] = {"x100": 100, "x1000": 1000, "/1000": 0.001, "/100": 0.01}
_MISSING = "missing"
_MAY_BE_ZERO = frozenset({"rate", "volume", "maker_fee", "taker_fee", "open_interest_base"})
_COUNTS = frozenset(("pricePlace", "volumePlace", "contractValueTradePrecision", "szDecimals"))
"""Fields that count decimals, of which there may be none."""
_STATED = frozenset({"text 0", "number 0", "minus one", "word", *UNITS})
"""Mutations after which a field may still say something, which the row then repeats."""

Path = tuple[str | int, ...]
Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Mutation:
    """`kind` done to the field at `path` in the body of `call` at `venue`."""

    venue: str
    call: str
    path: Path
    kind: str


@dataclass(frozen=True)
class Reading:
    """What one reading gave: rows by instrument or time, reasons, and the error that ended it."""

    rows: Rows
    reasons: tuple[str, ...]
    error: Exception | None


@dataclass(frozen=True)
class Verdict:
    """`outcome`: see OUTCOMES; `what`: which output differs, or the bare error."""

    outcome: str
    what: str = ""


FAULTS = (
    "bare error",
    "another row lost",
    "another row changed",
    "silent nonsense",
    "empty without an error",
)
OUTCOMES = (
    "refused",
    "null",
    "unchanged",
    "as its source says",
    "unit not recognised",
    "another form",
    *FAULTS,
)


def mutations(venue: str, whole: WholeVenue | None = None) -> Iterator[Mutation]:
    """Every mutation of a venue's bodies: of the first instrument's rows, the middle row of a series, and
    the ways to its list."""
    for part in (whole or whole_venue(venue)).parts:
        base = _keys(part.rows)
        for depth in range(0 if part.choose else len(base) + 1):
            for kind in (_MISSING, *ODD):
                is_empty_list = kind == "list" and depth == len(base)  # which is an answer
                if (kind != _MISSING or depth) and not is_empty_list:
                    yield Mutation(venue, part.call, base[:depth], kind)
        if not _at(part.body, base):
            continue
        row = (*base, _subject(part))
        for path in [row, *_fields(_at(part.body, row), row)]:
            for kind in (_MISSING, *ODD):
                if kind != _MISSING or len(path) > len(row):
                    yield Mutation(venue, part.call, path, kind)
            if _number(_at(part.body, path)) is not None:
                yield from (Mutation(venue, part.call, path, unit) for unit in UNITS)


class Venue:
    """One venue's readings as they should be, and the verdict on a mutation."""

    def __init__(self, name: str, whole: WholeVenue | None = None) -> None:
        self.name = name
        self.whole: WholeVenue = whole or whole_venue(name)
        self._subjects: dict[tuple[str, str], str] = {}
        self.parts = {part.call: part for part in self.whole.parts}
        self.usual = {call: self.read(call, None) for call in self.parts if call != "intervals"}
        for call, reading in self.usual.items():
            assert reading.error is None, (name, call, reading.error)
            assert reading.rows, (name, call)

    def judge(self, mutation: Mutation) -> Verdict:
        """Read with the mutation and compare with the reading as it should be."""
        part = self.parts[mutation.call]
        changed = replace(part, body=_changed(part.body, mutation))
        both = ("listing", "estimates") if mutation.call in ("listing", "intervals") else (mutation.call,)
        calls = [call for call in both if call in self.usual]
        verdicts = [self._judge(call, part, changed, mutation) for call in calls]
        return max(verdicts, key=lambda verdict: OUTCOMES.index(verdict.outcome))

    def read(self, call: str, changed: Part | None) -> Reading:
        """What the gateway makes of the bodies."""
        return self.read_over(call, CannedConnection(self.whole.bodies(changed), "/", self.whole.now_ms))

    def read_over(self, call: str, connection: Connection, record: Recorder | None = None) -> Reading:
        """What the gateway makes of what a connection answers."""
        gateways: list[PublicGateway] = []
        self._refused: list[str] = []

        async def run() -> Rows:
            opening = PublicGateway(dialect_of(self.name), connection, record=record, sleep=_no_sleep)
            async with opening as gateway:
                gateways.append(gateway)
                return await self._rows(gateway, call)

        try:
            rows, error = asyncio.run(run()), None
        except Exception as failure:
            rows, error = {}, failure
        reasons: list[str] = []
        for gateway in gateways:
            reasons += [*gateway.unread, *gateway.untold, *self._refused]
            reasons += [f"gap {gap.start}" for gap in gateway.gaps]
        return Reading(rows, tuple(reasons), error)

    def _subject_of(self, call: str, part: Part) -> str:
        """The row that is made odd: the one that is gone when there is none of it."""
        known = self._subjects.get((call, part.call))
        if known is None:
            row = (*_keys(part.rows), _subject(part))
            gone = replace(part, body=_changed(part.body, Mutation(self.name, part.call, row, "null")))
            rows = self.read(call, gone).rows
            missing = [key for key in self.usual[call].rows if key not in rows]
            known = missing[0] if len(missing) == 1 else self.whole.btc
            self._subjects[call, part.call] = known
        return known

    async def _rows(self, gateway: PublicGateway, call: str) -> Rows:
        end = datetime.fromtimestamp(self.whole.now_ms / 1000, UTC)
        btc, start = self.whole.btc, end - timedelta(hours=26)
        if call == "listing":
            listing = await gateway.instruments()
            self._refused = list(listing.refused.values())
            return {terms.symbol: asdict(terms) for terms in listing.terms}
        if call == "estimates":
            return _by(await gateway.estimated_funding([btc, self.whole.eth]), "symbol")
        if call == "settled":
            return _by(await gateway.settled_funding(btc, start, end), "settled_at")
        if call == "candles":
            return _by(await gateway.candles(btc, "trade", end - timedelta(hours=4), end), "open_time")
        if self.whole.keeps_interest:
            rows = await gateway.open_interest_history(btc, end - timedelta(hours=4), end)
            return _by(rows, "observed_at")
        return _by(await gateway.open_interest(btc), "symbol")

    def _judge(self, call: str, part: Part, changed: Part, mutation: Mutation) -> Verdict:
        found, usual = self.read(call, changed), self.usual[call]
        if found.error is not None and not isinstance(found.error, FundingPipelineError):
            return Verdict("bare error", f"{type(found.error).__name__}: {found.error}")
        row = (*_keys(part.rows), _subject(part))
        is_envelope = len(mutation.path) < len(row)
        if is_envelope:
            if found.error is not None:
                return Verdict("refused")
            return Verdict("unchanged" if found.rows == usual.rows else "empty without an error")
        subject = self._subject_of(call, part)
        others = {key: value for key, value in usual.rows.items() if key != subject}
        if found.error is not None:
            return Verdict("another row lost" if others else "refused", str(found.error))
        for key, value in others.items():
            if key not in found.rows:
                return Verdict("another row lost", key)
            if found.rows[key] != value:
                return Verdict("another row changed", key)
        return _verdict_on_row(mutation, subject, usual, found)


def _verdict_on_row(mutation: Mutation, subject: str, usual: Reading, found: Reading) -> Verdict:
    new = [key for key in found.rows if key not in usual.rows]
    if subject not in found.rows and not new:
        return Verdict("refused" if found.reasons else "another form")
    if new:
        if mutation.kind in UNITS:
            return Verdict("unit not recognised", f"{subject} is {new[0]}")
        is_stated = mutation.kind in (*_STATED, "text NaN", "infinite", "huge")  # a name
        return Verdict("as its source says" if is_stated else "silent nonsense", f"{subject} is {new[0]}")
    before, after = usual.rows[subject], found.rows[subject]
    differing = {name for name in before if before[name] != after[name]}
    stated = {name for name in differing if after[name] is not None}
    if not differing:
        return Verdict("unchanged")
    if not stated:
        return Verdict("null", ", ".join(sorted(differing)))
    shown = ", ".join(f"{name} {before[name]} -> {after[name]}" for name in sorted(stated))
    if mutation.kind in UNITS:
        return Verdict("unit not recognised", shown)
    counts = mutation.path[-1] in _COUNTS
    is_zero = mutation.kind in ("text 0", "number 0") and (stated <= _MAY_BE_ZERO or counts)
    is_negative = mutation.kind == "minus one" and (stated <= {"maker_fee", "taker_fee"} or counts)
    is_limited = mutation.kind == "minus one" and any("limited to" in reason for reason in found.reasons)
    if mutation.kind in (*_STATED, "text NaN", "infinite", "huge") and stated == {"native_id"}:  # a name
        return Verdict("as its source says", shown)
    return Verdict("as its source says" if is_zero or is_negative or is_limited else "silent nonsense", shown)


async def _no_sleep(seconds: float) -> None:
    """Retries do not wait."""


def _by(frame: pl.DataFrame, key: str) -> Rows:
    return {str(row[key]): row for row in frame.iter_rows(named=True)}


def _keys(path: str) -> Path:
    return tuple(int(key) if key.isdigit() else key for key in path.split(".") if key)


def _subject(part: Part) -> int:
    """The row to make odd: the first instrument; of a series (three rows) the middle one."""
    rows = _at(part.body, _keys(part.rows))
    return 1 if len(rows) == 3 else 0


def _at(body: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        body = body[key]
    return body


def _fields(value: Any, path: Path) -> Iterator[Path]:
    """Every field below, those of nested objects among them."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, below in items:
        yield (*path, key)
        yield from _fields(below, (*path, key))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _changed(body: Any, mutation: Mutation) -> Any:
    if not mutation.path:
        return ODD[mutation.kind]
    changed = copy.deepcopy(body)
    *way, last = mutation.path
    holder = _at(changed, way)
    if mutation.kind == _MISSING:
        del holder[last]
    elif mutation.kind in UNITS:
        old = holder[last]
        number = (_number(old) or 0.0) * UNITS[mutation.kind]
        made: Any = int(number) if isinstance(old, int) and number == int(number) else number
        holder[last] = f"{made:.12g}" if isinstance(old, str) else made
    else:
        holder[last] = copy.deepcopy(ODD[mutation.kind])
    return changed
