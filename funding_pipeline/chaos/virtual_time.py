"""An event loop that does not wait, and the testnet's clock on it: an hour passes in no time.

What lives here: time. What does not: anything that happens in it. A sleep ends as soon as nothing else
is to be done before its end, so that the order of events depends on their times alone.
"""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from funding_pipeline.chaos.kills import Killed
from funding_pipeline.testnet.clock import check_jump, check_time

PROCESS: ContextVar[str] = ContextVar("process", default="")
"""Which of the processes that share a loop here runs: its tasks are ended with it."""


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: where no socket is ready, time moves on instead."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is left to happen on this loop, and something waits for it")
            self._pass_time(max(timeout, 0.0))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose `time()` starts at 0 and jumps to the next timer.

    What is handed to a thread is done at once: threads know no virtual time.
    """

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._processes: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._elapsed

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """A task that belongs to the process that makes it."""
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        self._processes[task] = PROCESS.get() if context is None else context.get(PROCESS, "")
        return task

    def tasks_of(self, process: str) -> list[asyncio.Task[Any]]:
        """Its tasks that are not done, by name."""
        own = [t for t in asyncio.all_tasks(self) if self._processes.get(t) == process and not t.done()]
        return sorted(own, key=lambda task: task.get_name())

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call the function now; the future has its result."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except BaseException as error:  # as a thread would: also what ends an executor
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What is left of a dead process is nobody's to retrieve."""
        if not isinstance(context.get("exception"), asyncio.CancelledError | Killed):
            super().call_exception_handler(context)

    def _pass_time(self, seconds: float) -> None:
        self._elapsed += seconds


class VirtualClock:
    """The testnet's clock on a loop's time. `speed` is 1: market seconds are the loop's."""

    speed = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int) -> None:
        self._loop, self._start_ms = loop, check_time(start_ms)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._start_ms + round(self._loop.time() * 1000)

    def moment(self) -> datetime:
        """The same as a UTC time."""
        return datetime.fromtimestamp(self.now() / 1000, UTC)

    def set_speed(self, speed: float) -> None:
        """Nothing: the loop's time is the market's."""

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Jump ahead."""
        self._start_ms += check_jump(hours, seconds)

    def set(self, now_ms: int) -> None:
        """Jump to a time."""
        self._start_ms += check_time(now_ms) - self.now()


class Stamps:
    """Time stamps for signed requests: the clock's, and each larger than the last (some are nonces)."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._last = clock, 0

    def next(self) -> int:
        """Milliseconds."""
        self._last = max(self._clock.now(), self._last + 1)
        return self._last


def moment_of(milliseconds: int) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def end_process(loop: VirtualLoop, process: str) -> None:
    """End every task of the process, whatever it waits for."""
    tasks = loop.tasks_of(process)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
