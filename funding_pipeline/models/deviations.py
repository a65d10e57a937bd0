"""How far a reading is from what was typical of the 90 days before, in robust deviations.

What lives here: the measure, and how it is put into words. What does not: what is watched, and what is
called unusual (`anomalies`).

Typical is the trailing median, the unit the trailing median absolute deviation (times 1.4826, the factor
that makes it a standard deviation for normal data), both of earlier rows only.
"""

from dataclasses import dataclass

import polars as pl

TYPICAL_DAYS = 90
NEWS_HOURS = 24
LEAST_ROWS = 30
_NORMAL = 1.4826


@dataclass(frozen=True)
class Watched:
    """A feature to watch; `floor` is the least robust deviation, `factor` and `unit` are for print.

    `least_unit`: a column with a further least deviation. `steps`: the feature stays where it was put, so
    that only a change within the last day is news. `detail`: a column with words that go behind the numbers.
    """

    feature: str
    text: str
    floor: float
    factor: float
    unit: str
    least_unit: str | None = None
    steps: bool = False
    detail: str | None = None


def deviations(
    rows: pl.DataFrame, watched: Watched, *, by: list[str], typical_days: int = TYPICAL_DAYS
) -> pl.DataFrame:
    """One row per reading that can be judged: as_of, the columns of `by`, feature, value, typical, robust_z.

    A reading can be judged once its group has 30 earlier rows and 30 earlier deviations; a null is left
    out. robust_z = (value - typical) / max(1.4826 x median |deviation|, floor); for a feature that steps it
    is null where the value has stood for a day. Known at as_of. Sorted by group and time.
    """
    value, extra = pl.col("value"), [c for c in (watched.least_unit, watched.detail) if c is not None]
    judged = (
        rows.lazy()
        .select("as_of", *by, *extra, pl.col(watched.feature).alias("value"))
        .drop_nulls("value")
        .sort(*by, "as_of")
        .with_columns(_earlier_median("value", typical_days).over(by).alias("typical"))
        .with_columns((value - pl.col("typical")).abs().alias("deviation"))
        .with_columns(_earlier_median("deviation", typical_days).over(by).alias("usual"))
        .with_columns(_has_changed().over(by).alias("changed"))
        .drop_nulls("usual")  # no scale yet: nothing can be called unusual
    )
    least = [pl.lit(watched.floor), *([pl.col(watched.least_unit)] if watched.least_unit else [])]
    unit = pl.max_horizontal(_NORMAL * pl.col("usual"), *least)
    robust_z = (value - pl.col("typical")) / unit
    shown = pl.when(pl.col("changed")).then(robust_z) if watched.steps else robust_z
    detail = pl.col(watched.detail) if watched.detail else pl.lit("")
    return judged.select(
        "as_of",
        *by,
        pl.lit(watched.feature).alias("feature"),
        "value",
        "typical",
        shown.alias("robust_z"),
        detail.fill_null("").alias("detail"),
    ).collect()


def wording(watched: Watched, *, typical_days: int = TYPICAL_DAYS) -> pl.Expr:
    """`funding over 24 h is 95.0 %/yr, typically 8.1 %/yr (last 90 days); 31.0 robust deviations`."""
    shown = [(pl.col(c) * watched.factor).round(2).cast(pl.String) for c in ("value", "typical")]
    return pl.format(
        "{} is {} "
        + watched.unit
        + ", typically {} "
        + watched.unit
        + " (last {} days); {} robust deviations{}",
        pl.lit(watched.text),
        *shown,
        pl.lit(str(typical_days)),
        pl.col("robust_z").round(1).cast(pl.String),
        pl.when(pl.col("detail") != "").then(pl.format("; {}", pl.col("detail"))).otherwise(pl.lit("")),
    )


def _earlier_median(name: str, days: int) -> pl.Expr:
    """Median over the window before, without the row itself."""
    return pl.col(name).rolling_median_by(
        "as_of", window_size=f"{days}d", closed="left", min_samples=LEAST_ROWS
    )


def _has_changed() -> pl.Expr:
    """Whether the value was another within the last day."""
    window = f"{NEWS_HOURS}h"
    value = pl.col("value")
    lowest = value.rolling_min_by("as_of", window, closed="both")
    highest = value.rolling_max_by("as_of", window, closed="both")
    return lowest != highest
