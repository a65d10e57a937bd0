"""Answers of accounts that real venues give and a plain testnet does not: unknown is never read as zero."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import OrderOutcomeUnknownError, VenueError
from funding_pipeline.core.trading import OrderRequest, OrderState
from funding_pipeline.trading.venue_book import read_venue_book
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline_tests.conformance.given import Change, Given, GivenConnection
from funding_pipeline_tests.conformance.rig import Keys, VenueRig, run
from funding_pipeline_tests.testnet.running import RunningTestnet

READS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "binance": {
        "balance": ("v3/account", ""),
        "positions": ("/positionRisk", ""),
        "open_orders": ("/openOrders", ""),
        "order_by_client_id": ("/order", ""),
        "fills": ("/userTrades", ""),
        "funding_payments": ("/income", ""),
    },
    "bybit": {
        "balance": ("/wallet-balance", ""),
        "positions": ("/position/list", "settleCoin=USDT"),
        "open_orders": ("/order/realtime", ""),
        "order_by_client_id": ("/order/realtime", ""),
        "fills": ("/execution/list", ""),
        "funding_payments": ("/execution/list", ""),
    },
    "okx": {
        "balance": ("/account/balance", ""),
        "positions": ("/account/positions", ""),
        "open_orders": ("/orders-pending", ""),
        "order_by_client_id": ("/trade/order", ""),
        "fills": ("/fills-history", ""),
        "funding_payments": ("/bills", ""),
    },
    "hyperliquid": {
        "balance": ("/info", '"clearinghouseState"'),
        "positions": ("/info", '"clearinghouseState"'),
        "open_orders": ("/info", "frontendOpenOrders"),
        "order_by_client_id": ("/info", "orderStatus"),
        "fills": ("/info", "userFillsByTime"),
        "funding_payments": ("/info", "userFunding"),
    },
    "gate": {
        "balance": ("/accounts", ""),
        "positions": ("/positions", ""),
        "open_orders": ("/orders", ""),
        "order_by_client_id": ("/orders/", ""),
        "fills": ("/my_trades", ""),
        "funding_payments": ("/account_book", ""),
    },
}
_STATUS: Mapping[str, tuple[str, str]] = {
    "binance": ("/order", "status"),
    "bybit": ("/order/realtime", "orderStatus"),
    "okx": ("/trade/order", "state"),
    "hyperliquid": ("/info", "status"),
    "gate": ("/orders", "finish_as"),
}


def emptied(body: Any, _: Any) -> Any:
    """The answer without its list: `result` or `data` null, or null altogether."""
    for key in ("result", "data"):
        if isinstance(body, dict) and key in body:
            return {**body, key: None}
    return None


def read(gateway: PrivateGateway, what: str, venue: VenueRig, order: OrderRequest) -> Awaitable[Any]:
    """The call by name, of the instrument at hand."""
    since = venue.now - timedelta(hours=12)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "order_by_client_id": lambda: gateway.order_by_client_id(order.symbol, order.client_order_id),
        "fills": lambda: gateway.fills(order.symbol, since),
        "funding_payments": lambda: gateway.funding_payments(order.symbol, since),
    }
    return calls.get(what, getattr(gateway, what))()


def gateway(venue: VenueRig, keys: Keys, *changes: Given) -> PrivateGateway:
    """A gateway that reads changed answers."""
    connection = GivenConnection(venue.testnet.port, *changes)
    return PrivateGateway(venue.dialect, connection, keys.credentials, sleep=venue._sleep)


def bought(venue: VenueRig, keys: Keys, *, lots: int = 3) -> OrderRequest:
    """A market order that has been filled."""
    order = venue.order("buy", quantity=venue.lots(lots))

    async def case() -> None:
        async with venue.private(keys) as opened:
            await opened.create_order(order)

    run(case())
    return order


@pytest.mark.parametrize("what", sorted(READS["binance"]))
@pytest.mark.parametrize("change", [emptied, lambda *_: {}], ids=["null", "no list"])
def test_an_answer_without_its_list_is_an_error(venue: VenueRig, what: str, change: Change) -> None:
    keys = venue.new_keys()
    order = bought(venue, keys)
    path, part = READS[venue.name][what]
    method = "" if "info" in path else "GET"

    async def case() -> None:
        async with gateway(venue, keys, Given(path, change, part, method)) as opened:
            with pytest.raises(VenueError):
                await read(opened, what, venue, order)

    run(case())


def test_an_acknowledgement_that_says_nothing_is_looked_up(venue: VenueRig) -> None:
    """Hyperliquid's `{"status": "ok", "response": {"type": "default"}}` and its like."""
    keys, order = venue.new_keys(), venue.order("buy", quantity=venue.lots(3))
    path = {"hyperliquid": "/exchange"}.get(venue.name, "order")
    silent = {"status": "ok", "response": {"type": "default"}} if venue.name == "hyperliquid" else None

    def change(body: Any, asked: Any) -> Any:
        return emptied(body, asked) if silent is None else silent

    async def case() -> OrderState | None:
        async with gateway(venue, keys, Given(path, change, method="POST")) as opened:
            try:
                return await opened.create_order(order)
            except OrderOutcomeUnknownError:
                return await opened.order_by_client_id(order.symbol, order.client_order_id)

    state = run(case())
    assert state is not None
    assert (state.status, state.filled) == ("filled", order.quantity)


