"""What may be tuned in the forecaster, between which bounds, and how one choice is scored.

What lives here: the search space, the purged walk-forward that scores one configuration, and its errors
block by block. What does not: proposing configurations and keeping them (`tracking.study`), or judging
which of many is best (`validation.trial_choice`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError, SettingsError
from funding_pipeline.core.tables import UTC
from funding_pipeline.models.baseline import BASELINE_MODEL
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.evaluation import LEAST_BLOCK
from funding_pipeline.models.pairs import differentials, judged_rows
from funding_pipeline.models.walk_forward import (
    DECISION_STEP,
    LEAST_TRAINING,
    ForecastFold,
    walk_forward_folds,
)

OnFold = Callable[["FoldScore"], None]

BLOCKS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "block_start": UTC,
    "rows": pl.Int64,
    "model_error": pl.Float64,
    "baseline_error": pl.Float64,
}


@dataclass(frozen=True)
class Bounds:
    """Values that are tried, both ends included; `log`: evenly by ratio; `whole`: integers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


SEARCH_SPACE: Mapping[str, Bounds] = {
    "trees": Bounds(100, 600, whole=True),
    "depth": Bounds(2, 5, whole=True),
    "learning_rate": Bounds(0.01, 0.1, log=True),
    "row_share": Bounds(0.4, 0.95),
    "column_share": Bounds(0.2, 0.9),
    "leaf_weight": Bounds(20, 1000, log=True),
    "tree_l2": Bounds(1, 200, log=True),
    "linear_weight": Bounds(0, 1),
    "pair_width": Bounds(0.1, 2, log=True),
    "level_share": Bounds(0.05, 1, log=True),
    "linear_l2": Bounds(1e-4, 1, log=True),
    "scale_floor_per_hour": Bounds(1e-6, 2e-5, log=True),
}
"""Fields of ForecasterConfig that shape the point forecast."""


@dataclass(frozen=True)
class TuningProtocol:
    """Folds of `fold_length` that end at `train_end` (UTC); no row known after it is read or scored.

    `embargo` is on top of the purge and at least one decision step; None: the horizon, or that step.
    """

    horizon_hours: int
    train_end: datetime
    folds: int = 6
    fold_length: timedelta = timedelta(days=91)
    embargo: timedelta | None = None
    min_train: timedelta = LEAST_TRAINING

    def __post_init__(self) -> None:
        """Refuse an embargo below one decision step, and folds that cannot be."""
        if self.embargo_used < DECISION_STEP:
            raise SettingsError(f"embargo {self.embargo_used}: at least one decision step, {DECISION_STEP}")
        if self.folds < 2 or self.fold_length < LEAST_BLOCK:
            raise SettingsError(f"{self.folds} folds of {self.fold_length}: at least 2 of {LEAST_BLOCK}")

    @property
    def embargo_used(self) -> timedelta:
        """The embargo, by default the horizon."""
        if self.embargo is not None:
            return self.embargo
        return max(timedelta(hours=self.horizon_hours), DECISION_STEP)

    @property
    def start(self) -> datetime:
        """First decision time that is scored."""
        return self.train_end - self.folds * self.fold_length

    @property
    def block(self) -> timedelta:
        """Length of a block of errors: a week, or the horizon where it is longer."""
        return max(LEAST_BLOCK, timedelta(hours=self.horizon_hours))


@dataclass(frozen=True)
class FoldScore:
    """`gain`: 1 - MAE of pairwise differentials / MAE of the baseline, over `rows` of one fold."""

    number: int
    of: int
    test_start: datetime
    test_end: datetime
    rows: int
    gain: float


@dataclass(frozen=True)
class TrialScore:
    """Skill of one configuration: by fold, and `blocks` (BLOCKS_SCHEMA), sums of absolute errors per hour."""

    folds: tuple[FoldScore, ...]
    blocks: pl.DataFrame

    @property
    def mean_gain(self) -> float:
        """The objective: mean over folds of the MAE gain over the baseline."""
        return sum(fold.gain for fold in self.folds) / len(self.folds)

    @property
    def worst_gain(self) -> float:
        """Gain of the worst fold."""
        return min(fold.gain for fold in self.folds)


