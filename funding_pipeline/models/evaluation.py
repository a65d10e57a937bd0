"""How good forecasts were: levels and pairwise differentials, against the baseline and zero.

What lives here: error measures by group with their uncertainty. What does not: making forecasts,
or profit and loss (`validation`).
"""

from datetime import timedelta

import polars as pl

from funding_pipeline.models.bootstrap import ratio_interval
from funding_pipeline.models.pairs import differentials, judged_rows

LEAST_BLOCK = timedelta(days=7)
SKILL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "horizon_hours": pl.Int64,
    "quantity": pl.String,
    "plateau": pl.String,
    "group": pl.String,
    "value": pl.String,
    "rows": pl.Int64,
    "r2": pl.Float64,
    "baseline_r2": pl.Float64,
    "r2_about_zero": pl.Float64,
    "baseline_r2_about_zero": pl.Float64,
    "mae_per_hour": pl.Float64,
    "baseline_mae_per_hour": pl.Float64,
    "zero_mae_per_hour": pl.Float64,
    "mae_improvement": pl.Float64,
    "mae_improvement_low": pl.Float64,
    "mae_improvement_high": pl.Float64,
    "mae_improvement_over_zero": pl.Float64,
    "coverage_80": pl.Float64,
    "width_80_per_hour": pl.Float64,
    "pinball_per_hour": pl.Float64,
}
_INTERVAL_COLUMNS = ("inside", "width", "pinball")
_GROUPS = {"level": ("venue", "base", "year"), "differential": ("venue_pair", "base", "year")}


