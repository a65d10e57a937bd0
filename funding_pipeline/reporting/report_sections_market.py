"""Sections about what the strategy saw: market, forecasts, data and their quality."""

from typing import Any

import polars as pl

from funding_pipeline.reporting.report_blocks import Block, Section, chart, rows, text
from funding_pipeline.reporting.report_charts_market import calibration_chart, differential_heatmap
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import table

_ANOMALIES_SHOWN = 15
_SKILL_ROWS = 40
_GROUP_ROWS = 300
_SKILL_NAMES = {
    "horizon_hours": "hours",
    "r2": "R²",
    "baseline_r2": "baseline R²",
    "mae_per_hour": "mean error, per year",
    "baseline_mae_per_hour": "baseline error",
    "zero_mae_per_hour": "error of zero",
    "mae_improvement": "error smaller by",
    "mae_improvement_low": "95 % from",
    "mae_improvement_high": "to",
    "mae_improvement_over_zero": "smaller than zero's by",
    "coverage_80": "inside 80 % band",
}


def market_section(inputs: ReportInputs) -> Section:
    """Differentials over time, time spent in each regime, and the strangest readings."""
    blocks: list[Block] = []
    if inputs.settled_funding is not None and not inputs.settled_funding.is_empty():
        blocks += chart(
            differential_heatmap(inputs.settled_funding, suffix=inputs.suffix), identity="differentials"
        )
    if inputs.regimes is not None:
        blocks += rows(table(_time_in_regimes(inputs.regimes)), caption="Time spent in each regime")
    if inputs.anomalies is not None:
        blocks += _anomalies(inputs.anomalies)
    return Section(
        "market",
        "Market",
        "Red: the first venue paid more than the second. Direction is chosen before the settlement, so the "
        "size of a differential is not what a strategy could earn."
        if blocks
        else "No market frames were given.",
        tuple(blocks),
    )


def _time_in_regimes(regimes: pl.DataFrame) -> pl.DataFrame:
    counted = regimes.group_by("regime").agg(
        pl.len().alias("decisions"), pl.col("as_of").min().alias("first"), pl.col("as_of").max().alias("last")
    )
    share = pl.col("decisions") / pl.col("decisions").sum()
    return counted.with_columns(share.alias("share")).sort("decisions", "regime", descending=[True, False])


def _anomalies(anomalies: pl.DataFrame) -> list[Block]:
    shown = [c for c in ("as_of", "venue", "symbol", "reason", "robust_z") if c in anomalies.columns]
    size = pl.col("robust_z").abs() if "robust_z" in shown else pl.lit(0.0)
    first = anomalies.sort(size, "as_of", descending=[True, True], nulls_last=True).select(shown)
    caption = f"The strangest readings of {anomalies.height:,}"
    return rows(table(first.head(_ANOMALIES_SHOWN)), caption=caption)


def forecast_section(inputs: ReportInputs) -> Section:
    """Skill against the baseline and calibration of the quantiles."""
    blocks: list[Block] = []
    if inputs.forecast_skill is not None:
        skill = inputs.forecast_skill.with_columns(pl.col(pl.Float64).fill_nan(None))
        empty = [name for name in skill.columns if skill[name].null_count() == skill.height]
        blocks += _skill(skill.drop(empty))
    if inputs.forecasts is not None and inputs.realised is not None:
        found = calibration_chart(inputs.forecasts, inputs.realised, suffix=inputs.suffix)
        blocks += chart(found, identity="calibration")
    lead = (
        f"{inputs.forecast_method} Judged where the outcome is known. The baseline is the trailing 336 h "
        "mean shrunk by one half; R² is zero for a forecast that is always the mean outcome."
    )
    return Section(
        "forecasts", "Forecasts", lead.strip() if blocks else "No forecasts were given.", tuple(blocks)
    )


def _skill(skill: pl.DataFrame) -> list[Block]:
    """Overall rows in sight; those by venue, base or year folded away."""
    shown: dict[str, Any] = {"names": _SKILL_NAMES, "signed": ("mae_improvement",)}
    if "group" not in skill.columns:
        return rows(table(skill, limit=_SKILL_ROWS, **shown), caption="Skill")
    overall = pl.col("group") == "overall"
    seen = table(skill.filter(overall).drop("group", "value", strict=False), limit=_SKILL_ROWS, **shown)
    by_group = table(skill.filter(~overall), limit=_GROUP_ROWS, **shown)
    return [
        *rows(seen, caption="Skill"),
        *rows(by_group, caption="The same by venue, base and year", folded=True),
    ]


def data_section(inputs: ReportInputs) -> Section:
    """Span and instruments, gaps, quarantined rows."""
    blocks: list[Block] = []
    if inputs.settled_funding is not None and not inputs.settled_funding.is_empty():
        blocks += rows(table(_spans(inputs.settled_funding)), caption="Settled funding by venue")
    if inputs.instruments is not None:
        blocks += rows(table(_listed(inputs.instruments)), caption="Instruments")
    blocks += _given(inputs.gaps, caption="Gaps", none="No gaps were found.")
    refused = None if inputs.quarantine is None else _quarantined(inputs.quarantine)
    blocks += _given(refused, caption="Quarantined rows", none="No row was quarantined.")
    lead = "Gaps are left as gaps, refused rows are kept with their reason; nothing is filled in."
    return Section("data", "Data", lead, tuple(blocks))


def _given(frame: pl.DataFrame | None, *, caption: str, none: str) -> list[Block]:
    if frame is None:
        return []
    return text(none) if frame.is_empty() else rows(table(frame, limit=40), caption=caption)


def _spans(settled: pl.DataFrame) -> pl.DataFrame:
    return (
        settled.group_by("venue")
        .agg(
            pl.col("symbol").n_unique().alias("instruments"),
            pl.len().alias("settlements"),
            pl.col("settled_at").min().alias("first"),
            pl.col("settled_at").max().alias("last"),
            pl.col("interval_hours")
            .drop_nulls()
            .unique()
            .sort()
            .cast(pl.Int64)
            .cast(pl.String)
            .str.join(", ")
            .alias("intervals, h"),
        )
        .sort("venue")
    )  # fmt: skip


def _listed(instruments: pl.DataFrame) -> pl.DataFrame:
    newest = instruments.sort("effective_from").group_by("venue", "symbol").last()
    return (
        newest.group_by("venue")
        .agg(
            pl.col("base").unique().sort().str.join(", ").alias("bases"),
            pl.col("settle").unique().sort().str.join(", ").alias("settled_in"),
            pl.col("contract_type").unique().sort().str.join(", ").alias("contracts"),
            pl.col("contract_size").is_null().sum().alias("unknown_contract_sizes"),
        )
        .sort("venue")
    )


def _quarantined(quarantine: pl.DataFrame) -> pl.DataFrame:
    counted = quarantine.group_by("table_name", "venue", "reason").agg(
        pl.len().alias("rows"),
        pl.col("event_time").min().alias("first"),
        pl.col("event_time").max().alias("last"),
    )
    return counted.sort("rows", "table_name", "venue", "reason", descending=[True, False, False, False])
