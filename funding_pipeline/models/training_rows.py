"""Which rows a model may learn from: labelled ones that were known by the end of training.

The purge lives here and nowhere else: a label enters only with known_at < train_end.
"""

from datetime import datetime

import polars as pl

from funding_pipeline.models.design import KEYS, checked


def training_rows(
    features: pl.DataFrame, labels: pl.DataFrame, *, horizon_hours: int, train_end: datetime, max_rows: int
) -> pl.DataFrame:
    """`features` with `target` (realised rate per hour), one row per label known by `train_end`.

    Rows without a label are left out. Above `max_rows` only every k-th decision time is kept,
    counted back from the last, so that the newest are always in. Sorted by key.
    """
    known = labels.filter(
        (pl.col("horizon_hours") == horizon_hours)
        & (pl.col("known_at") < train_end)
        & pl.col("rate_per_hour").is_finite()
    ).select(*KEYS, pl.col("rate_per_hour").alias("target"))
    rows = checked(features).join(known, on=list(KEYS), how="inner").sort(KEYS)
    return thinned(rows, max_rows)


def thinned(rows: pl.DataFrame, max_rows: int) -> pl.DataFrame:
    """Every k-th decision time, counted back from the last, so that about `max_rows` are left."""
    step = -(-rows.height // max_rows)
    if step <= 1:
        return rows
    newest_first = rows["as_of"].rank("dense", descending=True).cast(pl.Int64) - 1
    return rows.filter(newest_first % step == 0)
