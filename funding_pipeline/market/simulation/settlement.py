"""When an instrument settles, and at what rate: the venues' formula, caps and shortened intervals.

    F = clamp((P + clamp(I - P, -d, +d)) / (8 / N), -cap, +cap)

with P the time-weighted premium of the N hours before the settlement, I the interest and d the
dampener. A premium within d of I pays exactly I: the plateau.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from funding_pipeline.market.simulation.parameters import Shortening
from funding_pipeline.market.simulation.premium import twap
from funding_pipeline.market.simulation.streams import Floats, Indices


@dataclass(frozen=True)
class RateFormula:
    """Formula of one instrument; `interest` and `dampener` in bp per 8 h, `cap` in bp per settlement."""

    interest: float
    dampener: float
    cap: float | None

    def rate_bp(self, premium: Floats, interval_hours: float) -> Floats:
        """Rate per settlement in bp, from the interval's time-weighted premium in bp per 8 h."""
        lift = np.clip(self.interest - premium, -self.dampener, self.dampener)
        # On the plateau P + (I - P) is the interest itself; the sum would carry rounding noise.
        flat = np.abs(self.interest - premium) <= self.dampener
        rate: Floats = np.where(flat, self.interest, premium + lift) * (interval_hours / 8.0)
        return rate if self.cap is None else np.clip(rate, -self.cap, self.cap)

    def is_capped(self, rate: Floats) -> npt.NDArray[np.bool_]:
        """Whether a rate is at its cap."""
        if self.cap is None:
            return np.zeros(rate.shape, dtype=np.bool_)
        return np.abs(rate) >= self.cap


@dataclass(frozen=True)
class Settlements:
    """Settlements of one instrument: `hour` index into the grid (its end), `interval_hours`, `rate_bp`."""

    hour: Indices
    interval_hours: Indices
    rate_bp: Floats


def settlements(
    premium: Floats,
    clock: Indices,
    *,
    formula: RateFormula,
    interval_hours: int,
    shortening: Shortening | None,
) -> Settlements:
    """Settlements from hourly premiums; `clock`: UTC hour of day at the end of each hour.

    Nothing here looks ahead: an interval changes after a settlement, because of that settlement.
    """
    choices = (interval_hours, *(shortening.steps_hours if shortening else ()))
    rates = {n: formula.rate_bp(twap(premium, n), n) for n in choices}
    marks = {n: np.flatnonzero(clock % n == 0) for n in choices}
    if shortening is None or not formula.is_capped(rates[interval_hours][marks[interval_hours]]).any():
        hour = marks[interval_hours]
        return Settlements(hour, np.full(hour.shape, interval_hours), rates[interval_hours][hour])
    capped = {n: marks[n][formula.is_capped(rates[n][marks[n]])] for n in choices}
    runs = _runs(marks, capped, choices=choices, calm_hours=shortening.calm_hours, hours=len(premium))
    hour = np.concatenate([run for _, run in runs])
    return Settlements(
        hour,
        np.concatenate([np.full(run.shape, n) for n, run in runs]),
        np.concatenate([rates[n][run] for n, run in runs]),
    )


def _runs(
    marks: dict[int, Indices],
    capped: dict[int, Indices],
    *,
    choices: tuple[int, ...],
    calm_hours: int,
    hours: int,
) -> list[tuple[int, Indices]]:
    """Consecutive runs of settlements at one interval each; one turn of the loop per run."""
    runs: list[tuple[int, Indices]] = []
    step, begin, last_capped = 0, 0, -1
    while begin < hours:
        n = choices[step]
        ends = [(hours - 1, step)]
        hit = capped[n][capped[n] >= begin]
        if step + 1 < len(choices) and len(hit):
            ends.append((int(hit[0]), step + 1))
        if step > 0:
            calm = _calm_mark(hit, marks[choices[0]], last_capped=last_capped, calm_hours=calm_hours)
            ends.append((calm, 0))
        end, following = min(ends)
        runs.append((n, marks[n][(marks[n] >= begin) & (marks[n] <= end)]))
        last_capped, step, begin = end, following, end + 1
    return runs


def _calm_mark(hits: Indices, long_marks: Indices, *, last_capped: int, calm_hours: int) -> int:
    """First long-interval mark with `calm_hours` without a cap before it; beyond the grid if none.

    A mark counts only if no capped settlement falls between the calm's end and the mark itself.
    """
    never = np.iinfo(np.int64).max
    capped = np.concatenate([[last_capped], hits])
    following = np.append(hits, never)
    at = np.searchsorted(long_marks, capped + calm_hours)
    candidates = np.append(long_marks, never)[at]
    return (
        int(candidates[np.argmax(candidates < following)]) if (candidates < following).any() else int(never)
    )
