"""Hyperliquid's recorded bodies through ccxt's own parser and our venue module, with figures by hand."""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import VenueAnswerError, VenueRefusedError
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.venues import listing
from funding_pipeline.venues.hyperliquid_client import leverage_tiers
from funding_pipeline_tests.venues.hyperliquid_replay import VENUE, WALLET, Bodies, Replay, replay

SOL, ETH = "SOL/USDC:USDC", "ETH/USDC:USDC"
CLIENT_ID = "0123456789abcdef01234567"


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Bodies:
    return json.loads((payloads_dir / "ccxt_examples" / "hyperliquid.json").read_text())


@pytest.fixture(scope="module")
def markets(examples: Bodies) -> list[Any]:
    """The recorded universe (SOL), with ETH's terms from another recorded body, and kPEPE made like them."""
    (sol,), (sol_context,) = (part for part in _list(examples, "fetch_swap_markets"))
    merged = examples["parse_funding_rate"][0]["body"]
    terms = {key: merged[key] for key in ("maxLeverage", "name", "onlyIsolated", "szDecimals")}
    context = {key: value for key, value in merged.items() if key not in terms}
    pepe = {**sol, "name": "kPEPE", "szDecimals": 0}
    universe = [sol, terms, pepe]
    return [{"universe": universe}, [sol_context, context, {**sol_context, "markPx": "0.018012"}]]


def _list(examples: Bodies, name: str) -> tuple[Any, Any]:
    meta, contexts = examples[name][0]["body"]
    return meta["universe"], contexts


# --- markets
def test_terms_of_a_market(markets: list[Any]) -> None:
    loaded, session = replay({"metaAndAssetCtxs": markets}, lambda client: client.load_markets())
    terms = listing.instrument_terms(VENUE, loaded[SOL], 4, VENUE.interval_hours(loaded[SOL], None))
    assert (terms.native_id, terms.settle, terms.contract_size) == ("0", "USDC", Decimal(1))
    assert (terms.quantity_step, terms.price_tick) == (Decimal("0.01"), Decimal("0.01"))  # 108.04: 5 figures
    assert (terms.min_notional, terms.maker_fee, terms.taker_fee) == (
        Decimal(10),
        Decimal("0.00015"),
        Decimal("0.00045"),
    )
    assert terms.interval_hours == 1.0
    assert [body["type"] for body in session.sent] == ["metaAndAssetCtxs"]  # one request, no keys used


def test_thousands_keep_their_name_and_multiplier(markets: list[Any]) -> None:
    bodies = {"metaAndAssetCtxs": markets}
    ours, _ = replay(bodies, lambda client: client.load_markets())
    stock, _ = replay(bodies | {"spotMeta": {"tokens": []}}, lambda client: client.load_markets(), stock=True)
    assert "KPEPE/USDC:USDC" in stock  # the trap: it reads as a coin of its own
    assert parse_symbol("KPEPE/USDC:USDC").multiplier == 1
    assert "kPEPE/USDC:USDC" in ours
    assert (parse_symbol("kPEPE/USDC:USDC").base, parse_symbol("kPEPE/USDC:USDC").multiplier) == (
        "PEPE",
        1000,
    )


def test_other_exchanges_on_the_chain_are_no_crypto_assets(markets: list[Any]) -> None:
    loaded, _ = replay({"metaAndAssetCtxs": markets}, lambda client: client.load_markets())
    assert VENUE.underlying(loaded[SOL])[0] == "crypto"
    share = {**loaded[SOL], "info": {**loaded[SOL]["info"], "name": "xyz:TSLA"}}
    assert VENUE.underlying(share) == ("other", "dex xyz")


def test_margin_of_a_large_position_from_the_venues_brackets() -> None:
    tiers = [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}]
    coin = {"name": "BTC", "maxLeverage": 40, "marginTableId": 56}
    meta = {"universe": [coin], "marginTables": [[56, {"description": "", "marginTiers": tiers}]]}
    low, high = listing.leverage_tiers(VENUE, "BTC/USDC:USDC", leverage_tiers(meta, "BTC"))
    assert 200_000_000 * high.maintenance_rate - high.deduction == 3_125_000
    assert 150_000_000 * low.maintenance_rate == 150_000_000 * high.maintenance_rate - high.deduction


# --- funding and prices
def test_estimate_is_hourly_and_not_dated_by_our_own_clock(markets: list[Any]) -> None:
    row, _ = replay({"metaAndAssetCtxs": markets}, lambda client: client.fetch_funding_rate(SOL))
    estimate = VENUE.estimated_rate(row, {}, VENUE.interval_hours({}, row))
    assert (estimate.rate, estimate.interval_hours, estimate.settles_at) == (0.0000198, 1.0, None)


