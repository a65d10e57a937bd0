"""Skill of the funding forecasts on recorded history, out of sample.

    python benchmarks/forecast_skill.py --data DIR                       trained once, then tested
    python benchmarks/forecast_skill.py --data DIR --retrain-days 91     retrained every quarter
    python benchmarks/forecast_skill.py --data DIR --leave-out base      each coin unseen in training

Rows before --train-end are training, those from it to --test-end the test; decisions every 8 h. For
model choice give a --test-end inside the training years. Prints MAE and R2 of levels and of all
venue pairs against the shrunk trailing means, with block-bootstrap intervals, and coverage.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.baseline import BASELINE_WINDOW_HOURS, baseline_forecast
from funding_pipeline.models.evaluation import forecast_skill
from funding_pipeline.models.forecaster import train
from funding_pipeline.models.regimes import market_regime
from funding_pipeline.models.walk_forward import walk_forward

_KEY = ["as_of", "venue", "symbol"]
_WINDOWS = (8, 24, 72, 168, 336)
_COLUMNS = {
    "value": "value",
    "rows": "rows",
    "r2": "R2",
    "baseline_r2": "base R2",
    "r2_about_zero": "R2 zero",
    "baseline_r2_about_zero": "base R2 0",
    "mae_improvement": "MAE gain",
    "mae_improvement_low": "low",
    "mae_improvement_high": "high",
    "coverage_80": "cover",
}


def main() -> None:
    """Build panel and labels once, then print one block of figures per horizon."""
    options = _options()
    tables = market_tables(RecordedMarket(options.data))
    start: datetime = tables.settled_funding.select(pl.col("settled_at").min()).collect().item()
    as_of = pl.datetime_range(start, options.test_end, "8h", eager=True, time_zone="UTC")
    clock = time.perf_counter()
    features = build_features(tables, as_of=as_of)
    print(f"features: {features.height} rows in {time.perf_counter() - clock:.1f} s")
    for horizon in options.horizons:
        labels = realised_funding(tables.settled_funding, as_of=as_of, horizons_hours=[horizon])
        judged = labels.filter(pl.col("known_at") <= options.test_end)
        clock = time.perf_counter()
        forecasts = _forecasts(features, labels, horizon, options)
        print(f"\nhorizon {horizon} h, {_title(options)}; {time.perf_counter() - clock:.1f} s")
        _report(forecasts, judged, features)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with recorded history")
    parser.add_argument("--train-end", type=_day, default=datetime(2025, 1, 1, tzinfo=UTC))
    parser.add_argument("--test-end", type=_day, default=datetime(2025, 9, 1, tzinfo=UTC))
    parser.add_argument("--horizons", type=int, nargs="+", default=[168, 24], help="hours")
    parser.add_argument("--retrain-days", type=int, default=None, help="default: train once")
    parser.add_argument("--leave-out", choices=("base", "venue"), default=None)
    return parser.parse_args()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _title(options: argparse.Namespace) -> str:
    how = f"retrained every {options.retrain_days} days" if options.retrain_days else "trained once"
    left = f", each {options.leave_out} left out of its own training" if options.leave_out else ""
    return f"{how} from {options.train_end:%Y-%m-%d}, tested to {options.test_end:%Y-%m-%d}{left}"


def _forecasts(
    features: pl.DataFrame, labels: pl.DataFrame, horizon: int, options: argparse.Namespace
) -> pl.DataFrame:
    inside = (pl.col("as_of") >= options.train_end) & (pl.col("as_of") < options.test_end)
    parts = []
    for known, judged in _splits(features, labels, options.leave_out):
        test = judged.filter(inside)
        if test.is_empty():
            continue
        if options.retrain_days:
            walked = walk_forward(
                features,
                known,
                horizon_hours=horizon,
                start=options.train_end,
                end=options.test_end,
                retrain_every=timedelta(days=options.retrain_days),
            )
            parts.append(walked.forecasts.join(test.select(_KEY), on=_KEY, how="semi"))
        else:
            model = train(features, known, horizon_hours=horizon, train_end=options.train_end)
            parts.append(model.predict(test))
    return pl.concat(parts)


def _splits(
    features: pl.DataFrame, labels: pl.DataFrame, leave_out: str | None
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Labels to learn from and features to forecast; with `leave_out`, one part per coin or venue."""
    if leave_out is None:
        yield labels, features
        return
    for value in features[leave_out].unique().sort():
        mine = pl.col(leave_out) == value
        keys = features.filter(~mine).select(_KEY)
        yield labels.join(keys, on=_KEY, how="semi"), features.filter(mine)


def _report(forecasts: pl.DataFrame, labels: pl.DataFrame, features: pl.DataFrame) -> None:
    skill = forecast_skill(forecasts, labels, regimes=market_regime(features))
    with pl.Config(
        tbl_rows=80, tbl_cols=20, tbl_width_chars=130, tbl_hide_dataframe_shape=True, float_precision=4
    ):
        for quantity in ("differential", "level"):
            for plateau in ("all", "without"):
                part = skill.filter(quantity=quantity, plateau=plateau)
                shown = part if plateau == "all" else part.filter(group="overall")
                print(f"{quantity}, {plateau} plateau rows; baseline: half of {BASELINE_WINDOW_HOURS} h")
                print(shown.select(*_COLUMNS.keys()).rename(_COLUMNS))
    print("differential, MAE improvement over half of each trailing mean:")
    for window in _WINDOWS:
        other = baseline_forecast(features, window_hours=window)
        against = forecasts.drop("baseline_rate_per_hour").join(
            other.rename({"rate_per_hour": "baseline_rate_per_hour"}), on=_KEY
        )
        row = forecast_skill(against, labels).filter(quantity="differential", plateau="all", group="overall")
        if row.height:
            low = row["mae_improvement_low"][0] or float("nan")
            high = row["mae_improvement_high"][0] or float("nan")
            print(f"  {window:4d} h: {row['mae_improvement'][0]:+.4f}  [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
