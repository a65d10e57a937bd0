"""How much of what a back-test knew was never recorded: rows of a simulation or of the local testnet."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from funding_pipeline.core.tables import MADE_UP, NORMALIZED, MarketTables


def made_up_rows(tables: MarketTables, *, end: datetime) -> dict[str, dict[str, int]]:
    """Per table of facts: `rows` known at `end`, and how many of them were `made_up`."""
    known = pl.col("known_at") <= end
    counts = [known.sum().alias("rows"), (known & pl.col(MADE_UP)).sum().alias("made_up")]
    facts = {table.name: getattr(tables, table.name) for table in NORMALIZED if MADE_UP in table.columns}
    return {name: rows.select(counts).collect().row(0, named=True) for name, rows in facts.items()}


def made_up_note(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The counts in a sentence; none where nothing was made up."""
    parts = [f"{n['made_up']:,} of {n['rows']:,} {name}" for name, n in counts.items() if n["made_up"]]
    if not parts:
        return []
    return [f"Rows invented by a simulation or the local testnet, not recorded: {', '.join(parts)}."]
