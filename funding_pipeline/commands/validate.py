"""`funding-pipeline validate`: the market's data as they are, and the Dagster definitions. Stores nothing."""

import json
from typing import Any

import dagster as dg
import polars as pl
from rich.console import Console
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.core.errors import FundingPipelineError, SettingsError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.definitions import build_definitions
from funding_pipeline.market_data.cross_checks import intervals_consistent, prices_within_band
from funding_pipeline.market_data.identity import PROVEN
from funding_pipeline.market_data.normalization import MADE_FROM_RAW, normalized_market
from funding_pipeline.market_data.quality import QualityReport, run_expectations
from funding_pipeline.market_data.series_summary import series_summary
from funding_pipeline.settings import Settings

_WIDE = 220  # columns of a log file; reasons are long


def validate(settings: Settings, *, definitions_only: bool, as_json: bool) -> bool:
    """Print what is kept and refused of the market's rows; whether everything essential was kept.

    Essential: every instrument has settlements that can be used, there is one at all, and no expectation of
    Great Expectations is broken. Single refused rows are listed and are no failure.
    """
    try:
        dg.Definitions.validate_loadable(build_definitions(settings=settings))
    except dg.DagsterError as error:
        raise FundingPipelineError(f"Dagster definitions: {error}") from error
    if not as_json:
        console.print("Dagster definitions: [green]loadable[/]")
    if definitions_only:
        return True
    if settings.market_kind == "live":
        raise SettingsError("a live market has no rows of its own to read: name a folder by --data")
    market = settings.source_market()
    if not as_json:
        console.print(f"[bold]{market.label}[/]: reading and normalizing ...")
    normalized = normalized_market(market)
    reports = _reports(normalized.tables)
    summary = series_summary(normalized)
    is_sound = (
        all(report.success for report in reports)
        and not summary["is_refused"].any()
        and bool((summary["settlements"] > 0).any())
    )
    if as_json:
        print(json.dumps(_as_json(market.label, summary, reports, is_sound=is_sound), default=str, indent=1))
    else:
        _print_summary(summary)
        _print_quarantine(normalized.quarantine)
        _print_reports(reports)
        console.print("[green]nothing essential is refused[/]" if is_sound else "[red]refused, see above[/]")
    return is_sound


def _reports(tables: MarketTables) -> list[QualityReport]:
    frames = {name: getattr(tables, name).collect() for name in MADE_FROM_RAW}
    own = [run_expectations(made.schema, frames[name]) for name, made in MADE_FROM_RAW.items()]
    return [
        *own,
        intervals_consistent(frames["settled_funding"], tables.funding_intervals.collect()),
        prices_within_band(frames["prices"], tables.instruments.collect()),
    ]


def _as_json(
    label: str, summary: pl.DataFrame, reports: list[QualityReport], *, is_sound: bool
) -> dict[str, Any]:
    results = pl.concat([report.frame() for report in reports]).filter(~pl.col("success"))
    return {
        "market": label,
        "sound": is_sound,
        "series": summary.to_dicts(),
        "broken_expectations": results.drop("success").to_dicts(),
    }


def _print_summary(summary: pl.DataFrame) -> None:
    """One line per venue and symbol, those with a remark last, where they are seen."""
    table = Table("venue", "symbol", "settlements", "bars", "from", "to", "base", "pair", "refused", "why")
    venues = pl.col("venue").filter(pl.col("identity") == PROVEN).n_unique().over("base")
    remarks_last = summary.with_columns(venues=venues).sort(
        "is_refused", pl.col("refused_rows") > 0, maintain_order=True
    )
    for row in remarks_last.iter_rows(named=True):
        style = "red" if row["is_refused"] else "yellow" if row["refused_rows"] else None
        span = ["" if row[end] is None else f"{row[end]:%Y-%m-%d}" for end in ("first", "last")]
        counts = [f"{row[name]:,}" for name in ("settlements", "bars")]
        refused = "all" if row["is_refused"] else f"{row['refused_rows']:,}" if row["refused_rows"] else ""
        pair = f"{row['venues']} venues" if row["identity"] == PROVEN else row["identity"]
        why = row["why"].replace("[", "\\[")
        table.add_row(
            row["venue"], row["symbol"], *counts, *span, row["base"], pair, refused, why, style=style
        )
    (console if console.is_terminal else Console(width=_WIDE)).print(table)
    proven, listed = (summary["identity"] == PROVEN).sum(), summary["identity"].count()
    console.print(f"{proven} of {listed} instruments may be paired: prices prove what their names say")


def _print_quarantine(rows: pl.DataFrame) -> None:
    counts = rows.group_by("table_name", "venue", "reason").len("rows").sort("table_name", "venue", "reason")
    if counts.height:
        table = Table("table", "venue", "reason", "rows", title="Quarantined rows")
        for row in counts.iter_rows():
            table.add_row(*(str(cell) for cell in row))
        console.print(table)


def _print_reports(reports: list[QualityReport]) -> None:
    table = Table("table", "expectation", "result", "rows", title="Data quality (Great Expectations)")
    for report in reports:
        for result in report.results:
            if not result.success:
                word = "[red]broken[/]" if result.severity == "critical" else "[yellow]warning[/]"
                table.add_row(report.table, result.expectation, word, f"{result.unexpected_count}")
        kept = sum(result.success for result in report.results)
        table.add_row(report.table, f"{kept} of {len(report.results)} kept", "", f"{report.rows}")
    console.print(table)
