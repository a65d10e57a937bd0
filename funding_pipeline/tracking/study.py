"""A study of the forecaster's settings: optuna proposes, a purged walk-forward scores, MLflow keeps all.

What lives here: what a study is, and one sitting at it. What does not: its file (`study_file`), the search
space and the score (`models.tuning`), or what to think of the result (`validation.trial_choice`).
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster import MODEL_NAME
from funding_pipeline.models.tuning import (
    SEARCH_SPACE,
    Bounds,
    FoldScore,
    TrialScore,
    TuningProtocol,
    checked_space,
    scored,
    with_values,
)
from funding_pipeline.tracking.study_file import (
    DEFAULT,
    RUN,
    SCORE,
    as_json,
    ended_trials,
    opened_study,
    scored_trials,
)
from funding_pipeline.tracking.trials import State, TrialTracking
from funding_pipeline.validation.research import ResearchPanel
from funding_pipeline.validation.trial_choice import ScoredTrial

if TYPE_CHECKING:
    import optuna

# What a setting may do to a fit; anything of this package's own error tree ends the study instead.
_OF_A_SETTING = (ValueError, ArithmeticError, RuntimeError)


@dataclass(frozen=True)
class StudyPlan:
    """What is studied: `trials` in all, with those of earlier sittings; `timeout`: seconds, of this one."""

    protocol: TuningProtocol
    trials: int
    seed: int = 7
    timeout: float | None = None
    prune: bool = False
    base: ForecasterConfig = field(default_factory=ForecasterConfig)
    space: Mapping[str, Bounds] = field(default_factory=lambda: SEARCH_SPACE)

    def name(self, panel: ResearchPanel) -> str:
        """Name of the study: another protocol, seed, model, search space or data make another one."""
        end = self.protocol.train_end
        parts = [
            repr(self.protocol),
            self.seed,
            MODEL_NAME,
            self.base.model_dump(mode="json"),
            {name: repr(bounds) for name, bounds in sorted(self.space.items())},
            _digest(panel.features.filter(pl.col("as_of") < end)),
            _digest(panel.labels.filter(pl.col("known_at") < end)),
        ]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
        return f"tune_{self.protocol.horizon_hours}h_to_{self.protocol.train_end:%Y%m%d}_{digest}"


@dataclass(frozen=True)
class TrialReport:
    """One trial that has ended: `score` where it was scored on every fold, else `reason`."""

    number: int
    state: State
    seconds: float
    score: TrialScore | None = None
    reason: str = ""


@dataclass(frozen=True)
class StudyProgress:
    """What is called when a study is opened, with its name and trials so far, and at each fold and trial."""

    opened: Callable[[str, int], None] = lambda name, trials: None
    fold: Callable[[int, FoldScore], None] = lambda trial, fold: None
    trial: Callable[[TrialReport], None] = lambda report: None


@dataclass(frozen=True)
class StudyResult:
    """Every trial that was scored on all folds, how many ended in each state, and the study's MLflow run."""

    name: str
    run_id: str
    scored: tuple[ScoredTrial, ...]
    states: Mapping[str, int]


