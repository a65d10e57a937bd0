"""What is read less often than accounts: books, margin brackets and modes of what is held, venues' clocks.

What lives here: reading them beside the looks, and the newest of it. What does not: facts themselves
(`trading.facts_reading`).
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.trading import InstrumentModes
from funding_pipeline.execution.market_facts import LegKey, MarketFacts
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.session import TradingSession

_MODES_EACH = 5


@dataclass
class SlowView:
    """The newest facts, modes, and clock skews (seconds of the venues' time, venue less ours).

    `modes`: of what is held; a few instruments per venue each time, those read longest ago first.
    """

    session: TradingSession
    market: MarketFacts = field(default_factory=MarketFacts)
    skews_seconds: dict[str, float] = field(default_factory=dict)
    modes: dict[LegKey, InstrumentModes] = field(default_factory=dict)
    _begun_at: datetime | None = None
    _task: "asyncio.Task[None] | None" = None
    _facts: FactsReader | None = None

    async def look(self, keys: Iterable[LegKey], *, every_seconds: float, timeout_seconds: float) -> None:
        """Read again when due, or when something is held that was not; waits at most `timeout_seconds`."""
        wanted, now = frozenset(keys), self.session.now()
        due = self._begun_at is None or now - self._begun_at >= timedelta(seconds=every_seconds)
        if self._task is None and (due or not wanted <= set(self.market.instruments)):
            self._begun_at = now
            self._task = asyncio.ensure_future(self._read(wanted))
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=timeout_seconds)
        if self._task.done():
            task, self._task = self._task, None
            task.result()

    def facts(self, *, oldest_seconds: float) -> MarketFacts:
        """The newest facts; prices older than that are none."""
        oldest = self.session.now() - timedelta(seconds=oldest_seconds)
        kept = {
            key: found
            if found.observed_at is None or found.observed_at >= oldest
            else replace(found, price=None)
            for key, found in self.market.instruments.items()
        }
        return MarketFacts(kept, self.market.model_trained_at)

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _read(self, keys: frozenset[LegKey]) -> None:
        self._facts = self._facts or FactsReader(self.session)
        skews = [self._skew(venue) for venue in sorted(self.session.public)]
        reading = asyncio.gather(
            *skews, *(self._modes(venue, keys) for venue in sorted(self.session.gateways))
        )
        self.market = await self._facts.read(keys, model_trained_at=None)
        await reading

    async def _modes(self, venue: str, keys: frozenset[LegKey]) -> None:
        """What cannot be read is not known, and read again first."""
        for gone in [key for key in self.modes if key[0] == venue and key not in keys]:
            del self.modes[gone]
        order = {key: place for place, key in enumerate(self.modes)}
        held = sorted((key for key in keys if key[0] == venue), key=lambda key: (order.get(key, -1), key))
        for key in held[:_MODES_EACH]:
            self.modes.pop(key, None)
            with suppress(FundingPipelineError):
                self.modes[key] = await self.session.gateways[venue].modes(key[1])

    async def _skew(self, venue: str) -> None:
        """A venue that does not tell its time has no skew here; half of the request's time is allowed for."""
        self.skews_seconds.pop(venue, None)
        before = self.session.now()
        try:
            told = await self.session.public[venue].clock_skew_ms()
        except FundingPipelineError:
            return
        if told is not None:
            way = (self.session.now() - before).total_seconds()
            self.skews_seconds[venue] = told / 1000 + way / 2
