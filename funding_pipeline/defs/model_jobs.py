"""The jobs by which a person takes a champion back, or allows its recipe again.

What lives here: what is asked for, and what a run shows. What does not: the work, which the command line
shares (`model_history`).
"""

import dagster as dg
from pydantic import Field

from funding_pipeline.core.errors import FundingPipelineError, GovernanceError
from funding_pipeline.defs.model_history import ModelDecision, allow_recipe, roll_back
from funding_pipeline.defs.run_tags import GOVERNANCE_RUN
from funding_pipeline.execution.states import Actor
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking

ROLLBACK = "rollback_model"
ALLOW = "allow_model_recipe"


class RollBack(dg.Config):
    """The champion is taken back."""

    person: str = Field(description="Your name; it is kept with the version.")
    reason: str = Field(description="Why; it is kept, and everybody sees it.")
    version: str = Field(
        default="",
        description="The version that forecasts from now on, or `baseline`; empty: the champion before this.",
    )


class Allow(dg.Config):
    """A recipe may become champion again."""

    person: str = Field(description="Your name; it is kept.")
    reason: str = Field(description="Why; it is kept, and everybody sees it.")
    recipe: str = Field(description="The recipe, as the registry and the asset model_promotions show it.")


def model_jobs() -> list[dg.JobDefinition]:
    """Rolling back, and allowing again."""

    @dg.op(name="roll_back_champion")
    def rollback_op(
        context: dg.OpExecutionContext,
        config: RollBack,
        lake: dg.ResourceParam[Lake],
        tracking: dg.ResourceParam[ModelTracking],
    ) -> None:
        """An earlier version, or the baseline, forecasts from the next decision on; the recipe is barred."""
        try:
            by = person(config.person)
            done = roll_back(tracking.registry, lake, to=config.version, by=by, reason=config.reason)
        except FundingPipelineError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        _show(context, done)

    @dg.op(name="allow_recipe_again")
    def allow_op(
        context: dg.OpExecutionContext,
        config: Allow,
        lake: dg.ResourceParam[Lake],
        tracking: dg.ResourceParam[ModelTracking],
    ) -> None:
        """The recipe is judged at its next training as any other."""
        try:
            by, recipe = person(config.person), config.recipe.strip()
            done = allow_recipe(tracking.registry, lake, recipe=recipe, by=by, reason=config.reason)
        except FundingPipelineError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        _show(context, done)

    @dg.job(
        name=ROLLBACK,
        description="Take the champion back: an earlier version or the baseline forecasts, and its recipe "
        "is barred until it is allowed again.",
        tags=dict(GOVERNANCE_RUN),
        executor_def=dg.in_process_executor,
    )
    def rollback_model() -> None:
        rollback_op()

    @dg.job(
        name=ALLOW,
        description="Allow a recipe that was rolled back to become champion again.",
        tags=dict(GOVERNANCE_RUN),
        executor_def=dg.in_process_executor,
    )
    def allow_model_recipe() -> None:
        allow_op()

    return [rollback_model, allow_model_recipe]


def person(name: str) -> Actor:
    """Who acts; GovernanceError without a name."""
    if not name.strip():
        raise GovernanceError("who are you? your name is kept with the version")
    return Actor("person", name.strip())


def _show(context: dg.OpExecutionContext, done: ModelDecision) -> None:
    said = f"{done.action}: recipe {done.recipe}; champion {done.champion_before}, now {done.champion}"
    context.log.info(said)
    context.add_output_metadata({"done": said, "by": done.decided_by, "reasons": list(done.reasons)})
