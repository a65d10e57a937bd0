"""Whether the market has moved away from what a model was trained on, and whether its errors have grown.

What lives here: measures and levels. What does not: what follows from them (`defs.training`).

Features: population stability index, sum over bins of (p - q) ln(p / q), of the newest 30 days against the
training span; the bins are the deciles of the training span and one for unknown. Usual limits for it (0.1 and
0.25) are for independent rows; funding is not, so a window is only unusual where the index is also above
that of 95 % of the 30-day windows of the training span itself.
Errors: 1 - sum|error| / sum|error of the baseline| of differentials since training, against the same of the
weeks of the walk-forward that the model was promoted by.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.core.tables import UTC
from funding_pipeline.models.evidence import weekly_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = timedelta(days=30)
DRIFT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "measured_at": UTC,
    "kind": pl.String,
    "subject": pl.String,
    "value": pl.Float64,
    "usual": pl.Float64,
    "level": pl.String,
    "rows": pl.Int64,
}
STABLE, MOVED, DRIFTED, UNKNOWN = "stable", "moved", "drifted", "unknown"
FEATURE, ERROR = "feature", "error"
_MOVED, _DRIFTED = 0.1, 0.25
_UNUSUAL, _WORST = 0.95, 0.05
_BINS = 10
_LEAST_SHARE = 1e-4
_LEAST_ROWS = 100
_LEAST_WINDOWS = 6
_LEAST_WEEKS = 13
_LEAST_NEWS = timedelta(days=2)
MOST_DRIFTED = 0.2
"""Share of features that may have drifted: one in twenty does by definition, and they drift together."""


def feature_drift(features: pl.DataFrame, names: Sequence[str], *, train_end: datetime) -> pl.DataFrame:
    """One row per feature (DRIFT_SCHEMA, kind `feature`): its index, that of 95 % of older windows, a level.

    `stable` below 0.1 or not above what is usual, `drifted` from 0.25 on, `moved` between; `unknown` with
    less than 100 rows on either side. The newest 30 days end with the newest row of `features`.
    """
    newest = features["as_of"].max()
    if not isinstance(newest, datetime):
        return pl.DataFrame(schema=DRIFT_SCHEMA)
    recent = features.filter(pl.col("as_of") > newest - WINDOW)
    past = features.filter((pl.col("as_of") <= train_end) & (pl.col("as_of") <= newest - WINDOW))
    windows = _window_numbers(past)
    rows = []
    for name in names:
        value, usual = _index_of(past[name], recent[name], windows)
        level = _feature_level(value, usual)
        rows.append((newest, FEATURE, name, value, usual, level, recent.height))
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row").sort("subject")


def _window_numbers(past: pl.DataFrame) -> "NDArray[np.int64]":
    """Which 30-day window of the training span each row lies in, counted from its end."""
    age = past["as_of"].max() - pl.col("as_of")
    numbers = past.select((age.dt.total_hours() // int(WINDOW.total_seconds() // 3600)).alias("n"))
    return numbers.to_series().to_numpy()


def _index_of(
    past: pl.Series, recent: pl.Series, windows: "NDArray[np.int64]"
) -> tuple[float | None, float | None]:
    """Index of the recent rows, and the usual one: the 95 % quantile over the windows of the past."""
    import numpy as np

    if min(past.len(), recent.len()) < _LEAST_ROWS:
        return None, None
    before, now = (part.cast(pl.Float64).to_numpy() for part in (past, recent))
    known = before[np.isfinite(before)]
    if not len(known):
        return None, None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = _binned(before, edges)
    whole = _shares(_counts(bins, len(edges) + 2))
    value = _stability(_shares(_counts(_binned(now, edges), len(edges) + 2)), whole)
    counts = np.zeros((int(windows.max()) + 1, len(edges) + 2))
    np.add.at(counts, (windows, bins), 1)
    full = counts[counts.sum(axis=1) >= _LEAST_ROWS]
    if len(full) < _LEAST_WINDOWS:
        return value, None
    return value, float(np.quantile([_stability(_shares(row), whole) for row in full], _UNUSUAL))


def _binned(values: "NDArray[np.float64]", edges: "NDArray[np.float64]") -> "NDArray[np.int64]":
    import numpy as np

    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), len(edges) + 1)


def _counts(bins: "NDArray[np.int64]", many: int) -> "NDArray[np.float64]":
    import numpy as np

    return np.bincount(bins, minlength=many).astype(np.float64)


def _shares(counts: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    shares: NDArray[np.float64] = np.maximum(counts / max(counts.sum(), 1), _LEAST_SHARE)
    return shares


def _stability(now: "NDArray[np.float64]", before: "NDArray[np.float64]") -> float:
    import numpy as np

    return float(((now - before) * np.log(now / before)).sum())


def _feature_level(value: float | None, usual: float | None) -> str:
    if value is None:
        return UNKNOWN
    if value < _MOVED or value <= (usual or 0.0):
        return STABLE
    return DRIFTED if value >= _DRIFTED else MOVED


def error_drift(
    forecasts: pl.DataFrame, labels: pl.DataFrame, weeks: pl.DataFrame, *, as_of: datetime
) -> pl.DataFrame:
    """One row per horizon (DRIFT_SCHEMA, kind `error`): skill since training against the weeks of evidence.

    `forecasts` of the champion, all made after its training; `weeks` as models.evidence has them. `value`:
    the skill of the newest week at most; `usual`: the quantile of weekly skill that is passed in
    1 week of 20, divided among the horizons; `drifted` below it.
    `unknown` where labels of less than two days are known at `as_of`, or less than 13 weeks of evidence.
    """
    known = labels.filter(pl.col("known_at") <= as_of)
    rows = []
    horizons = sorted(forecasts["horizon_hours"].unique().to_list())
    for horizon in horizons:
        here = pl.col("horizon_hours") == horizon
        value, count = _recent_skill(forecasts.filter(here), known.filter(here))
        usual = _worst_usual(
            weeks.filter(here & (pl.col("quantity") == "differential")), share=_WORST / len(horizons)
        )
        unknown = value is None or usual is None
        level = UNKNOWN if unknown else DRIFTED if (value or 0.0) < (usual or 0.0) else STABLE
        rows.append((as_of, ERROR, horizon_text(horizon), value, usual, level, count))
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row")


def _recent_skill(forecasts: pl.DataFrame, labels: pl.DataFrame) -> tuple[float | None, int]:
    """Skill of the newest week of decisions whose outcome is known, and its rows."""
    made = forecasts.join(
        labels.filter(pl.col("rate_per_hour").is_finite()).select("as_of", "venue", "symbol"),
        on=["as_of", "venue", "symbol"],
        how="semi",
    )
    first, last = made["as_of"].min(), made["as_of"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or last - first < _LEAST_NEWS:
        return None, made.height
    recent = made.filter(pl.col("as_of") > last - timedelta(days=7))
    sums = weekly_errors(recent, labels).filter(pl.col("quantity") == "differential")
    model, baseline = (float(sums[name].sum()) for name in ("model_error", "baseline_error"))
    return (1 - model / baseline if baseline else None), recent.height


def _worst_usual(weeks: pl.DataFrame, *, share: float) -> float | None:
    if weeks.height < _LEAST_WEEKS:
        return None
    skill = weeks.select(1 - pl.col("model_error") / pl.col("baseline_error")).to_series()
    worst = skill.filter(skill.is_finite()).quantile(share, interpolation="linear")
    return None if worst is None else float(worst)


def share_drifted(drift: pl.DataFrame) -> float:
    """Share of the features of known level that have drifted."""
    known = drift.filter((pl.col("kind") == FEATURE) & (pl.col("level") != UNKNOWN))
    return known.filter(pl.col("level") == DRIFTED).height / known.height if known.height else 0.0


def findings(drift: pl.DataFrame) -> list[str]:
    """What has drifted so far that a model should be trained anew, in words; none where nothing has."""
    share, found = share_drifted(drift), []
    if share > MOST_DRIFTED:
        worst = drift.filter((pl.col("kind") == FEATURE) & (pl.col("level") == DRIFTED))
        names = worst.sort("value", "subject", descending=[True, False])["subject"].head(3).to_list()
        found.append(f"{share:.0%} of the features have drifted, most {', '.join(names)}")
    for row in drift.filter((pl.col("kind") == ERROR) & (pl.col("level") == DRIFTED)).iter_rows(named=True):
        found.append(
            f"{row['subject']}: error {-row['value']:+.1%} against the baseline's since training; all but "
            f"the worst weeks of its evidence were better than {-row['usual']:+.1%}"
        )
    return found
