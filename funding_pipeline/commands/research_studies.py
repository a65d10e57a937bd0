"""`funding-pipeline backtest --studies`: other terms, regimes and crises beside a back-test, and its report.

What lives here: running them on a folder of history, in memory. What does not: the back-test (`research`),
the studies themselves (`validation.studies`, `validation.replays`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from funding_pipeline import __version__
from funding_pipeline.commands.console import console, counter
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.storage.backtest_files import REPORT, write_no_studies, write_studies
from funding_pipeline.storage.whole_file import write_whole
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult
from funding_pipeline.validation.replays import historical_replays
from funding_pipeline.validation.studies import Studies, run_studies

_METHOD = (
    "Walk-forward: every forecast is made by a model trained on rows known before its quarter; where too "
    "little was known it is the shrunk trailing mean."
)


def write_studies_and_report(
    result: BacktestResult,
    out: Path,
    *,
    market: Market,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    config: BacktestConfig,
    summary: Mapping[str, Any],
    regimes: pl.DataFrame,
) -> Mapping[str, Any]:
    """Run the studies and replays of `result`, write `studies.json` and `report.html`; the summary with them.

    `regimes`: of the market, as `models.regimes` makes them. A history that is too short has no studies and
    says why; its report is written all the same.
    """
    missing, studies, replays = "", None, None
    try:
        studies, replays = _studied(
            result, tables=tables, forecasts=forecasts, config=config, regimes=regimes
        )
    except InsufficientHistoryError as error:
        missing = str(error)
        console.print(f"[yellow]no studies:[/] {missing}", soft_wrap=True)
        write_no_studies(missing, out)
    else:
        summary = write_studies(studies, out, replays=replays, stress=result.stress)
    page = _page(
        result, market=market, tables=tables, forecasts=forecasts, summary=summary, studies=studies,
        replays=replays, missing=missing, regimes=regimes,
    )  # fmt: skip
    write_whole(out / REPORT, lambda partial: partial.write_text(page, "utf-8"))
    return summary


def _studied(
    result: BacktestResult,
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    config: BacktestConfig,
    regimes: pl.DataFrame,
) -> tuple[Studies, pl.DataFrame]:
    terms = load_venue_terms()
    console.print("studies: other bands, costs and capital ...")
    studies = run_studies(
        tables=tables,
        forecasts=forecasts,
        terms=terms,
        config=config,
        equity=result.equity,
        regimes=regimes,
        progress=counter("run"),
    )
    console.print("replays of recorded crises ...")
    replays = historical_replays(tables, terms=terms, config=config.portfolio, progress=counter("event"))
    return studies, replays


def _page(
    result: BacktestResult,
    *,
    market: Market,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    summary: Mapping[str, Any],
    studies: Studies | None,
    replays: pl.DataFrame | None,
    missing: str,
    regimes: pl.DataFrame,
) -> str:
    from funding_pipeline.reporting.report import ReportInputs, render_report

    start, end = result.equity["time"].min(), result.equity["time"].max()
    inside = pl.col("settled_at").is_between(start, end)
    return render_report(
        ReportInputs(
            market_label=market.label,
            is_simulated=market.is_simulated,
            generated_at=datetime.now(UTC),
            summary=summary,
            equity=result.equity,
            neutrality=result.neutrality,
            margin=result.margin,
            attribution=result.attribution,
            stress=result.stress,
            baseline_equity=result.baseline_equity,
            baseline_equity_venue_neutral=result.baseline_equity_venue_neutral,
            studies_runs=None if studies is None else studies.runs,
            studies_regimes=None if studies is None else studies.regimes,
            replays=replays,
            studies_missing=missing,
            regimes=regimes,
            settled_funding=tables.settled_funding.filter(inside).collect(),
            forecasts=forecasts,
            realised=_realised(tables, forecasts),
            forecast_method=_METHOD,
            provenance={"version": __version__},
        )
    )


def _realised(tables: MarketTables, forecasts: pl.DataFrame) -> pl.DataFrame:
    """The funding that came after each forecast."""
    from funding_pipeline.features.labels import realised_funding

    horizons = sorted(forecasts["horizon_hours"].unique().to_list())
    return realised_funding(
        tables.settled_funding, as_of=forecasts["as_of"].unique().sort(), horizons_hours=horizons
    )
