"""The campaign: the executor keeps every rule, a broken one is caught, a seed gives one result."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import partial

import pytest

from funding_pipeline.chaos.audit import Leaving
from funding_pipeline.chaos.campaign import COUNTED, Campaign, Totals
from funding_pipeline.chaos.side_by_side import run
from funding_pipeline.commands.chaos import CONFIG, GUARD, simulated_market
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.guard.guard import Guard
from funding_pipeline.trading.executor import Executor

_ASKED = (
    "import sys; from funding_pipeline.commands.chaos import run_campaign; "
    "sys.exit(run_campaign(2, 2, as_json=True))"
)


GUARDED_SEED, GUARDED = 3, (16, 19, 20)


def _play(campaign: Campaign, seed: int, numbers: Iterable[int]) -> Totals:
    totals = Totals()
    for number in numbers:
        totals.add(campaign.play(campaign.scenario(seed, number)))
    return totals


def test_the_executor_keeps_every_rule(campaign: Campaign) -> None:
    totals = _play(campaign, 20, range(6))
    figures = totals.as_json(20, 0.0)
    assert {rule: figures[rule] for rule in COUNTED} == dict.fromkeys(COUNTED, 0), figures["violations"]
    assert figures["orders"] > 3
    assert figures["kills"] > 3
    assert sum(figures["faults"].values()) > 5
    assert figures["max_residual_unhedged_usd"] <= figures["residual_cap_usd"]


def test_a_guard_alone_mends_what_leaves_legs_naked_though_it_dies(campaign: Campaign) -> None:
    """A liquidation, a person and a deleveraging, and a guard that is killed before it has mended them."""
    figures = _play(campaign, GUARDED_SEED, GUARDED).as_json(GUARDED_SEED, 0.0)
    assert {rule: figures[rule] for rule in COUNTED} == dict.fromkeys(COUNTED, 0), figures["violations"]
    assert figures["guarded_episodes"] >= 2
    assert figures["mishaps"] >= 2
    assert figures["guard_orders"] >= 2
    assert figures["guard_kills"] >= 2
    assert figures["guard_looks"] > 20
    assert figures["max_residual_unhedged_usd"] <= figures["residual_cap_usd"]


def test_a_guard_that_reduces_nothing_is_caught(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        """It looks, and tells, and that is all."""

    monkeypatch.setattr(Guard, "_reduce", nothing)
    totals = _play(campaign, GUARDED_SEED, GUARDED)
    assert totals.broken["residual_above_cap"] > 0


def test_an_order_belongs_to_whoever_holds_the_lock() -> None:
    for holder, has_lock in (("guard", True), ("executor", False), (None, False)):
        assert Leaving(0, "ACTIVE", "guard 2", holder).has_lock is has_lock


def test_an_executor_that_resends_after_a_timeout_is_caught() -> None:
    broken = Campaign(
        simulated_market(),
        make_executor=partial(Executor, resend_on_timeout=True),
        config=CONFIG,
        guard=GUARD,
    )
    totals = _play(broken, 1, range(5, 6))
    assert totals.broken["duplicate_orders"] > 0
    assert totals.broken["orders_without_intent"] > 0


def test_the_same_seed_gives_the_same_scenario_and_another_seed_another(campaign: Campaign) -> None:
    assert campaign.scenario(3, 4) == campaign.scenario(3, 4)
    assert campaign.scenario(3, 4) != campaign.scenario(4, 4)
    assert campaign.scenario(3, 4) != campaign.scenario(3, 5)


def test_the_same_seed_gives_the_same_text_in_another_process() -> None:
    """Also where Python's hashes of texts, and so the order of sets, are others; the first has a guard."""
    asked = [
        subprocess.Popen(
            [sys.executable, "-c", _ASKED],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hashes in ("1", "2")
    ]
    texts = []
    for process in asked:
        answer, _ = process.communicate(timeout=240)
        assert process.returncode == 0, answer
        figures = json.loads(answer)
        assert figures.pop("seconds") > 0
        texts.append(json.dumps(figures))
    assert texts[0] == texts[1]


def test_no_episodes_and_negative_seeds_are_refused(campaign: Campaign) -> None:
    for episodes, seed in ((0, 1), (1, -1)):
        with pytest.raises(SettingsError):
            run(lambda: campaign, episodes, seed)
