"""What an execution reports: per leg what was to be held and what is, what is left, and where time went.

What lives here: values, and the stop-watch of the stages. What does not: doing any of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Stage = Literal["read", "judge", "send", "fill"]
"""read: positions, orders, books. judge: deciding. send: writing down and sending. fill: waiting for a fill
or for the outcome of an order."""
STAGES: tuple[Stage, ...] = ("read", "judge", "send", "fill")
ExecutionStatus = Literal["done", "incomplete", "deadline", "expired", "halted"]
"""done: everything is as allowed, up to steps and minimums. incomplete: something can never be sent, or was
given up. deadline, expired: time was up. halted: by the trading state."""


@dataclass(frozen=True)
class LegReport:
    """One leg. Quantities signed, quoted base units; None: the venue could not be read.

    `left` = allowed - after; `note`: why it is left (dust: below the step or a minimum).
    """

    venue: str
    symbol: str
    base: str
    allowed: Decimal
    before: Decimal | None
    after: Decimal | None
    note: str = ""

    @property
    def left(self) -> Decimal | None:
        """What is still missing."""
        return None if self.after is None else self.allowed - self.after


@dataclass(frozen=True)
class ExecutionReport:
    """What one call of the executor did.

    `unhedged_usd`: by base, what is held net beyond what was allowed net, at the end. `worst_unhedged`: by
    base, the most unhedged notional x time, USD x s. `seconds`: by stage, time in which at least one of the
    stage was under way. `unresolved`: client ids whose outcome is still not known. `unplanned`: positions
    that the verdict does not know; they were left alone. `problems`: what else a person should know.
    `statement_problems`: statements that could not be read into the journal, or contradict it.
    """

    rebalance: str
    verdict_id: str
    status: ExecutionStatus
    started_at: datetime
    ended_at: datetime
    legs: tuple[LegReport, ...]
    orders_sent: int
    orders_filled: int
    orders_rejected: int
    unhedged_usd: Mapping[str, float]
    worst_unhedged: Mapping[str, float]
    given_up: tuple[str, ...]
    unresolved: tuple[str, ...]
    unplanned: tuple[str, ...]
    problems: tuple[str, ...]
    seconds: Mapping[Stage, float]
    passes: int
    statement_problems: tuple[str, ...] = ()

    @property
    def residual_unhedged_usd(self) -> float:
        """Over all bases."""
        return sum(self.unhedged_usd.values())

    @property
    def remaining(self) -> tuple[LegReport, ...]:
        """Legs that are not as allowed, dust among them."""
        return tuple(leg for leg in self.legs if leg.left is None or leg.left != 0)


class StageClock:
    """Adds up, per stage, the time in which at least one of its uses is under way. `timer`: seconds."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._active = dict.fromkeys(STAGES, 0)
        self._since = dict.fromkeys(STAGES, 0.0)
        self._total = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Time spent inside counts for the stage."""
        if self._active[name] == 0:
            self._since[name] = self._timer()
        self._active[name] += 1
        try:
            yield
        finally:
            self._active[name] -= 1
            if self._active[name] == 0:
                self._total[name] += self._timer() - self._since[name]

    def seconds(self) -> Mapping[Stage, float]:
        """So far, by stage."""
        return dict(self._total)