@pytest.mark.parametrize("is_resting", [True, False], ids=["resting", "ended"])
def test_a_status_that_nobody_knows_costs_nothing_but_a_look(venue: VenueRig, is_resting: bool) -> None:
    keys = venue.new_keys()
    order = venue.order("buy", quantity=venue.lots(3), kind="limit", price=venue.away("buy"))
    other = venue.order("buy", quantity=venue.lots(2), kind="limit", price=venue.away("buy", "0.06"))
    path, name = _STATUS[venue.name]

    def unheard(value: Any) -> Any:
        """Every status of an order replaced by a word that nobody has mapped."""
        if isinstance(value, list):
            return [unheard(item) for item in value]
        if not isinstance(value, dict):
            return value
        is_order = name in value and value[name] not in ("order", "unknownOid", "ok") and name != ""
        changed = {key: unheard(item) for key, item in value.items()}
        return {**changed, name: "Unheard"} if is_order else changed

    async def case() -> tuple[OrderState | None, tuple[OrderState, ...]]:
        async with venue.private(keys) as plain:
            await plain.create_order(order)
            await plain.create_order(other)
            if not is_resting:
                await plain.cancel_order(order.symbol, order.client_order_id)
        async with gateway(venue, keys, Given(path, lambda body, _: unheard(body))) as opened:
            found = await opened.order_by_client_id(order.symbol, order.client_order_id)
            return found, await opened.open_orders()

    found, resting = run(case())
    assert found is not None
    assert found.status == ("open" if is_resting else "cancelled")
    expected = {other.client_order_id} | ({order.client_order_id} if is_resting else set())
    assert {state.client_order_id for state in resting} == expected
    assert {state.status for state in resting} == {"open"}


def test_an_answer_about_another_order_is_none(venue: VenueRig) -> None:
    keys = venue.new_keys()
    first, second = bought(venue, keys), bought(venue, keys)
    path, part = READS[venue.name]["order_by_client_id"]
    method, kept = "" if "info" in path else "GET", list[Any]()

    def the_first(body: Any, _: Any) -> Any:
        kept.append(body)
        return kept[0]

    async def case() -> None:
        async with gateway(venue, keys, Given(path, the_first, part, method)) as opened:
            assert await opened.order_by_client_id(first.symbol, first.client_order_id) is not None
            with pytest.raises(VenueError):
                await opened.order_by_client_id(second.symbol, second.client_order_id)

    run(case())


def test_more_resting_orders_than_fit_on_a_page_are_all_listed(venue: VenueRig) -> None:
    keys = venue.new_keys(balance="1000000")
    count = {"bybit": 60, "okx": 105, "gate": 105}.get(venue.name, 30)
    orders = [
        venue.order("buy", quantity=venue.lots(1), kind="limit", price=venue.away("buy"))
        for _ in range(count)
    ]

    async def case() -> tuple[OrderState, ...]:
        async with venue.private(keys) as opened:
            for order in orders:
                await opened.create_order(order)
            return await opened.open_orders()

    found = run(case())
    assert sorted(str(state.client_order_id) for state in found) == sorted(o.client_order_id for o in orders)


def _rows(body: Any, venue: str) -> list[dict[str, Any]]:
    """The positions of an answer, to be changed in place."""
    found = {"bybit": lambda: body["result"]["list"], "okx": lambda: body["data"]}
    if venue == "hyperliquid":
        return [item["position"] for item in body["assetPositions"]]
    return list(found.get(venue, lambda: body)())


