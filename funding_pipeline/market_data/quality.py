"""Runs expectations over one frame with Great Expectations and reports what broke.

What lives here: the only contact with Great Expectations, and the report. What does not: the
expectations themselves (`expectations`, `cross_checks`), or refusing rows (`quarantine`).
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.core.tables import TableSchema
from funding_pipeline.market_data.expectations import Expectation, Severity, expectation_suite, prepare

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class ExpectationResult:
    """How one expectation went. `sample`: some of the offending rows, each as one line of JSON."""

    expectation: str
    severity: Severity
    success: bool
    unexpected_count: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class QualityReport:
    """Results for one table or one pair of tables; `success` is false when a critical one broke.

    `rows` is the number of rows judged, `seconds` the time it took.
    """

    table: str
    success: bool
    results: tuple[ExpectationResult, ...]
    rows: int
    seconds: float

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """Broken critical expectations."""
        return tuple(r for r in self.results if not r.success and r.severity == "critical")

    @property
    def warnings(self) -> tuple[ExpectationResult, ...]:
        """Broken expectations that do not fail the report."""
        return tuple(r for r in self.results if not r.success and r.severity == "warning")

    def frame(self) -> pl.DataFrame:
        """One row per expectation: table, expectation, severity, success, unexpected_count, sample."""
        rows = [(self.table, r.expectation, r.severity, r.success, r.unexpected_count, list(r.sample))
                for r in self.results]  # fmt: skip
        return pl.DataFrame(rows, schema=_REPORT_COLUMNS, orient="row")


_REPORT_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "table": pl.String,
    "expectation": pl.String,
    "severity": pl.String,
    "success": pl.Boolean,
    "unexpected_count": pl.Int64,
    "sample": pl.List(pl.String),
}


def run_expectations(table: TableSchema, frame: pl.DataFrame) -> QualityReport:
    """Judge `frame`, a partition of a normalized table in its stored row order, by the table's suite.

    An empty frame keeps every promise. Raises SchemaError or MarketDataError when it cannot be judged.
    """
    return judge(table.name, prepare(table, frame), expectation_suite(table.name))


def judge(name: str, frame: pl.DataFrame, expectations: Sequence[Expectation]) -> QualityReport:
    """Judge any frame by any expectations about its columns; columns they do not name are not copied."""
    started = time.perf_counter()
    validated = _validate(_to_pandas(frame, expectations), expectations) if expectations else []
    results = tuple(
        _result(expectation, outcome, frame)
        for expectation, outcome in zip(expectations, validated, strict=True)
    )
    success = all(r.success or r.severity == "warning" for r in results)
    return QualityReport(name, success, results, frame.height, time.perf_counter() - started)


def _to_pandas(frame: pl.DataFrame, expectations: Sequence[Expectation]) -> "pd.DataFrame":
    """Needed columns only; names as categories (half the memory), times as plain UTC.

    Great Expectations reads times in a way that pandas 3 deprecates for those with a zone.
    """
    needed = {column for expectation in expectations for column in _columns(expectation)}
    texts = pl.col(pl.String).cast(pl.Categorical)
    times = cs.datetime().dt.replace_time_zone(None)
    kept = frame.select(name for name in frame.columns if name in needed)
    return kept.with_columns(texts, times).to_pandas()


def _columns(expectation: Expectation) -> list[str]:
    named = [str(v) for k, v in expectation.arguments.items() if k in ("column", "column_A", "column_B")]
    listed = expectation.arguments.get("column_list", [])
    return [*named, *listed] if isinstance(listed, list) else named


def _validate(data: "pd.DataFrame", expectations: Sequence[Expectation]) -> list[Any]:
    """Validation results in the order of `expectations`, from an in-memory context of its own."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when the package is imported
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": data})
    suite = gx.ExpectationSuite(
        "suite",
        expectations=[
            getattr(gxe, e.kind)(**e.arguments, severity=e.severity, meta={"order": order})
            for order, e in enumerate(expectations)
        ],
    )
    # Row labels without further columns: naming columns costs 6 s per million bad rows.
    shape = {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLE_ROWS}
    results = batch.validate(suite, result_format=shape).results
    return sorted(results, key=lambda result: result.expectation_config.meta["order"])


def _result(expectation: Expectation, outcome: Any, frame: pl.DataFrame) -> ExpectationResult:
    raised = outcome.exception_info
    if "exception_message" not in raised or raised.get("raised_exception"):
        raise MarketDataError(f"expectation {expectation.name!r} could not be judged: {_why(raised)}")
    labels = outcome.result.get("partial_unexpected_index_list") or []
    sample = frame[[int(label) for label in labels[:SAMPLE_ROWS]]]
    return ExpectationResult(
        expectation=expectation.name,
        severity=expectation.severity,
        success=bool(outcome.success),
        unexpected_count=int(outcome.result.get("unexpected_count") or 0),
        sample=tuple(sample.select(pl.struct(pl.all()).struct.json_encode()).to_series()) if labels else (),
    )


def _why(raised: dict[str, Any]) -> str:
    """Great Expectations reports one exception, or one per metric."""
    if "exception_message" in raised:
        return str(raised["exception_message"])
    return "; ".join(str(item.get("exception_message")) for item in raised.values())
