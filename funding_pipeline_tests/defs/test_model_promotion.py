"""From a trained challenger to who forecasts: verdicts, rollbacks that hold, and a history of both."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.defs.model_history import PROMOTIONS_SCHEMA, allow_recipe, model_history, roll_back
from funding_pipeline.defs.model_jobs import ALLOW, ROLLBACK, model_jobs
from funding_pipeline.defs.run_tags import WORK
from funding_pipeline.execution.states import Actor
from funding_pipeline.tracking.registry import CHAMPION
from funding_pipeline_tests.defs.model_desk import ModelDesk

ADA = Actor("person", "ada")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ModelDesk:
    return ModelDesk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(shared: ModelDesk) -> ModelDesk:
    shared.forget_models()
    shared.forecast_history(shared.models.recipe)
    shared.backtest(model_usd_a_day=300.0)
    return shared


def champion(desk: ModelDesk) -> str | None:
    found = desk.tracking.registry.of_alias(CHAMPION)
    return None if found is None else found.version


def judged(desk: ModelDesk) -> dict[str, Any]:
    """A new challenger, judged."""
    desk.register()
    return desk.materialize("promotion")


def run(desk: ModelDesk, job: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    (definition,) = [one for one in model_jobs() if one.name == job]
    op = definition.nodes[0].name
    return definition.execute_in_process(
        resources={name: desk.resources[name] for name in ("lake", "tracking")},
        run_config={"ops": {op: {"config": config}}},
        raise_on_error=False,
    )


def test_a_challenger_that_beats_the_baseline_is_promoted_with_its_evidence(desk: ModelDesk) -> None:
    shown = judged(desk)
    version = champion(desk)
    assert shown["verdict"] == f"version {version} promoted"
    assert shown["champion_before"] == "baseline"
    assert "net profit" in shown["comparisons"]
    assert "data:image/png;base64" in shown["comparisons_plot"]
    (row,) = model_history(desk.lake).to_dicts()
    assert (row["action"], row["champion"], row["decided_by"]) == ("promoted", version, "rule")
    profit = next(one for one in row["comparisons"] if one["what"] == "net profit")
    assert profit["difference"] == pytest.approx(200 * 365 / 1_000_000)
    held = desk.tracking.registry.of_alias(CHAMPION)
    assert held is not None
    assert held.tags["verdict"] == "promoted"
    assert desk.tracking.registry.evidence(held) is not None


def test_one_that_earns_less_is_refused_and_the_baseline_goes_on(desk: ModelDesk) -> None:
    desk.backtest(model_usd_a_day=50.0)
    shown = judged(desk)
    assert "refused" in shown["verdict"]
    assert any("net profit against the baseline" in reason for reason in shown["reasons"])
    assert champion(desk) is None


def test_forecasts_of_another_recipe_are_no_evidence(desk: ModelDesk) -> None:
    desk.forecast_history("another")
    shown = judged(desk)
    assert "refused" in shown["verdict"]
    assert "0 weeks to compare" in shown["reasons"][0]


def test_a_backtest_of_another_recipe_is_no_evidence(desk: ModelDesk) -> None:
    desk.backtest(model_usd_a_day=300.0, recipe="another")
    shown = judged(desk)
    assert "refused" in shown["verdict"]
    assert any("net profit against the baseline: 0 weeks" in reason for reason in shown["reasons"])


def test_a_champion_keeps_what_it_was_judged_by(desk: ModelDesk) -> None:
    """A history made anew by another recipe says nothing of it, and takes nothing from it."""
    judged(desk)
    registry = desk.tracking.registry
    held = registry.of_alias(CHAMPION)
    assert held is not None
    before = registry.evidence(held)
    desk.forecast_history("another")
    desk.materialize("promotion")
    after = registry.evidence(held)
    assert before is not None
    assert after is not None
    assert after.weeks.height == before.weeks.height > 0


def test_nobody_beats_a_champion_whose_evidence_cannot_be_read(desk: ModelDesk) -> None:
    judged(desk)
    first = champion(desk)
    for path in (desk.tracking.folder / "artifacts").rglob("weeks.parquet"):
        path.write_bytes(b"broken")
    shown = judged(desk)
    assert "refused" in shown["verdict"]
    assert any(f"the evidence of model version {first} cannot be read" in one for one in shown["reasons"])
    assert champion(desk) == first


def test_a_newer_fit_of_the_same_recipe_refreshes_the_champion(desk: ModelDesk) -> None:
    judged(desk)
    first = champion(desk)
    shown = judged(desk)
    assert "refreshed" in shown["verdict"]
    assert champion(desk) != first
    assert model_history(desk.lake)["champion_before"].to_list() == ["baseline", first]


def test_a_champion_is_not_judged_against_itself(desk: ModelDesk) -> None:
    judged(desk)
    again = desk.materialize("promotion")
    assert again["verdict"] == "nothing to judge"
    assert model_history(desk.lake).height == 1


def test_a_challenger_of_another_market_is_not_judged(desk: ModelDesk) -> None:
    desk.register(market="another")
    assert desk.materialize("promotion")["verdict"] == "nothing to judge"
    assert champion(desk) is None


def test_a_rollback_brings_the_champion_before_back_and_holds(desk: ModelDesk) -> None:
    judged(desk)
    first = champion(desk)
    judged(desk)
    second = champion(desk)
    config = {"person": "ada", "reason": "errs on new coins"}
    result = run(desk, ROLLBACK, config)
    assert result.success
    assert champion(desk) == first
    refused = judged(desk)
    assert "refused" in refused["verdict"]
    assert f"rolled back by person ada (version {second}: errs on new coins)" in refused["reasons"][0]
    assert champion(desk) == first
    row = model_history(desk.lake).filter(pl.col("action") == "rolled back").row(0, named=True)
    assert (row["version"], row["champion"], row["decided_by"]) == (second, first, "person ada")
    assert "errs on new coins" in row["reasons"]
    tags = desk.tracking.registry.version(str(second)).tags
    assert "by person ada" in tags["rolled_back"]
    assert run(desk, ALLOW, {**config, "recipe": desk.models.recipe}).success
    assert "refreshed" in judged(desk)["verdict"]


def test_a_rollback_to_the_baseline_or_to_a_version_by_name(desk: ModelDesk) -> None:
    judged(desk)
    first = str(champion(desk))
    judged(desk)
    roll_back(desk.tracking.registry, desk.lake, to=first, by=ADA, reason="a try")
    assert champion(desk) == first
    roll_back(desk.tracking.registry, desk.lake, by=ADA, reason="again")  # the baseline was before it
    assert champion(desk) is None
    with pytest.raises(GovernanceError, match="no model is champion"):
        roll_back(desk.tracking.registry, desk.lake, by=ADA, reason="once more")


def test_a_champion_whose_files_are_gone_can_be_rolled_back(desk: ModelDesk) -> None:
    judged(desk)
    first = champion(desk)
    judged(desk)
    for path in _files_of_the_newest(desk):
        path.unlink()
    roll_back(desk.tracking.registry, desk.lake, by=ADA, reason="unreadable")
    assert champion(desk) == first


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"person": ""}, "who are you"),
        ({"version": "99"}, "no model version 99"),
    ],
)
def test_what_a_rollback_refuses(desk: ModelDesk, given: dict[str, str], text: str) -> None:
    judged(desk)
    held = champion(desk)
    result = run(desk, ROLLBACK, {"person": "ada", "reason": "a try", **given})
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert text in str(failure.step_failure_data.error)
    assert champion(desk) == held
    assert desk.tracking.registry.barred(desk.models.recipe) is None


def test_only_what_is_barred_can_be_allowed(desk: ModelDesk) -> None:
    judged(desk)
    with pytest.raises(GovernanceError, match="is not barred"):
        allow_recipe(desk.tracking.registry, desk.lake, recipe="abc", by=ADA, reason="a try")


def test_the_jobs_do_not_wait_and_ask_for_name_and_reason() -> None:
    for job in model_jobs():
        assert job.tags[WORK] == "governance"
        with pytest.raises(dg.DagsterInvalidConfigError, match="person"):
            job.execute_in_process(resources={"lake": None, "tracking": None})


def test_without_a_history_there_is_an_empty_one(desk: ModelDesk) -> None:
    assert dict(model_history(desk.lake).schema) == PROMOTIONS_SCHEMA


def test_drift_of_the_champion_is_measured_and_checked(desk: ModelDesk) -> None:
    judged(desk)
    shown = desk.materialize("drift")
    assert shown["of"] == f"champion, version {champion(desk)}"
    assert {"features_as_in_training", "errors_as_in_walk_forward"} <= set(shown)
    table = desk.lake.scan("model_drift").collect()
    assert set(table.filter(kind="feature")["subject"]) == set(desk.models.feature_names)
    desk.forget_models()
    assert desk.materialize("drift")["of"] == "no champion"


def _files_of_the_newest(desk: ModelDesk) -> list[Path]:
    pickles = (desk.tracking.folder / "artifacts").rglob("*.pkl")
    newest = max(pickles, key=lambda path: path.stat().st_mtime_ns)
    return [path for path in newest.parent.iterdir() if path.is_file()]
