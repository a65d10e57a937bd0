"""Which model forecasts: the verdict over each challenger.

What lives here: gathering evidence, moving the alias, showing why. What does not: the rule
(`models.promotion`), the history (`model_history`), taking a champion back (`model_jobs`).
"""

from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import LABELS
from funding_pipeline.defs.model_history import (
    BASELINE,
    PROMOTIONS_SCHEMA,
    ModelDecision,
    comparison_row,
    keep_decision,
)
from funding_pipeline.defs.models import (
    FORECAST_HISTORY,
    FORECASTER,
    GROUP,
    PROMOTION,
    SKILL,
    read_history,
    recipe_of_history,
)
from funding_pipeline.defs.validation import BACKTEST, report_dir
from funding_pipeline.models.evidence import Evidence, no_days, paired_days, weekly_errors
from funding_pipeline.models.promotion import PromotionVerdict, decide
from funding_pipeline.reporting.plots_promotion import promotion_plot
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import read_summary
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHALLENGER, CHAMPION, ForecasterRegistry, RegisteredVersion
from funding_pipeline.validation.baseline_runs import NO_MODEL
from funding_pipeline.validation.statistics import daily_returns

_LONGEST_TAG = 4000


class Standing(NamedTuple):
    """Who is champion (None: nobody that counts), why somebody does not count, and what it was judged by.

    `unreadable`: why the champion cannot be compared with although it was judged; nobody can beat it then.
    """

    champion: RegisteredVersion | None
    evidence: Evidence | None
    remark: str = ""
    unreadable: str = ""


def promotion_assets() -> list[dg.AssetsDefinition]:
    """The verdict over the challenger."""
    return [model_promotions]


