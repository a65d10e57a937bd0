"""What is asked for around settlements: one rebalance before each, one close after each. Pure.

What lives here: deciding which is due now, which was missed, and what is remembered between two looks. What
does not: when settlements are (`settlement_schedule`), why rebalances are stopped (`trading.readiness`), and
asking Dagster (`defs.sensors`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

_LEAST_SECONDS = 30.0
_LEAST_SHARE = 0.25
_CLOSE_DELAY = timedelta(seconds=90)
_FURTHEST_AHEAD = timedelta(hours=12)


@dataclass(frozen=True)
class SettlementTiming:
    """Times around a settlement, of the venues' clock.

    `lead`: a rebalance begins this long before. `least`: nearer than this it is too late to begin one.
    `close_delay`: the close comes this long after; some venues publish what was paid up to a minute late.
    """

    lead: timedelta
    least: timedelta
    close_delay: timedelta = _CLOSE_DELAY

    @classmethod
    def at_speed(cls, lead_seconds: float, *, speed: float, gap: timedelta) -> Self:
        """`lead_seconds` are real; `speed` market seconds pass in one. `gap`: shortest between settlements.

        Where time runs fast the lead is half of the gap at most, so that a settlement has its own rebalance.
        """
        faster = max(speed, 1.0)
        lead = min(timedelta(seconds=lead_seconds * faster), gap / 2)
        return cls(lead, min(timedelta(seconds=_LEAST_SECONDS * faster), lead * _LEAST_SHARE))


class Progress(BaseModel):
    """What was asked for until now; the sensor's cursor.

    `rebalanced`, `closed`: the newest settlement that is dealt with. `held`: the one whose rebalance is held
    back, and why. `untold`: what a person has not been told yet. `life`: grows when the market's clock goes
    back (a testnet begun anew); run keys of an earlier life do not count.
    """

    model_config = ConfigDict(frozen=True)

    rebalanced: datetime
    closed: datetime
    held: tuple[datetime, str] | None = None
    untold: tuple[str, ...] = ()
    life: int = 1

    @classmethod
    def read(cls, cursor: str | None, *, now: datetime) -> Self:
        """From a cursor; without one, or with one that cannot be read, only what comes after `now` counts."""
        if not cursor:
            return cls(rebalanced=now, closed=now)
        try:
            return cls.model_validate_json(cursor)
        except ValidationError:
            return cls(rebalanced=now, closed=now, untold=("the cursor could not be read: begun anew",))

    def at(self, now: datetime) -> Self:
        """The same, or a new life where the clock has gone back behind what was asked for."""
        if self.closed <= now and self.rebalanced <= now + _FURTHEST_AHEAD:
            return self
        text = f"the market's clock went back to {text_of(now)}: settlements are asked for anew"
        return self.model_copy(
            update={"rebalanced": now, "closed": now, "held": None, "untold": (text,), "life": self.life + 1}
        )

    def told(self) -> Self:
        """The same, when a person has been told."""
        return self.model_copy(update={"untold": ()})


@dataclass(frozen=True)
class Due:
    """What is to be asked for now: settlements, None for nothing. `missed`: texts, of those that were."""

    rebalance: datetime | None
    close: datetime | None
    progress: Progress
    missed: tuple[str, ...] = ()

    def run_key(self, job: str, settlement: datetime) -> str:
        """The same for the same settlement, so that it is run once."""
        life = self.progress.life
        return f"{job} {text_of(settlement)}" + ("" if life == 1 else f" life {life}")


def due(
    times: Sequence[datetime],
    *,
    now: datetime,
    timing: SettlementTiming,
    progress: Progress,
    held_back: str = "",
    closing: bool = False,
) -> Due:
    """What is due at `now`. `times`: settlements, ascending, from what `progress` has dealt with onwards.

    `held_back`: why no rebalance may be asked for; it is tried again until too late. `closing`: a close is
    under way; later ones wait and become one. Several closes that are late are one, of the newest.
    """
    opened = [at for at in times if progress.rebalanced < at <= now + timing.lead]
    ready = [at for at in opened if now < at - timing.least]
    late = [at for at in opened if at not in ready]
    asked = ready[0] if ready and not held_back else None
    missed = _missed(late, progress)
    ended = [at for at in times if progress.closed < at <= now - timing.close_delay]
    close = ended[-1] if ended and not closing else None
    held = (ready[0], held_back) if ready and held_back else None
    progress = progress.model_copy(
        update={
            "rebalanced": asked or (late[-1] if late else progress.rebalanced),
            "closed": close or progress.closed,
            "held": held,
            "untold": progress.untold + missed,
        }
    )
    return Due(asked, close, progress, missed)


def _missed(late: Sequence[datetime], progress: Progress) -> tuple[str, ...]:
    """Why each settlement went by without a rebalance; those that nobody saw are one line."""
    held = {} if progress.held is None else dict([progress.held])
    unseen = [text_of(at) for at in late if at not in held]
    lines = [f"no rebalance before {text_of(at)}: {held[at]}" for at in late if at in held]
    if unseen:
        shown = ", ".join(unseen[:4]) + (f" and {len(unseen) - 4} more" if len(unseen) > 4 else "")
        lines.append(f"no rebalance before {shown}: it was too late when the sensor looked (was it off?)")
    return tuple(lines)


def text_of(settlement: datetime) -> str:
    """A settlement as run keys and tags have it: 2025-07-01T08:00Z."""
    return f"{settlement:%Y-%m-%dT%H:%MZ}"
