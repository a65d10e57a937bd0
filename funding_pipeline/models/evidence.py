"""What a recipe is judged by: weekly errors of its walk-forward forecasts, and daily returns made with them.

What lives here: the evidence as frames. What does not: judging it (`promotion`), keeping it (`tracking`).
Beside every number of the model stands the baseline's, on the same rows and days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.features.cross_section import known_sum
from funding_pipeline.models.baseline import BASELINE_MODEL
from funding_pipeline.models.pairs import differentials, judged_rows

WEEKS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "horizon_hours": pl.Int64,
    "quantity": pl.String,
    "week": UTC,
    "rows": pl.Int64,
    "model_error": pl.Float64,
    "baseline_error": pl.Float64,
}
DAYS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "model_return": pl.Float64,
    "baseline_return": pl.Float64,
}


@dataclass(frozen=True)
class Evidence:
    """Of one recipe. `weeks`: WEEKS_SCHEMA, sums of absolute errors per hour by week of the decision.

    `days`: DAYS_SCHEMA, net profit of the day over capital, by the optimiser with the model's forecasts and
    with the baseline's; no row where no back-test could be run.
    """

    recipe: str
    weeks: pl.DataFrame
    days: pl.DataFrame

    def frames(self) -> Mapping[str, pl.DataFrame]:
        """The frames by name, for keeping."""
        return {"weeks": self.weeks, "days": self.days}

    @staticmethod
    def of_frames(frames: Mapping[str, pl.DataFrame], *, recipe: str) -> "Evidence":
        """Back from `frames`; raises KeyError or polars' errors where they are not evidence."""
        weeks = frames["weeks"].select(pl.col(name).cast(kind) for name, kind in WEEKS_SCHEMA.items())
        days = frames["days"].select(pl.col(name).cast(kind) for name, kind in DAYS_SCHEMA.items())
        return Evidence(recipe, weeks, days)


def weekly_errors(forecasts: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """WEEKS_SCHEMA: errors of a model's forecasts and of the baseline beside them, where labels are known.

    `quantity`: level, or differential of all venue pairs. Weeks begin on Mondays. Rows that the baseline
    forecast itself, before there was enough to learn from, are left out.
    """
    rows = judged_rows(forecasts.filter(pl.col("model") != BASELINE_MODEL), labels)
    parts = [("differential", differentials(rows)), ("level", rows)]
    frames = [_by_week(part).with_columns(pl.lit(quantity).alias("quantity")) for quantity, part in parts]
    both = pl.concat([frame.select(*WEEKS_SCHEMA) for frame in frames])
    typed = both.select(pl.col(name).cast(kind) for name, kind in WEEKS_SCHEMA.items())
    return typed.sort("horizon_hours", "quantity", "week")


def _by_week(rows: pl.DataFrame) -> pl.DataFrame:
    by, truth = ["horizon_hours", "week"], pl.col("realised")
    dated = rows.with_columns(pl.col("as_of").dt.truncate("1w").alias("week"))
    sums = dated.with_columns(
        pl.len().over(by).alias("rows"),
        known_sum((truth - pl.col("rate_per_hour")).abs(), by).alias("model_error"),
        known_sum((truth - pl.col("baseline_rate_per_hour")).abs(), by).alias("baseline_error"),
    )
    return sums.select(*by, "rows", "model_error", "baseline_error").unique(by, keep="first")


def paired_days(model: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    """DAYS_SCHEMA of two series of daily returns (`day`, `return`), on the days that both have."""
    both = model.join(baseline, on="day", suffix="_baseline")
    named = both.select(
        pl.col("day"),
        pl.col("return").alias("model_return"),
        pl.col("return_baseline").alias("baseline_return"),
    )
    return named.select(pl.col(name).cast(kind) for name, kind in DAYS_SCHEMA.items()).sort("day")


def no_days() -> pl.DataFrame:
    """DAYS_SCHEMA without a row: no back-test."""
    return pl.DataFrame(schema=DAYS_SCHEMA)