def test_settled_rate_is_dated_at_the_hour(examples: Bodies, markets: list[Any]) -> None:
    body = examples["fetch_funding_rate_history"][0]["body"]
    since, params = VENUE.history_request(1704286800000, 1704290400000)
    rows, session = replay(
        {"metaAndAssetCtxs": markets, "fundingHistory": body},
        lambda client: client.fetch_funding_rate_history(ETH, since, 500, params),
    )
    settled = VENUE.settled_rate(rows[0], {})
    assert rows[0]["timestamp"] == 1704290400031
    assert settled.settled_at == datetime(2024, 1, 3, 14, tzinfo=UTC)
    assert settled.rate == 0.0000125
    asked = session.sent[-1]
    assert asked["startTime"] == 1704286800000
    assert asked["endTime"] > 1704290400031  # a request that ends on the hour must not lose its settlement


def test_candles_of_trades_only(examples: Bodies, markets: list[Any]) -> None:
    body = examples["fetch_ohlcv"][0]["body"]
    since, params = VENUE.candle_request("trade", 1704286800000, 1704290400000)
    bars, session = replay(
        {"metaAndAssetCtxs": markets, "candleSnapshot": body},
        lambda client: client.fetch_ohlcv(ETH, "1h", since, 5000, params),
    )
    assert bars == [[1704286800000, 2247.9, 2247.9, 2224.6, 2226.4, 591.6427]]
    asked = {"coin": "ETH", "interval": "1h", "startTime": 1704286800000, "endTime": 1704290399999}
    assert session.sent[-1] == {"type": "candleSnapshot", "req": asked}
    with pytest.raises(VenueAnswerError, match="trade candles"):
        VENUE.candle_request("mark", 0, 1)


def test_book_and_open_interest(examples: Bodies, markets: list[Any]) -> None:
    bodies = {"metaAndAssetCtxs": markets, "l2Book": examples["fetch_order_book"][0]["body"]}
    book, _ = replay(bodies, lambda client: client.fetch_order_book(ETH))
    assert (book["bids"], book["asks"]) == ([[2216.2, 74.0637]], [[2216.5, 70.5893]])
    assert book["timestamp"] == 1704290104840
    rows, _ = replay(bodies, lambda client: client.fetch_open_interests([SOL]))
    assert VENUE.open_interest(rows[SOL], {}) == 10764.48


# --- account
def test_balance_and_position(examples: Bodies, markets: list[Any]) -> None:
    state = examples["fetch_positions"][0]["body"]
    bodies = {"metaAndAssetCtxs": markets, "clearinghouseState": state, "userAbstraction": "disabled"}
    balance, _ = replay(bodies, lambda client: client.fetch_balance())
    assert (balance["USDC"]["total"], balance["USDC"]["free"]) == (100.0, 100.0)
    (position,), _ = replay(bodies, lambda client: client.fetch_positions([ETH]))
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.2259, 2213.9)
    assert position["markPrice"] == pytest.approx(500.12001 / 0.2259)
    assert (position["initialMargin"], position["marginMode"]) == (24.88097, "isolated")
    assert (position["leverage"], position["liquidationPrice"]) == (20.0, 2125.00856238)


def test_fills_payments_and_fees(examples: Bodies, markets: list[Any]) -> None:
    bodies = {
        "metaAndAssetCtxs": markets,
        "userFillsByTime": examples["fetch_my_trades"][0]["body"],
        "userFunding": examples["fetch_funding_history"][0]["body"],
        "userFees": examples["fetch_trading_fee"][0]["body"],
    }
    (fill,), _ = replay(bodies, lambda client: client.fetch_my_trades(ETH, 1))
    assert (fill["side"], fill["price"], fill["amount"], fill["takerOrMaker"]) == (
        "sell",
        2381.1,
        0.0841,
        "taker",
    )
    assert fill["fee"] == {"cost": 0.050062, "currency": "USDC"}
    (payment,), _ = replay(bodies, lambda client: client.fetch_funding_history(SOL, 1))
    assert Decimal(payment["info"]["delta"]["szi"]) < 0 < payment["rate"]  # a short is paid
    assert VENUE.payment_amount(payment) == Decimal("75.635093")
    fee, _ = replay(bodies, lambda client: client.fetch_trading_fee(SOL))
    assert (fee["maker"], fee["taker"]) == (0.0001, 0.00035)


def test_an_order_is_looked_up_by_client_id_with_its_average_price(
    examples: Bodies, markets: list[Any]
) -> None:
    body = json.loads(json.dumps(examples["fetch_order"][0]["body"]))
    body["order"]["order"].update(sz="0.0", cloid=VENUE.client_id(CLIENT_ID))
    body["order"]["status"] = "filled"
    one = {**examples["fetch_my_trades"][0]["body"][0], "oid": 3991946565, "time": 1704346468838}
    fills = [one | {"px": "1999.0", "sz": "0.04"}, one | {"px": "2000.0", "sz": "0.06"}, one | {"oid": 1}]
    order, session = replay(
        {"metaAndAssetCtxs": markets, "orderStatus": body, "userFillsByTime": fills},
        lambda client: VENUE.fetch_order_by_client_id(client, ETH, VENUE.client_id(CLIENT_ID)),
    )
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.1, 1999.6)
    assert session.sent[1]["oid"] == "0x0123456789abcdef0123456700000000"


