"""What a back-test and its studies leave besides tables: progress, words for the UI, a run in MLflow."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.tracking.backtests import log_backtest
from funding_pipeline.tracking.code_version import package_version
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.validation.backtest import BacktestConfig


def every_tenth(context: dg.AssetExecutionContext, what: str) -> Callable[[int, int], None]:
    """Tells the log how far it is, ten times."""

    def report(done: int, total: int) -> None:
        if done == total or done % max(total // 10, 1) == 0:
            context.log.info(f"{what} {done} of {total}")

    return report


def verdict_metadata(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict's word, its sentences and what would kill it, as the UI shows them."""
    told = summary["verdict"]
    lines = [*told["sentences"], "", "What would kill it:", "", *(f"- {text}" for text in told["kills"])]
    return {"verdict": told["word"], "verdict_in_words": dg.MetadataValue.md("\n".join(lines))}


def params_of(config: BacktestConfig) -> dict[str, object]:
    """Period and portfolio settings by name, for MLflow."""
    portfolio = config.portfolio.model_dump(exclude={"risk_limits"})
    return {
        "version": package_version(),
        "from": config.start.isoformat(),
        "to": config.end.isoformat(),
        "trials": config.trials,
        **portfolio,
    }


def logged(
    context: dg.AssetExecutionContext,
    tracking: ModelTracking,
    *,
    kind: str,
    params: Mapping[str, object],
    summary: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    tables: Mapping[str, pl.DataFrame],
    tags: Mapping[str, str],
) -> str:
    """The id of the MLflow run that was written, or why there is none: tables and files are stored anyway."""
    try:
        return log_backtest(
            tracking,
            kind=kind,
            params=params,
            summary=summary,
            pictures=pictures,
            tables=tables,
            tags=tags,
        )
    except Exception as error:  # the result is stored; MLflow is a copy of it, and raises what it likes
        context.log.warning(f"MLflow has no run of this {kind}: {error}")
        return f"none: {error}"
