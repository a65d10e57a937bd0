"""The testnet's time: the market's, at real or accelerated speed, or set by hand in a test.

What lives here: clocks. What does not: what happens as time passes (`engine`), keeping it over a
restart (`state`).
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from funding_pipeline.core.errors import TestnetError

HOUR_MS = 3_600_000
FASTEST = 1_000_000.0
LATEST_MS = 4_102_444_800_000  # 2100-01-01


class Clock(Protocol):
    """Milliseconds since 1970, UTC, of the testnet's market."""

    @property
    def speed(self) -> float:
        """Seconds of market time per second of this machine."""
        ...

    def now(self) -> int:
        """The market's time, ms."""
        ...

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed; 0 stops."""
        ...

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Jump ahead. Raises TestnetError for a jump back or beyond 2100."""
        ...

    def set(self, now_ms: int) -> None:
        """Jump to a time."""
        ...


class TestnetClock:
    """`start_ms` plus the machine's elapsed time times `speed`. 3600 plays an hour in a second.

    Safe to read from several threads. Raises TestnetError for a speed outside 0 to 1,000,000.
    """

    __test__ = False

    def __init__(
        self, start_ms: int, speed: float = 1.0, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._start_ms = check_time(start_ms)
        self._speed = check_speed(speed)
        self._since = monotonic()

    @property
    def speed(self) -> float:
        """Seconds of market time per second of this machine."""
        return self._speed

    def now(self) -> int:
        """The market's time, ms."""
        with self._lock:
            return self._now()

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed; 0 stops."""
        checked = check_speed(speed)
        with self._lock:
            self._restart(self._now())
            self._speed = checked

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Jump ahead. Raises TestnetError for a jump back or beyond 2100."""
        jump = check_jump(hours, seconds)
        with self._lock:
            self._restart(check_time(self._now() + jump))

    def set(self, now_ms: int) -> None:
        """Jump to a time."""
        checked = check_time(now_ms)
        with self._lock:
            self._restart(checked)

    def _now(self) -> int:
        elapsed = (self._monotonic() - self._since) * 1000 * self._speed
        return min(self._start_ms + int(elapsed), LATEST_MS)

    def _restart(self, now_ms: int) -> None:
        self._start_ms, self._since = now_ms, self._monotonic()


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_ms: int) -> None:
        self._now = check_time(now_ms)
        self._speed = 0.0

    @property
    def speed(self) -> float:
        """What was set last; this clock does not run by itself."""
        return self._speed

    def now(self) -> int:
        """The time set last, ms."""
        return self._now

    def set_speed(self, speed: float) -> None:
        """Remember a speed; the clock stands still all the same."""
        self._speed = check_speed(speed)

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Jump ahead."""
        self._now = check_time(self._now + check_jump(hours, seconds))

    def set(self, now_ms: int) -> None:
        """Jump to a time."""
        self._now = check_time(now_ms)


def check_speed(speed: float) -> float:
    """The speed; raises TestnetError where it is none."""
    if not 0 <= speed <= FASTEST:  # also refuses NaN
        raise TestnetError(f"speed {speed!r} is not between 0 and {FASTEST:.0f} (3600: an hour in a second)")
    return float(speed)


def check_time(now_ms: int) -> int:
    """The time; raises TestnetError outside 1970 to 2100."""
    if not 0 <= now_ms <= LATEST_MS:
        raise TestnetError(f"time {now_ms} ms is not between 1970 and 2100")
    return int(now_ms)


def check_jump(hours: float, seconds: float) -> int:
    """Milliseconds of a jump; raises TestnetError for one back in time."""
    jump = (hours * 3600 + seconds) * 1000
    if not 0 <= jump <= LATEST_MS:
        raise TestnetError(f"a jump of {jump / 1000} seconds does not lead ahead (or leads beyond 2100)")
    return round(jump)
