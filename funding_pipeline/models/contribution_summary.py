"""What a forecaster looks at, over a sample of its training rows: contributions by feature.

What lives here: the sample, and a table of it. What does not: contributions themselves, reasons
(`explanation`), drawing (`reporting.plots_explanation`).
"""

from dataclasses import dataclass

import polars as pl

from funding_pipeline.features.families import family_of
from funding_pipeline.models.design import KEYS, checked
from funding_pipeline.models.explanation import (
    PERCENT_PER_YEAR,
    contributions,
    feature_columns,
    feature_values,
)
from funding_pipeline.models.forecaster import FundingForecaster
from funding_pipeline.models.training_rows import training_rows

_SAMPLE_ROWS = 2000


@dataclass(frozen=True)
class ContributionSummary:
    """Contributions on a sample of `rows` training rows of a forecaster of `horizon_hours`.

    `table`: one row per feature, the strongest first: `feature`, `family`, `mean_absolute_pct_yr` (mean
    |contribution|, percent a year), `correlation` of value and contribution by rank (-1 to 1; null where
    either never varies). `families`: `family`, `mean_absolute_pct_yr` of the family's sum, the strongest
    first. `points`: one row per sampled row and feature: `feature`, `value_rank` (0 lowest to 1
    highest, null: unknown), `contribution_pct_yr`.
    """

    horizon_hours: int
    rows: int
    table: pl.DataFrame
    families: pl.DataFrame
    points: pl.DataFrame


def contribution_summary(
    forecaster: FundingForecaster, features: pl.DataFrame, labels: pl.DataFrame
) -> ContributionSummary:
    """Contributions on at most 2,000 rows that the forecaster was trained on, drawn by its seed.

    `features` and `labels` as `train` had them; more or later rows change nothing.
    """
    span = forecaster.span
    rows = training_rows(
        features,
        labels,
        horizon_hours=forecaster.horizon_hours,
        train_end=span.train_end,
        max_rows=forecaster.config.max_rows,
    )
    sample = checked(rows.sample(min(_SAMPLE_ROWS, rows.height), seed=forecaster.config.seed))
    contributed = contributions(forecaster, sample)
    names = feature_columns(contributed)
    points = _points(forecaster, sample, contributed, names)
    return ContributionSummary(
        forecaster.horizon_hours, sample.height, _table(points), _families(contributed, names), points
    )


def _points(
    forecaster: FundingForecaster, sample: pl.DataFrame, contributed: pl.DataFrame, names: list[str]
) -> pl.DataFrame:
    values = pl.DataFrame(feature_values(forecaster, sample, names), schema=names, orient="row")
    known = values.fill_nan(None)
    ranks = known.select((pl.all().rank() - 1) / (pl.all().count() - 1).clip(lower_bound=1))
    pulls = contributed.select(pl.col(names) * PERCENT_PER_YEAR)
    return pl.concat(
        [
            pulls.unpivot(variable_name="feature", value_name="contribution_pct_yr"),
            ranks.unpivot(value_name="value_rank").select("value_rank"),
        ],
        how="horizontal",
    )


def _table(points: pl.DataFrame) -> pl.DataFrame:
    pull = pl.col("contribution_pct_yr")
    both = pl.col("value_rank").is_not_null()
    by_rank = pl.corr(pl.col("value_rank").filter(both), pull.filter(both).rank())
    table = points.group_by("feature", maintain_order=True).agg(
        pull.abs().mean().alias("mean_absolute_pct_yr"), by_rank.fill_nan(None).alias("correlation")
    )
    family = pl.col("feature").map_elements(family_of, return_dtype=pl.String).alias("family")
    ordered = table.sort("mean_absolute_pct_yr", "feature", descending=[True, False])
    return ordered.select("feature", family, "mean_absolute_pct_yr", "correlation")


def _families(contributed: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(family_of(name), []).append(name)
    sums = [pl.sum_horizontal(of).abs().mean().alias(family) for family, of in members.items()]
    means = contributed.select(pl.exclude(KEYS)).select(pl.all() * PERCENT_PER_YEAR).select(sums)
    frame = means.unpivot(variable_name="family", value_name="mean_absolute_pct_yr")
    return frame.sort("mean_absolute_pct_yr", "family", descending=[True, False])