def forecast_skill(
    forecasts: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    block: timedelta = LEAST_BLOCK,
    regimes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per (horizon, quantity, plateau, group, value), over rows that have a label.

    `quantity`: level, or differential of all venue pairs of a base. `plateau`: `all`, or `without`
    those that spent half of the horizon on the bare interest (a pair: both legs). `group`: overall,
    venue or venue_pair, base, year; with `regimes` (as_of, regime: one row per as_of) regime too, and
    `unknown` for the times that it lacks. `r2` = 1 - SSE / sum((realised - its mean)^2); `r2_about_zero`
    divides by sum(realised^2): for differentials the one that does not depend on which venue is
    named first.
    `mae_improvement` = 1 - MAE / MAE of the baseline, with the 95 % interval of a bootstrap over
    blocks of max(block, horizon, 7 days); null below five blocks. `coverage_80`: share of levels
    inside [q10, q90], whose mean width is `width_80`; `pinball`: mean loss of both ends. All three are
    null for differentials, which have no quantiles. Rates are fractions of notional per hour.
    """
    rows = judged_rows(forecasts, labels)
    tables = {"level": rows.with_columns(_interval_columns()), "differential": differentials(rows)}
    unknown = [pl.lit(None, dtype=pl.Float64).alias(name) for name in _INTERVAL_COLUMNS]
    tables["differential"] = tables["differential"].with_columns(unknown)
    frames = [pl.DataFrame(schema=SKILL_SCHEMA)]
    for quantity, unnamed in tables.items():
        table = _named_times(unnamed, regimes)
        for plateau, part in (("all", table), ("without", table.filter(~pl.col("on_plateau")))):
            frames += _by_groups(part, quantity, plateau, block)
    return pl.concat(frames).sort("horizon_hours", "quantity", "plateau", "group", "value")


def _interval_columns() -> list[pl.Expr]:
    """Whether the outcome is inside [q10, q90], the width, and the mean pinball loss of the two ends."""
    truth, low, high = pl.col("realised"), pl.col("q10"), pl.col("q90")
    below = pl.max_horizontal(0.1 * (truth - low), 0.9 * (low - truth))
    above = pl.max_horizontal(0.9 * (truth - high), 0.1 * (high - truth))
    inside = truth.is_between(low, high).cast(pl.Float64)
    values = (inside, high - low, (below + above) / 2)
    return [value.alias(name) for value, name in zip(values, _INTERVAL_COLUMNS, strict=True)]


def _named_times(table: pl.DataFrame, regimes: pl.DataFrame | None) -> pl.DataFrame:
    """`table` with `year`, and `regime` where there are regimes."""
    named = table.with_columns(pl.col("as_of").dt.year().cast(pl.String).alias("year"))
    if regimes is None:
        return named
    labelled = named.join(regimes.select("as_of", "regime"), on="as_of", how="left", maintain_order="left")
    return labelled.with_columns(pl.col("regime").fill_null("unknown"))


def _by_groups(part: pl.DataFrame, quantity: str, plateau: str, block: timedelta) -> list[pl.DataFrame]:
    labelled = part.with_columns(pl.lit("all").alias("overall"))
    frames = []
    regime = ("regime",) if "regime" in part.columns else ()
    for group in ("overall", *_GROUPS[quantity], *regime):
        keyed = labelled.with_columns(pl.col(group).alias("value"))
        measured = _errors(keyed).join(_intervals(keyed, block), on=["horizon_hours", "value"], how="left")
        named = measured.with_columns(
            pl.lit(quantity).alias("quantity"), pl.lit(plateau).alias("plateau"), pl.lit(group).alias("group")
        )
        frames.append(named.select(pl.col(c).cast(t) for c, t in SKILL_SCHEMA.items()))
    return frames


def _errors(keyed: pl.DataFrame) -> pl.DataFrame:
    truth = pl.col("realised")
    error, baseline = truth - pl.col("rate_per_hour"), truth - pl.col("baseline_rate_per_hour")
    total = ((truth - truth.mean()) ** 2).sum()
    mae, base_mae, zero_mae = error.abs().mean(), baseline.abs().mean(), truth.abs().mean()
    return keyed.group_by("horizon_hours", "value").agg(
        pl.len().alias("rows"),
        _ratio_gain((error**2).sum(), total).alias("r2"),
        _ratio_gain((baseline**2).sum(), total).alias("baseline_r2"),
        _ratio_gain((error**2).sum(), (truth**2).sum()).alias("r2_about_zero"),
        _ratio_gain((baseline**2).sum(), (truth**2).sum()).alias("baseline_r2_about_zero"),
        mae.alias("mae_per_hour"),
        base_mae.alias("baseline_mae_per_hour"),
        zero_mae.alias("zero_mae_per_hour"),
        _ratio_gain(mae, base_mae).alias("mae_improvement"),
        _ratio_gain(mae, zero_mae).alias("mae_improvement_over_zero"),
        pl.col("inside").mean().alias("coverage_80"),
        pl.col("width").mean().alias("width_80_per_hour"),
        pl.col("pinball").mean().alias("pinball_per_hour"),
    )


def _ratio_gain(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """1 - part / whole; null where there is nothing to compare with."""
    return pl.when(whole > 0).then(1 - part / whole)


def _intervals(keyed: pl.DataFrame, block: timedelta) -> pl.DataFrame:
    """Bootstrap interval of the MAE improvement, one row per (horizon, value)."""
    truth = pl.col("realised")
    rows: list[tuple[int, str, float | None, float | None]] = []
    for (horizon, value), part in keyed.group_by("horizon_hours", "value", maintain_order=True):
        length = max(block, LEAST_BLOCK, timedelta(hours=int(horizon)))
        number = (pl.col("as_of").dt.epoch("us") // (length // timedelta(microseconds=1))).alias("block")
        sums = (
            part.group_by(number)
            .agg(
                (truth - pl.col("rate_per_hour")).abs().sum().alias("model"),
                (truth - pl.col("baseline_rate_per_hour")).abs().sum().alias("baseline"),
            )
            .sort("block")
        )
        low, high = ratio_interval(sums["model"].to_numpy(), sums["baseline"].to_numpy()) or (None, None)
        rows.append((int(horizon), str(value), low, high))
    schema = {
        "horizon_hours": pl.Int64,
        "value": pl.String,
        "mae_improvement_low": pl.Float64,
        "mae_improvement_high": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
