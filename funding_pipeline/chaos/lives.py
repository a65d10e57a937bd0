"""One life of an executor: clients, journal and executor made anew, a task begun, its end told.

What lives here: a process from start to end. What does not: how many there are (`episode`), the guard's
lives beside it (`guard_lives`), and what was right about it (`audit`).
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from funding_pipeline.chaos.connection import EngineConnection, EngineNetwork
from funding_pipeline.chaos.kills import Killed, KillSwitch
from funding_pipeline.chaos.virtual_time import PROCESS, VirtualClock, VirtualLoop, end_process
from funding_pipeline.core.errors import FundingPipelineError, JournalError, VenueError
from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.storage.journal import Journal
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway

LONGEST_LIFE_S = 1_800.0


@dataclass(frozen=True)
class World:
    """What a life finds: it outlives every executor."""

    network: EngineNetwork
    clock: VirtualClock
    dialects: Mapping[str, VenueDialect]
    credentials: Mapping[str, Credentials]
    journal_url: str


@dataclass(frozen=True)
class End:
    """How a life ended: `report` where the task was done, `killed_at` a kill point, or `error`."""

    report: Any = None
    killed_at: str | None = None
    error: str | None = None
    is_crash: bool = False

    @property
    def text(self) -> str:
        """In a few words."""
        if self.killed_at is not None:
            return f"killed {self.killed_at}"
        if self.error is not None:
            return self.error
        told = (*self.report.given_up, *self.report.problems, *self.report.statement_problems)
        return f"{self.report.status}, {self.report.orders_sent} orders" + "".join(f"; {t}" for t in told)


MakeExecutor = Callable[..., Any]
Task = Literal["rebalance", "flatten"]


@dataclass(frozen=True)
class Opened:
    """Gateways of the venues that answered; `down`: why the others did not."""

    gateways: dict[str, PrivateGateway]
    public: dict[str, PublicGateway]
    down: dict[str, str]


async def open_venues(world: World, connection: EngineConnection, stack: AsyncExitStack) -> Opened:
    """Open every venue of the world that answers; one that is gone for now keeps nobody from the others."""
    opened = Opened({}, {}, {})
    for venue in world.dialects:
        await open_venue(venue, opened, world, connection=connection, stack=stack)
    return opened


async def open_venue(
    venue: str, opened: Opened, world: World, *, connection: EngineConnection, stack: AsyncExitStack
) -> None:
    """Open one venue into `opened`; where it does not answer, `down` says why."""
    dialect = world.dialects[venue]
    try:
        private = PrivateGateway(dialect, connection, world.credentials[venue])
        gateway = await stack.enter_async_context(private)
        opened.public[venue] = await stack.enter_async_context(PublicGateway(dialect, connection))
    except VenueError as error:
        opened.down[venue] = str(error)
        return
    opened.gateways[venue] = gateway
    opened.down.pop(venue, None)


Work = Callable[[Journal, Opened], Awaitable[Any]]
"""What a life is for: done with a journal and gateways of its own."""


def live(loop: VirtualLoop, world: World, *, switch: KillSwitch, work: Work) -> End:
    """Run one life on the loop, to its end; what it left running ends with it."""
    process = PROCESS.set(switch.process)
    try:
        life = asyncio.wait_for(_life(world, switch, work), LONGEST_LIFE_S)
        return End(report=loop.run_until_complete(life))
    except Killed:
        return End(killed_at=switch.point)
    except TimeoutError:
        return End(error=f"still busy after {LONGEST_LIFE_S:.0f} s")
    except FundingPipelineError as error:
        return End(error=f"{type(error).__name__}: {error}")
    except Exception as error:  # what an executor never raises on purpose is a finding
        return End(error=crash_text(error), is_crash=True)
    finally:
        switch.is_dead = True
        PROCESS.reset(process)
        loop.run_until_complete(end_process(loop, switch.process))


async def _life(world: World, switch: KillSwitch, work: Work) -> Any:
    journal = Journal(world.journal_url, now=world.clock.moment, commit_hook=switch.pass_point)
    connection = EngineConnection(world.network, world.clock, switch)
    try:
        async with AsyncExitStack() as stack:
            return await work(journal, await open_venues(world, connection, stack))
    finally:
        with suppress(JournalError):
            journal.close()


def execution(
    world: World, task: Task, verdict: RiskVerdict, *, make_executor: MakeExecutor, config: ExecutionConfig
) -> Work:
    """The work of an executor: to carry the verdict out, or to flatten under it."""

    async def work(journal: Journal, opened: Opened) -> Any:
        executor = make_executor(
            journal=journal,
            gateways=opened.gateways,
            public=opened.public,
            clock=world.clock.moment,
            sleep=asyncio.sleep,
            config=config,
        )
        if task == "flatten":
            return await executor.flatten(reason="chaos", verdict=verdict)
        return await executor.rebalance(verdict)

    return work


def crash_text(error: Exception) -> str:
    """The error, and the last line of our own that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "funding_pipeline" in frame.filename] or frames
    return f"{type(error).__name__}: {error} ({Path(own[-1].filename).name}:{own[-1].lineno})"


def is_settled(report: Any) -> bool:
    """Whether the executor says that nothing is left to do."""
    return report.status in ("done", "incomplete", "halted")
