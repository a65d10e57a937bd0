"""Lives of the guard beside the executors': begun, killed, begun again after a pause, on the same loop.

What lives here: one guard after the other, each with a journal and clients of its own. What does not: what
a guard does (`guard`), the executors' lives (`lives`), and what was right about it (`audit`).
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, field

from funding_pipeline.chaos.connection import EngineConnection
from funding_pipeline.chaos.kills import Kill, Killed, KillSwitch
from funding_pipeline.chaos.lives import World, crash_text, open_venue, open_venues
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.chaos.virtual_time import PROCESS, VirtualLoop, end_process
from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.guard import Guard
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.setup import TradingSetup


@dataclass(frozen=True)
class GuardSetting:
    """How the guards of a campaign are set. Seconds are virtual ones. `max_age_seconds`: of the sign of life
    without which executors open nothing."""

    limits: RiskLimits
    execution: ExecutionConfig
    config: GuardConfig
    max_age_seconds: float
    betas: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GuardPlan:
    """`kills`: the ends of its first lives; those after the last live on. `pauses_s`: before each new life.
    `at_mishaps`: the end of the life that meets each mishap, counted from there; None: none."""

    kills: tuple[Kill, ...]
    pauses_s: tuple[float, ...]
    at_mishaps: tuple[Kill | None, ...] = ()


@dataclass
class GuardShift:
    """The guard of one episode, dead or alive. `died` is called with the name of each that ends."""

    loop: VirtualLoop
    world: World
    setting: GuardSetting
    plan: GuardPlan
    died: Callable[[str], None]
    looks: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    crashes: list[Violation] = field(default_factory=list)
    _task: "asyncio.Task[None] | None" = None
    _switch: KillSwitch | None = None

    def begin(self) -> None:
        """Start the first life."""
        self._task = self.loop.create_task(self._shift())

    def kill_at(self, kill: Kill) -> None:
        """Choose the end of the present life anew, counted from now; nothing where it is dead."""
        if self._switch is not None and not self._switch.is_dead:
            self._switch.kill_at(kill)

    def end(self) -> None:
        """Stop for good, between two steps."""
        if self._task is None:
            return
        if self._switch is not None:
            self._switch.is_dead = True
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self._task)
        if self._switch is not None:
            self.loop.run_until_complete(end_process(self.loop, self._switch.process))

    async def _shift(self) -> None:
        for number in itertools.count():
            kill = self.plan.kills[number] if number < len(self.plan.kills) else None
            self._switch = switch = KillSwitch(kill, f"guard {number + 1}")
            await self._live(switch)
            if switch.point:
                self.kills[f"guard {switch.point}"] += 1
            self.died(switch.process)
            await asyncio.sleep(self.plan.pauses_s[number % len(self.plan.pauses_s)])

    async def _live(self, switch: KillSwitch) -> None:
        """One life, as a process of its own."""
        context = copy_context()
        context.run(PROCESS.set, switch.process)
        task = self.loop.create_task(self._life(switch), context=context)
        await asyncio.wait([task])
        switch.is_dead = True
        await end_process(self.loop, switch.process)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):  # a guard ends by nothing but a kill
            self.crashes.append(Violation("guard_failures", crash_text(error)))

    async def _life(self, switch: KillSwitch) -> None:
        world, setting = self.world, self.setting
        journal = Journal(world.journal_url, now=world.clock.moment, commit_hook=switch.pass_point)
        connection = EngineConnection(world.network, world.clock, switch)
        try:
            async with AsyncExitStack() as stack:
                opened = await open_venues(world, connection, stack)

                async def open_one(venue: str) -> None:
                    await open_venue(venue, opened, world, connection=connection, stack=stack)

                setup = TradingSetup(
                    mode="paper",
                    venues=tuple(world.dialects),
                    connect=lambda: connection,
                    journal_url=world.journal_url,
                    limits=(setting.limits,),
                    execution=setting.execution,
                )
                session = TradingSession(
                    setup, connection, journal, 1.0, opened.gateways, opened.public, opened.down, open_one
                )
                guard = Guard(
                    session, config=setting.config, alerts=Alerts(journal), betas=lambda: setting.betas
                )
                await guard.run(until=self._count)
        finally:
            with suppress(JournalError, Killed):
                journal.close()

    def _count(self) -> bool:
        self.looks += 1
        return False
