"""Asset checks: the expectations of `market_data.quality` on the partitions that a run has written."""

from datetime import timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import SETTLED_FUNDING
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.partitions import keys_of_run, quarter_start, selection_of
from funding_pipeline.market_data.cross_checks import intervals_consistent, prices_within_band, staleness
from funding_pipeline.market_data.identity import PROVEN
from funding_pipeline.market_data.normalization import MADE_FROM_RAW
from funding_pipeline.market_data.quality import QualityReport, run_expectations
from funding_pipeline.storage.lake import Lake, partitions_predicate
from funding_pipeline.storage.market_tables import sound_rows

STALE_AFTER_HOURS = 48.0


def quality_checks(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetChecksDefinition]:
    """Blocking checks of every normalized table, and of what tables say about each other."""
    tables = [_expectations_check(name, partitions) for name in MADE_FROM_RAW]
    return [
        *tables,
        intervals_agree_with_gaps,
        identity_proven,
        prices_agree_across_venues,
        settlements_recent,
    ]


def _expectations_check(name: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=name,
        name="expectations",
        blocking=True,
        description="Great Expectations: keys unique, times in order, values within bounds, nothing known "
        "early. On the partitions of the run; on the whole table when executed by itself.",
    )
    def check(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        keys = keys_of_run(context.run.tags, partitions)
        rows = lake.scan(name)
        if keys is not None:
            rows = rows.filter(pl.sql_expr(partitions_predicate(selection_of(keys).partitions)))
        schema = MADE_FROM_RAW[name].schema
        frame = rows.select(*schema.columns).collect().sort(schema.key)
        return _as_check_result(run_expectations(schema, frame))

    return check


@dg.asset_check(
    asset="funding_intervals",
    blocking=True,
    description="Gaps between settlements are whole multiples of the interval in effect; missing "
    "settlements and irregular switches are listed as warnings.",
)
def intervals_agree_with_gaps(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Settled funding against the effective-dated intervals."""
    settled = sound_rows(lake, "settled_funding").collect()
    intervals = lake.scan("funding_intervals").collect()
    return _as_check_result(intervals_consistent(settled, intervals))


@dg.asset_check(
    asset="instruments",
    description="Instruments that prices do not prove to be what their names say: no plan opens them. A "
    "warning: an instrument without a namesake on another venue is one of them.",
)
def identity_proven(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """The newest verdict on each instrument."""
    newest = lake.scan("instruments").sort("effective_from").group_by("venue", "symbol").last().collect()
    unproven = newest.filter(pl.col("identity").ne_missing(PROVEN)).sort("identity", "venue", "symbol")
    listed = unproven.select("venue", "symbol", "base", "identity", "identity_reason")
    return dg.AssetCheckResult(
        passed=unproven.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{newest.height - unproven.height} of {newest.height} instruments are proven by prices",
        metadata={"not_proven": md.table_preview(listed, rows=100)},
    )


@dg.asset_check(
    asset="instruments",
    description="Closes of one base agree across venues; those far from the others are listed.",
)
def prices_agree_across_venues(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Own closes against the cross-venue median of the same base and hour."""
    prices = lake.scan("prices").select("venue", "symbol", "kind", "close_time", "close").collect()
    return _as_check_result(prices_within_band(prices, lake.scan("instruments").collect()))


@dg.asset_check(
    asset="settled_funding",
    description="Instruments whose last settlement is older than two days at the end of the data: delisted, "
    "or no longer recorded. They are not traded; a warning, since history keeps its dead.",
)
def settlements_recent(market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Age of the newest settlement per instrument at the end of the market's data."""
    as_of = market.span().end
    oldest = quarter_start(as_of - timedelta(hours=STALE_AFTER_HOURS))  # the end may open a new quarter
    recent = pl.col("quarter") >= f"{oldest:%Y-%m}"
    settled = lake.scan("settled_funding")
    listed = settled.select("venue", "symbol").unique().collect()
    frame = settled.filter(recent).select(*SETTLED_FUNDING.columns).collect()
    report = staleness(SETTLED_FUNDING, frame, as_of=as_of, limit_hours=STALE_AFTER_HOURS, expected=listed)
    return _as_check_result(report, severity=dg.AssetCheckSeverity.WARN)


def _as_check_result(
    report: QualityReport, *, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """A report as the UI shows it: one line per expectation, with offending rows where there are any."""
    frame = report.frame().with_columns(sample=pl.col("sample").list.head(2).list.join(" "))
    broken = [*report.failures, *report.warnings]
    return dg.AssetCheckResult(
        passed=report.success,
        severity=severity,
        description="; ".join(f"{r.expectation}: {r.unexpected_count}" for r in broken) or "all kept",
        metadata={
            "rows_judged": report.rows,
            "seconds": round(report.seconds, 2),
            "expectations": md.table_preview(frame, rows=40),
            "warnings": len(report.warnings),
        },
    )
