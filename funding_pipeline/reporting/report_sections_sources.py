"""Where the money came from: profit by source over time, by year, and on every level.

What lives here: which charts and tables. What does not: the split itself (`validation.attribution`).
"""

import polars as pl

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.reporting.palette import ATTRIBUTED
from funding_pipeline.reporting.report_blocks import Block, Section, chart, rows
from funding_pipeline.reporting.report_charts import attribution_chart, source_chart
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import table
from funding_pipeline.reporting.series import ROUNDING_USD, profit_by_level

_MOST_BARS = 12
_LEVELS = {
    "venue": "venue",
    "base": "base",
    "venue_pair": "venue pair (long / short)",
    "pair": "pair (base: long / short)",
    "leg": "leg",
}
_CHARTED = ("base", "venue_pair", "venue")
# On one venue or leg alone the price is what other venues hedge: it would dwarf the rest of a chart.
_PRICE_LEFT_OUT = ("venue",)
_RELATIVE = 1e-6


def sources_section(inputs: ReportInputs) -> Section:
    """Profit by source over time and on every level; raises AccountingError if it is not the equity's."""
    _is_of_this_equity(inputs)
    blocks = chart(source_chart(inputs), identity="sources")
    blocks += _by_year(inputs)
    for level in _CHARTED:
        blocks += _level_chart(inputs, level)
    for level, name in _LEVELS.items():
        blocks += _level_table(inputs.attribution, level, name=name)
    note = (
        "Convergence is what the basis between venues did while held. Residual delta is the price itself: "
        "nothing where quantities of a base are flat over venues, but large on one venue alone, where it is "
        "a profit here, a loss there, and collateral on the wrong side. On every level the sources add up "
        "to the change in equity."
    )
    return Section("sources", "Where the money came from", note, tuple(blocks))


def _is_of_this_equity(inputs: ReportInputs) -> None:
    """The book's total against the change in equity, to 1e-6 of the dollars in the ledger's sources."""
    end = inputs.equity.sort("time").row(-1, named=True)
    net = float(end["equity"]) - inputs.capital_usd
    book = inputs.attribution.filter(pl.col("level") == "book", pl.col("year").is_null())
    told = float(book["total_usd"].sum())
    size = 1.0 + sum(abs(float(value)) for name, value in end.items() if name.startswith("pnl_"))
    if abs(told - net) > _RELATIVE * size + 1e-9 * inputs.capital_usd:
        raise AccountingError(
            f"profit by source is {told:,.4f} USD but the equity changed by {net:,.4f} USD: the frames are "
            "not of one back-test, or rows are missing"
        )


def _by_year(inputs: ReportInputs) -> list[Block]:
    """Profit by source per calendar year; an old edge that has faded shows here."""
    book = inputs.attribution.filter(pl.col("level") == "book", pl.col("year").is_not_null()).sort("year")
    if book.is_empty():
        return []
    named = book.with_columns(name=pl.col("year").cast(pl.String))
    title = "Profit and loss by source and year, USD"
    drawn = attribution_chart(named, title=title, suffix=inputs.suffix)
    shown = table(_known_sources(book).drop("level", "name"), signed=("total_usd",), bars=("total_usd",))
    return [*chart(drawn, identity="by-year"), *rows(shown)]


def _level_chart(inputs: ReportInputs, level: str) -> list[Block]:
    split = inputs.attribution.filter(pl.col("level") == level, pl.col("year").is_null())
    if split.is_empty():
        return []
    title = f"Profit and loss by {_LEVELS[level]}, USD"
    if level in _PRICE_LEFT_OUT:
        zero, price = pl.lit(0.0), pl.col("residual_delta_usd")
        split = split.with_columns(residual_delta_usd=zero, total_usd=pl.col("total_usd") - price)
        split = split.sort("total_usd", descending=True)
        title += ", without residual delta"
    if split.height > _MOST_BARS:
        title += f", the {_MOST_BARS} largest"
        largest = split.sort(pl.col("total_usd").abs(), descending=True).head(_MOST_BARS)
        split = largest.sort("total_usd", descending=True)
    return chart(attribution_chart(split, title=title, suffix=inputs.suffix), identity=f"by-{level}")


def _level_table(attribution: pl.DataFrame, level: str, *, name: str) -> list[Block]:
    found = profit_by_level(attribution, level)
    if found.is_empty():
        return []
    total = found.sum().with_columns(pl.lit("all").alias("name"))
    names = {"name": name} | {
        column: column.removesuffix("_usd") for column in found.columns if column[:4].isdigit()
    }
    shown = table(pl.concat([found, total]), names=names, signed=("total_usd",), bars=("total_usd",))
    return rows(shown, caption=f"Profit and loss by {name}, USD", folded=True)


def _known_sources(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the columns of sources that are zero in every row."""
    columns = [f"{source}_usd" for source in ATTRIBUTED]
    return frame.drop(name for name in columns if not (frame[name].abs() > ROUNDING_USD).any())
