"""Features of an instrument's own funding: trailing means, spread, plateau and settlement phase.

What lives here: formulas that need only the instrument's settlements and its venue's estimates.
What does not: comparisons with other instruments (`cross_section`).
"""

import polars as pl

from funding_pipeline.features.decision_grid import INSTRUMENT, MAX_SILENCE_HOURS, as_of_join
from funding_pipeline.features.trailing import running_sums, window_sums

RATE_WINDOWS_HOURS = (8, 24, 72, 168, 336, 720, 2160)
SPREAD_WINDOWS_HOURS = (168, 720)
# Interest of 0.01 % per 8 h: where the common formula rests while the premium is small.
PLATEAU_RATE_PER_HOUR = 1e-4 / 8
_PLATEAU_TOLERANCE = 1e-9


def funding_features(grid: pl.DataFrame, settlements: pl.DataFrame) -> pl.DataFrame:
    """`grid` with the funding features of each instrument, null where nothing settled in a window.

    A trailing mean over w hours is sum(rate) / sum(interval_hours) of the settlements in
    (as_of - w, as_of]: time-weighted, so that 1 h and 8 h intervals compare. With less history than
    w it is the mean of what there is; `history_hours` tells how much that was (at most 2160).
    """
    running = running_sums(_settlement_columns(settlements), _sums())
    columns = [window for hours in RATE_WINDOWS_HOURS for window in _window(grid, running, hours)]
    latest = _latest(grid, settlements)
    return grid.with_columns(columns + latest)


def on_plateau(rate_per_hour: pl.Expr) -> pl.Expr:
    """True where a rate is the bare interest of 0.01 % per 8 h (domain: a third of all settlements)."""
    return (rate_per_hour - PLATEAU_RATE_PER_HOUR).abs() < _PLATEAU_TOLERANCE


def estimate_features(grid: pl.DataFrame, estimated: pl.LazyFrame) -> pl.DataFrame:
    """`grid` with `estimated_rate_per_hour`: the venue's newest estimate known at as_of.

    Null where the venue tells none, or where the newest is about a settlement over 24 h ago.
    """
    newest = (
        estimated.filter(pl.col("rate").is_not_null() & (pl.col("interval_hours") > 0))
        .sort(*INSTRUMENT, "known_at", "settles_at")
        .select(
            *INSTRUMENT,
            "known_at",
            "settles_at",
            (pl.col("rate") / pl.col("interval_hours")).alias("estimated_rate_per_hour"),
        )
    )
    joined = as_of_join(grid.lazy(), newest, left_on="as_of", right_on="known_at", by=INSTRUMENT)
    fresh = pl.col("settles_at") > pl.col("as_of") - pl.duration(hours=MAX_SILENCE_HOURS)
    value = pl.when(fresh).then("estimated_rate_per_hour").alias("estimated_rate_per_hour")
    return joined.with_columns(value).drop("settles_at").sort("as_of", *INSTRUMENT).collect()


def _settlement_columns(settlements: pl.DataFrame) -> pl.DataFrame:
    rate = pl.col("rate_per_hour")
    turned = (rate.sign() != rate.sign().shift(1).over(INSTRUMENT)).fill_null(value=True)
    turned_at = pl.when(turned).then(pl.col("settled_at") - _interval())
    return settlements.with_columns(
        turned_at.forward_fill().over(INSTRUMENT).alias("sign_since"),
        (rate == rate.shift(1).over(INSTRUMENT)).fill_null(value=False).alias("repeated"),
    )


def _interval() -> pl.Expr:
    return pl.duration(minutes=(pl.col("interval_hours") * 60).cast(pl.Int64))


def _sums() -> dict[str, pl.Expr]:
    hours, rate = pl.col("interval_hours"), pl.col("rate_per_hour")
    return {
        "sum_rate": pl.col("rate"),
        "sum_hours": hours,
        "sum_square": rate**2 * hours,
        "sum_absolute": pl.col("rate").abs(),
        "sum_plateau": on_plateau(rate).cast(pl.Float64) * hours,
        "sum_repeated": pl.col("repeated").cast(pl.Float64) * hours,
        "sum_positive": (rate > 0).cast(pl.Float64) * hours,
    }


def _window(grid: pl.DataFrame, running: pl.DataFrame, hours: int) -> list[pl.Series]:
    """Feature columns of one window, row for row of `grid`."""
    names = tuple(_sums()) if hours in SPREAD_WINDOWS_HOURS else ("sum_rate", "sum_hours")
    sums = window_sums(
        grid, running, names=names, start_hours=-hours, event_time="settled_at", known_at="known_at"
    )
    weight = pl.when(pl.col("sum_hours") > 0).then(pl.col("sum_hours"))
    mean = pl.col("sum_rate") / weight
    features = [mean.alias(f"rate_{hours}h_per_hour")]
    if hours in SPREAD_WINDOWS_HOURS:
        variance = (pl.col("sum_square") / weight - mean**2).clip(lower_bound=0.0)
        features += [
            variance.sqrt().alias(f"rate_std_{hours}h_per_hour"),
            (pl.col("sum_absolute") / weight).alias(f"rate_absolute_{hours}h_per_hour"),
            (pl.col("sum_plateau") / weight).alias(f"plateau_share_{hours}h"),
            (pl.col("sum_repeated") / weight).alias(f"repeated_share_{hours}h"),
            (pl.col("sum_positive") / weight).alias(f"positive_share_{hours}h"),
        ]
    if hours == max(RATE_WINDOWS_HOURS):
        features.append(weight.alias("history_hours"))
    return sums.select(features).get_columns()


def _latest(grid: pl.DataFrame, settlements: pl.DataFrame) -> list[pl.Series]:
    """Features of the newest settlement: its rate and interval, its age, and how long its sign held."""
    runs = _settlement_columns(settlements).lazy().select(*INSTRUMENT, "settled_at", "sign_since")
    keyed = grid.lazy().with_row_index("row")
    joined = keyed.join(
        runs, left_on=[*INSTRUMENT, "last_settled_at"], right_on=[*INSTRUMENT, "settled_at"], how="left"
    )
    age = (pl.col("as_of") - pl.col("last_settled_at")).dt.total_minutes() / 60
    held = (pl.col("last_settled_at") - pl.col("sign_since")).dt.total_minutes() / 60
    return (
        joined.sort("row")
        .select(
            pl.col("rate_per_hour").alias("rate_last_per_hour"),
            age.alias("hours_since_settlement"),
            (pl.col("interval_hours") - age).alias("hours_to_settlement"),
            held.clip(upper_bound=float(max(RATE_WINDOWS_HOURS))).alias("same_sign_hours"),
        )
        .collect()
        .get_columns()
    )
