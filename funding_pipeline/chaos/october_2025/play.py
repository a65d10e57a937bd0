"""Playing the day: a book is opened, a guard looks on, prices fall, venues misbehave, a rebalance is tried.

What lives here: the order of things. What does not: times and sizes (`story`), what venues do (`misdeeds`),
what came of it for a reader (`outcome`).

Everything goes the way it would in earnest: plans are judged by `execution.verdict` and carried out by the
executor, and the guard is the guard. Only time is virtual.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from funding_pipeline.chaos.connection import EngineConnection, EngineNetwork
from funding_pipeline.chaos.engines import EpisodeTestnet, SharedMarket
from funding_pipeline.chaos.ground import Ground, lay
from funding_pipeline.chaos.guard_lives import GuardPlan, GuardSetting, GuardShift
from funding_pipeline.chaos.kills import KillSwitch
from funding_pipeline.chaos.lives import World, open_venues
from funding_pipeline.chaos.october_2025.crashing_quotes import CrashingQuotes
from funding_pipeline.chaos.october_2025.misdeeds import Misdeeds
from funding_pipeline.chaos.october_2025.outcome import Loss, OctoberOutcome, conclude
from funding_pipeline.chaos.october_2025.plans import judged, story_targets
from funding_pipeline.chaos.october_2025.story import Story
from funding_pipeline.chaos.october_2025.timeline import Sample, measure, prices_now
from funding_pipeline.chaos.virtual_time import VirtualClock, VirtualLoop
from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline.core.trading import Fill
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.trading.pnl import decision_prices, pnl_by_source
from funding_pipeline.trading.report import ExecutionReport
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.trading.statements import record_statements
from funding_pipeline.trading.venue_book import read_venue_book

_SAMPLED_EVERY_S = 5.0
_FIRST_LOOK_S = 5.0
"""Without a sign of life of the guard nothing is opened."""
_SEED = 2025


class October:
    """One day in virtual time. `folder`: for its journal."""

    def __init__(
        self,
        market: SharedMarket,
        story: Story,
        setting: GuardSetting,
        *,
        terms: Mapping[str, VenueTerms],
        folder: Path,
        loop: VirtualLoop,
    ) -> None:
        self._story, self._setting, self._loop = story, setting, loop
        self._clock = clock = VirtualClock(loop, round(story.begins.timestamp() * 1000))
        crash, url = story.crash(), f"sqlite:///{folder / 'october-2025.db'}"
        testnet = EpisodeTestnet(
            market, story.venues, clock, as_changed=lambda quotes: CrashingQuotes(quotes, crash)
        )
        self.ground: Ground = lay(
            testnet, clock, balances=story.balances, journal_url=url, terms=terms, seed=_SEED
        )
        world, audit = self.ground.world, self.ground.audit
        self._shift = GuardShift(loop, world, setting, GuardPlan((), (1.0,)), audit.died)
        self._first = prices_now(testnet, self.ground.accounts)
        self._events: list[tuple[datetime, str]] = []
        self._samples: list[Sample] = []

    def play(self) -> OctoberOutcome:
        """From the opening of the book to the statements after the last look."""
        sampling = self._loop.create_task(self._sample())
        try:
            self._shift.begin()
            self._loop.run_until_complete(self._open())
            before = self._loop.run_until_complete(self._before_the_fall())
            self._loop.run_until_complete(self._fall())
        finally:
            sampling.cancel()
            self._shift.end()
        loss = self._loop.run_until_complete(self._reckon(before))
        return conclude(
            self.ground,
            loss,
            began=self._story.falls_at,
            samples=self._samples,
            events=self._events,
            guard_looks=self._shift.looks,
        )

    # --- acts
    async def _open(self) -> None:
        await asyncio.sleep(_FIRST_LOOK_S)
        await self._rebalance("opening", Decimal(1), process="executor 1")

    async def _before_the_fall(self) -> dict[str, VenueBook]:
        """All accounts at one moment."""
        await self._until(-1.0)
        async with self._session(self._still_world(), "reader") as session:
            return await _books(session)

    async def _fall(self) -> None:
        self._call_at(0.0, lambda: self._note("prices begin to fall, books to empty"))
        for seconds, act in Misdeeds(self.ground, self._story, self._note).planned():
            self._call_at(seconds, act)
        await self._until(self._story.rebalance_s)
        await self._rebalance("scheduled", self._story.rebalance_growth, process="executor 2")
        await self._until(self._story.last_rebalance_s)
        await self._rebalance("next", Decimal(1), process="executor 3")
        await self._until(self._story.lasts_s)

    async def _rebalance(self, name: str, scale: Decimal, *, process: str) -> None:
        """Judge the story's book times `scale`, and carry out what is allowed."""
        async with self._session(self.ground.world, process) as session:
            targets = story_targets(self.ground, self._story, self._first, scale=scale)
            verdict = await judged(session, name, targets, betas=self._setting.betas, note=self._note)
            self._note(f"rebalance ({name}) of the book times {scale:f} is judged: {_said(verdict)}")
            report = await session.executor().rebalance(verdict)
        self._note(f"rebalance ({name}) ends: {_ended(report)}")

    async def _reckon(self, before: Mapping[str, VenueBook]) -> Loss:
        """Statements and books when all is over, and what the fall has cost, by source."""
        since = max(book.at for book in before.values())
        async with self._session(self._still_world(), "reader") as session:
            journal = session.journal
            legs = {(r.intent.request.venue, r.intent.request.symbol) for r in journal.intents()}
            problems = await record_statements(journal, session.gateways, legs, since=since)
            after, records = await _books(session), journal.intents()
            fills = [fill for fill in journal.fills() if fill.traded_at > since]
            decided = decision_prices(records, session.config)
            sources = pnl_by_source(
                before,
                after,
                fills,
                [paid for paid in journal.payments() if paid.settled_at > since],
                records,
                references={**self._marks_of(fills), **decided},
            )
        return Loss(sources, before, after, problems)

    def _marks_of(self, fills: Iterable[Fill]) -> Mapping[tuple[str, str], Decimal]:
        """The mark at each fill's time, by venue and order: what a venue's forced fills cost beyond that is
        their cost, all else is the market's doing."""
        seats = {venue: self.ground.testnet.seat(venue) for venue in self._story.venues}
        return {
            (f.venue, f.order_id): seats[f.venue].quotes.mark(f.symbol, round(f.traded_at.timestamp() * 1000))
            for f in fills
        }

    # --- time, sessions, measures
    def _call_at(self, seconds: float, act: Callable[[], None]) -> None:
        self._loop.call_later(self._left_s(seconds), act)

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(self._left_s(seconds))

    def _left_s(self, seconds: float) -> float:
        """Until `seconds` after the fall's beginning."""
        return max(0.0, seconds - (self._clock.now() / 1000 - self._story.falls_at.timestamp()))

    def _note(self, text: str) -> None:
        self._events.append((self._clock.moment(), text))

    async def _sample(self) -> None:
        ground = self.ground
        while True:
            moment = self._clock.moment()
            self._samples.append(measure(ground.testnet, ground.accounts, self._first, moment))
            await asyncio.sleep(_SAMPLED_EVERY_S)

    @asynccontextmanager
    async def _session(self, world: World, process: str) -> AsyncIterator[TradingSession]:
        """Journal and venues as a process of its own has them."""
        connection = EngineConnection(world.network, world.clock, KillSwitch(None, process))
        setup = TradingSetup(
            mode="paper",
            venues=tuple(world.dialects),
            connect=lambda: connection,
            journal_url=world.journal_url,
            limits=(self._setting.limits,),
            execution=self._setting.execution,
        )
        async with AsyncExitStack() as stack:
            journal = stack.enter_context(Journal(world.journal_url, now=world.clock.moment))
            opened = await open_venues(world, connection, stack)
            yield TradingSession(setup, connection, journal, 1.0, opened.gateways, opened.public, opened.down)
        self.ground.audit.died(process)

    def _still_world(self) -> World:
        """The same accounts over a network on which no time passes: books of one moment."""
        ground = self.ground
        network = EngineNetwork(
            ground.testnet, FaultDesk(ground.testnet), ground.audit, _SEED, is_instant=True
        )
        return replace(ground.world, network=network)


