"""Orders, positions and payments on Hyperliquid's dialect, as a ccxt client sees them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from funding_pipeline.testnet.dialects.hyperliquid import account_info
from funding_pipeline.venues import hyperliquid_client
from funding_pipeline_tests.testnet.dialects.hyperliquid_session import VENUE, Venue

BTC, DOGE = "BTC/USDC:USDC", "DOGE/USDC:USDC"
CLIENT_ID = VENUE.client_id("0123456789abcdef01234567")


@pytest.fixture
def venue() -> Venue:
    return Venue()


def order(
    kind: str, side: str, amount: float, price: float | None = None, **params: Any
) -> Callable[[Any], Any]:
    return lambda client: client.create_order(BTC, kind, side, amount, price, params)


def best(venue: Venue) -> tuple[float, float]:
    bids, asks = venue.info("l2Book", coin="BTC")["levels"]
    return float(bids[0]["px"]), float(asks[0]["px"])


def refusal(venue: Venue, use: Callable[[Any], Any]) -> str | None:
    """Our reason for what the venue refuses."""
    with pytest.raises(ccxt.BaseError) as raised:
        venue.use(use)
    return VENUE.rejection_reason(raised.value)


def test_a_resting_order_is_found_and_cancelled_by_client_id(venue: Venue) -> None:
    bid, _ = best(venue)
    sent = venue.use(order("limit", "buy", 0.05, bid * 0.9, clientOrderId=CLIENT_ID, postOnly=True))
    assert (sent["symbol"], sent["status"], sent["clientOrderId"]) == (None, None, CLIENT_ID)

    async def found(client: Any) -> Any:
        return await VENUE.fetch_order_by_client_id(client, BTC, CLIENT_ID)

    state = venue.use(found)
    assert (state["id"], state["status"], state["symbol"], state["filled"]) == (sent["id"], "open", BTC, 0.0)
    assert [row["id"] for row in venue.use(lambda client: client.fetch_open_orders(BTC))] == [sent["id"]]
    venue.use(lambda client: client.cancel_order("", BTC, {"clientOrderId": CLIENT_ID}))
    assert venue.use(found)["status"] == "canceled"
    assert refusal(venue, lambda client: client.cancel_order(sent["id"], BTC)) == "unknown_order"


def test_an_order_that_nobody_knows(venue: Venue) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        venue.use(lambda client: VENUE.fetch_order_by_client_id(client, BTC, CLIENT_ID))


def test_a_market_order_is_filled_and_its_average_found(venue: Venue) -> None:
    sent = venue.use(order("market", "sell", 0.5, clientOrderId=CLIENT_ID))
    assert (sent["filled"], sent["symbol"]) == (0.5, None)
    state = venue.use(lambda client: VENUE.fetch_order_by_client_id(client, BTC, CLIENT_ID))
    assert (state["status"], state["filled"], state["average"]) == ("closed", 0.5, sent["average"])
    (position,) = venue.use(lambda client: client.fetch_positions([BTC]))
    assert (position["side"], position["contracts"], position["entryPrice"]) == (
        "short",
        0.5,
        sent["average"],
    )


def test_refusals_inside_a_200_have_reasons(venue: Venue) -> None:
    bid, ask = best(venue)
    venue.use(order("limit", "buy", 0.05, bid * 0.9, clientOrderId=CLIENT_ID))
    refused = {
        "would_take": order("limit", "buy", 0.05, ask * 1.01, postOnly=True),
        "reduce_only": order("limit", "sell", 0.05, ask * 1.01, reduceOnly=True),
        "below_minimum": order("limit", "buy", 0.001, bid * 0.3),
        "insufficient_margin": order("limit", "buy", 500, bid),
        "duplicate_client_id": order("limit", "buy", 0.05, bid * 0.9, clientOrderId=CLIENT_ID),
        None: order("limit", "buy", 0.05, bid * 0.9, timeInForce="IOC"),
    }
    for reason, use in refused.items():
        assert refusal(venue, use) == reason


def test_sizes_and_prices_are_on_the_venues_grid(venue: Venue) -> None:
    bid, _ = best(venue)
    size, price = f"{0.0505:.4f}", f"{bid * 0.9 + 0.25:.2f}"

    async def raw(client: Any, p: str, s: str) -> Any:
        client.price_to_precision, client.amount_to_precision = (lambda *_: p), (lambda *_: s)
        return await client.create_order(BTC, "limit", "buy", 1, 1)

    whole = f"{bid * 0.9:.0f}"
    for p, s, text in (
        (whole, size, "invalid size"),
        (price, "0.05", "tick size"),  # seven figures
        (whole + ".1234", "0.05", "invalid price"),  # more than 6 - szDecimals decimals
        ("0.001", "0.05", "80% away"),
        (whole, "0", "zero size"),
    ):
        with pytest.raises(ccxt.ExchangeError, match=text):
            venue.use(lambda client, p=p, s=s: raw(client, p, s))


def test_leverage_and_margin_mode_are_one_setting(venue: Venue) -> None:
    venue.use(lambda client: client.set_leverage(5, BTC, {"marginMode": "isolated"}))
    venue.use(order("market", "buy", 0.5))
    (position,) = venue.use(lambda client: client.fetch_positions([BTC]))
    assert (position["leverage"], position["marginMode"]) == (5.0, "isolated")
    assert refusal(venue, lambda client: client.set_leverage(41, BTC)) == "leverage"
    with pytest.raises(ccxt.ExchangeError, match="Cannot switch leverage type with open position"):
        venue.use(lambda client: client.set_margin_mode("cross", BTC, {"leverage": 5}))


def test_funding_is_paid_on_the_oracle_price_every_hour(venue: Venue) -> None:
    venue.use(order("market", "buy", 0.5))
    venue.clock.advance(hours=2)
    first, second = venue.use(lambda client: client.fetch_funding_history(BTC, venue.clock.now() - 7_200_000))
    quotes, settled = venue.exchange.quotes, first["timestamp"] // 3_600_000 * 3_600_000
    rate = Decimal(first["info"]["delta"]["fundingRate"])
    oracle, mark = quotes.index(BTC, settled), quotes.mark(BTC, settled)
    assert VENUE.payment_amount(first) == round(Decimal("-0.5") * oracle * rate, 6)
    assert mark != oracle
    assert second["timestamp"] - first["timestamp"] == 3_600_000
    assert first["timestamp"] % 3_600_000 == 0  # the row itself is stamped a little after the hour
    assert first["info"]["hash"] == second["info"]["hash"] == "0x" + "0" * 64
    assert first["id"] is None  # ccxt makes an id of that, and every payment would be the same one


def test_statements_of_one_coin_are_complete_though_a_page_holds_all_coins(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for a coin's payments, ccxt gives one page of all coins' and calls every one the coin's."""
    for side in (account_info, hyperliquid_client):
        monkeypatch.setattr(side, "PAYMENTS_PAGE", 5)
        monkeypatch.setattr(side, "FILLS_PAGE", 3)

    async def trade(client: Any) -> None:
        for base in ("AVAX", "BTC", "ETH", "SOL"):
            for _ in range(2):
                venue.clock.advance(seconds=1)
                await client.create_order(f"{base}/USDC:USDC", "market", "buy", {"BTC": 0.01}.get(base, 1))

    start = venue.clock.now()
    venue.use(trade)
    venue.clock.advance(hours=6)
    stock = venue.use(lambda client: client.fetch_funding_history(BTC, start), stock=True)
    assert {row["info"]["delta"]["coin"] for row in stock} == {"AVAX", "BTC", "ETH", "SOL"}  # the trap
    assert {row["symbol"] for row in stock} == {BTC}
    ours = venue.use(lambda client: client.fetch_funding_history(BTC, start))
    assert [row["info"]["delta"]["coin"] for row in ours] == ["BTC"] * 6
    fills = venue.use(lambda client: client.fetch_my_trades("SOL/USDC:USDC", start))
    assert sum(fill["amount"] for fill in fills) == 2


