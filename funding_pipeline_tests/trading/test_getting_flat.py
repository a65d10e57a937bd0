"""Closing everything by a person's order, against a running testnet: from HALTED, beside another one."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from funding_pipeline.core.errors import ExecutionLockedError, GovernanceError, VenueUnavailableError
from funding_pipeline.core.governance import StateRecord
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.states import Actor
from funding_pipeline.market.choice import connector
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.getting_flat import flatten_all
from funding_pipeline.trading.governance_actions import change_state, rebase_equity
from funding_pipeline.trading.session import TradingSession, open_session
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.testnet_address import TestnetAddress
from funding_pipeline_tests.conformance.given import Given, GivenConnection
from funding_pipeline_tests.trading.rig import TradingRig, symbol

T = TypeVar("T")
NewRig = Callable[..., TradingRig]
ALICE = Actor("person", "alice")
PAIR = {("binance", "BTC"): "1.5", ("okx", "BTC"): "-1.5"}


def in_session(rig: TradingRig, work: Callable[[TradingSession], Awaitable[T]], *changes: Given) -> T:
    """Work in a session of its own, as a job does; `changes`: answers that it is given instead."""
    setup = TradingSetup(
        mode="paper",
        venues=rig.venues,
        connect=(lambda: GivenConnection(rig.testnet.port, *changes))
        if changes
        else connector(TestnetAddress(rig.testnet.port)),
        journal_url=rig.url,
        limits=(RiskLimits(),),
        execution=ExecutionConfig(concurrency=1, deadline_seconds=5, grace_seconds=5),
    )

    async def whole() -> T:
        async with open_session(setup, credentials=rig.keys) as session:
            return await work(session)

    return asyncio.run(whole())


@pytest.fixture
def rig(new_rig: NewRig) -> TradingRig:
    """A pair is held on two venues, and the guard has halted trading."""
    made = new_rig("binance", "okx")
    made.rebalance(made.verdict("r1", PAIR))
    made.journal.set_state("HALTED", reason="margin", by="guard")
    return made


def reducing(rig: TradingRig) -> StateRecord:
    return change_state(rig.journal, "REDUCING", by=ALICE, reason="flatten: home").after


def test_from_halted_both_legs_are_closed(rig: TradingRig) -> None:
    reducing(rig)
    done = in_session(rig, lambda session: flatten_all(session, reason="home"))
    assert done.is_flat, done.text()
    assert (rig.held("binance"), rig.held("okx")) == (0, 0)
    assert [(row["venue"], row["before"], row["held"]) for row in done.rows()] == [
        ("binance", 1.5, 0.0),
        ("okx", -1.5, 0.0),
    ]
    assert "everything is closed; 4 orders were sent" in done.text()
    assert rig.journal.state().state == "REDUCING"


def test_in_halted_nothing_is_sent_and_what_remains_is_said(rig: TradingRig) -> None:
    done = in_session(rig, lambda session: flatten_all(session, reason="home"))
    assert not done.is_flat
    assert "held are binance BTC/USDT:USDT 1.5" in done.text(), done.text()
    assert {row["why"] for row in done.rows()} == {"not begun"}
    assert rig.held("binance") == Decimal("1.5")


def test_a_venue_that_is_gone_is_not_known_to_be_flat(rig: TradingRig) -> None:
    reducing(rig)
    rig.fault("venue_gone", "okx")
    done = in_session(rig, lambda session: flatten_all(session, reason="home"))
    assert not done.is_flat
    assert "okx is not known" in done.text()
    assert [row["held"] for row in done.rows() if row["venue"] == "okx"] == [None]


def test_it_waits_for_who_executes_and_then_closes(rig: TradingRig) -> None:
    reducing(rig)
    held = rig.new_journal().lock("rebalance 1234", ttl_seconds=3600)
    held.__enter__()

    async def work(session: TradingSession) -> object:
        asyncio.get_running_loop().call_later(0.5, held.__exit__, None, None, None)
        return (await flatten_all(session, reason="home")).is_flat

    assert in_session(rig, work)
    assert rig.held("okx") == 0


def test_who_holds_the_lock_too_long_is_named(rig: TradingRig) -> None:
    reducing(rig)
    with (
        rig.new_journal().lock("rebalance 1234", ttl_seconds=3600),
        pytest.raises(ExecutionLockedError, match="rebalance 1234"),
    ):
        in_session(rig, lambda session: flatten_all(session, reason="home", patience_real_seconds=1))


def test_a_rebalance_in_flight_sends_nothing_more_after_a_person_halts(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    orders = 0

    def halts_after_two(name: str) -> None:
        nonlocal orders
        orders += name == "after:write_intent"
        if orders == 2 and rig.journal.state().state == "ACTIVE":
            with Journal(rig.url, now=rig.now) as of_the_person:
                change_state(of_the_person, "HALTED", by=ALICE, reason="odd")

    rig.hook = halts_after_two
    report = rig.rebalance(rig.verdict("r1", PAIR))
    assert report.status == "halted"
    assert len(rig.journal.intents()) == 2


def test_equity_begins_anew_from_what_the_accounts_are_worth(rig: TradingRig) -> None:
    equity = in_session(rig, lambda session: rebase_equity(session, by=ALICE, reason="a deposit"))
    assert 1_990_000 < equity < 2_000_000
    assert rig.journal.peak_equity() == equity


def test_equity_that_is_not_known_is_not_begun_anew(rig: TradingRig) -> None:
    rig.fault("venue_gone", "okx")
    with pytest.raises(VenueUnavailableError, match="equity is not known"):
        in_session(rig, lambda session: rebase_equity(session, by=ALICE, reason="a deposit"))


def test_the_machine_may_not_leave_halted_to_flatten(rig: TradingRig) -> None:
    with pytest.raises(GovernanceError, match="only a person"):
        change_state(rig.journal, "REDUCING", by=Actor("guard"), reason="flatten")
    assert symbol("okx", "BTC") == "BTC/USDT:USDT"


def test_what_can_be_closed_is_closed_and_what_cannot_is_named(rig: TradingRig) -> None:
    """A dated future, an instrument that is listed no more and a position without a size, beside a pair."""

    def beside_odd_ones(body: Any, _: Any) -> Any:
        like = next((row for row in body if row["positionAmt"] != "0"), None)
        if like is None:
            like = {"positionSide": "BOTH", "entryPrice": "1", "markPrice": "2", "unRealizedProfit": "0"}
        dated = {**like, "symbol": "BTCUSDT_260327", "positionAmt": "0.5", "notional": "10000"}
        gone = {**like, "symbol": "GONEUSDT", "positionAmt": "-12", "notional": "0"}
        unsized = {**like, "symbol": "ETHUSDT", "positionAmt": None}
        return [*body, dated, gone, unsized]

    reducing(rig)
    done = in_session(
        rig,
        lambda session: flatten_all(session, reason="home"),
        Given("/positionRisk", beside_odd_ones),
    )
    assert [rig.held(venue) for venue, _ in PAIR] == [0, 0]
    assert not done.is_flat
    assert "binance" in done.unread  # what ETH is, nobody knows: so nobody says that it is flat
    notes = {leg.symbol: leg.note for leg in done.report.legs}
    assert notes["BTC/USDT:USDT"] == ""
    assert "is not listed: close it at binance itself" in notes["BTCUSDT_260327"]
    assert "is not listed: close it at binance itself" in notes["GONE/USDT:USDT"]
    assert "positionAmt is None" in notes["ETH/USDT:USDT"]


def test_an_instrument_that_is_listed_no_more_remains_and_is_named(rig: TradingRig) -> None:
    gone = {"symbol": "GONEUSDT", "positionSide": "BOTH", "positionAmt": "-12", "entryPrice": "1"}
    gone |= {"markPrice": "2", "unRealizedProfit": "0", "notional": "-24"}
    reducing(rig)
    done = in_session(
        rig,
        lambda session: flatten_all(session, reason="home"),
        Given("/positionRisk", lambda body, _: [*body, gone]),
    )
    assert [rig.held(venue) for venue, _ in PAIR] == [0, 0]
    assert [(held.symbol, held.quantity) for held in done.beyond_dust] == [("GONE/USDT:USDT", -12)]
    assert "GONE/USDT:USDT -12" in done.text()
    why = {row["symbol"]: row["why"] for row in done.rows()}
    assert "close it at binance itself" in why["GONE/USDT:USDT"]
