"""The guard is killed before and after each of its commits; the next one does what is left, and no more."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from funding_pipeline.chaos.kills import Kill, Killed, KillSwitch
from funding_pipeline_tests.guard.watch import Watched, watched
from funding_pipeline_tests.trading.rig import TradingRig

NewRig = Callable[..., TradingRig]
BOUGHT = Decimal("0.25")
MOST_POINTS = 60


@pytest.mark.slow
def test_killed_at_every_commit_the_next_life_converges(new_rig: NewRig) -> None:
    rig = new_rig("binance", "okx")
    rig.rebalance(rig.verdict("r1", {("binance", "BTC"): "14", ("okx", "BTC"): "-14"}))
    held = rig.held("binance")
    points: list[str] = []
    for passes in range(MOST_POINTS):
        rig.journal.set_state("ACTIVE", reason=f"life {passes}", by="person anna")
        asyncio.run(_buy(rig))
        point = _killed_life(rig, passes)
        if not point:
            break
        points.append(point)
        _whole_life(rig)
        held -= BOUGHT
        assert (rig.held("binance"), rig.held("okx")) == (held, -held), point
        assert rig.journal.state().state == "REDUCING", point
        assert rig.journal.unresolved() == (), point
        assert rig.journal.lock_holder() is None, point
    else:
        raise AssertionError("the guard still commits after so many points")
    writes = {point.partition(":")[2] for point in points}
    assert {"set_state", "beat", "raise_alert", "take_lock", "write_intent", "record_outcome"} <= writes
    sent = [record for record in rig.journal.intents() if record.intent.rebalance.startswith("guard")]
    assert all(record.intent.request.reduce_only for record in sent)
    ids = [order.ticket.client_id for order in (*rig.orders("binance"), *rig.orders("okx"))]
    assert len(ids) == len(set(ids)), "no order twice"


async def _buy(rig: TradingRig) -> None:
    """Somebody closes a part of the short."""
    async with watched(rig) as there:
        await there.send("okx", str(BOUGHT))


def _killed_life(rig: TradingRig, passes: int) -> str:
    """A life that dies at its n-th commit point; its name, or empty where it lived to the end."""
    switch = KillSwitch(Kill("any", passes), "guard")
    rig.hook = switch.pass_point

    async def life() -> None:
        async with watched(rig, journal=rig.new_journal()) as there:
            await _looks(there)

    with suppress(Killed):
        asyncio.run(life())
    rig.hook = lambda name: None
    return switch.point


def _whole_life(rig: TradingRig) -> None:
    async def life() -> None:
        async with watched(rig, journal=rig.new_journal()) as there:
            await there.look()
            await rig.sleep(60)  # the lock of a dead guard expires
            await _looks(there)

    asyncio.run(life())


async def _looks(there: Watched) -> None:
    await there.looks(4, after=6)