def test_a_setting_keeps_the_other_half(venue: Venue) -> None:
    """The venue sets leverage and mode together; ccxt would go back to cross, or ask for a leverage."""
    venue.use(lambda client: VENUE.set_leverage(client, BTC, 7))
    venue.use(lambda client: VENUE.set_margin_mode(client, BTC, "isolated"))
    assert venue.use(lambda client: client.leverage_now(BTC))["value"] == 7
    venue.use(lambda client: VENUE.set_leverage(client, BTC, 3))
    told = venue.use(lambda client: client.leverage_now(BTC))
    assert (told["type"], told["value"]) == ("isolated", 3)


def test_a_cancellation_by_client_id_is_one_request(venue: Venue) -> None:
    venue.use(order("limit", "buy", 0.05, best(venue)[0] * 0.9, clientOrderId=CLIENT_ID))
    venue.use(lambda client: VENUE.cancel_by_client_id(client, BTC, CLIENT_ID))
    assert refusal(venue, lambda client: VENUE.cancel_by_client_id(client, BTC, CLIENT_ID)) == "unknown_order"


def test_balance_of_an_open_position(venue: Venue) -> None:
    venue.use(order("market", "buy", 1))
    venue.clock.advance(hours=3)
    answer = venue.use(lambda client: client.fetch_balance())
    balance = VENUE.balance("USDC", answer["USDC"], answer)
    account = venue.exchange.account_by_key(venue.credentials["walletAddress"])
    assert balance.equity is not None
    assert abs(balance.equity - venue.exchange.equity(account)) < Decimal("0.00001")
    assert balance.wallet is not None
    assert abs(balance.wallet - account.wallet) < Decimal("0.00001")


def test_a_strangers_client_may_trade_with_ccxts_defaults(venue: Venue) -> None:
    """Spot, other exchanges of the chain, currencies: empty, but answered."""
    options = {"fetchMarkets": {"types": ["spot", "swap", "hip3"]}}
    sent = venue.use(order("market", "buy", 0.1, best(venue)[1]), stock=True, options=options)
    assert sent["filled"] == 0.1
