"""The files of a back-test: summary.json, studies.json, a Parquet file per frame; each complete or absent."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.market import Market
from funding_pipeline.storage.whole_file import write_whole
from funding_pipeline.validation.backtest import BacktestResult
from funding_pipeline.validation.studies import Studies
from funding_pipeline.validation.verdict import verdict

SUMMARY = "summary.json"
STUDIES = "studies.json"
REPORT = "report.html"


def write_backtest(result: BacktestResult, out: Path, *, market: Market) -> dict[str, Any]:
    """Write `summary.json` and one Parquet file per frame into `out`: `equity`, `trades`, `positions`,
    `funding`, `neutrality`, `margin`, `attribution`, `stress`.

    Returns the summary with the market's label. Studies of an earlier back-test are removed: they are not
    about this one. Raises StorageError; no half-written file is left.
    """
    out.mkdir(parents=True, exist_ok=True)
    for older in (STUDIES, REPORT):  # they tell of the run before
        (out / older).unlink(missing_ok=True)
    summary = {"market": market.label, "simulated": market.is_simulated, **result.summary}
    frames = {
        "equity": result.equity,
        "trades": result.trades,
        "positions": result.positions,
        "funding": result.funding_payments,
        "neutrality": result.neutrality,
        "margin": result.margin,
        "attribution": result.attribution,
        "stress": result.stress,
    }
    for name, frame in frames.items():
        write_whole(out / f"{name}.parquet", frame.write_parquet)
    _write_json(summary, out / SUMMARY)
    return summary


def write_no_backtest(reason: str, out: Path, *, market: Market) -> None:
    """Write a `summary.json` that says why there is no result, and remove an older report and studies."""
    out.mkdir(parents=True, exist_ok=True)
    for older in (REPORT, STUDIES):
        (out / older).unlink(missing_ok=True)
    _write_json({"market": market.label, "simulated": market.is_simulated, "not_run": reason}, out / SUMMARY)


def write_studies(
    studies: Studies, out: Path, *, replays: pl.DataFrame, stress: pl.DataFrame
) -> dict[str, Any]:
    """Write `studies.json` beside the back-test in `out`, and the verdict that knows them into its summary.

    `replays`: REPLAYS_SCHEMA; `stress`: the back-test's. Returns the summary. Raises StorageError.
    """
    summary = read_summary(out) | studies.summary
    summary["verdict"] = verdict(summary, runs=studies.runs, stress=stress)
    content = {
        "market": summary["market"],
        "simulated": summary["simulated"],
        "runs": studies.runs.to_dicts(),
        "regimes": studies.regimes.to_dicts(),
        "replays": replays.to_dicts(),
        **studies.summary,
        "verdict": summary["verdict"],
    }
    _write_json(content, out / STUDIES)
    _write_json(summary, out / SUMMARY)
    return summary


def write_no_studies(reason: str, out: Path) -> None:
    """Write a `studies.json` that says why there is none; the summary keeps the verdict without them."""
    out.mkdir(parents=True, exist_ok=True)
    _write_json({"not_run": reason}, out / STUDIES)


def studies_not_run(folder: Path) -> str | None:
    """Why the back-test in `folder` has no studies; None where it has."""
    path = folder / STUDIES
    if not path.exists():
        return "they have not been run since the back-test"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: materialize `validation_studies`") from error
    return found.get("not_run")


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary in `folder`; raises StorageError where there is none or it cannot be read."""
    path = folder / SUMMARY
    try:
        summary: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: materialize `backtest`, or run `make run`") from error
    return summary


def _write_json(content: dict[str, Any], path: Path) -> None:
    text = json.dumps(content, indent=2, default=str)
    write_whole(path, lambda partial: partial.write_text(text, "utf-8"))
