"""The executor when answers are lost, venues go, legs are taken away and the process dies."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline_tests.trading.rig import QUICK, Open, TradingRig, symbol

NewRig = Callable[..., TradingRig]
FIVE = ("binance", "bybit", "okx", "hyperliquid", "gate")
PATIENT = QUICK.model_copy(update={"deadline_seconds": 300.0})


def pair(rig: TradingRig, name: str, quantity: str = "0.4") -> RiskVerdict:
    """Long the first venue of the rig, short the second."""
    first, second = rig.venues
    return rig.verdict(name, {(first, "BTC"): quantity, (second, "BTC"): f"-{quantity}"})


def other(venue: str) -> str:
    return "okx" if venue != "okx" else "binance"


@pytest.mark.parametrize(
    ("venue", "fault"), [*((venue, "lost_answer") for venue in FIVE), ("gate", "drop"), ("okx", "drop")]
)
def test_a_lost_answer_is_looked_up_and_never_sent_twice(new_rig: NewRig, venue: str, fault: str) -> None:
    rig = new_rig(venue, other(venue))

    async def case(opened: Open) -> object:
        await opened.executor.rebalance(pair(rig, "r0", "0"))  # accounts are prepared before the fault
        rig.order_fault(fault, venue, count=1)
        return await opened.executor.rebalance(pair(rig, "r1"))

    report = rig.run(case, PATIENT)
    assert report.status == "done"  # type: ignore[attr-defined]
    assert [rig.held(name) for name in rig.venues] == [Decimal("0.4"), Decimal("-0.4")]
    outcomes = [record.outcome for record in rig.journal.intents(rebalance="r1")]
    assert outcomes.count("absent") == (fault == "drop")
    ids = [order.ticket.client_id for name in rig.venues for order in rig.orders(name)]
    assert len(ids) == len(set(ids)) == len(outcomes) - (fault == "drop")


def test_a_resend_on_timeout_is_what_would_go_wrong(new_rig: NewRig) -> None:
    rig = new_rig("bybit", "okx")
    rig.order_fault("lost_answer", "bybit", count=1)
    rig.rebalance(pair(rig, "r1"), PATIENT, resend_on_timeout=True)
    known = {record.intent.client_order_id for record in rig.journal.intents()}
    assert [order for order in rig.orders("bybit") if order.ticket.client_id not in known]


@pytest.mark.parametrize("venue", ["binance", "gate"])
def test_a_request_delivered_twice_ends_with_what_is_allowed(new_rig: NewRig, venue: str) -> None:
    rig = new_rig(venue, other(venue))
    rig.order_fault("duplicate", venue, count=1)
    report = rig.rebalance(pair(rig, "r1"), PATIENT)
    assert report.status == "done"
    assert [rig.held(name) for name in rig.venues] == [Decimal("0.4"), Decimal("-0.4")]


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_a_leg_that_fills_in_part_and_halts_leaves_nothing_naked(new_rig: NewRig, venue: str) -> None:
    rig = new_rig("binance", "okx")
    rig.fault("partial_then_halt", venue, symbol=symbol(venue, "BTC"))
    report = rig.rebalance(pair(rig, "r1"))
    assert report.status != "done"
    assert rig.held("binance") == -rig.held("okx")
    assert report.residual_unhedged_usd == 0


def test_a_venue_that_goes_after_the_first_leg_leaves_the_other_flat(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    gone = []

    def go(name: str) -> None:
        filled = [record for record in rig.journal.intents() if record.outcome == "accepted"]
        if name == "after:record_outcome" and filled and not gone:
            second = next(v for v in rig.venues if v != filled[0].intent.request.venue)
            gone.append(second)
            rig.fault("venue_gone", second)

    rig.hook = go
    config = QUICK.model_copy(update={"unhedged_cap_usd_seconds": 200_000.0})
    report = rig.rebalance(pair(rig, "r1"), config)
    assert report.given_up == ("BTC",)
    assert [rig.held(venue) for venue in rig.venues] == [0, 0]
    assert report.worst_unhedged["BTC"] < 2_000_000
    rig.hook = lambda name: None
    rig.end_faults()
    after = rig.rebalance(pair(rig, "r2"), PATIENT)
    assert after.status == "done"
    assert rig.held("binance") == -rig.held("okx") == Decimal("0.4")


def test_a_deleveraged_leg_is_hedged_again(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(pair(rig, "r1"))
    rig.fault("adl", "okx", account=rig.account_id("okx"), symbol=symbol("okx", "BTC"), quantity="0.25")
    assert rig.held("okx") == Decimal("-0.15")
    rig.end_faults()
    rig.journal.set_state("REDUCING", reason="ADL", by="guard")
    report = rig.rebalance(pair(rig, "r2"))
    assert (rig.held("binance"), rig.held("okx")) == (Decimal("0.15"), Decimal("-0.15"))
    assert report.residual_unhedged_usd == 0
    rig.journal.set_state("ACTIVE", reason="over", by="a person")
    assert rig.rebalance(pair(rig, "r3")).status == "done"


def test_stray_orders_of_an_earlier_process_are_cancelled(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    config = QUICK.model_copy(update={"maker_seconds": 30.0})

    class Killed(BaseException):
        """The process ends here."""

    def kill() -> None:
        raise Killed

    rig.on_sleep = kill
    with pytest.raises(Killed):
        rig.rebalance(pair(rig, "r1"), config)
    resting = [order for venue in rig.venues for order in rig.orders(venue) if order.status == "open"]
    assert len(resting) == 1
    rig.on_sleep = lambda: None
    rig.testnet.clock.advance(seconds=120)
    assert rig.rebalance(pair(rig, "r2")).status == "done"
    assert resting[0].status != "open"
    ended = rig.journal.intent(str(resting[0].ticket.client_id))
    assert ended is None or ended.order is None or ended.order.status != "open"


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "hyperliquid", "gate"])
def test_an_order_of_another_program_is_not_cancelled(new_rig: NewRig, venue: str) -> None:
    """Its id has the form of ours; the journal does not know it."""
    rig = new_rig(venue, "okx" if venue != "okx" else "binance")
    price = round(rig.mark(venue) * Decimal("0.9"), 0)
    request = OrderRequest(
        venue, symbol(venue, "BTC"), "buy", "limit", Decimal("0.1"), "0123456789abcdef01234567", price
    )

    async def place() -> None:
        async with rig.opened() as there:
            await there.gateways[venue].create_order(request)

    asyncio.run(place())
    targets = {(name, "BTC"): size for name, size in zip(rig.venues, ("0.3", "-0.3"), strict=True)}
    refused = rig.rebalance(rig.verdict("r1", targets))
    assert (refused.status, refused.orders_sent) == ("incomplete", 0), "nothing is opened beside it"
    said = f"{venue} {symbol(venue, 'BTC')}: an order that is not ours rests: buy 0.1 at {price}"
    assert [problem for problem in refused.problems if "not ours" in problem] == [said]
    allowed = QUICK.model_copy(update={"open_beside_foreign_orders": True})
    assert rig.rebalance(rig.verdict("r2", targets), allowed).status == "done"
    flat = rig.rebalance(rig.verdict("r3", dict.fromkeys(targets, "0")))
    assert (flat.status, rig.held(venue)) == ("done", 0), "what is held may be reduced"
    assert [order.status for order in rig.orders(venue) if order.ticket.price == price] == ["open"]


def test_killed_at_every_commit_the_same_call_ends_the_same(new_rig: NewRig) -> None:
    rig = new_rig("binance", "gate")

    class Killed(BaseException):
        """The process ends here."""

    def targets(round_: int) -> RiskVerdict:
        quantity = "0.3" if round_ % 2 == 0 else "0"
        return rig.verdict(
            f"r{round_}", {("binance", "BTC"): quantity, ("gate", "BTC"): f"-{quantity}"}, lasts=3600
        )

    async def rounds(opened: Open) -> int:
        at, died = 0, True
        while died:
            verdict, died = targets(at), False
            seen = iter(range(10_000))

            def hook(_: str, seen: object = seen, at: int = at) -> None:
                if next(seen) == at:  # type: ignore[call-overload]
                    raise Killed

            rig.hook = hook
            try:
                await opened.executor.rebalance(verdict)
            except Killed:
                died = True
            rig.hook = lambda name: None
            rig.testnet.clock.advance(seconds=61)  # the lock of the dead expires
            report = await opened.executor.rebalance(verdict)
            assert report.status == "done", report
            assert rig.held("binance") == -rig.held("gate") == verdict.legs[0].allowed
            at += 1
        return at

    kills = rig.run(rounds, PATIENT.model_copy(update={"unhedged_cap_usd_seconds": 1e7}))
    assert kills >= 12
    known = {record.intent.client_order_id for record in rig.journal.intents()}
    sent = [order.ticket.client_id for venue in rig.venues for order in rig.orders(venue)]
    assert len(sent) == len(set(sent))
    assert {str(name).removeprefix("t-") for name in sent} <= known
    for venue in rig.venues:
        assert len(rig.journal.fills(venue=venue)) == len(rig.fills(venue))
