"""How unusual the whole market is: one severity per decision time, with the readings that made it.

What lives here: what several readings together mean. What does not: single readings (`anomalies`), and what
follows from a severity (`execution`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.models.anomalies import ALARM, MARKET_LEVELS, NONE, NOTICE, WARNING, Levels
from funding_pipeline.models.deviations import deviations, wording
from funding_pipeline.models.market_readings import MARKET_WATCHED, market_readings

SEVERITY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "severity": pl.String,
    "strongest": pl.Float64,
    "second": pl.Float64,
    "reason": pl.String,
}


def market_severity(features: pl.DataFrame, *, levels: Levels = MARKET_LEVELS) -> pl.DataFrame:
    """One row per as_of: `severity` of the whole market, the two largest |robust_z|, and `reason`.

    - alarm: the strongest reading is a warning (6 robust deviations) and a second one is unusual (3.5);
    - warning: the strongest is a warning, or two are unusual;
    - notice: one is unusual; none: none is.
    Null: nothing could be judged yet (fewer than 30 rows and 30 deviations in 90 days). `reason`: the
    unusual readings in words, strongest first; empty where there is none. Known at as_of; in time order.
    """
    rows = market_readings(features)
    judged = pl.concat([_said(rows, index, levels) for index in range(len(MARKET_WATCHED))])
    size = pl.col("size")
    per_time = (
        judged.sort("as_of", size, "feature", descending=[False, True, False])
        .group_by("as_of", maintain_order=True)
        .agg(
            size.get(0).alias("strongest"),
            size.get(1, null_on_oob=True).alias("second"),
            pl.col("said").filter(size >= levels.notice).str.join("; ").alias("reason"),
        )
    )
    severity = _severity(pl.col("strongest"), pl.col("second").fill_null(0.0), levels)
    found = rows.select("as_of").join(per_time, on="as_of", how="left", maintain_order="left")
    named = found.with_columns(severity.alias("severity"), pl.col("reason").fill_null(""))
    return named.select(pl.col(name).cast(dtype) for name, dtype in SEVERITY_SCHEMA.items())


def _said(rows: pl.DataFrame, index: int, levels: Levels) -> pl.DataFrame:
    watched = MARKET_WATCHED[index]
    scored = deviations(rows, watched, by=["venue", "symbol"]).with_columns(
        pl.col("robust_z").abs().alias("size")
    )
    words = pl.when(pl.col("size") >= levels.notice).then(wording(watched)).otherwise(pl.lit(""))
    return scored.select("as_of", "feature", "size", words.alias("said"))


def _severity(strongest: pl.Expr, second: pl.Expr, levels: Levels) -> pl.Expr:
    warned = strongest >= levels.warning
    return (
        pl.when(strongest.is_null())
        .then(pl.lit(None, pl.String))
        .when(warned & (second >= levels.notice))
        .then(pl.lit(ALARM))
        .when(warned | (second >= levels.notice))
        .then(pl.lit(WARNING))
        .when(strongest >= levels.notice)
        .then(pl.lit(NOTICE))
        .otherwise(pl.lit(NONE))
    )


def episodes(times: Iterable[datetime], *, apart: timedelta = timedelta(hours=72)) -> list[list[datetime]]:
    """Times in order, in groups: a time that follows the one before by at most `apart` is of its group."""
    groups: list[list[datetime]] = []
    for at in sorted(times):
        if groups and at - groups[-1][-1] <= apart:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups
