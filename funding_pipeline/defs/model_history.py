"""The history of who became champion and why, and taking a champion back.

What lives here: the table `model_promotions`, and the rollback that job and command line share. What does
not: the rule of promotion (`models.promotion`), the registry (`tracking.registry`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.tables import UTC as UTC_TYPE
from funding_pipeline.defs.models import PROMOTION
from funding_pipeline.execution.states import Actor
from funding_pipeline.models.promotion import Comparison
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.registry import CHAMPION, Bar, ForecasterRegistry

BASELINE = "baseline"
"""In place of a version: no model forecasts."""
ROLLED_BACK, ALLOWED = "rolled back", "allowed again"
_COMPARISON = pl.Struct(
    {
        "what": pl.String,
        "against": pl.String,
        "rule": pl.String,
        "weeks": pl.Int64,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "passed": pl.Boolean,
    }
)
PROMOTIONS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": UTC_TYPE,
    "version": pl.String,
    "recipe": pl.String,
    "train_end": UTC_TYPE,
    "action": pl.String,
    "champion_before": pl.String,
    "champion": pl.String,
    "champion_train_end": UTC_TYPE,
    "decided_by": pl.String,
    "reasons": pl.String,
    "comparisons": pl.List(_COMPARISON),
}


@dataclass(frozen=True)
class ModelDecision:
    """One row of the history: about which version, what was done, who is champion before and after."""

    version: str
    recipe: str
    train_end: datetime | None
    action: str
    champion_before: str
    champion: str
    champion_train_end: datetime | None
    decided_by: str
    reasons: Sequence[str]
    comparisons: Sequence[Comparison] = ()

    def row(self, at: datetime) -> tuple[object, ...]:
        """In the order of PROMOTIONS_SCHEMA."""
        compared = [comparison_row(one) for one in self.comparisons]
        told = (self.decided_by, "\n".join(self.reasons), compared)
        champions = (self.champion_before, self.champion, self.champion_train_end)
        return (at, self.version, self.recipe, self.train_end, self.action, *champions, *told)


def comparison_row(one: Comparison) -> dict[str, object]:
    """A comparison as a row of a table."""
    figures = {"difference": one.difference, "low": one.low, "high": one.high}
    said = {"what": one.what, "against": one.against, "rule": one.rule, "weeks": one.weeks}
    return {**said, **figures, "passed": one.passed}


def model_history(lake: Lake) -> pl.DataFrame:
    """PROMOTIONS_SCHEMA, oldest first; no row where nothing has been decided."""
    if not lake.exists(PROMOTION):
        return pl.DataFrame(schema=PROMOTIONS_SCHEMA)
    return lake.scan(PROMOTION).select(*PROMOTIONS_SCHEMA).collect().sort("decided_at")


def keep_decision(lake: Lake, decision: ModelDecision | None) -> tuple[pl.DataFrame, int]:
    """Add a decision (None: nothing was decided) to the history; returns it and the table's version."""
    history = model_history(lake)
    if decision is not None:
        row = pl.DataFrame([decision.row(datetime.now(UTC))], schema=PROMOTIONS_SCHEMA, orient="row")
        history = pl.concat([history, row])
    return history, lake.replace(PROMOTION, history)


def roll_back(
    registry: ForecasterRegistry, lake: Lake, *, to: str = "", by: Actor, reason: str
) -> ModelDecision:
    """Make an earlier version champion, by default the champion before this one, and bar the recipe.

    `to`: a version, or `baseline` for no model at all. The recipe of the version that is taken back may not
    become champion again until it is allowed (`allow_recipe`). Raises GovernanceError where there is no
    champion, no earlier one, or `to` is the champion; StorageError where `to` cannot be read.
    """
    if not reason.strip():
        raise GovernanceError("a rollback needs a reason")
    champion = _held(registry, CHAMPION)
    if champion is None:
        raise GovernanceError("no model is champion: the baseline forecasts already")
    before, recipe = str(champion["version"]), str(champion.get("recipe", "unknown"))
    target = to.strip() or _champion_before(model_history(lake), before)
    if target == before:
        raise GovernanceError(f"version {target} is champion already")
    other = None if target == BASELINE else registry.version(target)
    if other is not None:
        registry.load(other.version)  # one that cannot be read would be a rollback to the baseline, unasked
    at = datetime.now(UTC)
    registry.bar(Bar(recipe, before, by.text, reason, at))
    registry.set_champion(None if other is None else other.version)
    said = f"{ROLLED_BACK} to {target} by {by.text} at {at:%Y-%m-%d %H:%M} UTC: {reason}"
    registry.tag(before, {"rolled_back": said})
    decision = ModelDecision(
        version=before,
        recipe=recipe,
        train_end=_moment(champion.get("train_end")),
        action=ROLLED_BACK,
        champion_before=before,
        champion=target,
        champion_train_end=None if other is None else other.card.train_end,
        decided_by=by.text,
        reasons=(reason, f"recipe {recipe} is barred until it is allowed again"),
    )
    keep_decision(lake, decision)
    return decision


def _held(registry: ForecasterRegistry, alias: str) -> Mapping[str, Any] | None:
    """The version that holds an alias, by its tags alone: also one whose files are broken."""
    return next((row for row in registry.versions() if alias in row["aliases"]), None)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _champion_before(history: pl.DataFrame, version: str) -> str:
    """The champion that `version` replaced when it last became champion."""
    by_rule = pl.col("action").is_in(["promoted", "refreshed"])
    became = history.filter(by_rule & (pl.col("champion") == version)).tail(1)
    if became.is_empty():
        raise GovernanceError("no earlier champion is known: name a version, or `baseline`")
    return str(became["champion_before"][0])


def allow_recipe(
    registry: ForecasterRegistry, lake: Lake, *, recipe: str, by: Actor, reason: str
) -> ModelDecision:
    """Take back the bar on a recipe; its next training is judged as any. GovernanceError: it has none."""
    bar = registry.barred(recipe)
    if bar is None:
        raise GovernanceError(f"recipe {recipe} is not barred")
    champion = _held(registry, CHAMPION)
    now = BASELINE if champion is None else str(champion["version"])
    decision = ModelDecision(
        version=bar.version,
        recipe=recipe,
        train_end=None,
        action=ALLOWED,
        champion_before=now,
        champion=now,
        champion_train_end=None if champion is None else _moment(champion.get("train_end")),
        decided_by=by.text,
        reasons=(reason,),
    )
    registry.allow(recipe)
    keep_decision(lake, decision)
    return decision
