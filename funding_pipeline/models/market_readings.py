"""Readings of the market as a whole, of each decision time: price, volatility, funding, and how venues agree.

What lives here: one number per as_of and reading, a median over bases, so that half of the bases have to
agree before it moves far. What does not: what of it is unusual (`anomalies`, `market_severity`).
"""

import polars as pl

from funding_pipeline.features.funding import PLATEAU_RATE_PER_HOUR
from funding_pipeline.models.deviations import Watched

MARKET = "market"
_PER_YEAR = 8760.0 * 100
_QUOTES_SAID = 10e-4
"""A quote currency is named from this distance on: 10 bp is beyond what hourly closes differ by."""
_SHARE_OF_LEVEL = 0.2
MARKET_WATCHED = (
    Watched("momentum_24h", "price change over 24 h", 0.01, 100.0, "%"),
    Watched("volatility_24h_per_sqrt_hour", "volatility over 24 h", 5e-4, 100.0, "% per root hour"),
    Watched("market_rate_24h_per_hour", "mean funding over 24 h", 5e-6, _PER_YEAR, "%/yr"),
    Watched(
        "funding_gap", "furthest venue's funding over 24 h from the base's mean", 2e-6, _PER_YEAR, "%/yr",
        least_unit="usual_gap",
    ),
    Watched(
        "price_gap", "furthest venue's price from the cross-venue median", 2e-4, 1e4, "bp", detail="quotes"
    ),
)  # fmt: skip


def market_readings(features: pl.DataFrame) -> pl.DataFrame:
    """One row per as_of, in time order: what MARKET_WATCHED names, and the columns that it refers to;
    venue and symbol are `market`.

    `funding_gap` and `price_gap`: the largest |base_gap_24h_per_hour| and |basis| among a base's
    instruments, median over bases. `usual_gap`: a fifth of what the market pays above the bare interest;
    where longs pay much, venues differ by much. `quotes`: which quote currency's contracts are priced away
    from the others. Without prices their readings are null. Row order changes nothing.
    """
    per_base = features.group_by("as_of", "base").agg(
        # of the base or of the market: the same on every row
        pl.col("momentum_24h", "volatility_24h_per_sqrt_hour", "market_rate_24h_per_hour").max(),
        pl.col("base_gap_24h_per_hour").abs().max().alias("funding_gap"),
        pl.col("basis").abs().max().alias("price_gap"),
    )
    market = per_base.group_by("as_of").agg(pl.exclude("as_of", "base").median()).sort("as_of")
    paid = pl.col("market_rate_24h_per_hour") - PLATEAU_RATE_PER_HOUR
    return market.with_columns(
        pl.lit(MARKET).alias("venue"),
        pl.lit(MARKET).alias("symbol"),
        (_SHARE_OF_LEVEL * paid).alias("usual_gap"),
    ).join(_quotes(features), on="as_of", how="left", maintain_order="left")


def _quotes(features: pl.DataFrame) -> pl.DataFrame:
    """The quote currency whose contracts are furthest from the cross-venue median, in words: a depeg."""
    quote = pl.col("symbol").str.extract(r"/([A-Z]+)", 1).alias("quote")
    gaps = features.group_by("as_of", quote).agg(pl.col("basis").median().alias("gap")).drop_nulls()
    size = pl.col("gap").abs()
    furthest = (
        gaps.filter(size >= _QUOTES_SAID)
        .sort("as_of", size, "quote", descending=[False, True, False])
        .unique("as_of", keep="first", maintain_order=True)
    )
    bp = (pl.col("gap") * 1e4).round(0).cast(pl.Int64)
    sign = pl.when(bp > 0).then(pl.lit("+")).otherwise(pl.lit(""))
    words = pl.format("contracts quoted in {} {}{} bp", pl.col("quote"), sign, bp)
    return furthest.select("as_of", words.alias("quotes"))
