"""Stages of the forecast path: how long each lasts, and how many hours of funding it really pays.

Funding is paid at settlements, not by the hour: a position held from now until shortly before a settlement
earns nothing. A stage pays, per leg, the settlements inside it times their interval.
"""

import numpy as np

from funding_pipeline.core.horizons import FIRST_STAGE_HOURS
from funding_pipeline.portfolio.legs import Floats, LegInputs


def stage_lengths(horizons_hours: tuple[int, ...]) -> tuple[float, ...]:
    """Hours of each stage: between the horizons forecast; one horizon is cut in two at the first day."""
    longest = float(max(horizons_hours))
    if len(horizons_hours) == 1:
        first = min(float(FIRST_STAGE_HOURS), longest / 2)
        return first, longest - first
    ends = sorted(horizons_hours)
    return tuple(float(b - a) for a, b in zip([0, *ends], ends, strict=False))


def stage_rates(means: dict[int, Floats]) -> Floats:
    """Mean rate of every stage (stages x ...) from mean rates since now by horizon (hours).

    (h2 mean2 - h1 mean1) / (h2 - h1) between two horizons; where a shorter one is unknown the longest
    stands for it.
    """
    hours = sorted(means)
    longest = means[hours[-1]]
    if len(hours) == 1:
        return np.stack([longest, longest])
    known = [np.where(np.isfinite(means[h]), means[h], longest) for h in hours]
    paid = [np.zeros_like(longest)] + [h * mean for h, mean in zip(hours, known, strict=True)]
    return np.stack([(b - a) / length for a, b, length in zip(paid, paid[1:], stage_lengths(tuple(hours)),
                                                             strict=False)])  # fmt: skip


def hold_hours(lengths: tuple[float, ...], *, expected_hold_hours: float) -> tuple[tuple[float, ...], float]:
    """Hours that each stage counts when a position is held for `expected_hold_hours`, and those beyond.

    Beyond the horizon the mean of the whole horizon is taken to go on: the rate of the last stage is a
    difference of two forecasts, and as much noisier.
    """
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    inside = np.minimum(np.maximum(expected_hold_hours - starts, 0.0), lengths)
    return tuple(float(x) for x in inside), max(expected_hold_hours - sum(lengths), 0.0)


def paid_hours(inputs: LegInputs, *, hours: tuple[float, ...]) -> Floats:
    """Stages x legs: hours of funding that settlements inside each stage pay.

    n intervals, n = settlements in (start, end]; just `hours` where a leg's interval or next settlement is
    unknown.
    """
    interval, until = inputs.settlement_interval_hours, inputs.hours_to_settlement
    edges = np.concatenate([[0.0], np.cumsum(hours)])
    known = np.isfinite(interval) & np.isfinite(until) & (interval > 0)
    safe = np.where(known, interval, 1.0)
    first = np.where(known, until, 0.0)
    count = np.floor((edges[:, None] - first[None, :]) / safe + 1e-9) + 1  # settlements up to each edge
    paid = np.diff(np.maximum(count, 0.0), axis=0) * safe
    return np.where(known, paid, np.asarray(hours)[:, None] * np.ones(len(first)))
