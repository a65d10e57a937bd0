"""PNG plots of features, forecasts and plans. A frame and a title suffix in, PNG bytes out."""

from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.reporting.palette import GRID, INK, MUTED, NEGATIVE, STRATEGY, venue_colour
from funding_pipeline.reporting.plot_style import (
    caption,
    dollar_axis,
    legend,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
)
from funding_pipeline.reporting.series import HOURS_PER_YEAR, calibration, forecast_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_FEATURES = 40
_COVERAGE_BAND = (0.77, 0.83)
_COVERAGE_GROUPS = {"overall": 0, "regime": 1, "venue": 2}


def feature_correlation(features: pl.DataFrame, *, suffix: str = "", rows: int = 50_000) -> bytes:
    """Rank correlation between features, pairwise over the rows where both are known.

    `features`: any frame with numeric feature columns (keys and times are ignored); the first 40
    columns that vary. Frames longer than `rows` are sampled with a fixed seed.
    """
    title = "Rank correlation between features"
    names = [n for n, d in features.schema.items() if d.is_numeric()]
    taken = features.select(names).sample(min(rows, features.height), seed=7) if names else features.clear()
    varying = [n for n in names if (taken[n].drop_nulls().n_unique() > 1)][:_MOST_FEATURES]
    if len(varying) < 2:
        return nothing_to_draw(title, suffix=suffix)
    matrix = taken.select(varying).to_pandas().corr(method="spearman").to_numpy()
    figure, axes = panels(title, size=(9.0, max(3.0, 1.4 + 0.17 * len(varying))), suffix=suffix)
    axis = axes[0]
    image = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axis.grid(visible=False)
    axis.set_yticks(range(len(varying)), varying, fontsize=6.5)
    axis.set_xticks(range(len(varying)), varying, fontsize=6.5, rotation=90)
    bar = figure.colorbar(image, ax=axis, pad=0.01)
    bar.ax.tick_params(labelsize=8, colors=MUTED)
    bar.outline.set_visible(False)
    return png(figure)


def forecast_against_realised(
    forecasts: pl.DataFrame, realised: pl.DataFrame, *, horizon_hours: int, suffix: str = ""
) -> bytes:
    """Forecast against outcome per year (left), and how often outcomes fell below each quantile.

    `forecasts`: FORECASTS rows; `realised`: labels (as_of, venue, symbol, horizon_hours,
    rate_per_hour). Axes are cut at the 1 % and 99 % quantiles.
    """
    title = f"Forecast against realised funding, {horizon_hours} h"
    here = pl.col("horizon_hours") == horizon_hours
    pairs = forecast_pairs(forecasts.filter(here), realised.filter(here))
    if pairs.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (left, right) = panels(title, columns=2, size=(9.0, 3.8), suffix=suffix)
    _scatter(left, pairs)
    _calibration(right, calibration(forecasts.filter(here), realised.filter(here)))
    return png(figure)


def _scatter(axis: "Axes", pairs: pl.DataFrame) -> None:
    x, y = (pairs[name].to_numpy() * HOURS_PER_YEAR for name in ("rate_per_hour", "realised"))
    low, high = (float(pairs["realised"].quantile(q) or 0) * HOURS_PER_YEAR for q in (0.01, 0.99))
    if low == high:
        low, high = low - 0.01, high + 0.01
    axis.hexbin(x, y, gridsize=45, extent=(low, high, low, high), bins="log", mincnt=1, cmap="Blues")
    axis.plot([low, high], [low, high], color=NEGATIVE, linewidth=1)
    axis.set(xlim=(low, high), ylim=(low, high), xlabel="forecast, per year", ylabel="realised, per year")
    percent_axis(axis)
    percent_axis(axis, which="x")
    caption(axis, f"{pairs.height:,} forecasts; on the line: right")


def _calibration(axis: "Axes", shares: pl.DataFrame) -> None:
    axis.bar(shares["quantile"], shares["share"], color=STRATEGY, width=0.5)
    for i, (nominal, share) in enumerate(shares.select("nominal", "share").iter_rows()):
        axis.plot([i - 0.38, i + 0.38], [nominal, nominal], color=NEGATIVE, linewidth=2)
        axis.annotate(f"{share:.0%}", (i, 0.02), ha="center", va="bottom", fontsize=9, color="white")
    axis.set(ylim=(0, 1.05), ylabel="share of outcomes at or below")
    percent_axis(axis)
    caption(axis, "calibration; red: what it should be")


