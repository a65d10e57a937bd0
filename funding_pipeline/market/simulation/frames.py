"""Raw frames from arrays: one block per instrument, in the raw schema, times in UTC."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from funding_pipeline.core.market import RAW_TABLES

Array = npt.NDArray[np.generic] | npt.NDArray[np.datetime64]
Column = Array | pl.Series | str | None


def times(values: Array) -> pl.Series:
    """Times of numpy, which carry no zone, as UTC microseconds."""
    return pl.Series(values.astype("datetime64[us]")).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def block(table: str, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Rows of one instrument: arrays as they are, a string or null for all rows; schema of `table`."""
    schema = RAW_TABLES[table]
    arrays = {
        name: value for name, value in columns.items() if value is not None and not isinstance(value, str)
    }
    frame = pl.DataFrame({name: _series(value) for name, value in arrays.items()})
    constants = [
        pl.lit(columns[name], dtype=dtype).alias(name) for name, dtype in schema.items() if name not in arrays
    ]
    return frame.with_columns(constants).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _series(value: Array | pl.Series) -> pl.Series:
    if isinstance(value, pl.Series):
        return value
    if value.ndim == 2:  # an array of lists: one per row
        return pl.Series(value).arr.to_list()
    return times(value) if np.issubdtype(value.dtype, np.datetime64) else pl.Series(value)


def table_of(table: str, blocks: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All blocks under one another; the empty table when there is none."""
    empty = pl.DataFrame(schema=dict(RAW_TABLES[table]))
    return pl.concat([empty, *blocks], rechunk=True)
