"""Own prices of the legs, and the cross-venue price of each base.

The cross-venue price is the median over the venues' own fresh perpetual prices; it defines the net
quantity of a base in USD and the basis of a leg. The price that funding is charged on is another
matter (validation.funding_reference).
"""

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Bools, Floats, Universe

_KINDS = ("trade", "mark")
_MOST_DEVIATION, _LEAST_VENUES = 0.20, 3


def own_prices(prices: pl.LazyFrame, *, universe: Universe) -> pl.DataFrame:
    """Closes on each leg's own venue: trade prices, mark prices until its first trade price.

    One row per venue, symbol, close; columns venue, symbol, close_time, timeframe_hours, close,
    known_at; sorted by `known_at`, then the shortest bar last, so that it wins a tie.
    """
    legs = pl.LazyFrame(
        {"venue": [leg.venue for leg in universe.legs], "symbol": [leg.symbol for leg in universe.legs]},
        schema={"venue": pl.String, "symbol": pl.String},
    )
    columns = ["venue", "symbol", "kind", "close_time", "timeframe_hours", "close", "known_at"]
    frame = (
        prices.filter(pl.col("kind").is_in(_KINDS) & (pl.col("close") > 0) & pl.col("close").is_finite())
        .select(columns)
        .join(legs, on=["venue", "symbol"], how="semi")
        .sort(
            "known_at",
            "close_time",
            "timeframe_hours",
            "venue",
            "symbol",
            "kind",
            descending=[False, False, True, False, False, True],
        )
        .with_columns(traded=(pl.col("kind") == "trade").cum_max().over("venue", "symbol"))
        .filter((pl.col("kind") == "trade") | ~pl.col("traded"))
        .select("venue", "symbol", "close_time", "timeframe_hours", "close", "known_at")
    )
    return frame.collect()


def sane_prices(prices: pl.LazyFrame, *, quoted: Universe) -> pl.DataFrame:
    """`own_prices` of all quoted perpetuals without closes that no other venue bears out.

    A close more than 20 % from the median of its base at the same moment, over three venues or more, is
    no price to trade or mark at: the last one before it stands, and ages. With two venues nothing says
    which of them is wrong.
    """
    own = own_prices(prices, universe=quoted)
    legs = pl.DataFrame(
        [(leg.venue, leg.symbol, leg.base, leg.multiplier) for leg in quoted.legs],
        schema={"venue": pl.String, "symbol": pl.String, "base": pl.String, "multiplier": pl.Float64},
        orient="row",
    )
    moment = ["base", "close_time"]
    per_unit = pl.col("close") / pl.col("multiplier")
    off = (per_unit / per_unit.median().over(moment) - 1).abs() > _MOST_DEVIATION
    several = pl.col("venue").n_unique().over(moment) >= _LEAST_VENUES
    judged = own.join(legs, on=["venue", "symbol"], maintain_order="left").filter(~(off & several))
    return judged.drop("base", "multiplier")


def reference_per_leg(price: Floats, *, fresh: Bools, universe: Universe) -> Floats:
    """Cross-venue price in each leg's own quoted units, times x legs.

    Median over the fresh legs of the base; over all of its legs with a price where none is fresh;
    NaN where no leg of the base ever had a price.
    """
    per_unit = price / universe.multipliers
    out = np.full_like(price, np.nan)
    for index in range(len(universe.bases)):
        members = np.flatnonzero(universe.base_index == index)
        known = np.where(fresh[:, members], per_unit[:, members], np.nan)
        none_fresh = ~np.isfinite(known).any(axis=1)
        known[none_fresh] = per_unit[none_fresh][:, members]
        out[:, members] = row_median(known)[:, None] * universe.multipliers[members]
    return out


def row_median(values: Floats) -> Floats:
    """Median of the finite entries of each row, NaN for a row without any."""
    out = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1)
    if some.any():
        out[some] = np.nanmedian(values[some], axis=1)
    return out
