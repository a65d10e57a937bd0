"""The files of a back-test: summary.json and one Parquet file per frame, each complete or absent."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.market import Market
from funding_pipeline.validation.backtest import BacktestResult

SUMMARY = "summary.json"
REPORT = "report.html"


def write_backtest(result: BacktestResult, out: Path, *, market: Market) -> dict[str, Any]:
    """Write `summary.json`, `equity`, `trades`, `positions`, `funding` and `neutrality` into `out`.

    Returns the summary with the market's label. Raises StorageError; no half-written file is left.
    """
    out.mkdir(parents=True, exist_ok=True)
    summary = {"market": market.label, "simulated": market.is_simulated, **result.summary}
    frames = {
        "equity": result.equity,
        "trades": result.trades,
        "positions": result.positions,
        "funding": result.funding_payments,
        "neutrality": result.neutrality,
    }
    for name, frame in frames.items():
        write_whole(out / f"{name}.parquet", frame.write_parquet)
    _write_json(summary, out / SUMMARY)
    return summary


def write_no_backtest(reason: str, out: Path, *, market: Market) -> None:
    """Write a `summary.json` that says why there is no result, and remove an older report."""
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).unlink(missing_ok=True)
    _write_json({"market": market.label, "simulated": market.is_simulated, "not_run": reason}, out / SUMMARY)


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


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write through a file beside `path`, so that a full disk leaves the old one or none.

    Raises StorageError naming the file.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path} was not written: {error.strerror or error}") from error
