"""What went over the wire during one ccxt call: HTTP status and Retry-After, which ccxt's errors hide.

What lives here: a note per call, carried by a context variable, so that calls in flight at once do not
mix. What does not: bodies (`archive`) or what follows from a status (`calls`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Trace:
    """The last answer of a call. `status` None: nothing has come back. `retry_after_s`: as told."""

    sent: int = 0
    status: int | None = None
    retry_after_s: float | None = None


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing() -> Iterator[Trace]:
    """Note the requests made inside, also by tasks that are started there."""
    trace = Trace()
    token = _CURRENT.set(trace)
    try:
        yield trace
    finally:
        _CURRENT.reset(token)


def note_sent() -> None:
    """A request is about to be sent: until its answer comes, no status counts."""
    trace = _CURRENT.get()
    if trace is not None:
        trace.sent += 1
        trace.status, trace.retry_after_s = None, None


def note_answer(status: int, headers: Mapping[str, str]) -> None:
    """An answer has come, whole."""
    trace = _CURRENT.get()
    if trace is not None:
        trace.status = status
        trace.retry_after_s = _seconds(headers.get("Retry-After"))


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; the form with a date is not used by exchanges."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
