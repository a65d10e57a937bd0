"""Price features: basis against the cross-venue reference, premium over spot, momentum, volatility.

What lives here: hourly closes per base unit and what is derived of them. What does not: fills,
slippage or marks for accounting. All are null where the prices table is empty.
"""

from datetime import timedelta

import polars as pl

from funding_pipeline.features.decision_grid import INSTRUMENT, as_of_join, with_base
from funding_pipeline.features.trailing import running_sums, window_sums
from funding_pipeline.market_data.instruments import quoted_in_dollars

BASIS_WINDOWS_HOURS = (24, 168)
MOMENTUM_WINDOWS_HOURS = (24, 168, 720)
VOLATILITY_WINDOWS_HOURS = (24, 168, 720)
# Bars of 8 h are the coarsest that are used; an older close says nothing about now.
_MAX_AGE_HOURS = 9
_PERPETUAL, _SPOT = ("trade", "mark"), ("spot", "index")


def price_features(grid: pl.DataFrame, prices: pl.LazyFrame, bases: pl.DataFrame) -> pl.DataFrame:
    """`grid` (with `base`) and the price features, in fractions; null where no price is known."""
    closes = perpetual_closes(prices, bases)
    reference = reference_prices(closes)
    spot = reference_prices(_spot_closes(prices, bases))
    with_basis = grid.with_columns(_basis_features(grid, _basis(closes, reference)))
    base_grid = grid.select("as_of", "base").unique(maintain_order=True)
    per_base = base_grid.with_columns(
        _reference_features(base_grid, reference) + _premium_features(base_grid, reference, spot)
    )
    return with_basis.join(per_base, on=["as_of", "base"], how="left", maintain_order="left")


def perpetual_closes(prices: pl.LazyFrame, bases: pl.DataFrame) -> pl.DataFrame:
    """One row per (venue, symbol, close_time): close per base unit; trade bars before mark bars.

    `known_at` is that of the bar. 1 h to 8 h bars; of two at one time the shorter is taken.
    """
    return (
        with_base(_bars(prices, _PERPETUAL), bases, at="known_at")
        .drop_nulls("base")
        .with_columns((pl.col("close") / pl.col("multiplier")).alias("price"))
        .sort(*INSTRUMENT, "close_time", pl.col("kind") != "trade", "timeframe_hours")
        .unique([*INSTRUMENT, "close_time"], keep="first", maintain_order=True)
        .select(*INSTRUMENT, "base", "close_time", "known_at", "price")
        .collect()
    )


def reference_prices(closes: pl.DataFrame) -> pl.DataFrame:
    """One row per (base, close_time): median close over instruments, and how many there were.

    `known_at` is the latest of the closes that went in.
    """
    return (
        closes.lazy()
        .group_by("base", "close_time")
        .agg(
            pl.col("price").median().alias("reference"),
            pl.len().alias("instruments"),
            pl.col("known_at").max(),
        )
        .sort("base", "close_time")
        .with_columns(pl.col("known_at").cum_max().over("base"))
        .collect()
    )


def _bars(prices: pl.LazyFrame, kinds: tuple[str, ...]) -> pl.LazyFrame:
    usable = pl.col("kind").is_in(list(kinds)) & (pl.col("timeframe_hours") <= 8) & (pl.col("close") > 0)
    columns = [*INSTRUMENT, "kind", "timeframe_hours", "close_time", "known_at", "close"]
    return prices.filter(usable & quoted_in_dollars()).select(columns)


def _spot_closes(prices: pl.LazyFrame, bases: pl.DataFrame) -> pl.DataFrame:
    """Spot and index closes by base; a spot symbol (`BTC/USDT`) names its base itself."""
    named = pl.col("symbol").str.split("/").list.first()
    whole_hour = pl.col("close_time").dt.truncate("1h") == pl.col("close_time")
    return (
        with_base(_bars(prices, _SPOT).filter(whole_hour), bases, at="known_at")
        .select(
            pl.coalesce("base", named).alias("base"),
            "close_time",
            "known_at",
            (pl.col("close") / pl.col("multiplier").fill_null(1.0)).alias("price"),
        )
        .collect()
    )


