"""The connection in the same process: what faults do to an order and to the client that sent it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.chaos.campaign import Campaign
from funding_pipeline.chaos.connection import EngineConnection, EngineNetwork, in_virtual_time
from funding_pipeline.chaos.engines import EpisodeTestnet
from funding_pipeline.chaos.kills import Kill, Killed, KillSwitch
from funding_pipeline.chaos.virtual_time import Stamps, VirtualClock, VirtualLoop
from funding_pipeline.core.errors import OrderOutcomeUnknownError
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.testnet.engine.values import Order
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.registry import dialect_of

SYMBOL = "BTC/USDT:USDT"
ORDER_PATH = {"binance": "/fapi/v1/order", "gate": "/futures/usdt/orders"}
NOW_MS = 1_704_873_600_000


class _Silent:
    """A witness that only looks on."""

    def leaving(self, venue: str, asked: Any, process: str) -> object:
        return None

    def at_venue(self, venue: str, asked: Any, leaving: object, answer: Callable[[], Any]) -> Any:
        return answer()

    def delivered(self, venue: str, asked: Any, answer: Any) -> None:
        return None


def _with_account(
    campaign: Campaign,
    venue: str,
    fault: dict[str, Any],
    work: Callable[[PrivateGateway, OrderRequest], Awaitable[Any]],
    *,
    kill: Kill | None = None,
) -> list[Order]:
    """Orders that the engine has after `work`, and ten minutes for what is still under way."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        clock = VirtualClock(loop, NOW_MS)
        testnet = EpisodeTestnet(campaign.market, (venue,), clock)
        account, keys = testnet.open(venue, Decimal(100_000), seed="test")
        desk = FaultDesk(testnet)
        switch = KillSwitch(None)
        connection = EngineConnection(EngineNetwork(testnet, desk, _Silent(), 1), clock, switch)
        mark = testnet.seat(venue).quotes.mark(SYMBOL, NOW_MS)
        price = (mark * Decimal("1.01")).quantize(Decimal("0.1"))
        request = OrderRequest(venue, SYMBOL, "buy", "limit", Decimal("0.01"), "ab" * 12, price, "ioc")

        async def traded() -> None:
            dialect = in_virtual_time(dialect_of(venue), Stamps(clock))
            async with PrivateGateway(dialect, connection, Credentials(venue, keys)) as gateway:
                await gateway.positions()
                desk.add({"venue": venue, "method": "POST", "path": ORDER_PATH[venue], "count": 1, **fault})
                switch.kill_at(kill)
                await work(gateway, request)

        try:
            loop.run_until_complete(traded())
        finally:
            loop.run_until_complete(asyncio.sleep(600))
            orders = list(testnet.seat(venue).exchange.orders(account))
    except Killed:
        return orders
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return orders


async def _unknown(gateway: PrivateGateway, request: OrderRequest) -> None:
    with pytest.raises(OrderOutcomeUnknownError):
        await gateway.create_order(request)


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        ({"kind": "lost_answer"}, 1),
        ({"kind": "truncated"}, 1),
        ({"kind": "garbage"}, 1),
        ({"kind": "drop"}, 0),
        ({"kind": "status", "status": 503}, 0),
    ],
)
def test_what_a_fault_leaves_at_the_venue(campaign: Campaign, fault: dict[str, Any], orders: int) -> None:
    assert len(_with_account(campaign, "binance", fault, _unknown)) == orders


def test_an_order_arrives_after_its_sender_gave_up(campaign: Campaign) -> None:
    late = {"kind": "latency", "latency_ms": 25_000}
    assert [order.status for order in _with_account(campaign, "gate", late, _unknown)] == ["filled"]


def test_a_receive_window_turns_a_late_order_away(campaign: Campaign) -> None:
    late = {"kind": "latency", "latency_ms": 25_000}
    assert _with_account(campaign, "binance", late, _unknown) == []


def test_the_network_may_deliver_twice_and_the_venue_takes_an_id_once(campaign: Campaign) -> None:
    async def send(gateway: PrivateGateway, request: OrderRequest) -> None:
        assert (await gateway.create_order(request)).status == "filled"

    assert len(_with_account(campaign, "binance", {"kind": "duplicate"}, send)) == 1


@pytest.mark.parametrize(("passes", "orders"), [(0, 0), (1, 1)])
def test_a_kill_before_or_after_the_request(campaign: Campaign, passes: int, orders: int) -> None:
    async def send(gateway: PrivateGateway, request: OrderRequest) -> None:
        await gateway.create_order(request)

    kill = Kill("writes", passes)
    fault = {"kind": "latency", "latency_ms": 1}
    assert len(_with_account(campaign, "binance", fault, send, kill=kill)) == orders
