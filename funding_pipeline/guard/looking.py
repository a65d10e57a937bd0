"""One look at everything: accounts, clocks, books of what is held, and what the journal knows of it.

What lives here: putting it together into `Seen`; nothing here raises for a venue or for the journal. What
does not: the parts (`venue_watch`, `slow_view`, `own_orders`), judging (`assessment`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import IntentRecord, StateRecord
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.execution.market_facts import LegKey
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.journal_tap import JournalTap
from funding_pipeline.guard.own_orders import Explanations, Resting, resting
from funding_pipeline.guard.seen import Seen, Unexplained
from funding_pipeline.guard.slow_view import SlowView
from funding_pipeline.guard.venue_watch import VenueWatch, without
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession

Betas = Callable[[], Mapping[str, float]]
_WRITTEN_BEFORE_READ = timedelta(minutes=1)
"""Orders written this long before a venue was last read may have changed it since."""


@dataclass(frozen=True)
class _Known:
    """The journal's part of a look. `begun`, `peak`: equity, USD; `at_stake`: bases by silent venue."""

    state: StateRecord | None
    holder: str | None
    unresolved: tuple[IntentRecord, ...]
    resting: Resting
    at_stake: Mapping[str, frozenset[str]]
    begun: Decimal | None
    peak: Decimal | None


