"""Repeated observations into effective-dated rows: a new row only where something changed."""

from collections.abc import Sequence

import polars as pl


def effective_dated(observed: pl.DataFrame, *, key: Sequence[str], values: Sequence[str]) -> pl.DataFrame:
    """One row per `key` and run of equal `values`, from rows with `observed_at`.

    A run holds from the moment it was first observed (`effective_from`, also its `known_at`) until the next
    one was; `effective_to` is null for the last. Nulls are values: "not told" after a number is a change.
    """
    rows = observed.sort(*key, "observed_at")
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in values)
    begins = changed.over(key) | (pl.int_range(pl.len()).over(key) == 0)
    return (
        rows.filter(begins)
        .with_columns(
            effective_from=pl.col("observed_at"),
            effective_to=pl.col("observed_at").shift(-1).over(key),
            known_at=pl.col("observed_at"),
        )
        .drop("observed_at")
    )
