"""`funding-pipeline tune`: a study of the forecaster's settings inside the training span, and its worth.

What lives here: where the panel comes from, progress and the final table. What does not: the study
(`tracking.study`), or the judgement (`validation.trial_choice`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.commands.research import open_folder
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.defs.models import read_panel
from funding_pipeline.models.tuning import FoldScore, TuningProtocol
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.study import StudyPlan, StudyProgress, StudyResult, TrialReport, run_study
from funding_pipeline.tracking.trials import TrialTracking, trials_ever
from funding_pipeline.validation.research import ResearchPanel, research_panel
from funding_pipeline.validation.trial_choice import TrialChoice, judged

_SHOWN = 5


@dataclass(frozen=True)
class TuningOutcome:
    """A study, what to think of it, and how many trials count against a back-test now."""

    study: StudyResult
    choice: TrialChoice
    trials_ever: int


def tune(settings: Settings, *, data: Path | None, plan: StudyPlan, every_hours: int) -> TuningOutcome:
    """Tune on a folder (`data`) or on the stored panel of the set market, on rows known by `train_end`.

    A folder's panel has a decision every `every_hours`; the stored one has its own. The study is kept in the
    market's state folder. Raises InsufficientHistoryError where there is too little before `train_end`.
    """
    protocol = plan.protocol
    panel, market = _of_folder(data, plan, every_hours) if data is not None else _stored(settings)
    labels = panel.labels.filter(pl.col("horizon_hours") == protocol.horizon_hours)
    if labels.is_empty():
        raise InsufficientHistoryError(
            f"no outcome over {protocol.horizon_hours} h is known: load more history"
        )
    _print_protocol(protocol)
    tracking = TrialTracking(settings.state_dir / "mlflow")
    study = run_study(
        ResearchPanel(features=panel.features, labels=labels),
        plan=plan,
        tracking=tracking,
        tags={"market": market, "horizon_hours": str(protocol.horizon_hours)},
        progress=StudyProgress(opened=_print_opened, fold=_print_fold, trial=_print_trial),
    )
    outcome = TuningOutcome(study, judged(study.scored), trials_ever(tracking.folder))
    tracking.log_result(
        study.run_id,
        metrics=_metrics(outcome),
        texts={"ranking.csv": outcome.choice.ranking.write_csv(), "verdict.txt": outcome.choice.words},
    )
    _print_outcome(outcome, plan)
    return outcome


def _of_folder(data: Path, plan: StudyPlan, every_hours: int) -> tuple[ResearchPanel, str]:
    market, tables = open_folder(data)
    console.print("features and labels ...")
    end = min(plan.protocol.train_end, market.span().end)
    panel = research_panel(
        tables.as_known_at(plan.protocol.train_end),
        start=market.span().start,
        end=end,
        every_hours=every_hours,
        horizons_hours=(plan.protocol.horizon_hours,),
    )
    return panel, market.label


def _stored(settings: Settings) -> tuple[ResearchPanel, str]:
    console.print(f"[bold]{settings.state_dir.name}[/]: reading the stored features and labels ...")
    return read_panel(Lake(str(settings.state_dir / "lake"))), settings.state_dir.name


def _metrics(outcome: TuningOutcome) -> Mapping[str, float | None]:
    choice, best = outcome.choice, outcome.choice.ranking.row(0, named=True)
    return {
        "best_mean_mae_improvement": best["mean_gain"],
        "best_over_default": best["over_default"],
        "p_value": choice.p_value,
        "probability_of_overfitting": None if choice.overfitting is None else choice.overfitting.probability,
        "degradation_slope": None if choice.overfitting is None else choice.overfitting.slope,
        "trials_ever": float(outcome.trials_ever),
    }


def _print_protocol(protocol: TuningProtocol) -> None:
    hours = protocol.embargo_used.total_seconds() / 3600
    console.print(
        f"{protocol.folds} folds from {protocol.start:%Y-%m-%d} to {protocol.train_end:%Y-%m-%d}, each "
        f"forecast by a model that knew only labels known {hours:.0f} h before it"
    )


def _print_opened(name: str, trials: int) -> None:
    went = f"goes on after {trials} trial(s)" if trials else "begins"
    console.print(f"study [bold]{name}[/] {went}; Ctrl-C keeps what is finished, the same command goes on")


def _print_fold(trial: int, fold: FoldScore) -> None:
    console.print(
        f"  [dim]trial {trial}, fold {fold.number + 1} of {fold.of}, from {fold.test_start:%Y-%m-%d}: "
        f"{fold.gain:+.2%}[/]"
    )


def _print_trial(report: TrialReport) -> None:
    if report.score is None:
        said = f"[yellow]{report.state}[/]: {report.reason}"
    else:
        said = f"mean {report.score.mean_gain:+.2%}, worst fold {report.score.worst_gain:+.2%}"
    console.print(f"trial {report.number}: {said}, {report.seconds:.0f} s")


def _print_outcome(outcome: TuningOutcome, plan: StudyPlan) -> None:
    choice, study = outcome.choice, outcome.study
    names = {trial.number: "default" if trial.is_default else "" for trial in study.scored}
    table = Table(title=f"MAE of differentials at {plan.protocol.horizon_hours} h: the best {_SHOWN}")
    table.add_column("trial")
    for heading in ("mean of folds", "worst fold", "whole, 95 %", "over the default settings, 95 %"):
        table.add_column(heading, justify="right")
    for row in choice.ranking.head(_SHOWN).iter_rows(named=True):
        name, gain, over = names[row["trial"]], _interval(row, "gain"), _interval(row, "over_default")
        table.add_row(
            f"{row['trial']} {name}".strip(),
            f"{row['mean_gain']:+.2%}",
            f"{row['worst_gain']:+.2%}",
            gain,
            "" if name else over,
        )
    console.print(table)
    best = next(trial for trial in study.scored if trial.number == choice.ranking["trial"][0])
    console.print(
        f"settings of trial {best.number}: " + ", ".join(f"{k}={v:.4g}" for k, v in best.values.items())
    )
    console.print(f"trials of this study: {', '.join(f'{n} {state}' for state, n in study.states.items())}")
    if choice.overfitting is None:
        console.print("probability of over-fitting: unknown, too few blocks of time or trials")
    else:
        console.print(
            f"probability of over-fitting (PBO): {choice.overfitting.probability:.0%}; how often the best of "
            f"one half of the time is in the lower half of {choice.overfitting.trials} trials in the other"
        )
    console.print(f"[bold]{choice.words}[/]")
    console.print(
        f"{outcome.trials_ever} trials, all there have been, now count against a back-test's Sharpe ratio"
    )


def _interval(row: Mapping[str, float | None], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:+.2%}" if low is None or high is None else f"{value:+.2%} [{low:+.2%}, {high:+.2%}]"
