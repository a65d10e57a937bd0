"""Holding the answers of a call, checking them, and leaving out the rows that cannot be read.

What lives here: the check in ccxt's `fetch2`, through which every call goes, and the search for the rows over
which a parser stumbles. What does not: where a list is (`answers`, the dialects), or asking (`calls`).

ccxt makes an empty list of an answer without one, which would read as "there was nothing"; and one odd row
ends the parsing of all others. Answers of a call are therefore held while it runs: where it fails in a
parser, it is run again over the held answers, without network, to find the rows that it cannot read.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.venues.answers import STUMBLES, Rows, found_at, list_of
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.spelling import info_of, is_moment, number_of

Ask = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Asks the venue, with these parameters."""
_MOST_PAGES = 100


class Place(NamedTuple):
    """One row of a held answer."""

    request: str
    at: int


@dataclass(frozen=True)
class Unread:
    """A row that was left out: `name` as the venue spells it, or its place in the answer."""

    name: str
    reason: str


@dataclass
class Held:
    """Answers of one call by request, with what is declared of each; see the module's text."""

    dialect: VenueDialect
    answers: dict[str, tuple[Rows | None, Any]] = field(default_factory=dict)
    left_out: frozenset[Place] = frozenset()
    is_replay: bool = False
    has_failed: bool = False
    unread: list[Unread] = field(default_factory=list)

    async def answer(self, path: str, params: Mapping[str, Any], ask: Ask) -> Any:
        """The answer to a request: from the venue, checked and held; on a replay, from what is held."""
        request = f"{path} {json.dumps(params, sort_keys=True, default=str)}"
        rows = self.dialect.answers.get(self.dialect.answer_key(path, params))
        if not self.is_replay or request not in self.answers:
            try:
                body = await ask(params)
                if rows is not None:
                    listed = rows.checked(body)
                    body = await self._whole(path, params, rows, body, ask)
                    listed = [] if rows.path is None else list_of(body, rows.path)
            except BaseException:
                self.has_failed = True
                raise
            self.answers[request] = (rows, body)
            self._leave_out_odd(request, rows, None if rows is None else listed, params)
        return self._trimmed(request)

    async def _whole(self, path: str, params: Mapping[str, Any], rows: Rows, body: Any, ask: Ask) -> Any:
        """`body` with the rows of all pages after it."""
        if rows.path is None:
            return body
        found, page = list_of(body, rows.path), body
        for _ in range(_MOST_PAGES):
            more = self.dialect.next_page(path, params, page)
            if more is None:
                return body if page is body else _replaced(body, rows.path, found)
            page = await ask({**params, **more})
            found = [*found, *rows.checked(page)]
        raise VenueAnswerError(f"more than {_MOST_PAGES} pages of {path}")

    def rows(self) -> list[Place]:
        """Every row that may be to blame."""
        return [
            Place(request, index)
            for request, (rows, body) in self.answers.items()
            if rows is not None and rows.path is not None and rows.are_rows and rows.may_miss
            for index in range(len(list_of(body, rows.path)))
            if Place(request, index) not in self.left_out
        ]

    def name_of(self, place: Place) -> str:
        """What to call a row."""
        rows, body = self.answers[place.request]
        assert rows is not None
        assert rows.path is not None
        return _name_of(list_of(body, rows.path)[place.at], rows, place.at)

    def _leave_out_odd(
        self, request: str, rows: Rows | None, listed: Sequence[Any] | None, params: Mapping[str, Any]
    ) -> None:
        """Rows unlike the others: parsers pass over them in silence, or take one column for another.

        Raises VenueAnswerError for one in a list of which no row may be missing."""
        if rows is None or not (rows.are_rows and listed) or _are_in_order(listed, rows, params):
            return
        usual = _usual_form(listed, rows)
        for index, row in enumerate(listed):
            reason = _oddity(row, rows, usual, params)
            if reason is None:
                continue
            if not rows.may_miss:
                raise VenueAnswerError(f"{_name_of(row, rows, index)}: {reason}")
            place = Place(request, index)
            self.left_out |= {place}
            self.unread.append(Unread(self.name_of(place), reason))

    def _trimmed(self, request: str) -> Any:
        rows, body = self.answers[request]
        gone = {place.at for place in self.left_out if place.request == request}
        if rows is None or rows.path is None or not gone:
            return body
        trimmed = _replaced(body, rows.path, _without(list_of(body, rows.path), gone, rows.stand_in))
        if rows.beside is None:
            return trimmed
        beside = list_of(body, rows.beside)
        return _replaced(trimmed, rows.beside, _without(beside, gone, rows.stand_in))


