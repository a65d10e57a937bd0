"""Metadata of assets: column schemas, row counts, sample rows and plots as the UI shows them."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import MADE_UP, TableSchema
from funding_pipeline.defs.column_texts import COLUMN_TEXTS
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
    """A column schema from names and types; what a name means is the same wherever it stands."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, type=str(dtype), description=COLUMN_TEXTS.get(name))
            for name, dtype in columns.items()
        ]
    )


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
    """The first rows as a markdown table, numbers to four significant digits; `none` for no row."""
    if frame.is_empty():
        return dg.MetadataValue.md("none")
    shown = frame.head(rows).with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M"))
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.width]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in shown.iter_rows()]
    return dg.MetadataValue.md("\n".join(lines))


def table_of(rows: Sequence[Mapping[str, Any]], *, most: int = 80) -> dg.MetadataValue[str]:
    """Rows with the same keys as a markdown table; `none` for no row."""
    plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
    return table_preview(pl.DataFrame(plain, infer_schema_length=None), rows=most)


def bullets(lines: Sequence[str], *, none: str = "none") -> dg.MetadataValue[str]:
    """Sentences as a markdown list; `none` where there is no sentence."""
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines) or none)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return "" if value is None else str(value).replace("|", "/")


def rounded(value: Any) -> Any:
    """Numbers to four significant digits, also inside a mapping; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.4g}") if abs(value) < 1e4 else round(value)
    return value


def made_up(rows: pl.DataFrame) -> dict[str, Any]:
    """How many of the rows a simulation or the local testnet invented, or rest on such rows."""
    return {"made_up_rows": int(rows[MADE_UP].sum())}


def stored(table: str, version: int, *, rows: int, market_label: str) -> dict[str, Any]:
    """What every stored asset says: rows, Delta version, where to query it, and of which market."""
    return {
        "dagster/row_count": rows,
        "delta_version": version,
        "sql": f"select * from {table} limit 20",
        "market": market_label,
    }
