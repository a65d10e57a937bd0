"""One life of an executor: clients, journal and executor made anew, a task begun, its end told.

What lives here: a process from start to end. What does not: how many there are (`episode`), and what was
right about it (`audit`).
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from funding_pipeline.chaos.connection import EngineConnection, EngineNetwork
from funding_pipeline.chaos.kills import Killed, KillSwitch
from funding_pipeline.chaos.virtual_time import VirtualClock, cancel_everything
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


def live(
    loop: asyncio.AbstractEventLoop,
    world: World,
    *,
    make_executor: MakeExecutor,
    task: Task,
    verdict: RiskVerdict,
    switch: KillSwitch,
    config: ExecutionConfig,
) -> End:
    """Run one life on the loop, to its end; what it left running ends with it."""
    life = _life(world, make_executor, (task, verdict), switch, config)
    try:
        return End(report=loop.run_until_complete(asyncio.wait_for(life, LONGEST_LIFE_S)))
    except Killed:
        return End(killed_at=switch.point)
    except TimeoutError:
        return End(error=f"still busy after {LONGEST_LIFE_S:.0f} s")
    except FundingPipelineError as error:
        return End(error=f"{type(error).__name__}: {error}")
    except Exception as error:  # what an executor never raises on purpose is a finding
        return End(error=f"{type(error).__name__}: {error} ({_where(error)})", is_crash=True)
    finally:
        switch.is_dead = True
        with suppress(Killed):
            cancel_everything(loop)


async def _life(
    world: World,
    make_executor: MakeExecutor,
    work: tuple[Task, RiskVerdict],
    switch: KillSwitch,
    config: ExecutionConfig,
) -> Any:
    journal = Journal(world.journal_url, now=world.clock.moment, commit_hook=switch.pass_point)
    connection = EngineConnection(world.network, world.clock, switch)
    try:
        async with AsyncExitStack() as stack:
            gateways: dict[str, PrivateGateway] = {}
            public: dict[str, PublicGateway] = {}
            for venue, dialect in world.dialects.items():
                with suppress(VenueError):  # gone for now: the others are served all the same
                    private = PrivateGateway(dialect, connection, world.credentials[venue])
                    opened = await stack.enter_async_context(private)
                    public[venue] = await stack.enter_async_context(PublicGateway(dialect, connection))
                    gateways[venue] = opened
            executor = make_executor(
                journal=journal,
                gateways=gateways,
                public=public,
                clock=world.clock.moment,
                sleep=asyncio.sleep,
                config=config,
            )
            return await _work(executor, *work)
    finally:
        with suppress(JournalError):
            journal.close()


async def _work(executor: Any, task: Task, verdict: RiskVerdict) -> Any:
    if task == "flatten":
        return await executor.flatten(reason="chaos", verdict=verdict)
    return await executor.rebalance(verdict)


def _where(error: Exception) -> str:
    """The last line of our own that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "funding_pipeline" in frame.filename] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def is_settled(report: Any) -> bool:
    """Whether the executor says that nothing is left to do."""
    return report.status in ("done", "incomplete", "halted")
