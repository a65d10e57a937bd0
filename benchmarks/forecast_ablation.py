"""What each feature family and each part of the forecaster adds, inside the training years.

    python benchmarks/forecast_ablation.py --data DIR --test-end 2025-01-01 --horizons 168 24

Every half year from --first on, a point model is trained once on what was known and tested on the eight
months that follow, as in the test period. Printed: the MAE gain of the pairwise differential over half of
the trailing 336 h mean, mean and worst of these folds, by class of pair. No row after --test-end is read.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.features.catalog import FEATURE_COLUMNS
from funding_pipeline.features.families import family_of
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.baseline import baseline_rate
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import MODEL_FEATURES
from funding_pipeline.models.forecaster import known_features
from funding_pipeline.models.pairs import differentials, judged_rows
from funding_pipeline.models.point_model import fit_point_model
from funding_pipeline.models.regimes import regime_features
from funding_pipeline.models.training_rows import training_rows

_TEST_LENGTH = timedelta(days=243)
_EVERY = timedelta(days=182)
_CLASSES = ("all", "centralised", "hyperliquid", "deribit")
_UNSCALED_FLOOR = 1e-2  # above every scale: all instruments are divided by the same number
_REGIME = "regime_"


@dataclass(frozen=True)
class Variant:
    """One way to make the point forecast."""

    name: str
    features: tuple[str, ...]
    config: ForecasterConfig


def main() -> None:
    """Build panel and labels once, then print one table per horizon."""
    options = _options()
    tables = market_tables(RecordedMarket(options.data))
    start: datetime = tables.settled_funding.select(pl.col("settled_at").min()).collect().item()
    as_of = pl.datetime_range(start, options.test_end, "8h", eager=True, time_zone="UTC")
    features = _with_regimes(build_features(tables, as_of=as_of))
    for horizon in options.horizons:
        labels = realised_funding(tables.settled_funding, as_of=as_of, horizons_hours=[horizon])
        labels = labels.filter(pl.col("known_at") <= options.test_end)
        print(f"\nhorizon {horizon} h: MAE gain in %, mean (worst) of the folds")
        print(f"{'':46s}" + "".join(f"{name:>16s}" for name in _CLASSES))
        for variant in _variants(features):
            clock = time.perf_counter()
            gains = _gains(features, labels, variant, horizon=horizon, options=options)
            spent = time.perf_counter() - clock
            print(
                f"{variant.name:46s}" + "".join(_shown(gains, name) for name in _CLASSES) + f"  {spent:.0f} s"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with recorded history")
    parser.add_argument("--first", type=_day, default=datetime(2022, 1, 1, tzinfo=UTC))
    parser.add_argument("--test-end", type=_day, default=datetime(2025, 1, 1, tzinfo=UTC))
    parser.add_argument("--horizons", type=int, nargs="+", default=[168, 24], help="hours")
    return parser.parse_args()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _with_regimes(features: pl.DataFrame) -> pl.DataFrame:
    """`features` and one column per regime of the market, 1 where it rules."""
    flags = regime_features(features).select("as_of", pl.col(f"^{_REGIME}.*$"))
    return features.join(flags, on="as_of", how="left", maintain_order="left")


def _variants(features: pl.DataFrame) -> Iterator[Variant]:
    """The model as it is, without each family, with each that it leaves out, and without each part."""
    plain = ForecasterConfig()
    yield Variant("as it is", MODEL_FEATURES, plain)
    for family in dict.fromkeys(family_of(name) for name in MODEL_FEATURES):
        kept = tuple(name for name in MODEL_FEATURES if family_of(name) != family)
        yield Variant(f"trees without: {family}", kept, plain)
    others = [name for name in FEATURE_COLUMNS if name not in MODEL_FEATURES]
    for family in dict.fromkeys(family_of(name) for name in others):
        added = tuple(name for name in others if family_of(name) == family)
        yield Variant(f"trees with: {family}", (*MODEL_FEATURES, *added), plain)
    regimes = tuple(name for name in features.columns if name.startswith(_REGIME))
    yield Variant("trees with: regime", (*MODEL_FEATURES, *regimes), plain)
    for name, setting in {
        "ridge alone": {"linear_weight": 1.0},
        "trees alone": {"linear_weight": 0.0},
        "without trees on levels": {"level_trees_weight": 0.0},
        "without trees on differentials": {"level_trees_weight": 1.0},
        "without caution between seldom settling venues": {"gap_caution": 0.0},
        "without scale": {"scale_floor_per_hour": _UNSCALED_FLOOR},
    }.items():
        yield Variant(name, MODEL_FEATURES, plain.model_copy(update=setting))


def _gains(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    variant: Variant,
    *,
    horizon: int,
    options: argparse.Namespace,
) -> dict[str, list[float]]:
    """MAE gain of each fold by class of pair; a class without pairs in a fold has none there."""
    gains: dict[str, list[float]] = {name: [] for name in _CLASSES}
    end = options.first
    while end + _TEST_LENGTH <= options.test_end + timedelta(days=31):
        forecasts = _forecasts(features, labels, variant, horizon=horizon, train_end=end)
        pairs = differentials(judged_rows(forecasts, labels.drop("plateau_share")))
        for name in _CLASSES:
            part = pairs.filter(_is_of(name))
            if part.height:
                gains[name].append(_gain(part))
        end += _EVERY
    return gains


def _forecasts(
    features: pl.DataFrame, labels: pl.DataFrame, variant: Variant, *, horizon: int, train_end: datetime
) -> pl.DataFrame:
    """Trained once on labels known before `train_end`; forecasts of the eight months after it."""
    rows = training_rows(
        features, labels, horizon_hours=horizon, train_end=train_end, max_rows=variant.config.max_rows
    )
    names = known_features(rows, variant.features, least_share=variant.config.min_feature_share)
    model = fit_point_model(rows, rows["target"].to_numpy(), features=names, config=variant.config)
    inside = (pl.col("as_of") >= train_end) & (pl.col("as_of") < train_end + _TEST_LENGTH)
    test = features.filter(inside)
    return test.select(
        "as_of",
        "venue",
        "symbol",
        baseline_rate(),
        pl.lit(horizon, dtype=pl.Int64).alias("horizon_hours"),
        pl.Series("rate_per_hour", model.predict(test)),
    )


def _is_of(name: str) -> pl.Expr:
    pair = pl.col("venue_pair")
    if name == "all":
        return pl.lit(value=True)
    if name == "centralised":
        return ~pair.str.contains("hyperliquid|deribit")
    return pair.str.contains(name)


def _gain(pairs: pl.DataFrame) -> float:
    truth = pl.col("realised")
    model, baseline = ((truth - pl.col(c)).abs().mean() for c in ("rate_per_hour", "baseline_rate_per_hour"))
    return float(pairs.select(1 - model / baseline).item())


def _shown(gains: dict[str, list[float]], name: str) -> str:
    folds = gains[name]
    if not folds:
        return f"{'':>16s}"
    text = f"{100 * sum(folds) / len(folds):+.1f} ({100 * min(folds):+.1f})"
    return f"{text:>16s}"


if __name__ == "__main__":
    main()