async def _books(session: TradingSession) -> dict[str, VenueBook]:
    return {v: await read_venue_book(g, at=session.now()) for v, g in sorted(session.gateways.items())}


def _said(verdict: RiskVerdict) -> str:
    """The decision on each base, and the first reason of each that does not pass."""
    by_base = {leg.target.base: leg for leg in verdict.legs}
    words = [
        f"{base} {leg.decision}" + (f" ({leg.reasons[0]})" if leg.reasons else "")
        for base, leg in sorted(by_base.items())
    ]
    return f"{verdict.decision}, in {verdict.state}: " + "; ".join(words)


def _ended(report: ExecutionReport) -> str:
    told = "; ".join(report.problems)
    return f"{report.status}, {report.orders_sent} orders" + (f"; {told}" if told else "")


def play(
    market: SharedMarket,
    story: Story,
    setting: GuardSetting,
    *,
    terms: Mapping[str, VenueTerms],
    folder: Path,
) -> OctoberOutcome:
    """Play it on a loop of its own; the same story gives the same outcome."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    before = random.getstate()
    random.seed(_SEED)  # retries wait with a jitter from the global generator
    october = October(market, story, setting, terms=terms, folder=folder, loop=loop)
    try:
        return october.play()
    finally:
        october.ground.journal.close()
        random.setstate(before)
        asyncio.set_event_loop(None)
        loop.close()
