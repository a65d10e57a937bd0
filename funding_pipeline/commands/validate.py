"""`funding-pipeline validate`: the installation, the market's data and the Dagster definitions."""

import dagster as dg
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.commands.local_testnet import local_testnet
from funding_pipeline.core.errors import FundingPipelineError, MarketDataError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.definitions import build_definitions
from funding_pipeline.market_data.cross_checks import intervals_consistent, prices_within_band
from funding_pipeline.market_data.normalization import MADE_FROM_RAW, NormalizedMarket, normalized_market
from funding_pipeline.market_data.quality import QualityReport, run_expectations
from funding_pipeline.settings import Settings


def validate(settings: Settings, *, definitions_only: bool) -> None:
    """Judge everything that can be judged without running the pipeline; raises on what is broken."""
    try:
        definitions = build_definitions(settings=settings)
        dg.Definitions.validate_loadable(definitions)
    except dg.DagsterError as error:
        raise FundingPipelineError(f"Dagster definitions: {error}") from error
    console.print("Dagster definitions: [green]loadable[/]")
    if definitions_only:
        return
    with local_testnet(settings) as running:
        market = running.open_market()
        console.print(f"[bold]{market.label}[/]: reading and normalizing ...")
        normalized = normalized_market(market)
    reports = _reports(normalized.tables)
    _print_reports(reports)
    _print_refused(normalized)
    broken = [report.table for report in reports if not report.success]
    if broken:
        raise MarketDataError(f"{', '.join(broken)}: expectations are broken, see the table above")


def _reports(tables: MarketTables) -> list[QualityReport]:
    frames = {name: getattr(tables, name).collect() for name in MADE_FROM_RAW}
    settled = frames["settled_funding"]
    own = [run_expectations(made.schema, frames[name]) for name, made in MADE_FROM_RAW.items()]
    return [
        *own,
        intervals_consistent(settled, tables.funding_intervals.collect()),
        prices_within_band(frames["prices"], tables.instruments.collect()),
    ]


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


def _print_refused(normalized: NormalizedMarket) -> None:
    counts = normalized.quarantine.group_by("table_name", "venue", "reason").len("rows").sort("table_name")
    if counts.height:
        table = Table("table", "venue", "reason", "rows", title="Quarantined rows")
        for row in counts.iter_rows():
            table.add_row(*(str(cell) for cell in row))
        console.print(table)
    for reason in normalized.refused_symbols.values():
        console.print(f"[yellow]refused symbol:[/] {reason}")
