"""State over a restart: accounts, orders, faults and time are where they were."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.clock import HOUR_MS, ManualClock
from funding_pipeline.testnet.engine.values import Ticket
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.testnet.state import StateFile
from funding_pipeline.testnet.testnet import Testnet
from funding_pipeline_tests.testnet.running import NOW_MS, RunningTestnet, running_testnet, simulated_market

BTC = "BTC/USDT:USDT"


def statement(testnet: RunningTestnet) -> Any:
    return testnet.admin("GET", "/admin/accounts/gate/gate-1")


def trade(testnet: RunningTestnet) -> None:
    exchange = testnet.exchanges["gate"]
    account = exchange.accounts()[0]
    price = exchange.quotes.last(BTC, NOW_MS) - 500
    testnet.call(lambda: exchange.place(account, Ticket(BTC, "buy", "market", Decimal("0.2"))))
    testnet.call(lambda: exchange.place(account, Ticket(BTC, "buy", "limit", Decimal("0.1"), price)))


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "made" / "state.json"
    with running_testnet(state=state) as testnet:
        testnet.new_account("gate", "20000")
        trade(testnet)
        testnet.clock.advance(hours=9)
        testnet.admin("POST", "/admin/faults", {"kind": "drop", "venue": "okx", "seed": 3})
        testnet.admin("POST", "/admin/faults", {"kind": "clock_skew", "venue": "bybit", "skew_ms": 5})
        testnet.admin(
            "POST", "/admin/faults", {"kind": "interval_change", "venue": "gate", "symbol": BTC, "hours": 2}
        )
        before, faults = statement(testnet), testnet.admin("GET", "/admin/faults")
    assert before["payments"]
    with running_testnet(state=state) as testnet:
        assert testnet.clock.now() == NOW_MS + 9 * HOUR_MS
        assert statement(testnet) == before
        assert testnet.admin("GET", "/admin/faults") == faults
        assert testnet.exchanges["bybit"].now() == testnet.clock.now() + 5
        assert testnet.exchanges["gate"].quotes.interval_hours(BTC, testnet.clock.now()) == 2.0
        assert testnet.admin("POST", "/admin/faults", {"kind": "drop"})["id"] == "fault-4"


def test_an_account_is_on_disk_before_its_keys_are_answered(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running_testnet(state=state) as testnet:
        made = testnet.new_account("okx", "5")
        # What a kill would leave behind:
        left = json.loads(state.read_bytes())
        account = left["venues"]["okx"]["exchange"]["accounts"][made["account_id"]]
        assert account["secret"] == made["secret"]
        assert state.stat().st_mode & 0o077 == 0


def test_what_time_did_is_on_disk_before_it_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running_testnet(state=state) as testnet:
        testnet.new_account("gate", "20000")
        trade(testnet)
        testnet.clock.advance(hours=9)
        testnet.ask("GET", "/api/v4/futures/usdt/contracts/BTC_USDT", host="api.gateio.ws")
        left = json.loads(state.read_bytes())["venues"]["gate"]["exchange"]["accounts"]["gate-1"]
        assert len(left["payments"]) == 1


def test_a_file_that_would_say_the_same_is_left_alone(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.json")
    testnet = Testnet(simulated_market(), ManualClock(NOW_MS))
    faults = FaultDesk(testnet)

    async def save_twice() -> tuple[int, int]:
        await state.save(testnet, faults)
        first = (tmp_path / "state.json").stat().st_ino
        await state.save(testnet, faults, venue="okx")
        return first, (tmp_path / "state.json").stat().st_ino

    first, second = asyncio.run(save_twice())
    assert first == second


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 99}', '{"version": 1, "market": "SIMULATED market, seed 7"}']
)
def test_a_corrupt_file_is_one_error_that_names_it_and_the_mend(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)
    with (
        pytest.raises(TestnetError, match=r"state\.json cannot be used .*--fresh") as told,
        running_testnet(state=state),
    ):
        pass
    assert "\n" not in str(told.value)
    assert state.read_text() == text


def test_a_state_of_another_market_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running_testnet(state=state) as testnet:
        testnet.new_account("okx")
    values = json.loads(state.read_bytes())
    state.write_text(json.dumps({**values, "market": "the market of last year"}))
    with pytest.raises(TestnetError, match="another market"), running_testnet(state=state):
        pass


def test_accounts_go_on_when_days_are_added_to_the_market_and_not_in_another_market(tmp_path: Path) -> None:
    state, clock = tmp_path / "state.json", ManualClock(NOW_MS)
    rows = simulated_market()
    first = Testnet(rows, clock, identity="folder a, to May; home b", accounts_of="folder a")
    asyncio.run(StateFile(state).save(first, FaultDesk(first)))
    grown = Testnet(rows, clock, identity="folder a, to June; home b", accounts_of="folder a")
    StateFile(state).load(grown, FaultDesk(grown))
    # Earlier versions kept the whole identity.
    state.write_text(state.read_text().replace('"folder a"', '"folder a, 2024-01-01 to 2024-05-01 00:00"'))
    StateFile(state).load(grown, FaultDesk(grown))
    other = Testnet(rows, clock, identity="folder c; home b", accounts_of="folder c")
    with pytest.raises(TestnetError, match="belongs to another market"):
        StateFile(state).load(other, FaultDesk(other))
