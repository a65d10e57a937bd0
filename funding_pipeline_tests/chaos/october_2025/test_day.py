"""10 October 2025: the book ends flat or hedged, each cent of the loss has a source, alerts are in order."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from funding_pipeline.chaos.october_2025.outcome import OctoberOutcome, lines
from funding_pipeline.chaos.october_2025.plot import october_plot
from funding_pipeline.chaos.october_2025.story import Story
from funding_pipeline.commands import chaos
from funding_pipeline.core.errors import SettingsError

STORY = Story()


@pytest.fixture(scope="module")
def outcome() -> OctoberOutcome:
    """Played once."""
    return chaos.play_october(STORY)


def _at(outcome: OctoberOutcome, seconds: float) -> dict[str, float]:
    """Unhedged USD by base, as the engines have it at that second of the fall."""
    moment = outcome.began + timedelta(seconds=seconds)
    sample = [sample for sample in outcome.samples if sample.at <= moment][-1]
    return {base: float(usd) for base, usd in sample.unhedged_usd.items()}


def test_the_day_was_as_bad_as_the_issue_says(outcome: OctoberOutcome) -> None:
    lowest = {base: min(sample.prices[base] for sample in outcome.samples) for base in STORY.bases}
    assert 0.88 < lowest["BTC"] < 0.90
    others = [float(lowest[base]) for base in STORY.bases if base not in ("BTC", "ETH")]
    assert all(0.18 < price < 0.62 for price in others)
    start, end = STORY.frozen_s
    assert end - start == 1_800
    assert _at(outcome, 1_000)["SOL"] > 20_000, "its short was deleveraged, its long is on the frozen venue"


def test_it_ends_flat_or_hedged_and_no_rule_was_broken(outcome: OctoberOutcome) -> None:
    assert outcome.violations == ()
    assert outcome.left.usd <= outcome.left.cap_usd < 100
    assert outcome.left.unavoidable_usd == 0
    assert outcome.orders["guard"] > 0


def test_the_guard_reduces_a_naked_leg_within_a_minute_where_it_can(outcome: OctoberOutcome) -> None:
    for one in STORY.deleveragings:
        if one.base == "SOL":
            continue
        assert _at(outcome, one.at_s + 5)[one.base] > 1_000, one
        assert _at(outcome, one.at_s + 90)[one.base] < 100, one


def test_what_the_frozen_venue_holds_is_reduced_when_it_answers_again(outcome: OctoberOutcome) -> None:
    end = STORY.frozen_s[1]
    assert _at(outcome, end - 5)["SOL"] > 20_000
    assert _at(outcome, end + 120)["SOL"] < 100


def test_the_loss_is_stated_by_source_and_adds_up(outcome: OctoberOutcome) -> None:
    sources = outcome.loss.sources
    assert sources.difference is not None
    assert abs(sources.difference) < 0.005
    assert sources.equity_change is not None
    assert -60_000 < sources.equity_change < -1_000
    assert sources.liquidation < 0, "deleveraging above the mark costs"
    assert sources.fees < 0
    assert sources.funding != 0, "a settlement lies in the period"


def test_alerts_are_in_the_order_in_which_they_were_raised(outcome: OctoberOutcome) -> None:
    raised = [alert.raised_at for alert in outcome.alerts]
    assert raised == sorted(raised)
    first = {alert.key: number for number, alert in reversed([*enumerate(outcome.alerts)])}
    story = ("venue okx", "unexplained bybit SOL/USDT:USDT", "naked BTC")
    assert first["venue okx"] < first["venue okx for long"]
    assert [key for key in sorted(first, key=lambda key: first[key]) if key in story] == list(story)
    assert all(alert.action for alert in outcome.alerts)


def test_nothing_was_opened_once_the_guard_had_said_reducing(outcome: OctoberOutcome) -> None:
    states = [(state.state, state.by) for state in outcome.states]
    assert ("REDUCING", "guard") in states
    assert "HALTED" not in {state for state, _ in states}
    reducing = next(state.since for state in outcome.states if state.state == "REDUCING")
    later = [row.text for row in outcome.rows if row.kind == "orders" and row.at > reducing]
    assert later
    assert all(text.endswith("reduce)") for text in later), later


def test_the_timeline_is_for_people_and_programs(outcome: OctoberOutcome) -> None:
    told = json.loads(json.dumps(outcome.as_json()))
    times = [row["seconds"] for row in told["timeline"]]
    assert times == sorted(times)
    assert {row["kind"] for row in told["timeline"]} == {"event", "alert", "state", "orders"}
    assert told["is_clean"] is True
    assert told["residual_unhedged_usd"] <= told["residual_cap_usd"]
    text = "\n".join(lines(outcome))
    assert "okx freezes" in text
    assert "profit by source" in text


def test_it_can_be_drawn(outcome: OctoberOutcome) -> None:
    assert october_plot(outcome).startswith(b"\x89PNG")


def test_the_command_prints_it_and_draws_it(
    outcome: OctoberOutcome,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chaos, "play_october", lambda: outcome)
    picture = tmp_path / "day.png"
    assert chaos.run_scenario("october-2025", as_json=True, out=picture) == 0
    assert json.loads(capsys.readouterr().out)["scenario"] == "october-2025"
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["october-2052", None])
def test_there_is_no_other_scenario(name: str | None) -> None:
    with pytest.raises(SettingsError, match="october-2025"):
        chaos.run_scenario(name, as_json=False, out=None)
