"""How long training all horizons on a whole history takes, and forecasting all instruments at one moment.

    python benchmarks/forecast_latency.py --data DIR

Prints seconds of features, labels and training (two fits at a time), and milliseconds of a forecast of every
horizon after features: goals are under 60 s and under 100 ms on two cores. Only rows of the folder are read;
nothing is scored, so no test period is opened.
"""

import argparse
import statistics
import time
from datetime import timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.core.clock import decision_schedule, first_and_last
from funding_pipeline.core.horizons import HORIZONS_HOURS
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import normalized_market
from funding_pipeline.models.forecaster_set import train_set
from funding_pipeline.models.walk_forward import LEAST_TRAINING

_REPEATS = 30


def main() -> None:
    """Read, train, forecast; print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded history")
    parser.add_argument("--every", type=int, default=8, help="hours between decisions")
    options = parser.parse_args()
    market = RecordedMarket(options.data)
    span = market.span()
    tables = normalized_market(market).tables
    times = decision_schedule(start=span.start, end=span.end, every_hours=options.every)
    began = time.perf_counter()
    features = build_features(tables, as_of=times)
    print(f"features of {features.height:,} rows: {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=HORIZONS_HOURS)
    print(f"labels of {len(HORIZONS_HOURS)} horizons: {time.perf_counter() - began:.1f} s")
    _, newest = first_and_last(features["as_of"])
    began = time.perf_counter()
    models = train_set(
        features,
        labels,
        horizons_hours=HORIZONS_HOURS,
        train_end=newest + timedelta(microseconds=1),
        min_train=LEAST_TRAINING,
        progress=lambda done, horizons: print(f"  horizon {done} of {horizons}"),
    )
    print(f"training of all horizons: {time.perf_counter() - began:.1f} s (goal: under 60 s)")
    moment = features.filter(pl.col("as_of") == newest)
    models.predict(moment)
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        models.predict(moment)
        seconds.append(time.perf_counter() - began)
    print(
        f"forecast of {moment.height} instruments over {len(HORIZONS_HOURS)} horizons: median "
        f"{statistics.median(seconds) * 1e3:.0f} ms, worst of {_REPEATS} {max(seconds) * 1e3:.0f} ms "
        "(goal: under 100 ms)"
    )


if __name__ == "__main__":
    main()
