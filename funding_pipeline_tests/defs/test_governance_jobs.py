"""The jobs of a person, as the web UI runs them: confirmed or refused, and what the journal keeps."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from funding_pipeline.defs.run_tags import WORK
from funding_pipeline.defs.trading_state import TRADING_STATE
from funding_pipeline_tests.defs.trading_desk import TradingDesk, failure_of

WORDS = {
    "halt": "HALT",
    "reduce": "REDUCE",
    "resume": "RESUME",
    "flatten": "FLATTEN",
    "arm_live_trading": "ARM",
    "disarm_live_trading": "DISARM",
    "tighten_limit": "TIGHTEN",
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TradingDesk:
    made = TradingDesk(tmp_path, monkeypatch)
    made.go_to(7)
    return made


def ordered(confirm: str, person: str = "alice", reason: str = "a try", **more: Any) -> dict[str, Any]:
    return {"person": person, "reason": reason, "confirm": confirm, **more}


@pytest.mark.parametrize("job", WORDS)
def test_without_the_exact_word_nothing_happens(desk: TradingDesk, job: str) -> None:
    more = {"limit": "max_gross_notional_usd", "value": 1.0} if job == "tighten_limit" else {}
    result = desk.run(job, ordered(WORDS[job].lower(), **more))
    assert f"type {WORDS[job]} in capitals" in failure_of(result)
    with desk.journal() as journal:
        assert journal.state().by == "journal"
        assert journal.tightened() == {}


@pytest.mark.parametrize("job", WORDS)
def test_the_launchpad_asks_for_name_reason_and_word(desk: TradingDesk, job: str) -> None:
    made = desk.definitions.resolve_job_def(job)
    with pytest.raises(dg.DagsterInvalidConfigError, match="confirm"):
        made.execute_in_process(instance=desk.instance)
    assert made.tags[WORK] == "governance"
    assert made.tags["dagster/priority"] == "10"


@pytest.mark.parametrize(("given", "text"), [({"person": " "}, "who are you"), ({"reason": ""}, "say why")])
def test_a_name_and_a_reason_are_needed(desk: TradingDesk, given: dict[str, str], text: str) -> None:
    assert text in failure_of(desk.run("halt", {**ordered("HALT"), **given}))


def test_halt_is_in_the_journal_and_on_the_asset_with_its_reason(desk: TradingDesk) -> None:
    result = desk.run("halt", ordered("HALT", reason="odd fills"))
    assert result.success
    with desk.journal() as journal:
        held = journal.state()
    assert (held.state, held.by, held.reason) == ("HALTED", "person alice", "odd fills")
    (event,) = [e for e in result.all_events if e.event_type_value == "ASSET_MATERIALIZATION"]
    made = event.materialization
    assert made.asset_key == dg.AssetKey(TRADING_STATE)
    assert (made.metadata["state"].value, made.metadata["reason"].value) == ("HALTED", "odd fills")


def test_halt_works_while_the_testnet_is_down(desk: TradingDesk) -> None:
    desk.time = None
    assert desk.run("halt", ordered("HALT")).success
    with desk.journal() as journal:
        assert journal.state().state == "HALTED"


def test_reduce_and_resume_by_a_person_and_what_the_guard_said(desk: TradingDesk) -> None:
    with desk.journal() as journal:
        journal.set_state("HALTED", reason="margin", by="guard")
    assert desk.run("reduce", ordered("REDUCE")).success
    result = desk.run("resume", ordered("RESUME", person="bob"))
    assert result.success
    with desk.journal() as journal:
        assert [(r.state, r.by) for r in journal.state_history(3)] == [
            ("ACTIVE", "person bob"),
            ("REDUCING", "person alice"),
            ("HALTED", "guard"),
        ]
    outputs = [e.step_output_data for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    assert "guard at 07:00:00: watching" in str(outputs[0].metadata["guard"].value)


def test_resume_where_trading_goes_on_changes_nothing(desk: TradingDesk) -> None:
    assert desk.run("resume", ordered("RESUME")).success
    with desk.journal() as journal:
        assert len(journal.state_history()) == 1


def test_tighten_takes_a_tighter_value_and_refuses_a_looser_or_an_unknown_one(desk: TradingDesk) -> None:
    name = "max_gross_notional_usd"
    assert desk.run("tighten_limit", ordered("TIGHTEN", limit=name, value=900_000)).success
    looser = desk.run("tighten_limit", ordered("TIGHTEN", limit=name, value=950_000))
    assert "looser" in failure_of(looser)
    unknown = desk.run("tighten_limit", ordered("TIGHTEN", limit="max_fun", value=1))
    assert "max_fun is not a risk limit" in failure_of(unknown)
    with desk.journal() as journal:
        assert journal.tightened() == {name: 900_000}


def test_paper_trading_is_not_armed(desk: TradingDesk) -> None:
    assert "on paper" in failure_of(desk.run("arm_live_trading", ordered("ARM")))


def test_live_trading_is_armed_for_a_day_at_most_and_disarmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = TradingDesk(tmp_path, monkeypatch, market="live", trading="live")
    assert "within 24 hours" in failure_of(desk.run("arm_live_trading", ordered("ARM", hours=25)))
    assert desk.run("arm_live_trading", ordered("ARM", hours=2)).success
    with desk.journal() as journal:
        assert f"{journal.armed_until():%H:%M}" == "07:00"
        assert "armed until 2025-07-01 07:00 UTC by person alice: a try" in journal.alerts()[0].title
    assert desk.run("disarm_live_trading", ordered("DISARM")).success
    with desk.journal() as journal:
        assert journal.armed_until() is None


def test_where_trading_is_impossible_the_run_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = TradingDesk(tmp_path, monkeypatch, way="direct")
    assert "paper trading needs the local testnet" in failure_of(desk.run("halt", ordered("HALT")))