_NAMED = {"bybit": "symbol", "binance": "symbol", "okx": "instId", "gate": "contract", "hyperliquid": "coin"}
_SIZED = {"bybit": "size", "binance": "positionAmt", "okx": "pos", "gate": "size", "hyperliquid": "szi"}
_GONE = {
    "bybit": "GONEUSDT", "binance": "GONEUSDT", "okx": "GONE-USDT-SWAP", "gate": "GONE_USDT",
    "hyperliquid": "GONE",
}  # fmt: skip


def test_a_position_in_what_is_listed_no_more_is_a_leg(venue: VenueRig) -> None:
    keys = venue.new_keys()
    bought(venue, keys)
    path, part = READS[venue.name]["positions"]

    def gone(body: Any, _: Any) -> Any:
        for row in _rows(body, venue.name):
            row[_NAMED[venue.name]] = _GONE[venue.name]
        return body

    async def case() -> Any:
        async with gateway(venue, keys, Given(path, gone, part)) as opened:
            return await opened.positions()

    (held,) = run(case())
    settle = venue.instrument().settle
    assert (held.symbol, held.is_listed) == (f"GONE/{settle}:{settle}", False)
    assert float(held.quantity) == pytest.approx(float(venue.lots(3)), rel=1e-4)


def test_a_position_that_cannot_be_read_is_unknown_and_hides_no_other(venue: VenueRig) -> None:
    keys = venue.new_keys()
    bought(venue, keys)
    path, part = READS[venue.name]["positions"]

    def beside_an_odd_one(body: Any, _: Any) -> Any:
        if venue.name == "hyperliquid":
            odd = {**body["assetPositions"][0]["position"], "coin": "ETH", "szi": None}
            return {**body, "assetPositions": [*body["assetPositions"], {"type": "oneWay", "position": odd}]}
        named = {"okx": "ETH-USDT-SWAP", "gate": "ETH_USDT"}.get(venue.name, "ETHUSDT")
        odd = {**_rows(body, venue.name)[0], _NAMED[venue.name]: named, _SIZED[venue.name]: None}
        if venue.name == "bybit":
            return {**body, "result": {**body["result"], "list": [*body["result"]["list"], odd]}}
        return {**body, "data": [*body["data"], odd]} if venue.name == "okx" else [*body, odd]

    async def case() -> Any:
        async with gateway(venue, keys, Given(path, beside_an_odd_one, part)) as opened:
            with pytest.raises(VenueError, match="ETH"):
                await opened.positions()
            return await opened.read_positions()

    found = run(case())
    assert [held.symbol for held in found.held] == [venue.symbol]
    assert list(found.unread) == [venue.instrument("ETH").symbol]


def test_the_sign_is_that_of_the_amount(venue: VenueRig) -> None:
    """A mark of zero makes Binance's notional zero, from which ccxt takes the side."""
    keys, order = venue.new_keys(), venue.order("sell", quantity=venue.lots(3))
    path, part = READS[venue.name]["positions"]

    def unpriced(body: Any, _: Any) -> Any:
        for row in _rows(body, venue.name):
            row.update(
                {key: "0" for key in ("notional", "positionValue", "notionalUsd", "value") if key in row}
            )
        return body

    async def case() -> Any:
        async with venue.private(keys) as plain:
            await plain.create_order(order)
        async with gateway(venue, keys, Given(path, unpriced, part)) as opened:
            return await opened.positions()

    (held,) = run(case())
    assert held.quantity == -order.quantity


