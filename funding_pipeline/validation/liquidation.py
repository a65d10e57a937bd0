"""Following every venue's margin between two steps, and what a liquidation does.

A venue whose equity falls below the maintenance margin of its positions closes all of them at once, at
that hour's prices. Its clearance fee is assumed at 1 % of the notional and takes at most the equity
that is left; a loss beyond the equity is borne by the venue (its insurance fund), so that a venue's
equity never goes below zero. Positions on other venues stay: they are unhedged until the next decision.
What does not live here: the hourly prices (`hourly_path`) and the margin formula (`maintenance`).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.validation.accounting import Fills, Ledger
from funding_pipeline.validation.hourly_path import HourlyPath
from funding_pipeline.validation.maintenance import MaintenanceTable

CLEARANCE_FEE_FRACTION = 0.01
MOST_USED = 10.0  # a fraction of margin used that stands for this much or more, and for no equity at all


@dataclass(frozen=True)
class Liquidation:
    """One venue closed at path point `point` (see HourlyPath) within step `step`."""

    step: int
    point: int
    venue: int
    fills: Fills


@dataclass(frozen=True)
class MarginUse:
    """Per venue: highest maintenance / equity at the hours of a step, and inside them (low for longs,
    high for shorts, all legs at once); 0 without positions, at most MOST_USED."""

    used: Floats
    worst: Floats


class MarginWatch:
    """Carries a ledger from one step to the next, hour by hour, closing venues that fall short."""

    def __init__(self, universe: Universe, *, path: HourlyPath) -> None:
        """Watch the legs of `universe` along `path`."""
        self._universe = universe
        self._path = path
        self.liquidations: list[Liquidation] = []

    def follow(self, ledger: Ledger, *, step: int, maintenance: MaintenanceTable) -> MarginUse:
        """Liquidate what falls short after the previous step and up to `step`; the margin used meanwhile.

        Afterwards the ledger has been settled for the part of the step before its last liquidation only:
        `remaining(step)` is the funding that is still to be settled.
        """
        points = self._path.points_of(step)
        use = MarginUse(*np.zeros((2, len(self._universe.venues))))
        self._settled_until = points.start
        while ledger.quantity.any() and len(points):
            use, short = self._judge(ledger, points, use=use, maintenance=maintenance)
            if short is None:
                break
            self._close(ledger, step=step, point=short, maintenance=maintenance)
            points = range(short + 1, points.stop)
        return use

    def remaining(self, step: int) -> Floats:
        """USD per unit of the settlements of `step` that `follow` has not settled."""
        stop = self._path.points_of(step).stop
        return np.asarray(self._path.usd_per_unit[self._settled_until : stop].sum(axis=0))

    def _judge(
        self, ledger: Ledger, points: range, *, use: MarginUse, maintenance: MaintenanceTable
    ) -> tuple[MarginUse, int | None]:
        """Margin used until the first point at which a venue is short (and that point), or until the end."""
        path, quantity = self._path, ledger.quantity
        rows = slice(points.start, points.stop)
        paid = np.cumsum(path.usd_per_unit[rows], axis=0)
        equity, margin = self._accounts(ledger, path.price[rows] - paid, path.price[rows], maintenance)
        short = np.flatnonzero(((equity < margin) & (margin > 0)).any(axis=1))
        until = int(short[0]) + 1 if len(short) else len(points)
        extreme = np.where(quantity > 0, path.low[rows][:until], path.high[rows][:until])
        worst = self._accounts(ledger, extreme - paid[:until], extreme, maintenance)
        seen = MarginUse(
            used=np.maximum(use.used, used_fraction(equity[:until], margin[:until]).max(axis=0)),
            worst=np.maximum(use.worst, used_fraction(*worst).max(axis=0)),
        )
        return seen, points.start + int(short[0]) if len(short) else None

    def _accounts(
        self, ledger: Ledger, value: Floats, price: Floats, maintenance: MaintenanceTable
    ) -> tuple[Floats, Floats]:
        """Equity and maintenance margin, points x venues, of the positions worth `value` per unit."""
        by_venue = self._universe.venue_matrix.T
        held = np.where(ledger.quantity != 0, value, 0.0) * ledger.quantity
        margin = maintenance.margin_usd(ledger.quantity, price)
        return ledger.cash + held @ by_venue, margin @ by_venue

    def _close(self, ledger: Ledger, *, step: int, point: int, maintenance: MaintenanceTable) -> None:
        path = self._path
        ledger.settle(path.usd_per_unit[self._settled_until : point + 1].sum(axis=0))
        self._settled_until = point + 1
        ledger.mark(path.price[point])
        for venue in self._short(ledger, maintenance=maintenance):
            equity = float(ledger.venue_equity_usd[venue])
            mine = self._universe.venue_index == venue
            gross = float(np.abs(ledger.quantity * ledger.mark_price)[mine].sum())
            left = max(equity - CLEARANCE_FEE_FRACTION * gross, 0.0)
            fills = ledger.liquidate(venue, equity_after_usd=left)
            self.liquidations.append(Liquidation(step=step, point=point, venue=venue, fills=fills))

    def _short(self, ledger: Ledger, *, maintenance: MaintenanceTable) -> list[int]:
        margin = self._universe.venue_matrix @ maintenance.margin_usd(ledger.quantity, ledger.mark_price)
        short = np.flatnonzero((ledger.venue_equity_usd < margin) & (margin > 0))
        return [int(venue) for venue in short]


def used_fraction(equity_usd: Floats, maintenance_usd: Floats) -> Floats:
    """Maintenance margin / equity; 0 without positions, MOST_USED where it is more or no equity is left."""
    least = maintenance_usd / MOST_USED
    ratio = np.divide(
        maintenance_usd,
        np.maximum(equity_usd, least),
        out=np.zeros_like(maintenance_usd),
        where=maintenance_usd > 0,
    )
    return np.asarray(ratio, dtype=np.float64)