def _basis(closes: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Close against the reference at the same moment, as a fraction; needs a second instrument."""
    joined = closes.lazy().join(
        reference.lazy().filter(pl.col("instruments") > 1), on=["base", "close_time"], suffix="_reference"
    )
    known = pl.max_horizontal("known_at", "known_at_reference").cum_max().over(INSTRUMENT)
    rows = (
        joined.sort(*INSTRUMENT, "close_time")
        .select(
            *INSTRUMENT,
            "close_time",
            known.alias("known_at"),
            (pl.col("price") / pl.col("reference") - 1).alias("basis"),
        )
        .collect()
    )
    return running_sums(
        rows, {"sum_basis": pl.col("basis"), "count": pl.col("basis").is_not_null().cast(pl.Float64)}
    )


def _basis_features(grid: pl.DataFrame, basis: pl.DataFrame) -> list[pl.Series]:
    latest = _latest(grid, basis.lazy().select(*INSTRUMENT, "close_time", "known_at", "basis"), by=INSTRUMENT)
    columns = [latest["basis"].alias("basis")]
    for hours in BASIS_WINDOWS_HOURS:
        columns.append(_mean(grid, basis, "sum_basis", hours, by=INSTRUMENT).alias(f"basis_{hours}h"))
    return columns


def _reference_features(grid: pl.DataFrame, reference: pl.DataFrame) -> list[pl.Series]:
    """Momentum (log return) and volatility (root mean square of hourly log returns) of the base."""
    log_return = pl.col("reference").log().diff().over("base")
    hourly = (pl.col("close_time").diff().over("base") == timedelta(hours=1)).fill_null(value=False)
    returns = pl.when(hourly).then(log_return).fill_null(0.0)
    running = running_sums(
        reference, {"sum_square": returns**2, "count": hourly.cast(pl.Float64)}, by=("base",)
    )
    now = _latest(grid, reference.lazy(), by=("base",))["reference"].log()
    columns = []
    for hours in MOMENTUM_WINDOWS_HOURS:
        then = _latest(grid, reference.lazy(), by=("base",), hours_ago=hours)["reference"].log()
        columns.append((now - then).alias(f"momentum_{hours}h"))
    for hours in VOLATILITY_WINDOWS_HOURS:
        variance = _mean(grid, running, "sum_square", hours, by=("base",))
        columns.append(variance.clip(lower_bound=0.0).sqrt().alias(f"volatility_{hours}h_per_sqrt_hour"))
    return columns


def _premium_features(grid: pl.DataFrame, reference: pl.DataFrame, spot: pl.DataFrame) -> list[pl.Series]:
    """Mean premium of the perpetuals' reference over spot and index, base by base."""
    joined = reference.lazy().join(spot.lazy(), on=["base", "close_time"], suffix="_spot")
    rows = (
        joined.sort("base", "close_time")
        .select(
            "base",
            "close_time",
            pl.max_horizontal("known_at", "known_at_spot").cum_max().over("base").alias("known_at"),
            (pl.col("reference") / pl.col("reference_spot") - 1).alias("premium"),
        )
        .collect()
    )
    count = pl.col("premium").is_not_null().cast(pl.Float64)
    running = running_sums(rows, {"sum_premium": pl.col("premium"), "count": count}, by=("base",))
    return [
        _mean(grid, running, "sum_premium", hours, by=("base",)).alias(f"base_premium_{hours}h")
        for hours in BASIS_WINDOWS_HOURS
    ]


def _mean(
    grid: pl.DataFrame, running: pl.DataFrame, total: str, hours: int, *, by: tuple[str, ...]
) -> pl.Series:
    sums = window_sums(
        grid,
        running,
        names=(total, "count"),
        start_hours=-hours,
        event_time="close_time",
        known_at="known_at",
        by=by,
    )
    count = pl.when(pl.col("count") > 0).then(pl.col("count"))
    return sums.select((pl.col(total) / count).alias(total)).to_series()


def _latest(
    grid: pl.DataFrame, rows: pl.LazyFrame, *, by: tuple[str, ...], hours_ago: int = 0
) -> pl.DataFrame:
    """Newest row known at as_of - hours_ago, null where its close is over 9 h older than that."""
    at = (pl.col("as_of") - timedelta(hours=hours_ago)).alias("at")
    left = grid.lazy().select(*by, at).with_row_index("row")
    joined = as_of_join(left, rows, left_on="at", right_on="known_at", by=by)
    fresh = pl.col("close_time") >= pl.col("at") - timedelta(hours=_MAX_AGE_HOURS)
    values = [c for c in rows.collect_schema() if c not in (*by, "close_time", "known_at")]
    return joined.sort("row").select(pl.when(fresh).then(pl.col(values)).name.keep()).collect()