_HELD: ContextVar[Held | None] = ContextVar("held", default=None)


@contextmanager
def holding(dialect: VenueDialect) -> Iterator[Held]:
    """Hold and check the answers to what is asked inside, also by tasks that are started there."""
    held = Held(dialect)
    token = _HELD.set(held)
    try:
        yield held
    finally:
        _HELD.reset(token)


def checked_class(base: type) -> type:
    """A ccxt class whose answers are checked and held, where a call is made inside of `holding`."""

    class Checked(base):  # type: ignore[misc]
        async def fetch2(self, path: str, *arguments: Any, **named: Any) -> Any:
            held, fetch = _HELD.get(), super().fetch2
            if held is None:
                return await fetch(path, *arguments, **named)
            params = arguments[2] if len(arguments) > 2 else named.get("params") or {}

            async def ask(asked: Mapping[str, Any]) -> Any:
                if len(arguments) > 2:
                    return await fetch(path, *arguments[:2], asked, *arguments[3:], **named)
                return await fetch(path, *arguments, **{**named, "params": asked})

            return await held.answer(path, params, ask)

        async def fetch(self, *arguments: Any, **named: Any) -> Any:
            """Any JSON is an answer: ccxt hands on a bare text or null as the text that was sent."""
            answer = await super().fetch(*arguments, **named)
            return json.loads(answer) if isinstance(answer, str) else answer

        async def fetch_markets(self, params: Any = None) -> Any:
            return distinct_markets(await super().fetch_markets(params or {}))

    Checked.__name__ = base.__name__
    return Checked


def distinct_markets(markets: Sequence[Any]) -> list[dict[str, Any]]:
    """Markets with an id and a symbol of their own: ccxt would keep the last of those that share one.

    What trades takes precedence over what does not; where several trade none is kept, for which is meant
    cannot be told.
    """
    named = [
        m for m in markets if isinstance(m, dict) and _is_text(m.get("id")) and _is_text(m.get("symbol"))
    ]
    by_symbol: dict[str, list[dict[str, Any]]] = {}
    for market in named:
        by_symbol.setdefault(market["symbol"], []).append(market)
    chosen = []
    for same in by_symbol.values():
        candidates = [market for market in same if market.get("active") is not False] or same[-1:]
        chosen += candidates if len(candidates) == 1 else []
    return chosen


def unlisted(held: Held, markets: Mapping[str, Any]) -> Iterator[Unread]:
    """Rows of a listing that are in none of the markets which were made of it, and not left out before."""
    known = {row.name for row in held.unread}
    for rows, body in held.answers.values():
        if rows is not None and rows.path is not None and rows.name:
            made = {info_of(market).get(rows.name) for market in markets.values()}
            for at, row in enumerate(list_of(body, rows.path)):
                name = _name_of(row, rows, at)
                if name not in made and name not in known:
                    yield Unread(name, "no market can be made of it, or another has its name")


async def read_what_can_be_read(
    held: Held,
    run: Callable[[], Awaitable[Any]],
    explain: Callable[[Exception], str],
    *,
    probe: Callable[[], Awaitable[Any]] | None = None,
) -> Any:
    """`run` again over the held answers without the rows that it cannot read, which go to `held.unread`.

    `probe`: what to try rows with, where `run` keeps what it makes. Raises what `run` raises where no rows
    are to blame.
    """
    kept_out, places = held.left_out, held.rows()
    held.is_replay = True

    async def failure_of(kept: Sequence[Place]) -> Exception | None:
        held.left_out = kept_out | (frozenset(places) - frozenset(kept))
        try:
            await (probe or run)()
        except Exception as error:
            return error
        return None

    async def bad_of(kept: Sequence[Place]) -> dict[Place, Exception]:
        error = await failure_of(kept)
        if error is None:
            return {}
        if len(kept) == 1:
            return {kept[0]: error}
        middle = len(kept) // 2
        return await bad_of(kept[:middle]) | await bad_of(kept[middle:])

    without_any = await failure_of(())
    bad = {} if without_any is not None or not places else await bad_of(places)
    held.left_out = kept_out | frozenset(bad)
    answer = await run()
    held.unread += [Unread(held.name_of(place), explain(error)) for place, error in bad.items()]
    return answer


