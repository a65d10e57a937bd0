"""Orders on every trading venue: the same cases, each in the venue's own dialect."""

from decimal import Decimal

import pytest

from funding_pipeline.core.errors import OrderOutcomeUnknownError, OrderRejectedError
from funding_pipeline.core.trading import OrderState
from funding_pipeline_tests.conformance.rig import VenueRig, run


def test_a_market_order_fills_in_base_units(venue: VenueRig) -> None:
    keys, request = venue.new_keys(), venue.order("buy", quantity=venue.lots(2))

    async def case() -> OrderState:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            return await gateway.create_order(request)

    state = run(case())
    order = venue.exchange.find_order(venue.account(keys), order_id=None, client_id=sent_id(venue, request))
    assert state.status == "filled"
    assert state.quantity == state.filled == request.quantity == order.filled
    assert state.average_price is not None
    assert float(state.average_price) == pytest.approx(float(order.average), rel=1e-6)
    assert state.client_order_id == request.client_order_id
    assert (state.side, state.symbol, state.venue) == ("buy", venue.symbol, venue.name)


def sent_id(venue: VenueRig, request: object) -> str:
    """The client id as the engine has it."""
    return venue.dialect.client_id(request.client_order_id)  # type: ignore[attr-defined]


def test_a_limit_order_rests_is_found_and_cancelled(venue: VenueRig) -> None:
    keys, request = venue.new_keys(), venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> tuple[OrderState, OrderState | None, tuple[OrderState, ...], OrderState]:
        async with venue.private(keys) as gateway:
            sent = await gateway.create_order(request)
            found = await gateway.order_by_client_id(venue.symbol, request.client_order_id)
            resting = await gateway.open_orders(venue.symbol)
            ended = await gateway.cancel_order(venue.symbol, request.client_order_id)
            assert await gateway.open_orders() == ()
            return sent, found, resting, ended

    sent, found, resting, ended = run(case())
    assert sent.status == "open"
    assert found is not None
    assert found.limit_price == sent.limit_price == request.price
    assert [order.client_order_id for order in resting] == [request.client_order_id]
    assert resting[0].quantity == request.quantity
    assert ended.status == "cancelled"
    assert ended.filled == 0


def test_an_order_that_never_was_is_none(venue: VenueRig) -> None:
    async def case() -> OrderState | None:
        async with venue.private(venue.new_keys()) as gateway:
            return await gateway.order_by_client_id(venue.symbol, venue.new_id())

    assert run(case()) is None


def test_cancelling_what_is_not_there_is_a_rejection(venue: VenueRig) -> None:
    async def case() -> None:
        async with venue.private(venue.new_keys()) as gateway:
            await gateway.cancel_order(venue.symbol, venue.new_id())

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "unknown_order"


def test_a_post_only_order_that_would_take_is_rejected(venue: VenueRig) -> None:
    keys = venue.new_keys()
    request = venue.order("buy", "limit", price=venue.away("sell"), time_in_force="post_only")

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.create_order(request)

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "would_take"
    assert venue.exchange.positions(venue.account(keys)) == []


def test_a_post_only_order_that_rests_is_open(venue: VenueRig) -> None:
    request = venue.order("sell", "limit", price=venue.away("sell"), time_in_force="post_only")

    async def case() -> OrderState:
        async with venue.private(venue.new_keys()) as gateway:
            return await gateway.create_order(request)

    assert run(case()).status == "open"


def test_an_immediate_order_fills_in_part_and_ends(venue: VenueRig) -> None:
    keys = venue.new_keys(balance="50000000")
    venue.advance(seconds=5)  # a book that no other case has taken from
    asks = venue.exchange.quotes.book(venue.symbol, venue.now_ms).asks
    price = asks[0].price.to_integral_value(rounding="ROUND_CEILING")
    within = sum((level.quantity for level in asks if level.price <= price), Decimal(0))
    request = venue.order("buy", "limit", quantity=within * 2, price=price, time_in_force="ioc")

    async def case() -> OrderState:
        async with venue.private(keys) as gateway:
            return await gateway.create_order(request)

    state = run(case())
    assert state.status == "cancelled"
    assert 0 < state.filled == within < request.quantity