def test_client_ids_there_and_back() -> None:
    assert VENUE.canonical_client_id(VENUE.client_id(CLIENT_ID)) == CLIENT_ID
    for other in (None, "", CLIENT_ID, "0x" + "a" * 32):
        assert VENUE.canonical_client_id(other) is None


# --- orders
def order_request(kind: Any = "limit", price: str | None = "100") -> OrderRequest:
    return OrderRequest(
        "hyperliquid", SOL, "buy", kind, Decimal(1), CLIENT_ID, None if price is None else Decimal(price)
    )


def send(request: OrderRequest, bodies: Bodies, **config: Any) -> tuple[Any, Replay]:
    def use(client: Any) -> Awaitable[Any]:
        params = VENUE.order_params(request)
        amount, price = float(request.quantity), None if request.price is None else float(request.price)
        return client.create_order(request.symbol, request.kind, request.side, amount, price, params)

    return replay(bodies, use, **config)


def test_nothing_is_ever_spent(examples: Bodies, markets: list[Any]) -> None:
    """ccxt approves a fee for a builder, sets a referrer and attaches the builder, unless it is stopped."""
    ok = examples["approve_builder_fee"][0]["body"]
    bodies = {
        "metaAndAssetCtxs": markets,
        "order": examples["create_orders"][0]["body"],
        "spotMeta": {"tokens": []},
        "approveBuilderFee": ok,
        "setReferrer": ok,
        "userAbstraction": "disabled",
    }
    stock_options = {"fetchMarkets": {"types": ["swap"]}}
    _, stock = send(order_request(), bodies, stock=True, options=stock_options)
    assert {action["type"] for action in stock.actions()} == {"approveBuilderFee", "setReferrer", "order"}
    assert "builder" in stock.actions()[-1]
    order, ours = send(order_request(), bodies)
    assert [action["type"] for action in ours.actions()] == ["order"]
    assert "builder" not in ours.actions()[0]
    assert order["id"] == "5063830287"


def test_the_last_gate_refuses_what_spends_money(markets: list[Any]) -> None:
    async def approve(client: Any) -> None:
        await client.approve_builder_fee(WALLET, "0.01%")

    with pytest.raises(VenueRefusedError, match="approveBuilderFee"):
        replay({"metaAndAssetCtxs": markets}, approve)


def test_market_orders_are_bounded_by_our_price_or_by_five_percent(
    examples: Bodies, markets: list[Any]
) -> None:
    filled = examples["edit_orders"][1]["body"]
    book = {"coin": "SOL", "time": 1, "levels": [[{"px": "99", "sz": "1"}], [{"px": "100", "sz": "1"}]]}
    bodies = {"metaAndAssetCtxs": markets, "order": filled, "l2Book": book}
    order, session = send(order_request("market", "101.5"), bodies)
    (sent,) = session.actions()[0]["orders"]
    assert (sent["p"], sent["t"], sent["c"]) == (
        "101.5",
        {"limit": {"tif": "Ioc"}},
        VENUE.client_id(CLIENT_ID),
    )
    assert (order["filled"], order["average"], order["symbol"]) == (0.1, 100.84, None)
    _, session = send(order_request("market", None), bodies)
    assert session.actions()[0]["orders"][0]["p"] == "105"


@pytest.mark.parametrize("which", [1, 2])
def test_an_error_inside_a_200_is_raised_with_its_reason(
    examples: Bodies, markets: list[Any], which: int
) -> None:
    import ccxt

    body = examples["handle_errors"][which]["body"]
    with pytest.raises(ccxt.InsufficientFunds) as raised:
        send(order_request(), {"metaAndAssetCtxs": markets, "order": body})
    assert VENUE.rejection_reason(raised.value) == "insufficient_margin"


def test_an_unknown_wallet_is_no_fault_of_the_order(examples: Bodies, markets: list[Any]) -> None:
    import ccxt

    body = examples["handle_errors"][0]["body"]
    with pytest.raises(ccxt.AuthenticationError, match="does not exist"):
        send(order_request(), {"metaAndAssetCtxs": markets, "order": body})


def test_an_agents_key_cannot_withdraw(markets: list[Any]) -> None:
    own, _ = replay({}, VENUE.key_permissions)
    agent, _ = replay({}, VENUE.key_permissions, walletAddress="0x" + "ab" * 20)
    assert (own.may_withdraw, agent.may_trade, agent.may_withdraw) == (None, True, False)