def _replaced(body: Any, path: str, rows: list[Any]) -> Any:
    """`body` with other rows at `path`; what was given stays as it is."""
    if not path:
        return rows
    key, _, rest = path.partition(".")
    if isinstance(body, list):
        return [_replaced(item, rest, rows) if at == int(key) else item for at, item in enumerate(body)]
    return {**body, key: _replaced(body[key], rest, rows)}


def _without(rows: list[Any], gone: set[int], stand_in: Mapping[str, Any] | None) -> list[Any]:
    if stand_in is None:
        return [row for at, row in enumerate(rows) if at not in gone]
    return [
        {**stand_in, "name": f"{stand_in['name']}{at}"} if at in gone else row for at, row in enumerate(rows)
    ]


def _are_in_order(listed: Sequence[Any], rows: Rows, params: Mapping[str, Any]) -> bool:
    """Whether no row is odd, in one pass for the many answers of which that is so; False: look closer."""
    if (
        rows.unit == "iso"
        or rows.numbers
        or len({_form_of(row) for row in listed}) > 1
        or type(listed[0]) not in (dict, list)
    ):
        return False
    try:
        if rows.about and {row[rows.about] for row in listed} != {params.get(rows.about)}:
            return False
        stamps = [] if rows.time is None else [row[rows.time] for row in listed]
        if not {type(stamp) for stamp in stamps} <= {int, str}:
            return False
        moments = [int(stamp) for stamp in stamps]
    except STUMBLES:
        return False
    return not moments or (_is_time(min(moments), rows.unit) and _is_time(max(moments), rows.unit))


def _usual_form(listed: Sequence[Any], rows: Rows) -> tuple[str, int] | None:
    """The form of most rows; None where none is a structure."""
    fits = ("dict",) if rows.name else ("dict", "list")
    counted = Counter(form for form in map(_form_of, listed) if form[0] in fits)
    return max(counted, key=lambda form: (counted[form], form != ("list", 0), form), default=None)


def _oddity(row: Any, rows: Rows, usual: tuple[str, int] | None, params: Mapping[str, Any]) -> str | None:
    """Why a row is left out: another form, no time, another instrument; None for most."""
    form = _form_of(row)
    if form != usual:
        return f"not a row as the others ({f'list of {form[1]}' if form[0] == 'list' else form[0]})"
    if rows.time is not None and not _is_time(stamp := _stamp_of(row, rows.time), rows.unit):
        return f"{stamp!r} is no time"
    if rows.numbers and (odd := rows.odd_number(row)) is not None:
        return odd
    if rows.about and row.get(rows.about, params.get(rows.about)) != params.get(rows.about):
        return f"it is about {row[rows.about]!r}"
    return None


def _stamp_of(row: Any, field_: str | int) -> Any:
    if isinstance(row, list):
        return row[field_] if isinstance(field_, int) and field_ < len(row) else None
    return row.get(field_)


def _is_time(stamp: Any, unit: str) -> bool:
    if unit == "iso":
        with suppress(TypeError, ValueError):
            return datetime.fromisoformat(stamp).year >= 2010
        return False
    number = number_of(stamp)
    return number is not None and is_moment(number * (1000 if unit == "s" else 1))


def _form_of(row: Any) -> tuple[str, int]:
    return type(row).__name__, len(row) if isinstance(row, list) else 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _name_of(row: Any, rows: Rows, index: int) -> str:
    name = found_at(row, rows.name) if isinstance(row, dict) and rows.name else None
    return name if isinstance(name, str) and name else f"row {index + 1}"
