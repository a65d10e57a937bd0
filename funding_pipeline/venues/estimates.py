"""What makes an estimate of a coming settlement one, and how far it can go.

What lives here: its date, its bounds, and why another is none. What does not: which field of a venue's row
holds it (the dialects), or asking for it (`public`).
"""

from dataclasses import replace

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.venues.dialect import EstimatedRate, FundingBounds
from funding_pipeline.venues.spelling import HOUR_MS, from_ms, to_ms

_FURTHEST_MS = 25 * HOUR_MS  # no venue settles less often than once a day
_FASTEST_PER_HOUR = 0.04  # the highest cap of any venue; twice that is another unit
_USUAL_HOURS = 8.0


def judge(
    estimate: EstimatedRate, what: str, *, bounds: FundingBounds, now_ms: int, states_settlement: bool
) -> tuple[EstimatedRate, list[str]]:
    """The estimate, dated and limited as the venue limits it before it charges, and remarks about it.

    A rate that is not stated stays null. VenueAnswerError, which begins with `what`, says why it is none:
    no time of settlement where the venue states one, or a rate that no venue charges.
    """
    if estimate.settles_at is None and states_settlement:
        raise VenueAnswerError(f"{what}: no time of settlement")
    estimate = dated(estimate, now_ms, what)
    if estimate.rate is None:
        return estimate, [f"{what}: no rate"]
    if abs(estimate.rate) >= 2 * _FASTEST_PER_HOUR * (estimate.interval_hours or _USUAL_HOURS):
        raise VenueAnswerError(f"{what}: {estimate.rate} is no rate of a settlement")
    limited = bounds.limit(estimate.rate)
    if limited == estimate.rate:
        return estimate, []
    return replace(estimate, rate=limited), [f"{what}: estimate {estimate.rate:.6f} limited to {limited:.6f}"]


def dated(estimate: EstimatedRate, now_ms: int, what: str) -> EstimatedRate:
    """An estimate with its settlement: the next whole interval of the day where the venue does not say.

    Raises VenueAnswerError where the interval is not known either, or what is stated is no coming settlement.
    """
    if estimate.settles_at is not None:
        if not -HOUR_MS <= to_ms(estimate.settles_at) - now_ms <= _FURTHEST_MS:
            raise VenueAnswerError(f"{what}: {estimate.settles_at:%Y-%m-%d %H:%M} is no coming settlement")
        return estimate
    if estimate.interval_hours is None:
        raise VenueAnswerError(f"{what}: no settlement time")
    interval_ms = int(estimate.interval_hours * HOUR_MS)
    return replace(estimate, settles_at=from_ms((now_ms // interval_ms + 1) * interval_ms))
