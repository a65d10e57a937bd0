"""Why a forecast is what it is: what each feature adds to it, and the reason in a trader's words.

What lives here: contributions of features to each forecast, and the text of the three families that
matter most. What does not: how they are computed (`point_model`), words and units of a feature
(`features.families`), what a model looks at over many rows (`contribution_summary`), drawing.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.features.families import family_of, words_of
from funding_pipeline.models.baseline import BASELINE_SHRINKAGE, BASELINE_WINDOW_HOURS
from funding_pipeline.models.baseline_forecaster import BaselineForecaster
from funding_pipeline.models.design import KEYS, LINEAR_FEATURES, LOG_SCALE, checked, scale_of
from funding_pipeline.models.forecaster import FundingForecaster
from funding_pipeline.models.point_model import BIAS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERCENT_PER_YEAR = 100 * 24 * 365
_FAMILIES_TOLD = 3
_LAST = "rate_last_per_hour"


def contributions(forecaster: FundingForecaster, features: pl.DataFrame) -> pl.DataFrame:
    """What each feature adds to each forecast: as_of, venue, symbol, a column per feature, `bias`.

    One row per row of `features` (as of `build_features`), in key order; fraction of notional per hour,
    never null. A row sums to `rate_per_hour` of `predict`. `bias` is what is forecast of an instrument
    with rates of this size when no feature is looked at. Raises SchemaError naming a missing column.
    """
    panel = checked(features)
    return pl.concat([panel.select(KEYS), forecaster.point.contributions(panel)], how="horizontal")


def feature_columns(contributed: pl.DataFrame) -> list[str]:
    """Names of the columns of `contributions` that are features."""
    return [name for name in contributed.columns if name not in (*KEYS, BIAS)]


def feature_values(
    forecaster: FundingForecaster, panel: pl.DataFrame, names: list[str]
) -> "NDArray[np.float64]":
    """Rows x `names` as they stand in a checked panel, and the logarithm of the scale; NaN: unknown."""
    log_scale = scale_of(forecaster.config.scale_floor_per_hour).log().alias(LOG_SCALE)
    columns = pl.col(names).cast(pl.Float64).fill_null(float("nan"))
    return panel.with_columns(log_scale).select(columns).to_numpy()


def forecast_reasons(
    forecaster: FundingForecaster | BaselineForecaster, features: pl.DataFrame
) -> pl.DataFrame:
    """The reason of each forecast: as_of, venue, symbol, horizon_hours, `reason`, in key order.

    The three families with the largest |contribution|: of each the feature that does most of it, with
    its value in the panel, and in brackets what the family adds; then the bias and all the rest, percent
    a year. All of them add up to the forecast. A null feature is called unknown. The baseline tells its
    formula.
    """
    panel = checked(features)
    reason = (
        panel.select(_baseline_reason()).to_series()
        if isinstance(forecaster, BaselineForecaster)
        else pl.Series("reason", _told(forecaster, panel), dtype=pl.String)
    )
    horizon = pl.lit(forecaster.horizon_hours, dtype=pl.Int64).alias("horizon_hours")
    return panel.select(*KEYS, horizon, reason)


def with_reasons(
    forecasts: pl.DataFrame, forecaster: FundingForecaster | BaselineForecaster, features: pl.DataFrame
) -> pl.DataFrame:
    """`forecasts` (FORECASTS) with the `reason` of those that `forecaster` made from `features`.

    In the order of `forecasts`; null for other horizons and for rows that are not in `features`.
    """
    told = forecast_reasons(forecaster, features)
    return forecasts.join(told, on=[*KEYS, "horizon_hours"], how="left", maintain_order="left")


@dataclass(frozen=True)
class _Pull:
    """A family of one forecast: the feature that does most of it, in words, and the family's sum."""

    phrase: str
    percent_per_year: float


def _told(forecaster: FundingForecaster, panel: pl.DataFrame) -> list[str]:
    """One text per row of a checked panel."""
    contributed = contributions(forecaster, panel)
    names = feature_columns(contributed)
    parts = contributed.select(names).to_numpy() * PERCENT_PER_YEAR
    bias = contributed[BIAS].to_numpy() * PERCENT_PER_YEAR
    needed = list(dict.fromkeys((*names, _LAST)))
    values = feature_values(forecaster, panel, needed)
    rows = zip(panel.select("venue", "base").iter_rows(), parts, values, bias, strict=True)
    texts = []
    for (venue, base), part, value, level in rows:
        known = dict(zip(needed, value.tolist(), strict=True))
        pulls = [
            _Pull(_phrase(leader, known, venue=venue, base=base), pull)
            for leader, pull in _strongest(names, part)
        ]
        texts.append(_sentence(pulls, level=float(level), rest=float(part.sum())))
    return texts


def _strongest(names: list[str], parts: "NDArray[np.float64]") -> list[tuple[str, float]]:
    """Leading feature and sum of the families of one row with the largest |sum|; ties by name."""
    members: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        members.setdefault(family_of(name), []).append(i)
    sums = {family: float(parts[of].sum()) for family, of in sorted(members.items())}
    strongest = sorted(sums, key=lambda family: -abs(sums[family]))[:_FAMILIES_TOLD]
    return [
        (names[max(members[f], key=lambda i: parts[i] if sums[f] >= 0 else -parts[i])], sums[f])
        for f in strongest
    ]


def _phrase(feature: str, known: dict[str, float], *, venue: str, base: str) -> str:
    """Feature and value; the ridge takes the last settlement for a mean that is unknown, so both are told."""
    phrase = words_of(feature).phrase(known[feature], base=base, venue=venue)
    if feature in LINEAR_FEATURES and math.isnan(known[feature]):
        return f"{phrase}, {words_of(_LAST).phrase(known[_LAST], base=base, venue=venue)}"
    return phrase


def _sentence(pulls: list[_Pull], *, level: float, rest: float) -> str:
    """`168 h mean +12.3 %/yr (pulls +4.1), basis -4.0 bp (-0.3), usual level +2.1, all else +1.2`."""
    told = [
        f"{pull.phrase} ({'pulls ' if pull is pulls[0] else ''}{pull.percent_per_year:+z.1f})"
        for pull in pulls
    ]
    rest -= sum(pull.percent_per_year for pull in pulls)
    return ", ".join([*told, f"usual level {level:+z.1f}", f"all else {rest:+z.1f}"])


def _baseline_reason() -> pl.Expr:
    """`baseline: half of the 336 h mean of +6.4 %/yr`; where that window is empty, of the newest rate."""
    window = pl.col(f"rate_{BASELINE_WINDOW_HOURS}h_per_hour")
    mean = pl.coalesce(window, "rate_last_per_hour")
    percent = (mean * PERCENT_PER_YEAR).round(1) + 0.0  # and no -0.0
    sign = pl.when(percent >= 0).then(pl.lit("+")).otherwise(pl.lit(""))
    name = f"{BASELINE_WINDOW_HOURS} h mean"
    source = pl.when(window.is_null()).then(pl.lit("last settlement")).otherwise(pl.lit(name))
    share = "half" if BASELINE_SHRINKAGE == 0.5 else f"{BASELINE_SHRINKAGE:g}"
    text = pl.format(f"baseline: {share} of the {{}} of {{}}{{}} %/yr", source, sign, percent)
    return text.alias("reason")