def checked_space(space: Mapping[str, Bounds], base: ForecasterConfig) -> Mapping[str, Bounds]:
    """`space`, or SettingsError naming a field that the forecaster does not have or starts outside of."""
    values = base.model_dump()
    for name, bounds in space.items():
        if name not in values:
            raise SettingsError(f"search space: the forecaster has no setting `{name}`")
        if not bounds.low <= values[name] <= bounds.high:
            span = f"between {bounds.low:g} and {bounds.high:g}"
            raise SettingsError(f"search space: {name} is {values[name]} by default, which is not {span}")
    return space


def with_values(base: ForecasterConfig, values: Mapping[str, float]) -> ForecasterConfig:
    """`base` with other values, validated anew; SettingsError naming an unknown field."""
    unknown = sorted(set(values) - set(ForecasterConfig.model_fields))
    if unknown:
        raise SettingsError(f"the forecaster has no setting `{unknown[0]}`")
    return ForecasterConfig(**{**base.model_dump(), **values})


def scored(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    protocol: TuningProtocol,
    config: ForecasterConfig,
    on_fold: OnFold | None = None,
) -> TrialScore:
    """Purged walk-forward skill of pairwise differentials of `config`; rows after `train_end` are dropped.

    `on_fold` is called after each fold and may raise to stop. Raises InsufficientHistoryError where a fold
    has too little to learn from, or nothing to be judged by.
    """
    past = features.filter(pl.col("as_of") < protocol.train_end)
    known = labels.filter(pl.col("known_at") < protocol.train_end)
    folds: list[FoldScore] = []
    errors = [pl.DataFrame(schema=BLOCKS_SCHEMA)]
    for fold in walk_forward_folds(
        past,
        known,
        horizon_hours=protocol.horizon_hours,
        retrain_every=protocol.fold_length,
        min_train=protocol.min_train,
        embargo=protocol.embargo_used,
        start=protocol.start,
        end=protocol.train_end,
        config=config,
    ):
        blocks = _errors(fold, known, block=protocol.block)
        folds.append(_fold_score(fold, blocks))
        errors.append(blocks)
        if on_fold is not None:
            on_fold(folds[-1])
    sums = pl.col("rows", "model_error", "baseline_error").sum()
    by_block = pl.concat(errors).group_by("block_start", maintain_order=True).agg(sums).sort("block_start")
    return TrialScore(tuple(folds), by_block)


def _errors(fold: ForecastFold, labels: pl.DataFrame, *, block: timedelta) -> pl.DataFrame:
    """Sums of absolute errors of differentials by block, summed in one order whatever the rows' order."""
    if fold.model == BASELINE_MODEL:
        raise InsufficientHistoryError(
            f"fold {fold.number + 1} of {fold.of}, from {fold.test_start:%Y-%m-%d}: too little is known "
            "before it to train: load more history, or take fewer folds"
        )
    rows = differentials(judged_rows(fold.forecasts, labels))
    if rows.is_empty():
        raise InsufficientHistoryError(
            f"fold {fold.number + 1} of {fold.of}, from {fold.test_start:%Y-%m-%d} to "
            f"{fold.test_end:%Y-%m-%d}: no differential has an outcome to be judged by"
        )
    truth, length = pl.col("realised"), block // timedelta(microseconds=1)
    start = (pl.col("as_of").dt.epoch("us") // length * length).cast(UTC)
    errors = rows.select(
        start.alias("block_start"),
        (truth - pl.col("rate_per_hour")).abs().alias("model_error"),
        (truth - pl.col("baseline_rate_per_hour")).abs().alias("baseline_error"),
    )
    parts = [
        (name[0], part.height, float(part["model_error"].sum()), float(part["baseline_error"].sum()))
        for name, part in errors.group_by("block_start", maintain_order=True)
    ]
    return pl.DataFrame(parts, schema=BLOCKS_SCHEMA, orient="row").sort("block_start")


def _fold_score(fold: ForecastFold, blocks: pl.DataFrame) -> FoldScore:
    model, baseline = float(blocks["model_error"].sum()), float(blocks["baseline_error"].sum())
    return FoldScore(
        number=fold.number,
        of=fold.of,
        test_start=fold.test_start,
        test_end=fold.test_end,
        rows=int(blocks["rows"].sum()),
        gain=1 - model / baseline if baseline > 0 else 0.0,
    )
