"""Metadata of assets: column schemas, row counts, sample rows and plots as the UI shows them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import TableSchema
from funding_pipeline.features.panel import FEATURE_DOCS, FEATURES_SCHEMA
from funding_pipeline.reporting import plots


def column_schema(table: TableSchema) -> dg.TableSchema:
    """The columns of a normalized table with types, nullability, keys and descriptions."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=str(dtype),
                description=table.descriptions[name],
                constraints=dg.TableColumnConstraints(nullable=name in table.nullable),
            )
            for name, dtype in table.columns.items()
        ]
    )


def columns_of(columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> dg.TableSchema:
    """A column schema from names and types alone."""
    return dg.TableSchema(columns=[dg.TableColumn(name, type=str(dtype)) for name, dtype in columns.items()])


def feature_columns() -> dg.TableSchema:
    """Columns of the feature panel with formula, window and unit of each."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, type=str(dtype), description=FEATURE_DOCS.get(name))
            for name, dtype in FEATURES_SCHEMA.items()
        ]
    )


def plot(png: bytes) -> dg.MetadataValue[str]:
    """A PNG as markdown that the UI shows in place."""
    return dg.MetadataValue.md(plots.markdown_image(png, alternative="plot"))


def suffix(market: Market) -> str:
    """What follows the title of every plot of a simulated market; nothing for a recorded one."""
    return plots.simulated_suffix(is_simulated=market.is_simulated)


def table_preview(frame: pl.DataFrame, *, rows: int = 20) -> dg.MetadataValue[str]:
    """The first rows as a markdown table, numbers to four significant digits."""
    shown = frame.head(rows).with_columns(
        pl.col(pl.Float64, pl.Float32).round_sig_figs(4), pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M")
    )
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.width]
    lines += [
        "| " + " | ".join("" if cell is None else str(cell).replace("|", "/") for cell in row) + " |"
        for row in shown.iter_rows()
    ]
    return dg.MetadataValue.md("\n".join(lines))


def stored(table: str, version: int, *, rows: int, market_label: str) -> dict[str, Any]:
    """What every stored asset says: rows, Delta version, where to query it, and of which market."""
    return {
        "dagster/row_count": rows,
        "delta_version": version,
        "sql": f"select * from {table} limit 20",
        "market": market_label,
    }
