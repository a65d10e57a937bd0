"""Features of order books, trades and open interest. Null where a table is empty or silent.

What lives here: the newest snapshot and flow known at as_of. What does not: cost of an order
(`portfolio`), which needs the size.
"""

from datetime import timedelta

import polars as pl

from funding_pipeline.features.cross_section import known_mean
from funding_pipeline.features.decision_grid import INSTRUMENT, as_of_join
from funding_pipeline.features.trailing import running_sums, window_sums

OPEN_INTEREST_WINDOWS_HOURS = (24, 168)
FLOW_WINDOW_HOURS = 1
# A snapshot or an open-interest reading older than this is not the market of as_of any more.
_MAX_AGE_HOURS = 2


def liquidity_features(
    grid: pl.DataFrame, *, depth: pl.LazyFrame, flow: pl.LazyFrame, open_interest: pl.LazyFrame
) -> pl.DataFrame:
    """`grid` (with `base`) and the features of depth, taker flow and open interest."""
    own = grid.with_columns([*_depth(grid, depth), *_flow(grid, flow), *_open_interest(grid, open_interest)])
    by_base = ["as_of", "base"]
    return own.with_columns(
        known_mean(pl.col(f"open_interest_change_{hours}h"), by_base).alias(
            f"base_open_interest_change_{hours}h"
        )
        for hours in OPEN_INTEREST_WINDOWS_HOURS
    )


def _depth(grid: pl.DataFrame, depth: pl.LazyFrame) -> list[pl.Series]:
    rows = depth.sort(*INSTRUMENT, "known_at", "observed_at").select(
        *INSTRUMENT,
        "known_at",
        "observed_at",
        pl.col("spread_bp").alias("book_spread_bp"),
        pl.col("imbalance").alias("book_imbalance"),
        pl.mean_horizontal("impact_buy_100k_bp", "impact_sell_100k_bp").alias("book_impact_100k_bp"),
    )
    return _newest(grid, rows, hours_ago=0).get_columns()


def _flow(grid: pl.DataFrame, flow: pl.LazyFrame) -> list[pl.Series]:
    """Taker imbalance of the last hour: (buys - sells) / (buys + sells) in USD, -1 to 1."""
    rows = (
        flow.sort(*INSTRUMENT, "window_end")
        .with_columns(pl.max_horizontal("known_at", "window_end").cum_max().over(INSTRUMENT))
        .collect()
    )
    buys, sells = pl.col("buy_notional_usd").fill_null(0.0), pl.col("sell_notional_usd").fill_null(0.0)
    running = running_sums(rows, {"net": buys - sells, "gross": buys + sells})
    sums = window_sums(
        grid,
        running,
        names=("net", "gross"),
        start_hours=-FLOW_WINDOW_HOURS,
        event_time="window_end",
        known_at="known_at",
    )
    imbalance = pl.when(pl.col("gross") > 0).then(pl.col("net") / pl.col("gross"))
    return sums.select(imbalance.alias("taker_imbalance_1h")).get_columns()


def _open_interest(grid: pl.DataFrame, open_interest: pl.LazyFrame) -> list[pl.Series]:
    """Log change of the instrument's open interest over each window."""
    rows = (
        open_interest.filter(pl.col("open_interest_base") > 0)
        .sort(*INSTRUMENT, "known_at", "observed_at")
        .select(*INSTRUMENT, "known_at", "observed_at", pl.col("open_interest_base").log().alias("log_oi"))
    )
    now = _newest(grid, rows, hours_ago=0)["log_oi"]
    return [
        (now - _newest(grid, rows, hours_ago=hours)["log_oi"]).alias(f"open_interest_change_{hours}h")
        for hours in OPEN_INTEREST_WINDOWS_HOURS
    ]


def _newest(grid: pl.DataFrame, rows: pl.LazyFrame, *, hours_ago: int) -> pl.DataFrame:
    at = (pl.col("as_of") - timedelta(hours=hours_ago)).alias("at")
    left = grid.lazy().select(*INSTRUMENT, at).with_row_index("row")
    joined = as_of_join(left, rows, left_on="at", right_on="known_at", by=INSTRUMENT)
    fresh = pl.col("observed_at") >= pl.col("at") - timedelta(hours=_MAX_AGE_HOURS)
    values = [c for c in rows.collect_schema() if c not in (*INSTRUMENT, "observed_at", "known_at")]
    return joined.sort("row").select(pl.when(fresh).then(pl.col(values)).name.keep()).collect()
