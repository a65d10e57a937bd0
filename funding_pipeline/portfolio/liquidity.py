"""How much is traded, quoted and held in each leg's instrument, as known at each decision.

Daily volume is the median of the whole UTC days of the last four weeks, from the own trade candles;
depth and open interest are the last reading. NaN is unknown: nothing is filled in here. What does not
live here: what a trade costs (`costs`, `cost_scenarios`), where an unknown volume gets its assumed value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.legs import Bools, Floats, Ints, Universe

_LEG = ["venue", "symbol"]
VOLUME_DAYS = 28
_LEAST_DAYS = 7  # fewer days say little about a median: unknown
_WHOLE_DAY_HOURS = 20.0  # candles of a day cover at least this much, or the day is left out
_DAY_KNOWN_AFTER = timedelta(hours=1)  # candles that come later than this do not count
_OLDEST_DAY_HOURS = 96.0  # since its start: three days after its end
_OLDEST_READING_HOURS = 24.0


@dataclass(frozen=True)
class LiquidityPanel:
    """Times x legs, USD, NaN where unknown.

    `daily_volume_usd`: median traded on a day, both sides counted once; `depth_usd`: resting within
    10 bp of mid on the thinner side; `open_interest_usd`: open contracts at the own price.
    """

    daily_volume_usd: Floats
    depth_usd: Floats
    open_interest_usd: Floats

    @property
    def volume_assumed(self) -> Bools:
        """True where the volume is unknown, so that the impact of a trade rests on an assumed one."""
        return ~np.isfinite(self.daily_volume_usd)

    def of(self, legs: Ints) -> "LiquidityPanel":
        """The same for some of the legs."""
        return LiquidityPanel(
            daily_volume_usd=self.daily_volume_usd[:, legs],
            depth_usd=self.depth_usd[:, legs],
            open_interest_usd=self.open_interest_usd[:, legs],
        )


def liquidity_panel(
    tables: MarketTables,
    *,
    universe: Universe,
    times: Sequence[datetime],
    terms: Mapping[str, VenueTerms],
    price: Floats,
) -> LiquidityPanel:
    """Liquidity at `times` (UTC, ascending) from rows known by then.

    `price` is times x legs, the last known own price. Volumes count in the unit of the venue's terms
    (`VenueTerms.volume_unit`); a volume in contracts of unknown size, or in an unknown unit, is unknown.
    """
    return LiquidityPanel(
        daily_volume_usd=_daily_volume_usd(tables, universe=universe, times=times, terms=terms),
        depth_usd=_depth_usd(tables.order_book_depth, universe=universe, times=times),
        open_interest_usd=_open_interest(tables.open_interest, universe=universe, times=times) * price,
    )


def _daily_volume_usd(
    tables: MarketTables, *, universe: Universe, times: Sequence[datetime], terms: Mapping[str, VenueTerms]
) -> Floats:
    days = _days(tables.prices, universe=universe, times=times)
    span = f"{VOLUME_DAYS}d"
    median = {
        name: pl.col(name).rolling_median_by("day", span, min_samples=_LEAST_DAYS).over(_LEG)
        for name in ("units", "quote")
    }
    medians = days.sort(*_LEG, "day").with_columns(**median).with_columns(since="day")
    units, quote, age = as_of_panels(
        medians, on="known_at", values=["units", "quote", "since"], universe=universe, times=times
    )
    size = _contract_size(tables.instruments, universe=universe, times=times)
    unit = [terms_of(leg.venue, terms).volume_unit(is_inverse=leg.is_inverse) for leg in universe.legs]
    # an inverse contract is worth quote units, a linear one quoted units of the base
    by_contract = np.where(universe.inverse, units * size, quote * size)
    by_unit = {"base": quote, "contracts": by_contract, "unknown": np.full_like(quote, np.nan)}
    volume = np.stack([by_unit[name][:, i] for i, name in enumerate(unit)], axis=1)
    return np.where(age <= _OLDEST_DAY_HOURS, volume, np.nan)


def _days(prices: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> pl.DataFrame:
    """One row per leg and whole UTC day: `units` traded, `quote` = units at the closes, `known_at`.

    A day that candles of several lengths cover counts by the shortest.
    """
    first = times[0] - timedelta(days=VOLUME_DAYS + 4)
    pairs = pl.DataFrame([(leg.venue, leg.symbol) for leg in universe.legs], schema=_LEG, orient="row")
    hours = pl.col("timeframe_hours").sum()
    return (
        prices.filter(
            (pl.col("kind") == "trade")
            & pl.col("volume").is_not_null()
            & (pl.col("timeframe_hours") > 0)
            & (pl.col("timeframe_hours") <= 24)
            & pl.col("close_time").is_between(first, times[-1])
        )
        .join(pairs.lazy(), on=_LEG, how="semi")
        .with_columns(day=(pl.col("close_time") - pl.duration(microseconds=1)).dt.truncate("1d"))
        .with_columns(day_known=pl.col("day") + timedelta(days=1) + _DAY_KNOWN_AFTER)
        .filter(pl.col("known_at") <= pl.col("day_known"))
        .sort(*_LEG, "close_time")  # sums in one order, so that row order changes no digit
        .group_by(*_LEG, "day", "timeframe_hours", maintain_order=True)
        .agg(
            pl.col("day_known").first().alias("known_at"),
            pl.col("volume").sum().alias("units"),
            (pl.col("volume") * pl.col("close")).sum().alias("quote"),
            hours.alias("hours"),
        )
        .filter(pl.col("hours") >= _WHOLE_DAY_HOURS)
        .sort("timeframe_hours")
        .group_by(*_LEG, "day", maintain_order=True)
        .first()
        .collect()
    )


def _contract_size(instruments: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> Floats:
    frame = instruments.select(*_LEG, "known_at", "effective_from", "contract_size").sort("effective_from")
    (size,) = as_of_panels(
        frame.collect(), on="known_at", values=["contract_size"], universe=universe, times=times
    )
    return size


def _depth_usd(depth: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> Floats:
    """The thinner side within 10 bp; unknown when either side is."""
    bid, ask = (
        _last_reading(depth, value, universe=universe, times=times)
        for value in ("bid_depth_10bp_usd", "ask_depth_10bp_usd")
    )
    return np.minimum(bid, ask)


def _open_interest(open_interest: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> Floats:
    return _last_reading(open_interest, "open_interest_base", universe=universe, times=times)


def _last_reading(
    readings: pl.LazyFrame, value: str, *, universe: Universe, times: Sequence[datetime]
) -> Floats:
    """The last known `value` that was observed at most a day before."""
    recent = pl.col("known_at").is_between(times[0] - timedelta(hours=_OLDEST_READING_HOURS), times[-1])
    frame = (
        readings.filter(recent)
        .select(*_LEG, "known_at", "observed_at", value)
        .sort("known_at", "observed_at")
        .collect()
    )
    reading, age = as_of_panels(
        frame, on="known_at", values=[value, "observed_at"], universe=universe, times=times
    )
    return np.where(age <= _OLDEST_READING_HOURS, reading, np.nan)
