"""Hand-made hourly paths and margins, for the tests of liquidation."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.validation.accounting import Ledger
from funding_pipeline.validation.hourly_path import HourlyPath
from funding_pipeline.validation.maintenance import MaintenanceTable

START = datetime(2024, 3, 1, tzinfo=UTC)


def path_of(
    prices: Sequence[Sequence[float]], *, steps: Sequence[int], funding: np.ndarray | None = None
) -> HourlyPath:
    """One point per hour, prices per leg; `steps` are the points that are steps. No wicks."""
    price = np.array(prices, dtype=float)
    return HourlyPath(
        times=tuple(START + timedelta(hours=k) for k in range(len(price))),
        point_of_step=np.array(steps, dtype=np.int64),
        price=price,
        low=price.copy(),
        high=price.copy(),
        usd_per_unit=np.zeros_like(price) if funding is None else funding,
    )


def flat_margin(universe: Universe, fraction: float) -> MaintenanceTable:
    """The same maintenance fraction for every leg, whatever its size."""
    n = len(universe)
    return MaintenanceTable(
        inverse=universe.inverse, floor=np.zeros((n, 1)), rate=np.full((n, 1), fraction),
        deduction=np.zeros((n, 1)),
    )  # fmt: skip


def two_venues() -> Universe:
    """The same coin on venues a and b."""
    return Universe.of([Leg(venue, "ETH/USDT:USDT", "ETH") for venue in "ab"])


def opened(universe: Universe, *, quantity: Sequence[float], price: float, equity: Sequence[float]) -> Ledger:
    """A ledger that holds `quantity`, traded free at `price`, with this `equity` per venue."""
    n = len(universe)
    ledger = Ledger(
        capital_usd=float(np.sum(equity)), universe=universe,
        open_venues=np.ones(len(universe.venues), dtype=bool),
    )  # fmt: skip
    ledger.move(np.array(equity) - ledger.venue_equity_usd)
    ledger.mark(np.full(n, price))
    free = LegCosts(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool))
    ledger.trade_to(np.array(quantity, dtype=float), free)
    return ledger