def run_study(
    panel: ResearchPanel,
    *,
    plan: StudyPlan,
    tracking: TrialTracking,
    tags: Mapping[str, str],
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Open or go on with the study of `plan` until it has as many trials, and return all there are.

    The default settings are the first trial and are never pruned. A trial that a setting made fail is kept
    and the study goes on; Ctrl-C loses the trial that runs. Raises InsufficientHistoryError from the score.
    """
    return _Sitting(panel, plan, tracking, tags, progress or StudyProgress()).run()


@dataclass(frozen=True)
class _Sitting:
    panel: ResearchPanel
    plan: StudyPlan
    tracking: TrialTracking
    tags: Mapping[str, str]
    progress: StudyProgress

    def run(self) -> StudyResult:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        checked_space(self.plan.space, self.plan.base)
        name = self.plan.name(self.panel)
        study = opened_study(self.tracking, name, seed=self.plan.seed)
        run_id = self._study_run(study)
        self.progress.opened(name, ended_trials(study))
        whole = False
        try:
            self._optimize(study, run_id)
            whole = True
        finally:
            self.tracking.end_study(run_id, interrupted=not whole)
        return StudyResult(name, run_id, scored_trials(study), _states(study))

    def _optimize(self, study: "optuna.Study", run_id: str) -> None:
        """The default settings first: where they cannot be scored, nothing can."""
        began = time.monotonic()
        objective = partial(self._objective, run_id=run_id)
        if not any(DEFAULT in trial.user_attrs for trial in study.trials if trial.state.name == "COMPLETE"):
            values = self.plan.base.model_dump()
            study.enqueue_trial({n: values[n] for n in self.plan.space}, user_attrs={DEFAULT: True})
            study.optimize(objective, n_trials=1)
        left = self.plan.trials - ended_trials(study)
        spent = time.monotonic() - began
        seconds = None if self.plan.timeout is None else self.plan.timeout - spent
        if left > 0 and (seconds is None or seconds > 0):
            study.optimize(objective, n_trials=left, timeout=seconds, catch=_OF_A_SETTING)

    def _objective(self, trial: "optuna.Trial", *, run_id: str) -> float:
        import optuna

        values = {name: _proposed(trial, name, bounds) for name, bounds in self.plan.space.items()}
        mine = self.tracking.start_trial(
            run_id, trial.number, tags=self.tags, params={**self.plan.base.model_dump(mode="json"), **values}
        )
        trial.set_user_attr(RUN, mine)
        began = time.monotonic()

        def ended(state: State, *, score: TrialScore | None = None, reason: str = "") -> None:
            report = TrialReport(trial.number, state, time.monotonic() - began, score, reason)
            self.tracking.end_trial(mine, state=state, seconds=report.seconds, score=score, reason=reason)
            self.progress.trial(report)

        try:
            score = scored(
                self.panel.features,
                self.panel.labels,
                protocol=self.plan.protocol,
                config=with_values(self.plan.base, values),
                on_fold=partial(self._fold, trial, mine, []),
            )
        except optuna.TrialPruned as stopped:
            ended("pruned", reason=str(stopped))
            raise
        except KeyboardInterrupt:
            ended("interrupted", reason="interrupted")
            raise
        except Exception as error:
            ended("failed", reason=f"{type(error).__name__}: {error}")
            raise
        trial.set_user_attr(SCORE, as_json(score))
        ended("complete", score=score)
        return score.mean_gain

    def _fold(self, trial: "optuna.Trial", run_id: str, gains: list[float], fold: FoldScore) -> None:
        import optuna

        gains.append(fold.gain)
        self.tracking.log_fold(run_id, fold=fold.number, gain=fold.gain)
        self.progress.fold(trial.number, fold)
        trial.report(sum(gains) / len(gains), step=fold.number)
        last = fold.number + 1 == fold.of
        if self.plan.prune and not last and DEFAULT not in trial.user_attrs and trial.should_prune():
            raise optuna.TrialPruned(f"below the median of earlier trials after fold {fold.number + 1}")

    def _study_run(self, study: "optuna.Study") -> str:
        """The study's run in MLflow, opened again where there is one."""
        known = study.user_attrs.get(RUN)
        if known is not None:
            self.tracking.resume(str(known))
            return str(known)
        protocol = self.plan.protocol
        params = {
            "horizon_hours": protocol.horizon_hours,
            "train_end": protocol.train_end.isoformat(),
            "folds": protocol.folds,
            "fold_days": protocol.fold_length.days,
            "embargo_hours": protocol.embargo_used.total_seconds() / 3600,
            "seed": self.plan.seed,
            "model": MODEL_NAME,
        }
        run_id = self.tracking.start_study(study.study_name, tags=self.tags, params=params)
        study.set_user_attr(RUN, run_id)
        return run_id


def _digest(rows: pl.DataFrame) -> str:
    """The same for the same rows in any order, by one version of polars."""
    columns = sorted(rows.columns)
    hashes = rows.select(columns).hash_rows().sort().to_numpy()
    return hashlib.sha256(json.dumps(columns).encode() + hashes.tobytes()).hexdigest()


def _proposed(trial: "optuna.Trial", name: str, bounds: Bounds) -> float:
    if bounds.whole:
        return trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log)
    return trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)


def _states(study: "optuna.Study") -> Mapping[str, int]:
    names = [trial.state.name.lower() for trial in study.trials]
    return {name: names.count(name) for name in sorted(set(names))}
