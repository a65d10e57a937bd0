"""A made-up market with the statistics of the recorded one (docs/simulation.md). Not real data.

What lives here: the `Market` contract around the simulation. What does not: the model itself
(`simulation`), or turning raw rows into normalized tables (`market_data`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from funding_pipeline.core.errors import MarketDataError, SettingsError
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES, MarketSpan, marked, rows_digest
from funding_pipeline.market.simulation.books import order_books
from funding_pipeline.market.simulation.calibration import CALIBRATED
from funding_pipeline.market.simulation.candles import candles
from funding_pipeline.market.simulation.funding import funding_rates
from funding_pipeline.market.simulation.grid import HourGrid
from funding_pipeline.market.simulation.open_interest import open_interest
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market.simulation.paths import MarketPaths, simulate_paths
from funding_pipeline.market.simulation.trades import trades

_MAKERS: Mapping[str, Callable[[MarketPaths], pl.DataFrame]] = {
    "funding_rates": funding_rates,
    "candles": candles,
    "order_books": order_books,
    "trades": trades,
    "open_interest": open_interest,
}
"""What is simulated. Terms and leverage tiers of instruments are not: the local testnet states its own."""


@dataclass(frozen=True)
class SimulatedMarket:
    """Six venues and seven coins from `start` to `end` (exclusive), UTC, whole hours.

    The same seed gives the same rows, in whatever pieces they are read; a later `end` adds rows and
    changes none. Each table is generated at its first read and kept by the instance.
    Raises SettingsError for a negative seed or a period that is empty, not whole hours or not UTC.
    """

    seed: int = 7
    start: datetime = datetime(2023, 7, 1, tzinfo=UTC)
    end: datetime = datetime(2025, 7, 1, tzinfo=UTC)
    parameters: SimulationParameters = field(default=CALIBRATED, repr=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SettingsError(f"simulated market: seed {self.seed} must not be negative")
        HourGrid(self.start, self.end)  # checks the period

    @property
    def label(self) -> str:
        """Name of the market in reports."""
        return f"SIMULATED market, seed {self.seed}"

    @property
    def is_simulated(self) -> bool:
        """Always: every row is made up."""
        return True

    def span(self) -> MarketSpan:
        """The period asked for; venues in order of name."""
        return MarketSpan(start=self.start, end=self.end, venues=tuple(sorted(self.parameters.venues)))

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of `table` with `start <= event time < end`, by instrument, oldest first.

        Raises MarketDataError for a table that is not one of RAW_TABLES.
        """
        if table not in RAW_TABLES:
            raise MarketDataError(f"table {table!r} is none of {', '.join(RAW_TABLES)}")
        event_time = pl.col(RAW_EVENT_TIME[table])
        inside = pl.col("venue").is_in(list(venues)) & (event_time >= start) & (event_time < end)
        return marked(self._table(table).filter(inside), is_made_up=True)

    def digest(self, *, start: datetime, end: datetime) -> str:
        """Digest of the rows with `start <= event time < end`."""
        return rows_digest(self, start=start, end=end)

    def _table(self, table: str) -> pl.DataFrame:
        if table not in self._tables:
            make = _MAKERS.get(table)
            empty = pl.DataFrame(schema=dict(RAW_TABLES[table]))
            self._tables[table] = empty if make is None else make(self._paths)
        return self._tables[table]

    @cached_property
    def _tables(self) -> dict[str, pl.DataFrame]:
        return {}

    @cached_property
    def _paths(self) -> MarketPaths:
        return simulate_paths(self.parameters, HourGrid(self.start, self.end), self.seed)