@dg.asset(
    name=PROMOTION,
    deps=[FORECASTER, FORECAST_HISTORY, SKILL, LABELS, BACKTEST],
    group_name=GROUP,
    kinds={"mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(PROMOTIONS_SCHEMA)},
)
def model_promotions(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """Whether the newest trained model forecasts from now on, with every comparison; all verdicts so far.

    It must beat the baseline, and a champion of another recipe, on walk-forward skill and on net profit
    through the optimiser, by more than the 95 % interval; a newer fit of the champion's recipe must still
    beat the baseline and not be worse. Else the champion stays, and the reasons say why.
    """
    registry = tracking.registry
    challenger = registry.of_alias(CHALLENGER)
    if challenger is None or challenger.card.market != market.label:
        return _nothing_to_judge(lake, market, "no model has been trained on this market yet")
    standing = _standing(registry, market)
    if standing.champion is not None and standing.champion.version == challenger.version:
        return _nothing_to_judge(lake, market, f"version {challenger.version} is champion already")
    evidence = _evidence(challenger, settings, lake)
    registry.attach(challenger, evidence)
    verdict = _verdict(registry, challenger, evidence, standing, settings)
    decision = _carry_out(registry, challenger, verdict, standing)
    history, version = keep_decision(lake, decision)
    for reason in decision.reasons:
        context.log.info(f"model version {challenger.version} {verdict.action}: {reason}")
    picture = promotion_plot(verdict.comparisons, evidence.days, suffix=md.suffix(market))
    return dg.MaterializeResult(
        metadata={
            **md.stored(PROMOTION, version, rows=history.height, market_label=market.label),
            **_shown(decision),
            "comparisons": md.table_of([comparison_row(one) for one in verdict.comparisons]),
            "comparisons_plot": md.plot(picture),
        }
    )


def _nothing_to_judge(lake: Lake, market: Market, why: str) -> dg.MaterializeResult[None]:
    history, version = keep_decision(lake, None)
    stored = md.stored(PROMOTION, version, rows=history.height, market_label=market.label)
    return dg.MaterializeResult(metadata={**stored, "verdict": "nothing to judge", "reasons": [why]})


def _standing(registry: ForecasterRegistry, market: Market) -> Standing:
    """The champion, where it can be read, is of this market and has evidence to be compared with."""
    try:
        champion = registry.of_alias(CHAMPION)
    except StorageError as error:
        return Standing(None, None, f"the champion does not count: {error}")
    if champion is None:
        return Standing(None, None)
    if champion.card.market != market.label:
        return Standing(None, None, f"champion version {champion.version} is of {champion.card.market}")
    try:
        evidence = registry.evidence(champion)
    except StorageError as error:
        return Standing(champion, None, unreadable=f"{error}: nothing can be shown to beat it")
    if evidence is None:
        return Standing(
            champion, None, f"champion version {champion.version} has no evidence to compare with"
        )
    return Standing(champion, evidence)


def _evidence(challenger: RegisteredVersion, settings: Settings, lake: Lake) -> Evidence:
    """Of the challenger's recipe, as far as history and back-test were made by it."""
    recipe = challenger.card.recipe
    if recipe_of_history(lake) != recipe:
        return Evidence(recipe, weekly_errors(*_no_forecasts(lake)), no_days())
    weeks = weekly_errors(read_history(lake), lake.scan(LABELS).collect())
    return Evidence(recipe, weeks, _days(settings, lake, recipe=recipe))


def _no_forecasts(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    return read_history(lake).clear(), lake.scan(LABELS).collect().clear()


def _days(settings: Settings, lake: Lake, *, recipe: str) -> pl.DataFrame:
    """Daily returns of the recipe's back-test, and of the optimiser with the baseline forecast beside it."""
    made_by = read_summary(report_dir(settings)).get("recipe")  # none where it was not run
    if made_by != recipe or not lake.exists(f"{BACKTEST}_baseline_equity"):
        return no_days()
    plain = (pl.col("baseline") == NO_MODEL) & (pl.col("variant") == "plain")
    curves = (
        lake.scan(f"{BACKTEST}_equity").collect(),
        lake.scan(f"{BACKTEST}_baseline_equity").filter(plain).collect(),
    )
    model, baseline = (daily_returns(curve, capital_usd=settings.capital_usd) for curve in curves)
    return paired_days(model, baseline)


def _verdict(
    registry: ForecasterRegistry,
    challenger: RegisteredVersion,
    evidence: Evidence,
    standing: Standing,
    settings: Settings,
) -> PromotionVerdict:
    bar = registry.barred(challenger.card.recipe)
    champion = "" if standing.champion is None else f"champion version {standing.champion.version}"
    return decide(
        evidence,
        standing.evidence,
        planning_hours=settings.horizon_hours,
        champion_name=champion,
        barred=standing.unreadable
        if bar is None
        else f"recipe {bar.recipe} was rolled back by {bar.by} (version {bar.version}: {bar.reason}); "
        "`funding-pipeline models allow` takes that back",
    )


def _carry_out(
    registry: ForecasterRegistry,
    challenger: RegisteredVersion,
    verdict: PromotionVerdict,
    standing: Standing,
) -> ModelDecision:
    """Move the alias where the verdict says so, and tag the version with it."""
    reasons = [*verdict.reasons, *([standing.remark] if standing.remark else [])]
    if verdict.takes_the_alias:
        registry.set_champion(challenger.version)
    said = {"verdict": verdict.action, "verdict_reasons": "\n".join(reasons)[:_LONGEST_TAG]}
    registry.tag(challenger.version, said)
    before = BASELINE if standing.champion is None else standing.champion.version
    after = challenger if verdict.takes_the_alias else standing.champion
    return ModelDecision(
        challenger.version,
        challenger.card.recipe,
        challenger.card.train_end,
        verdict.action,
        before,
        BASELINE if after is None else after.version,
        None if after is None else after.card.train_end,
        "rule",
        reasons,
        verdict.comparisons,
    )


def _shown(decision: ModelDecision) -> dict[str, Any]:
    return {
        "verdict": f"version {decision.version} {decision.action}",
        "champion": decision.champion,
        "champion_before": decision.champion_before,
        "recipe": decision.recipe,
        "reasons": list(decision.reasons),
    }
