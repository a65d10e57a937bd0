"""An event loop that does not wait, and the testnet's clock on it: an hour passes in no time.

What lives here: time. What does not: anything that happens in it. A sleep ends as soon as nothing else
is to be done before its end, so that the order of events depends on their times alone.
"""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from funding_pipeline.testnet.clock import check_jump, check_time


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
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._elapsed

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


def cancel_everything(loop: asyncio.AbstractEventLoop) -> None:
    """End every task of the loop, whatever it waits for: its process is dead."""
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in sorted(tasks, key=lambda task: task.get_name()):
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