class Looking:
    """Looks through a session. `tap`: the journal of this look; `real`: in seconds of this machine."""

    def __init__(self, session: TradingSession, *, tap: JournalTap, real: GuardConfig, betas: Betas) -> None:
        self._session, self._tap, self._real, self._betas = session, tap, real, betas
        self._venues = VenueWatch(session)
        self._slow = SlowView(session)
        self._explanations = Explanations(session)
        self._equity: tuple[datetime, Decimal | None, Decimal | None] | None = None
        self._equity_state: StateRecord | None = None
        self._begun_at = session.now()
        self._reopening: asyncio.Task[None] | None = None
        self._tried_at: datetime | None = None
        self.problems: list[str] = []

    async def see(self, config: GuardConfig) -> Seen:
        """One look; `config` in the venues' seconds."""
        self.problems = []
        await self._ask_clock()
        self._reopen(config)
        books, down = await self._venues.look(self._real.venue_timeout_seconds)
        last = without(self._venues.last, books)
        book = BookState(self._session.now(), {**last, **books})
        await self._slow.look(
            [(p.venue, p.symbol) for p in book.positions],
            every_seconds=config.slow_look_seconds,
            timeout_seconds=self._real.venue_timeout_seconds,
        )
        return await self._with_journal(books, down, last, config)

    async def close(self) -> None:
        """End all readings."""
        await self._venues.close()
        await self._slow.close()
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.gather(self._reopening, return_exceptions=True)

    async def _with_journal(
        self,
        books: Mapping[str, VenueBook],
        down: Mapping[str, str],
        last: Mapping[str, VenueBook],
        config: GuardConfig,
    ) -> Seen:
        tap = self._tap
        at = self._session.now()
        # In a thread: a locked or slow database must not hold up the readings of venues.
        known = await asyncio.to_thread(self._ask_journal, at, books, last, down, config)
        busy = [(r.intent.request.venue, r.intent.request.symbol) for r in known.unresolved]
        unexplained = () if known.holder is not None else await self._unexplained(books, busy)
        return Seen(
            at=at,
            books=books,
            expected=frozenset(self._session.setup.venues),
            down=down,
            last_books=last,
            at_stake=known.at_stake,
            market=self._slow.facts(oldest_seconds=3 * config.slow_look_seconds + 60 * self._session.speed),
            betas=self._known_betas(),
            skews_seconds=dict(self._slow.skews_seconds),
            modes=dict(self._slow.modes),
            leverage=self._session.setup.execution.leverage,
            state=known.state,
            equity_at_day_start_usd=known.begun,
            peak_equity_usd=known.peak,
            lock_holder=known.holder,
            foreign=known.resting.foreign,
            strays=known.resting.strays,
            unresolved=known.unresolved,
            contradictions=known.resting.contradictions,
            unexplained=unexplained,
            journal_problem=tap.problem or tap.before,
        )

    def _ask_journal(
        self,
        at: datetime,
        books: Mapping[str, VenueBook],
        last: Mapping[str, VenueBook],
        down: Iterable[str],
        config: GuardConfig,
    ) -> _Known:
        """What the journal knows that bears on this look."""
        tap = self._tap
        state = tap.ask(lambda journal: journal.state(), None)
        holder = tap.ask(lambda journal: journal.lock_holder(), None)
        is_executing = holder is not None
        begun, peak = self._equity_marks(at, config, state)
        return _Known(
            state=state,
            holder=holder,
            unresolved=tap.ask(lambda journal: journal.unresolved(), ()),
            resting=tap.ask(lambda journal: resting(journal, books, is_executing=is_executing), Resting()),
            at_stake={venue: self._at_stake(venue, last) for venue in down},
            begun=begun,
            peak=peak,
        )

    async def _unexplained(
        self, books: Mapping[str, VenueBook], busy: list[LegKey]
    ) -> tuple[Unexplained, ...]:
        found = await self._tap.ask_async(
            lambda journal: self._explanations.unexplained(journal, books, busy), ()
        )
        # An executor may have begun since the accounts were read.
        return () if self._tap.ask(lambda journal: journal.lock_holder(), None) else found

    def _at_stake(self, venue: str, last: Mapping[str, VenueBook]) -> frozenset[str]:
        """Bases of which a silent venue may hold something: by its last word, and orders sent since."""
        heard = last.get(venue)
        held = {p.symbol for p in heard.positions} if heard is not None else set()
        since = (heard.at if heard is not None else self._begun_at) - _WRITTEN_BEFORE_READ * self._real_speed
        symbols = self._tap.ask(lambda journal: journal.symbols_ordered(venue, since), frozenset())
        if heard is None:
            symbols = symbols | self._tap.ask(lambda journal: _added_up(journal, venue), frozenset())
        book = BookState(self._session.now(), {})
        return frozenset(book.identity((venue, symbol))[0] for symbol in held | symbols)

    @property
    def _real_speed(self) -> float:
        return max(self._session.speed, 1.0)

    def _equity_marks(
        self, at: datetime, config: GuardConfig, state: StateRecord | None
    ) -> tuple[Decimal | None, Decimal | None]:
        """Equity at the start of the day and its peak; asked as seldom as books are, and whenever the state
        has changed: a person may have accepted a loss with it."""
        if state != self._equity_state:
            self._equity, self._equity_state = None, state
        kept = self._equity
        is_fresh = kept is not None and 0 <= (at - kept[0]).total_seconds() < config.slow_look_seconds
        if kept is not None and is_fresh and kept[0].date() == at.date():
            return kept[1], kept[2]
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        old = (None, None) if kept is None else (kept[1] if kept[0].date() == at.date() else None, kept[2])
        begun, peak = self._tap.ask(
            lambda journal: (journal.equity_at_start_of(midnight), journal.peak_equity()), old
        )
        self._equity = (at, begun, peak)
        return begun, peak

    def forget_equity(self) -> None:
        """A mark was written: ask again."""
        self._equity = None

    def _known_betas(self) -> Mapping[str, float]:
        try:
            return self._betas()
        except FundingPipelineError as error:
            self.problems.append(f"betas: {error}")
            return {}

    # --- connections
    async def _ask_clock(self) -> None:
        """The testnet's clock may have been moved, or its speed changed."""
        try:
            async with asyncio.timeout(self._real.venue_timeout_seconds):
                await self._session.connection.clock_ms()
        except (FundingPipelineError, TimeoutError) as error:
            self.problems.append(f"clock: {error or 'no answer'}")
            return
        self._session.speed = self._session.connection.speed

    def _reopen(self, config: GuardConfig) -> None:
        """Venues that could not be opened are tried again, beside the looks."""
        now = self._session.now()
        if self._reopening is not None and self._reopening.done():
            task, self._reopening = self._reopening, None
            task.result()
        if self._tried_at is None:
            self._tried_at = self._begun_at
        is_due = now - self._tried_at >= timedelta(seconds=config.reopen_seconds)
        if self._session.down and self._reopening is None and is_due:
            self._tried_at = now
            self._reopening = asyncio.ensure_future(self._reopen_all(sorted(self._session.down)))

    async def _reopen_all(self, venues: list[str]) -> None:
        for venue in venues:
            await self._session.reopen(venue)


def _added_up(journal: Journal, venue: str) -> frozenset[str]:
    """Symbols of which the journal adds up to a position."""
    totals = journal.instrument_totals(venue=venue)
    return frozenset(symbol for (_, symbol), total in totals.items() if total.held)
