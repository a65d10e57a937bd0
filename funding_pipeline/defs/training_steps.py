"""A training as a chain of runs: where it stands, and what comes next. Values in, values out.

What lives here: the order of steps and when a training is due. What does not: asking Dagster (`training`).

The runs themselves are the memory: their tags say which training and step they are, so nothing is lost with a
cursor or a restart, and a failed step that a person runs again in the web UI goes on where it stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from funding_pipeline.defs.jobs import BUILD_FEATURES, CHECK_MODELS, LOAD, REFERENCE, TRAIN
from funding_pipeline.defs.run_tags import TRAINING, TRAINING_AT, TRAINING_STEP, TRAINING_WHY

STEPS = (LOAD, REFERENCE, BUILD_FEATURES, CHECK_MODELS, TRAIN)
"""Jobs of a training in order; after CHECK_MODELS it ends where nothing makes a training necessary."""
LOOK = "daily look"
"""Why of a chain that trains only if it finds drift."""
TRAIN_EVERY = timedelta(hours=168)
LEAST_APART = timedelta(hours=24)
"""Of the venues' time: between two chains, and the age below which drift is no reason to train."""

Status = Literal["under way", "succeeded", "failed"]


@dataclass(frozen=True)
class StepRun:
    """The newest run of the newest training: its tags, and how it stands."""

    training: str
    step: str
    why: str
    at: datetime
    status: Status
    run_id: str

    @staticmethod
    def of_tags(tags: Mapping[str, str], *, status: Status, run_id: str) -> "StepRun":
        """From a run's tags; raises KeyError or ValueError where they are not a training's."""
        return StepRun(
            tags[TRAINING],
            tags[TRAINING_STEP],
            tags[TRAINING_WHY],
            datetime.fromisoformat(tags[TRAINING_AT]),
            status,
            run_id,
        )


@dataclass(frozen=True)
class Models:
    """How the models stand: `trained_to` of the newest version, `champion_to` of the champion (UTC; None:
    there is none), and what has drifted, in words. `any_trained` false: there was too little history at
    `trained_to`, when a training was tried or the market was looked at last."""

    trained_to: datetime
    champion_to: datetime | None
    drift: Sequence[str] = ()
    any_trained: bool = True


@dataclass(frozen=True)
class Next:
    """The step to ask for (empty: none), of which training, why, and what to say."""

    step: str = ""
    training: str = ""
    why: str = ""
    text: str = ""


def next_of(last: StepRun | None, models: Models, *, now: datetime) -> Next:
    """What to ask for at `now`, the venues' time: the next step of the last training, a new one, or nothing.

    A step that failed ends its training; the next one is due a day later by the venues' time. A training
    dated after `now` (a testnet that was put back) counts for nothing once its run is over.
    """
    if last is not None and last.status == "under way":
        return Next(text=f"{last.step} is under way (run {last.run_id[:8]}), {_named(last)}")
    if last is not None and last.status == "succeeded" and (step := _after(last, models, now=now)):
        return Next(step, last.training, last.why, f"{step} comes next, {_named(last)}")
    ended = "" if last is None else _end_of(last)
    since = models.trained_to if last is None or last.at > now else max(last.at, models.trained_to)
    wait = since + LEAST_APART - now
    if timedelta(0) < wait <= LEAST_APART:
        hours = wait.total_seconds() / 3600
        return Next(text=f"{ended}the next look at the models is due in {hours:.1f} h of the venues' time")
    why = _why(models, now=now)
    return Next(STEPS[0], f"{now:%Y-%m-%dT%H:%M} {why}", why, f"{ended}{why}: {STEPS[0]} comes first")


def first_step(*, now: datetime, why: str) -> Next:
    """The beginning of a training that somebody or a schedule asks for."""
    return Next(STEPS[0], f"{now:%Y-%m-%dT%H:%M} {why}", why, f"{why}: {STEPS[0]} comes first")


def unfinished(last: StepRun | None, models: Models, *, now: datetime) -> str:
    """The training that is still going on, in words, or an empty text."""
    if last is None or last.status == "failed":
        return ""
    going_on = last.status == "under way" or bool(_after(last, models, now=now))
    return f"{last.step} of {_named(last)}" if going_on else ""


def _after(last: StepRun, models: Models, *, now: datetime) -> str:
    """The step after the last one; empty at the end of the chain."""
    at = STEPS.index(last.step) if last.step in STEPS else len(STEPS) - 1
    if at + 1 == len(STEPS):
        return ""
    if STEPS[at + 1] != TRAIN or last.why != LOOK:
        return STEPS[at + 1]
    old_enough = now - (models.champion_to or models.trained_to) >= LEAST_APART
    return TRAIN if models.drift and old_enough else ""


def _why(models: Models, *, now: datetime) -> str:
    """A training where the champion is a week old (without one: the newest version), else a look."""
    if not models.any_trained:
        return "no model has been trained yet"
    newest = models.champion_to or models.trained_to
    who = "the newest model" if models.champion_to is None else "the champion"
    age = now - newest
    return f"{who} is {age.total_seconds() / 3600:.0f} h old" if age >= TRAIN_EVERY else LOOK


def _end_of(last: StepRun) -> str:
    if last.status == "failed":
        return (
            f"{last.step} failed (run {last.run_id[:8]}), {_named(last)}: see the run's error; the same "
            "models go on forecasting. "
        )
    return f"done: {_named(last)}. "


def _named(last: StepRun) -> str:
    return f"training of {last.at:%Y-%m-%d %H:%M} ({last.why})"