def test_an_order_refused_after_a_fill_has_filled(venue: VenueRig) -> None:
    keys, order = venue.new_keys(), venue.order("buy", quantity=venue.lots(4))
    path, name = _STATUS[venue.name]
    word = {"bybit": "Rejected", "hyperliquid": "tickRejected", "gate": "poc", "okx": "canceled"}
    done, left = {
        "binance": ("executedQty", None), "bybit": ("cumExecQty", "leavesQty"), "okx": ("accFillSz", None),
        "gate": (None, "left"), "hyperliquid": (None, "sz"),
    }[venue.name]  # fmt: skip

    def refused(value: Any) -> Any:
        if isinstance(value, list):
            return [refused(item) for item in value]
        if not isinstance(value, dict):
            return value
        changed = {key: refused(item) for key, item in value.items()}
        if name in value and value[name] not in ("order", "ok", "error"):
            changed[name] = word.get(venue.name, "REJECTED")
        half = {"gate": lambda: value["size"] // 2, "hyperliquid": lambda: str(Decimal(value["origSz"]) / 2)}
        for key in (done, left):
            if key is not None and key in value and (key != "sz" or "origSz" in value):
                changed[key] = half[venue.name]() if venue.name in half else str(Decimal(value[done]) / 2)
        return changed

    def one_way(body: Any, _: Any) -> Any:
        return refused(body)

    async def case() -> OrderState | None:
        async with venue.private(keys) as plain:
            await plain.create_order(order)
        async with gateway(venue, keys, Given(path, one_way)) as opened:
            return await opened.order_by_client_id(order.symbol, order.client_order_id)

    state = run(case())
    assert state is not None
    assert (state.status, state.filled * 2) == ("cancelled", order.quantity)


# --- of one venue
@pytest.fixture
def hyperliquid(conformance_testnet: RunningTestnet) -> VenueRig:
    return VenueRig("hyperliquid", dialect_of("hyperliquid"), conformance_testnet)


def _kind(word: Any) -> Given:
    return Given("/info", lambda *_: word, "userAbstraction")


def _on_spot_side(total: str) -> tuple[Given, ...]:
    """As Hyperliquid answers for an account whose collateral is in its spot balances."""
    spot = {"balances": [{"coin": "USDC", "token": 0, "total": total, "hold": "0.0", "entryNtl": "0.0"}]}

    def empty(body: Any, _: Any) -> Any:
        return {
            **body,
            "marginSummary": {**body["marginSummary"], "accountValue": "0.0"},
            "withdrawable": "0.0",
        }

    return (
        Given("/info", lambda *_: spot, "spotClearinghouseState"),
        Given("/info", empty, '"clearinghouseState"'),
    )


@pytest.mark.parametrize("kind", ["unifiedAccount", "portfolioMargin"])
def test_collateral_of_a_unified_account_is_its_spot_balance(hyperliquid: VenueRig, kind: str) -> None:
    keys = hyperliquid.new_keys()

    async def case() -> Any:
        async with gateway(hyperliquid, keys, _kind(kind), *_on_spot_side("1465.43")) as opened:
            return await read_venue_book(opened, at=hyperliquid.now)

    assert run(case()).equity_usd == Decimal("1465.43")


@pytest.mark.parametrize("kind", [None, "someNewKind", 7, {}])
def test_an_account_of_a_kind_that_nobody_knows_is_not_empty(hyperliquid: VenueRig, kind: Any) -> None:
    keys = hyperliquid.new_keys()

    async def case() -> None:
        async with gateway(hyperliquid, keys, _kind(kind)) as opened:
            with pytest.raises(VenueError, match="kind of account"):
                await opened.balance()

    run(case())


def test_an_account_that_becomes_unified_while_it_is_open_does_not_read_as_empty(
    hyperliquid: VenueRig,
) -> None:
    keys = hyperliquid.new_keys(balance="1500")

    async def case() -> tuple[Any, Any]:
        connection = GivenConnection(hyperliquid.testnet.port)
        async with PrivateGateway(hyperliquid.dialect, connection, keys.credentials) as opened:
            before = await opened.balance()
            later = opened._client.milliseconds() + 10_000
            opened._client.milliseconds = lambda: later
            connection.changes += [_kind("unifiedAccount"), *_on_spot_side("1465.43")]
            return before, await opened.balance()

    before, after = run(case())
    assert [balance.equity for balance in before] == [1500]
    assert [balance.wallet for balance in after] == [Decimal("1465.43")]


def test_fills_without_an_id_are_all_there(hyperliquid: VenueRig) -> None:
    keys = hyperliquid.new_keys()
    first = bought(hyperliquid, keys, lots=3)
    bought(hyperliquid, keys, lots=4)

    def nameless(body: Any, _: Any) -> Any:
        return [{**row, "tid": 0, "hash": "0x" + 64 * "0"} for row in body]

    async def case() -> Any:
        async with gateway(hyperliquid, keys, Given("/info", nameless, "userFillsByTime")) as opened:
            since = hyperliquid.now - timedelta(hours=1)
            return [await opened.fills(first.symbol, since) for _ in range(2)]

    once, again = run(case())
    assert sum(fill.quantity for fill in once) == hyperliquid.lots(7)
    assert len({fill.fill_id for fill in once}) == len(once) >= 2
    assert once == again


def test_gates_unified_account_is_read_where_its_collateral_is(conformance_testnet: RunningTestnet) -> None:
    venue = VenueRig("gate", dialect_of("gate"), conformance_testnet)
    keys = venue.new_keys()
    unified = {"user_id": 1, "balances": {"USDT": {"available": "1400", "freeze": "0", "equity": "1465.43"}}}
    accounts = Given("/futures/usdt/accounts", lambda body, _: {**body, "total": "0", "margin_mode": 1})

    async def case() -> Any:
        opened = gateway(venue, keys, accounts, Given("/unified/accounts", lambda *_: unified))
        async with opened:
            return await opened.balance()

    (balance,) = run(case())
    assert (balance.currency, balance.equity) == ("USDT", Decimal("1465.43"))


def test_binances_perpetual_in_delivery_keeps_its_symbol(conformance_testnet: RunningTestnet) -> None:
    venue = VenueRig("binance", dialect_of("binance"), conformance_testnet)
    keys = venue.new_keys()
    bought(venue, keys)

    def delivering(body: Any, _: Any) -> Any:
        """As `exchangeInfo` lists it once its delivery is announced."""
        changed = {
            "contractType": "PERPETUAL_DELIVERING",
            "deliveryDate": 1735718400000,
            "status": "SETTLING",
        }
        rows = [{**row, **(changed if row["symbol"] == "BTCUSDT" else {})} for row in body["symbols"]]
        return {**body, "symbols": rows}

    async def case() -> tuple[Any, Any]:
        async with gateway(venue, keys, Given("/exchangeInfo", delivering)) as opened:
            return await opened.positions(), await opened.fills(venue.symbol, venue.now - timedelta(hours=1))

    (held,), fills = run(case())
    assert (held.symbol, held.is_listed, held.quantity) == (venue.symbol, False, venue.lots(3))
    assert sum(fill.quantity for fill in fills) == venue.lots(3)


def test_okx_lists_what_is_no_swap_as_a_leg_that_is_not_traded(conformance_testnet: RunningTestnet) -> None:
    venue = VenueRig("okx", dialect_of("okx"), conformance_testnet)
    keys = venue.new_keys()
    bought(venue, keys)
    dated = {"instType": "FUTURES", "instId": "BTC-USDT-260327", "pos": "-3", "notionalUsd": "900"}
    option = {"instType": "OPTION", "instId": "BTC-USD-260327-90000-C", "pos": "2", "notionalUsd": ""}

    def more(body: Any, _: Any) -> Any:
        return {**body, "data": [*body["data"], *({**body["data"][0], **row} for row in (dated, option))]}

    async def case() -> Any:
        async with gateway(venue, keys, Given("/account/positions", more)) as opened:
            return await opened.positions()

    held = {position.symbol: position for position in run(case())}
    option_symbol = "BTC/USD:BTC-260327-90000-C"  # ccxt's spelling
    assert {name: leg.is_listed for name, leg in held.items()} == {
        venue.symbol: True,
        "BTC-USDT-260327": False,
        option_symbol: False,
    }
    mark = held["BTC-USDT-260327"].mark_price
    assert mark is not None
    assert float(held["BTC-USDT-260327"].quantity * mark) == pytest.approx(-900)
    assert held[option_symbol].quantity == 2  # contracts: nobody says what they are worth


def test_bybit_lists_positions_of_both_settle_currencies(conformance_testnet: RunningTestnet) -> None:
    venue = VenueRig("bybit", dialect_of("bybit"), conformance_testnet)
    keys = venue.new_keys()
    bought(venue, keys)
    other = {
        "symbol": "BTCPERP",
        "side": "Sell",
        "size": "0.2",
        "markPrice": "50000",
        "positionValue": "10000",
    }

    def in_usdc(body: Any, asked: Any) -> Any:
        rows = [other] if asked["settleCoin"] == "USDC" else body["result"]["list"]
        return {**body, "result": {**body["result"], "list": rows}}

    async def case() -> Any:
        async with gateway(venue, keys, Given("/position/list", in_usdc)) as opened:
            return await opened.positions()

    found = [(held.symbol, held.quantity, held.is_listed) for held in run(case())]
    assert found == [(venue.symbol, venue.lots(3), True), ("BTCPERP", Decimal("-0.2"), False)]
