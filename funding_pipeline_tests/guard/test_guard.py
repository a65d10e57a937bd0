"""The guard against a running testnet: what is not hedged goes, what it cannot know it leaves alone."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from funding_pipeline.chaos.kills import Killed
from funding_pipeline.core.trading import PositionState
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import GuardReport
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.guard.watch import LIMITS, Watched, run
from funding_pipeline_tests.trading.rig import QUICK, TradingRig, symbol

NewRig = Callable[..., TradingRig]
PAIR = {("binance", "BTC"): "1.5", ("okx", "BTC"): "-1.5"}
SLOW = GuardConfig(slow_look_seconds=0, shed_wait_seconds=60)


def with_pair(new_rig: NewRig) -> TradingRig:
    """A pair is held, hedged."""
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", PAIR))
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1.5"), Decimal("-1.5"))
    return rig


def sent_by_the_guard(rig: TradingRig) -> int:
    return sum(1 for record in rig.journal.intents() if record.intent.rebalance.startswith("guard"))


def test_a_quiet_book_has_no_findings_and_a_heartbeat(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> GuardReport:
        there.session.public["okx"].untold.append("a line of each look would fill the memory")
        there.session.gateways["okx"].unread.append("and this")
        report = await there.looks(3)
        assert not there.session.public["okx"].untold + there.session.gateways["okx"].unread
        return report

    report = run(rig, case)
    assert report.findings == ()
    assert (report.acted, report.problems, report.state) == ((), (), "ACTIVE")
    beat = rig.journal.heartbeat("guard")
    assert beat is not None
    assert (beat.at, beat.status) == (rig.now(), "ok")
    assert rig.journal.peak_equity() is not None


def test_what_is_not_hedged_is_closed_and_the_rest_stays(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> list[GuardReport]:
        await there.look()
        await there.send("okx", "0.5")  # somebody closes a third of the short
        return [await there.look(after=4) for _ in range(6)]

    reports = run(rig, case)
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1"), Decimal("-1"))
    assert (rig.journal.state().state, rig.journal.state().by) == ("REDUCING", "guard")
    guards = [r for r in rig.journal.intents() if r.intent.rebalance.startswith("guard")]
    assert guards
    assert all(record.intent.request.reduce_only for record in guards)
    assert any("reducing BTC" in act for report in reports for act in report.acted)
    assert reports[-1].findings == ()
    keys = [alert.key for alert in rig.journal.alerts()]
    since = rig.journal.state().since
    assert keys == [f"unexplained okx {symbol('okx', 'BTC')}", f"state {since.isoformat()}", "naked BTC"]


def test_nothing_is_done_while_an_executor_is_at_work(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> GuardReport:
        await there.send("okx", "1.5")
        other = rig.new_journal()
        with other.lock("executor", ttl_seconds=120):
            report = await there.looks(10, after=5)
            assert sent_by_the_guard(rig) == 0
            assert report.has("naked BTC under executor")
            assert rig.journal.state().state == "ACTIVE"
            await rig.sleep(71)  # it died without giving its lock back: now it has expired
            return await there.looks(3, after=6)

    run(rig, case)
    assert rig.held("binance") == 0
    assert rig.journal.state().state == "REDUCING"


def test_halted_sends_nothing_and_says_so(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    rig.journal.set_state("HALTED", reason="stop", by="person anna")

    async def case(there: Watched) -> GuardReport:
        await there.send("okx", "1.5")
        return await there.looks(6, after=5)

    report = run(rig, case)
    assert sent_by_the_guard(rig) == 0
    assert rig.held("binance") == Decimal("1.5")
    assert report.has("naked BTC")
    assert any("nothing is sent" in act for act in report.acted)
    assert rig.journal.state().by == "person anna"
    assert "naked BTC" in [alert.key for alert in rig.journal.alerts()]


def test_a_venue_that_goes_away_and_returns(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> list[GuardReport]:
        await there.look()
        rig.fault("venue_gone", "okx")
        reports = [await there.looks(2, after=1)]
        reports.append(await there.looks(3, after=40))
        rig.end_faults()
        reports.append(await there.looks(3))
        return reports

    early, late, back = run(rig, case)
    assert [found.key for found in early.findings] == ["venue okx"]
    assert early.state == "ACTIVE"
    assert (late.state, late.findings[0].key) == ("REDUCING", "venue okx for long")
    assert sent_by_the_guard(rig) == 0, "its leg may hedge the other one"
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1.5"), Decimal("-1.5"))
    assert (back.findings, back.state) == ((), "REDUCING")


def test_a_naked_base_is_reduced_although_another_venue_is_silent(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx", "bybit")
    rig.rebalance(rig.verdict("r1", {**PAIR, ("bybit", "ETH"): "-5", ("okx", "ETH"): "5"}))

    async def case(there: Watched) -> GuardReport:
        await there.look()
        await there.send("okx", "1.5")
        rig.fault("venue_gone", "bybit")
        return await there.looks(5, after=6)

    report = run(rig, case)
    assert rig.held("binance") == 0
    assert (rig.held("bybit", "ETH"), rig.held("okx", "ETH")) == (Decimal("-5"), Decimal("5"))
    assert report.has("venue bybit")


def test_a_frozen_venue_stops_no_look(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    config = SLOW.model_copy(update={"venue_timeout_seconds": 0.5})

    async def case(there: Watched) -> tuple[GuardReport, GuardReport]:
        rig.fault("latency", "okx", latency_ms=60_000)
        first = await there.look()
        return first, await there.look()

    first, second = run(rig, case, config=config)
    assert first.seconds < 30
    assert any(found.key == "venue okx" and found.severity == "warning" for found in second.findings)
    beat = rig.journal.heartbeat("guard")
    assert beat is not None
    assert "okx does not answer" in beat.status


def test_a_locked_database_is_survived(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    journal = Journal(rig.url, now=rig.now, busy_timeout_seconds=0.05)
    file = rig.url.removeprefix("sqlite:///")

    async def case(there: Watched) -> tuple[GuardReport, GuardReport]:
        await there.look()
        await there.send("okx", "1.5")
        locker = sqlite3.connect(file, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        locked = await there.looks(8, after=6)
        assert there.alerts.flush()
        told = [title for _, title, _ in there.heard.messages]
        assert any("BTC is not hedged" in title for title in told), "also without the journal"
        assert len(told) == len(set(told)), "and each only once"
        assert any("the journal cannot be used" in title for title in told)
        assert sent_by_the_guard(rig) == 0
        locker.execute("ROLLBACK")
        locker.close()
        return locked, await there.looks(3, after=6)

    locked, after = run(rig, case, journal=journal)
    assert any("locked" in problem for problem in locked.problems)
    assert after.problems == ()
    assert rig.held("binance") == 0
    assert rig.journal.state().state == "REDUCING"


def test_margin_beyond_its_limit_is_brought_down(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    tight = LIMITS.tightened({"max_margin_fraction": 0.00006})

    async def case(there: Watched) -> GuardReport:
        return await there.looks(5)

    report = run(rig, case, limits=tight)
    assert rig.journal.state().state == "REDUCING"
    assert rig.held("binance") == -rig.held("okx")
    assert 0 < rig.held("binance") < Decimal("1.5")
    assert report.findings == ()


def test_an_order_of_another_program_is_reported_and_left_alone(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> GuardReport:
        price = round(rig.mark("okx") * Decimal("0.9"), 0)
        await there.order("okx", "buy", "0.1", price=price, client_id="f" * 24)
        return await there.looks(2)

    report = run(rig, case)
    assert (report.state, report.findings[0].action) == ("ACTIVE", "none")
    assert "order that is not ours" in report.findings[0].title
    assert [order.status for order in rig.orders("okx")][-1] == "open"


def test_leverage_and_modes_changed_by_hand_are_reported(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> tuple[GuardReport, GuardReport]:
        before = await there.looks(3)
        for venue in rig.venues:
            change = {"leverage": 20 if venue == "okx" else 3, "account": rig.account_id(venue)}
            rig.fault("leverage_change", venue, symbol=symbol(venue, "BTC"), **change)
        return before, await there.looks(3, after=61)

    before, report = run(rig, case)
    assert before.findings == ()
    assert [finding.key for finding in report.findings] == [
        f"modes {venue} {symbol(venue, 'BTC')}" for venue in sorted(rig.venues)
    ]
    assert [finding.action for finding in report.findings] == ["none", "none"]


def test_a_deleveraged_leg_is_named_and_its_pair_reduced(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> GuardReport:
        await there.look()
        rig.fault("adl", "okx", account=rig.account_id("okx"), symbol=symbol("okx", "BTC"), quantity="0.5")
        return await there.looks(5, after=6)

    report = run(rig, case)
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1"), Decimal("-1"))
    first = rig.journal.alerts()[0]
    assert first.key.startswith("unexplained okx")
    assert "the venue tells of buy 0.5" in first.title
    assert report.findings == (), "the statement is in the journal: it is explained"


def test_a_loss_stops_growth_and_closes_nothing(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    rig.journal.note_equity(rig.now(), Decimal(2_100_000))

    async def case(there: Watched) -> GuardReport:
        return await there.looks(3)

    report = run(rig, case, limits=LIMITS.tightened({"max_daily_loss_usd": 20_000}))
    assert (report.state, report.findings[0].key) == ("REDUCING", "loss of the day")
    assert sent_by_the_guard(rig) == 0
    assert "flatten" in rig.journal.alerts()[0].action


def test_no_equity_is_noted_at_a_mark_that_nobody_believes(new_rig: NewRig) -> None:
    """A peak that never was would be a drawdown for ever."""
    rig = with_pair(new_rig)

    def noted() -> int:
        return len(rig.journal.equity_history(rig.now() - timedelta(days=1)))

    async def case(there: Watched) -> GuardReport:
        await there.looks(2)
        assert noted() == 2
        gateway = there.session.gateways["okx"]
        read = gateway.positions

        async def doubled() -> tuple[PositionState, ...]:
            return tuple(replace(p, mark_price=(p.mark_price or 0) * 2) for p in await read())

        gateway.positions = doubled  # type: ignore[method-assign]
        return await there.looks(3)

    report = run(rig, case, config=SLOW.model_copy(update={"equity_seconds": 0.0}))
    assert report.has("mark okx")
    assert noted() == 2


def test_without_a_fresh_heartbeat_nothing_opens(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    config = QUICK.model_copy(update={"guard_max_age_seconds": 20.0})

    async def case(there: Watched) -> None:
        await there.look()

    run(rig, case)
    rig.testnet.clock.advance(seconds=25)
    assert rig.rebalance(rig.verdict("r1", PAIR), config).orders_sent == 0
    run(rig, case)
    assert rig.rebalance(rig.verdict("r2", PAIR), config).orders_sent > 0


@pytest.mark.parametrize("point", ["before:record_outcome", "after:write_intent"])
def test_what_a_dead_executor_left_is_cleared_up(new_rig: NewRig, point: str) -> None:
    """Killed between an order and its outcome: the lock expires, the order is looked up, the leg closed."""
    rig = new_rig("binance", "okx")
    dead = False

    def kill(name: str) -> None:
        nonlocal dead
        if name == point or dead:
            dead = True
            raise Killed(name)

    rig.hook = kill
    with pytest.raises(Killed):
        rig.rebalance(rig.verdict("r1", PAIR), lock_seconds=60)
    rig.hook = lambda name: None
    assert len(rig.journal.unresolved()) == 1

    async def case(there: Watched) -> GuardReport:
        return await there.looks(16, after=15)

    report = run(rig, case, config=SLOW.model_copy(update={"shed_deadline_seconds": 120.0}))
    assert rig.journal.unresolved() == ()
    assert (rig.held("binance"), rig.held("okx")) == (0, 0)
    assert report.findings == ()
    told = [alert.key for alert in rig.journal.alerts()]
    assert not any(key.startswith("unexplained") for key in told), "an order of ours is unknown: no mystery"


def test_an_order_that_a_dead_executor_left_resting_is_cancelled(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    dead = False

    def kill() -> None:
        nonlocal dead
        dead = True
        raise Killed("while an order rests")

    def stay_dead(name: str) -> None:
        if dead:
            raise Killed(name)

    rig.on_sleep, rig.hook = kill, stay_dead
    config = QUICK.model_copy(update={"maker_seconds": 30.0})
    with pytest.raises(Killed):
        rig.rebalance(rig.verdict("r1", PAIR), config, lock_seconds=60)
    rig.on_sleep, rig.hook = lambda: None, lambda name: None
    dead = False

    async def case(there: Watched) -> GuardReport:
        return await there.looks(12, after=15)

    report = run(rig, case)
    orders = [*rig.orders("binance"), *rig.orders("okx")]
    assert not [order for order in orders if order.status == "open"]
    assert (rig.held("binance"), rig.held("okx")) == (0, 0)
    assert report.findings == ()


def test_a_size_beyond_its_limit_is_reduced_after_patience_and_trading_goes_on(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)
    tight = LIMITS.tightened({"max_instrument_notional_usd": 20_000})

    async def case(there: Watched) -> GuardReport:
        early = await there.looks(3, after=50)
        assert {found.severity for found in early.findings} == {"warning"}
        assert sent_by_the_guard(rig) == 0
        return await there.looks(3, after=100)

    report = run(rig, case, limits=tight)
    assert report.state == "ACTIVE"
    assert report.findings == ()
    assert rig.held("binance") == -rig.held("okx")
    assert rig.held("binance") * rig.mark("binance") < 20_100
    assert all(r.intent.request.reduce_only for r in rig.journal.intents() if r.intent.rebalance != "r1")


def test_inspecting_changes_nothing(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> GuardReport:
        await there.send("okx", "1.5")
        return await there.guard.inspect()

    report = run(rig, case)
    assert {found.action for found in report.findings} == {"shed", "REDUCING"}
    assert report.acted == ()
    assert rig.journal.state().state == "ACTIVE"
    assert (rig.journal.heartbeat("guard"), rig.journal.alerts(), rig.journal.peak_equity()) == (
        None,
        (),
        None,
    )
    assert sent_by_the_guard(rig) == 0


def test_each_change_of_the_state_is_told_also_when_its_cause_is_a_repeat(new_rig: NewRig) -> None:
    rig = with_pair(new_rig)

    async def case(there: Watched) -> list[str]:
        await there.look()
        for _ in range(2):
            await there.send("okx", "0.5")
            await there.looks(5, after=6)
            rig.journal.set_state("ACTIVE", reason="looked at it", by="person anna")
        assert there.alerts.flush()
        return [title for _, title, _ in there.heard.messages]

    titles = run(rig, case)
    assert sum("trading is REDUCING now" in title for title in titles) == 2
    assert sum("BTC is not hedged" in title for title in titles) == 1
    assert rig.held("binance") == Decimal("0.5")
