"""Collateral moved between venues: asked of a person once a day, in force one decision later.

Moves are free in the equity curve and counted apart: a person withdraws and deposits, and what that
costs is an estimate (`PortfolioConfig.transfer_cost_usd`, `transfer_cost_bp`). What does not live here: the
ledger's cash (`accounting`) and where collateral should be (the policy's `collateral_target_usd`, even shares
without one).
"""

from datetime import date, datetime

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats

_LEAST_DEVIATION = 0.05  # of an average share: a person is not asked for less


class Levelling:
    """The request that is under way, if any."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self._asked: Floats | None = None
        self._day: date | None = None

    def due(self, *, equity_usd: Floats, maintenance_usd: Floats) -> Floats:
        """What arrives (positive) and leaves per venue now; the sum is zero. The request is done then.

        A venue gives at most its equity above its maintenance margin; what arrives shrinks alike.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            return np.zeros_like(equity_usd)
        given = np.minimum(np.maximum(-asked, 0.0), np.maximum(equity_usd - maintenance_usd, 0.0))
        wanted = np.maximum(asked, 0.0)
        return np.asarray(wanted * (given.sum() / wanted.sum()) - given, dtype=np.float64)

    def ask(self, time: datetime, *, equity_usd: Floats, target_usd: Floats) -> None:
        """At the first decision of a UTC day, ask for the moves from `equity_usd` to `target_usd`."""
        if time.date() == self._day:
            return
        self._day = time.date()
        change = target_usd - equity_usd
        average = float(equity_usd.sum()) / max(int((target_usd > 0).sum()), 1)
        if np.abs(change).max() > _LEAST_DEVIATION * average > 0:
            self._asked = change


def target_shares(
    wanted_usd: Floats | None, *, equity_usd: Floats, open_venues: Bools, holding: Bools
) -> Floats:
    """Collateral wanted per venue, USD, with the sum of `equity_usd`.

    `wanted_usd` scaled to that sum, or even shares over the open venues; a venue that is not open and
    still holds positions keeps what it has. Nothing changes where no venue is open.
    """
    total = float(equity_usd.sum())
    if wanted_usd is not None and wanted_usd.sum() > 0:
        return np.asarray(wanted_usd * (total / float(wanted_usd.sum())), dtype=np.float64)
    if not open_venues.any():
        return equity_usd
    kept = np.where(~open_venues & holding, equity_usd, 0.0)
    return np.where(open_venues, (total - kept.sum()) / open_venues.sum(), kept).astype(np.float64)


def moves_and_cost(moved_usd: Floats, *, config: PortfolioConfig) -> dict[str, float]:
    """Number of transfers, USD moved and their estimated cost; `moved_usd` is decisions x venues.

    Venues that give and venues that get n and m amounts need n + m - 1 transfers.
    """
    some = np.abs(moved_usd) > 1.0
    moves = int(np.maximum(some.sum(axis=1) - 1, 0).sum())
    amount = float(np.maximum(moved_usd, 0.0).sum())
    cost = moves * config.transfer_cost_usd + amount * config.transfer_cost_bp * 1e-4
    return {"moves": moves, "moved_usd": amount, "estimated_cost_usd": cost}
