"""The executor against a running testnet: what is allowed is reached, legs together, whatever goes wrong."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from funding_pipeline.core.errors import ExecutionLockedError
from funding_pipeline.core.governance import Heartbeat
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline_tests.trading.rig import QUICK, Open, Targets, TradingRig

NewRig = Callable[..., TradingRig]
FIVE = ("binance", "bybit", "okx", "hyperliquid", "gate")
PAIR: Targets = {("binance", "BTC"): "1.5", ("okx", "BTC"): "-1.5"}
FLAT: Targets = {("binance", "BTC"): "0", ("okx", "BTC"): "0"}


def test_a_pair_is_opened_and_nothing_is_due_afterwards(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    verdict = rig.verdict("r1", PAIR)
    report = rig.rebalance(verdict)
    assert report.status == "done"
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1.5"), Decimal("-1.5"))
    assert (report.remaining, report.unhedged_usd) == ((), {"BTC": 0.0})
    again = rig.rebalance(verdict)
    assert (again.status, again.orders_sent) == ("done", 0)


def test_legs_move_in_slices_the_one_with_less_depth_first(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", PAIR), QUICK.model_copy(update={"slice_usd": 15_000}))
    moved, steps = Decimal(0), []
    everything = sorted([*rig.fills("binance"), *rig.fills("okx")], key=lambda fill: fill.time)
    sent = rig.journal.intents(rebalance="r1")
    assert len(sent) == 6
    firsts = {record.intent.leg for record in sent[::2]}
    assert len(firsts) == 1, "the same leg goes first in every slice"
    for record in sent:
        assert record.order is not None
        moved += record.order.filled * (1 if record.order.side == "buy" else -1)
        steps.append(abs(moved))
    assert all(step == 0 for step in steps[1::2]), "every slice is hedged before the next begins"
    assert everything


def test_five_venues_of_one_base_end_neutral(new_rig: NewRig) -> None:
    rig = new_rig(*FIVE)
    quantities = dict(zip(FIVE, ("3.017", "-1.0234", "-0.9", "-0.55", "-0.5436"), strict=True))
    report = rig.rebalance(rig.verdict("r1", {(v, "ETH"): q for v, q in quantities.items()}))
    assert report.status == "done"
    net = sum(rig.held(venue, "ETH") for venue in FIVE)
    assert abs(net) <= Decimal("0.01")
    for venue, wanted in quantities.items():
        assert abs(rig.held(venue, "ETH") - Decimal(wanted)) <= Decimal("0.02")


def test_a_turn_from_long_to_short_closes_first(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", PAIR))
    turned = {("binance", "BTC"): "-0.6", ("okx", "BTC"): "0.6"}
    assert rig.rebalance(rig.verdict("r2", turned)).status == "done"
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("-0.6"), Decimal("0.6"))
    requests = [record.intent.request for record in rig.journal.intents(rebalance="r2")]
    closed = sum(request.quantity for request in requests if request.reduce_only)
    assert closed == 3


def test_reducing_only_reduces_both_legs_together(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", PAIR))
    rig.journal.set_state("REDUCING", reason="test", by="test")
    smaller = {
        ("binance", "BTC"): "0.4",
        ("okx", "BTC"): "-0.4",
        ("binance", "ETH"): "2",
        ("okx", "ETH"): "-2",
    }
    report = rig.rebalance(rig.verdict("r2", smaller))
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("0.4"), Decimal("-0.4"))
    assert rig.held("binance", "ETH") == 0
    assert report.status != "done"
    assert all(record.intent.request.reduce_only for record in rig.journal.intents(rebalance="r2"))


def test_nothing_is_sent_while_halted_and_what_rests_is_cancelled(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    config = QUICK.model_copy(update={"maker_seconds": 30.0})
    rig.on_sleep = lambda: rig.journal.set_state("HALTED", reason="stop", by="a person")
    report = rig.rebalance(rig.verdict("r1", PAIR), config)
    assert report.status == "halted"
    orders = [*rig.orders("binance"), *rig.orders("okx")]
    assert [order.status for order in orders] == ["cancelled"]
    rig.on_sleep = lambda: None
    assert rig.rebalance(rig.verdict("r2", PAIR), config).orders_sent == 0


def test_a_halt_between_writing_and_sending_is_seen(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")

    def halt(name: str) -> None:
        if name == "after:write_intent":
            rig.journal.set_state("HALTED", reason="stop", by="a person")

    rig.hook = halt
    assert rig.rebalance(rig.verdict("r1", PAIR)).status == "halted"
    assert [*rig.orders("binance"), *rig.orders("okx")] == []
    assert [record.outcome for record in rig.journal.intents()] == ["absent"]


def test_nothing_is_sent_in_a_settlement_window(new_rig: NewRig) -> None:
    rig = new_rig("hyperliquid", "gate")
    to_hour = 3600 - rig.testnet.clock.now() // 1000 % 3600
    rig.testnet.clock.advance(seconds=to_hour - 40)
    config = QUICK.model_copy(update={"deadline_seconds": 200.0, "slice_usd": 5_000.0})
    report = rig.rebalance(rig.verdict("r1", {("hyperliquid", "BTC"): "1", ("gate", "BTC"): "-1"}), config)
    assert report.status == "done"
    for fill in rig.fills("hyperliquid"):
        from_hour = (fill.time // 1000 + 1800) % 3600 - 1800
        assert abs(from_hour) > 15


def test_without_the_guards_heartbeat_nothing_is_opened(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    config = QUICK.model_copy(update={"guard_max_age_seconds": 10.0})
    report = rig.rebalance(rig.verdict("r1", PAIR), config)
    assert report.orders_sent == 0
    assert any("guard" in problem for problem in report.problems)


def test_a_heartbeat_far_ahead_of_the_clock_opens_nothing(new_rig: NewRig) -> None:
    """It was given before the clock was put back: whether the guard lives is not known."""
    rig = new_rig("binance", "okx")
    rig.journal.beat(Heartbeat("guard", rig.now() + timedelta(hours=1)))
    config = QUICK.model_copy(update={"guard_max_age_seconds": 10.0})
    assert rig.rebalance(rig.verdict("r1", PAIR), config).orders_sent == 0


def test_a_maker_order_fills_or_is_taken_back(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    config = QUICK.model_copy(update={"maker_seconds": 3.0, "slice_usd": 20_000.0})
    report = rig.rebalance(rig.verdict("r1", PAIR), config)
    assert report.status == "done"
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("1.5"), Decimal("-1.5"))
    intents = rig.journal.intents(rebalance="r1")
    assert "post_only" in {record.intent.request.time_in_force for record in intents}
    assert {order.status for order in (*rig.orders("binance"), *rig.orders("okx"))} <= {"filled", "cancelled"}
    assert report.seconds["fill"] > 0


def test_two_executors_cannot_run_at_once(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    with rig.new_journal().lock("another"), pytest.raises(ExecutionLockedError, match="another"):
        rig.rebalance(rig.verdict("r1", PAIR))


def test_flatten_closes_all_legs_together_and_says_what_remains(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", {**PAIR, ("binance", "ETH"): "-5", ("okx", "ETH"): "5"}))
    rig.fault("halt", "okx", symbol="ETH/USDT:USDT")

    async def case(opened: Open) -> tuple[object, object]:
        first = await opened.executor.flatten(reason="a test")
        rig.end_faults()
        return first, await opened.executor.flatten(reason="a test")

    first, second = rig.run(case)
    assert {leg.base for leg in first.remaining} == {"ETH"}  # type: ignore[attr-defined]
    assert second.status == "done"  # type: ignore[attr-defined]
    assert all(rig.held(v, b) == 0 for v in ("binance", "okx") for b in ("BTC", "ETH"))


def test_a_position_that_no_verdict_knows_is_left_and_reported(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", {("binance", "SOL"): "20", ("okx", "SOL"): "-20"}))
    report = rig.rebalance(rig.verdict("r2", PAIR))
    assert report.unplanned == ("binance SOL/USDT:USDT", "okx SOL/USDT:USDT")
    assert rig.held("binance", "SOL") == 20


def test_statements_are_in_the_journal_afterwards(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", PAIR))
    for venue in ("binance", "okx"):
        kept, told = rig.journal.fills(venue=venue), rig.fills(venue)
        assert len(kept) == len(told) > 0
        assert sum(fill.fee for fill in kept if fill.fee is not None) == pytest.approx(
            sum(fill.fee for fill in told), abs=Decimal("0.01")
        )


def test_the_report_tells_the_time_of_each_stage(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    ticks = iter(range(100_000))
    report = rig.rebalance(
        rig.verdict("r1", PAIR), ExecutionConfig(concurrency=4), timer=lambda: float(next(ticks))
    )
    assert set(report.seconds) == {"read", "judge", "send", "fill"}
    assert report.seconds["send"] > 0 < report.seconds["read"]
