"""Drift: what has moved is found, what only varies as ever is not, and too little is unknown."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.drift import (
    DRIFT_SCHEMA,
    MOST_DRIFTED,
    error_drift,
    feature_drift,
    findings,
    share_drifted,
)
from funding_pipeline.models.evidence import WEEKS_SCHEMA

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 360
TRAIN_END = START + timedelta(days=DAYS - 30)


def panel(seed: int = 1) -> pl.DataFrame:
    """`same`; `moved` by two deviations in the last 30 days; `waves` that are different every month."""
    random = np.random.default_rng(seed)
    times = [START + timedelta(days=d) for d in range(DAYS) for _ in range(10)]
    age = np.repeat(np.arange(DAYS), 10)
    recent = age >= DAYS - 30
    values = random.standard_normal((4, len(times)))
    return pl.DataFrame(
        {
            "as_of": times,
            "same": values[0],
            "moved": values[1] + 2.0 * recent,
            "waves": values[2] * 0.3 + 3.0 * (age // 30 % 3),
            "vanished": np.where(recent, np.nan, values[3]),
            "never": np.full(len(times), np.nan),
        }
    ).with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")), pl.col("vanished").fill_nan(None))


NAMES = ("same", "moved", "waves", "vanished", "never")


def test_what_moved_is_told_from_what_varies() -> None:
    found = {
        r["subject"]: r for r in feature_drift(panel(), NAMES, train_end=TRAIN_END).iter_rows(named=True)
    }
    assert {name: row["level"] for name, row in found.items()} == {
        "same": "stable", "moved": "drifted", "waves": "stable", "vanished": "drifted", "never": "unknown",
    }  # fmt: skip
    assert found["waves"]["value"] > 0.25  # a fixed limit would cry out every month
    assert found["waves"]["value"] <= found["waves"]["usual"]


def test_order_of_rows_is_nothing() -> None:
    rows = panel()
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=2)
    assert feature_drift(rows, NAMES, train_end=TRAIN_END).equals(
        feature_drift(shuffled, NAMES, train_end=TRAIN_END)
    )


def test_the_index_is_that_of_the_formula() -> None:
    before = pl.DataFrame({"as_of": [START] * 1000, "x": np.arange(1000.0)})
    later = START + timedelta(days=100)
    now = pl.DataFrame({"as_of": [later] * 500, "x": np.arange(500.0)})
    rows = pl.concat([before, now]).with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")))
    (value,) = feature_drift(rows, ["x"], train_end=START)["value"]
    floor = 1e-4
    exact = 5 * (0.2 - 0.1) * np.log(0.2 / 0.1) + 5 * (floor - 0.1) * np.log(floor / 0.1)
    assert value == pytest.approx(exact, rel=1e-3)


def judged(error: float, *, days: int, weeks: int = 30) -> dict[str, object]:
    """Drift of one horizon whose forecasts are `error` off where the baseline is 1 off."""
    times = [START + timedelta(hours=8 * i) for i in range(3 * days)]
    keys = pl.DataFrame(
        [(t, v, "BTC/USDT:USDT", 24) for t in times for v in ("a", "b")],
        schema={
            "as_of": pl.Datetime("us", "UTC"),
            "venue": pl.String,
            "symbol": pl.String,
            "horizon_hours": pl.Int64,
        },
        orient="row",
    )
    side = pl.when(pl.col("venue") == "a").then(1.0).otherwise(0.0)
    forecasts = keys.with_columns(
        rate_per_hour=side * (1 - error), baseline_rate_per_hour=pl.lit(0.0), model=pl.lit("m")
    )
    labels = keys.with_columns(
        rate_per_hour=side, plateau_share=pl.lit(0.0), known_at=pl.col("as_of") + timedelta(hours=24)
    )
    skills = np.linspace(0.0, 0.2, weeks)
    evidence = pl.DataFrame(
        [(24, "differential", START - timedelta(weeks=i + 1), 9, 1 - s, 1.0) for i, s in enumerate(skills)],
        schema=WEEKS_SCHEMA,
        orient="row",
    )
    (row,) = error_drift(forecasts, labels, evidence, as_of=times[-1]).iter_rows(named=True)
    return row


def test_an_error_as_in_the_walk_forward_is_stable_and_a_larger_one_has_drifted() -> None:
    assert judged(0.9, days=6)["level"] == "stable"
    worse = judged(1.1, days=6)
    assert (worse["level"], worse["value"]) == ("drifted", pytest.approx(-0.1))
    assert worse["usual"] == pytest.approx(0.01, abs=0.005)


def test_less_than_two_days_or_a_quarter_of_evidence_is_unknown() -> None:
    assert judged(1.1, days=2)["level"] == "unknown"
    assert judged(1.1, days=6, weeks=12)["level"] == "unknown"


def test_findings_are_in_words_and_a_few_features_are_none() -> None:
    rows = [(START, "feature", f"f{i}", 1.0, 0.2, "drifted" if i < 3 else "stable", 9) for i in range(10)]
    some = pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row")
    assert share_drifted(some) == pytest.approx(0.3)
    (text,) = findings(some)
    assert text == "30% of the features have drifted, most f0, f1, f2"
    assert findings(some.with_columns(level=pl.lit("stable"))) == []
    assert MOST_DRIFTED < 0.3
    error = pl.DataFrame(
        [(START, "error", "24 h", -0.1, 0.02, "drifted", 9)], schema=DRIFT_SCHEMA, orient="row"
    )
    assert findings(error) == [
        "24 h: error +10.0% against the baseline's since training; all but the worst weeks of its "
        "evidence were better than -2.0%"
    ]


def test_nothing_at_all_is_no_drift() -> None:
    assert feature_drift(panel().clear(), NAMES, train_end=START).is_empty()
    assert findings(pl.DataFrame(schema=DRIFT_SCHEMA)) == []