def interval_coverage(skill: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Share of outcomes inside the 80 % interval, over all, by regime and by venue; a panel per horizon.

    `skill`: rows of `forecast_skill` (horizon_hours, quantity, plateau, group, value, rows, coverage_80).
    The band is 77 to 83 %; what is outside is drawn in red.
    """
    title = "Coverage of the 80 % interval (band: 77 to 83 %)"
    shown = skill.filter(
        pl.col("group").is_in(list(_COVERAGE_GROUPS))
        & (pl.col("quantity") == "level")
        & (pl.col("plateau") == "all")
        & pl.col("coverage_80").is_finite()
    )
    if shown.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    order = pl.col("group").replace_strict(_COVERAGE_GROUPS, return_dtype=pl.Int64)
    ranked = shown.with_columns(order.alias("order")).sort("order", "value")
    values = ranked["value"].unique(maintain_order=True).to_list()
    horizons = shown["horizon_hours"].unique().sort().to_list()
    size = (max(6.4, 2.2 + 1.9 * len(horizons)), 1.6 + 0.26 * len(values))
    figure, axes = panels(title, columns=len(horizons), size=size, suffix=suffix)
    least = min(_COVERAGE_BAND[0] - 0.07, float(shown["coverage_80"].to_numpy().min()) - 0.04)
    for i, (axis, horizon) in enumerate(zip(axes, horizons, strict=True)):
        _coverage(axis, ranked.filter(pl.col("horizon_hours") == horizon), values)
        axis.set(xlim=(least, 1.0))
        axis.set_xticks([tick / 10 for tick in range(10) if least <= tick / 10])
        axis.set_yticks(range(len(values)), values if i == 0 else [""] * len(values))
        caption(axis, horizon_text(int(horizon)))
    return png(figure)


def _coverage(axis: "Axes", rows: pl.DataFrame, values: list[str]) -> None:
    low, high = _COVERAGE_BAND
    axis.axvspan(low, high, color=GRID, zorder=0)
    axis.axvline(0.8, color=MUTED, linewidth=0.8)
    for value, share in rows.select("value", "coverage_80").iter_rows():
        at, colour = values.index(value), STRATEGY if low <= share <= high else NEGATIVE
        axis.plot([0.8, share], [at, at], color=colour, linewidth=1.5)
        axis.plot([share], [at], marker="o", markersize=5, color=colour)
        offset, side = (5, "left") if share >= 0.8 else (-5, "right")
        axis.annotate(
            f"{share:.1%}", (share, at), (offset, 0), textcoords="offset points", fontsize=7.5,
            ha=side, va="center", color=INK,
        )  # fmt: skip
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    percent_axis(axis, which="x")


def feature_importance(importance: pl.DataFrame, *, suffix: str = "", top: int = 25) -> bytes:
    """The `top` features by `importance`. Frame: `feature`, `importance` (any unit, drawn as a share)."""
    title = "Feature importance"
    known = importance.filter(pl.col("importance").is_finite()) if importance.height else importance
    if known.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    total = float(known["importance"].abs().sum()) or 1.0
    shown = known.sort("importance", "feature", descending=[True, False]).head(top).reverse()
    figure, axes = panels(title, size=(8.0, max(2.6, 1.0 + 0.2 * shown.height)), suffix=suffix)
    axis = axes[0]
    axis.barh(shown["feature"], shown["importance"] / total, color=STRATEGY, height=0.65)
    percent_axis(axis, which="x")
    axis.set_xlabel("share of the total")
    axis.grid(visible=False, axis="y")
    return png(figure)


def plan_legs(legs: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Signed target notional per leg, grouped by venue, with each venue's net as a line.

    `legs`: venue, base, `notional_usd` (or `notional_target_usd`), USD, positive long.
    """
    title = "Planned legs by venue, USD"
    column = "notional_usd" if "notional_usd" in legs.columns else "notional_target_usd"
    held = legs.filter(pl.col(column).abs() > 0.5) if legs.height else legs
    if held.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    grouped = held.group_by("venue", "base").agg(pl.col(column).sum().alias("usd")).sort("venue", "base")
    venues = grouped["venue"].unique().sort().to_list()
    bases = grouped["base"].unique().sort().to_list()
    height_inches = max(2.6, 0.9 + 0.24 * len(bases) * len(venues) ** 0.5)
    figure, axes = panels(title, size=(9.0, height_inches), suffix=suffix)
    axis = axes[0]
    height = 0.8 / len(venues)
    for i, venue in enumerate(venues):
        one = grouped.filter(pl.col("venue") == venue)
        at = [bases.index(base) - 0.4 + (i + 0.5) * height for base in one["base"]]
        net = float(one["usd"].sum())
        label = f"{venue}, net {net:+,.0f}"
        axis.barh(at, one["usd"], height=height, color=venue_colour(venue), label=label)
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_yticks(range(len(bases)), bases)
    axis.invert_yaxis()
    axis.set_xlabel("target notional, USD (left: short, right: long)")
    dollar_axis(axis, which="x")
    axis.grid(visible=False, axis="y")
    legend(axis)
    return png(figure)