def test_reduce_only_never_opens(venue: VenueRig) -> None:
    keys = venue.new_keys()

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.create_order(venue.order("sell", reduce_only=True))

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "reduce_only"
    assert venue.exchange.positions(venue.account(keys)) == []


def test_reduce_only_closes(venue: VenueRig) -> None:
    keys, quantity = venue.new_keys(), venue.lots(1)

    async def case() -> OrderState:
        async with venue.private(keys) as gateway:
            await gateway.create_order(venue.order("buy", quantity=quantity))
            return await gateway.create_order(venue.order("sell", quantity=quantity, reduce_only=True))

    assert run(case()).filled == quantity
    assert venue.exchange.positions(venue.account(keys)) == []


def test_a_duplicate_client_id_is_told_or_known_to_live_twice(venue: VenueRig) -> None:
    keys = venue.new_keys()
    request = venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.create_order(request)
            await gateway.create_order(request)

    if venue.name == "gate":  # does not refuse it: nothing may be sent again without a look-up
        run(case())
        return
    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "duplicate_client_id"
    assert len(venue.exchange.orders(venue.account(keys))) == 1


def test_too_much_for_the_margin_is_a_rejection(venue: VenueRig) -> None:
    keys = venue.new_keys(balance="1000")

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.set_leverage(venue.symbol, 2)
            await gateway.create_order(
                venue.order("buy", "limit", quantity=venue.lots(20), price=venue.away("buy"))
            )

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "insufficient_margin"


def test_off_the_grid_is_refused_before_it_is_sent(venue: VenueRig) -> None:
    keys, step = venue.new_keys(), venue.instrument().step

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.create_order(venue.order(quantity=venue.lots(1) + step / 2))

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "off_grid"
    assert len(venue.exchange.orders(venue.account(keys))) == 0


@pytest.mark.parametrize("fault", ["lost_answer", "truncated", "garbage"])
def test_a_lost_answer_leaves_one_order_that_the_look_up_finds(venue: VenueRig, fault: str) -> None:
    keys, request = venue.new_keys(), venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> OrderState | None:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            venue.fault(fault, method="POST", path=order_path(venue))
            with pytest.raises(OrderOutcomeUnknownError, match=f"{venue.name}: create_order"):
                await gateway.create_order(request)
            venue.end_faults()
            return await gateway.order_by_client_id(venue.symbol, request.client_order_id)

    found = run(case())
    assert found is not None
    assert (found.status, found.quantity) == ("open", request.quantity)
    assert len(venue.exchange.orders(venue.account(keys))) == 1


def test_a_request_that_arrives_twice_makes_one_order(venue: VenueRig) -> None:
    # Gate takes a client id twice: the reason why nothing is sent again without a look-up.
    expected = 2 if venue.name == "gate" else 1
    keys, request = venue.new_keys(), venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> OrderState:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            venue.fault("duplicate", method="POST", path=order_path(venue), count=1)
            return await gateway.create_order(request)

    assert run(case()).status == "open"
    assert len(venue.exchange.orders(venue.account(keys))) == expected


def test_an_order_that_never_arrived_is_unknown_and_then_none(venue: VenueRig) -> None:
    keys, request = venue.new_keys(), venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> OrderState | None:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            venue.fault("drop", method="POST", path=order_path(venue))
            with pytest.raises(OrderOutcomeUnknownError):
                await gateway.create_order(request)
            venue.end_faults()
            return await gateway.order_by_client_id(venue.symbol, request.client_order_id)

    assert run(case()) is None
    assert len(venue.exchange.orders(venue.account(keys))) == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_order_is_never_sent_twice(venue: VenueRig, status: int) -> None:
    keys, request = venue.new_keys(), venue.order("buy", "limit", price=venue.away("buy"))

    async def case() -> int:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            fault = venue.fault("status", method="POST", path=order_path(venue), status=status)
            with pytest.raises(OrderOutcomeUnknownError):
                await gateway.create_order(request)
            return venue.hits(fault)

    assert run(case()) == 1
    assert venue.pauses == []


def order_path(venue: VenueRig) -> str:
    """Part of the path of the request that places an order."""
    return {
        "binance": "/fapi/v1/order",
        "bybit": "/v5/order/create",
        "okx": "/trade/order",
        "hyperliquid": "/exchange",
        "gate": "/orders",
    }[venue.name]
