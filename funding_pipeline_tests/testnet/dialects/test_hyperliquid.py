"""Hyperliquid's dialect: bodies as recorded, signatures really checked, refusals inside a 200, quirks."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.hyperliquid import public_info
from funding_pipeline_tests.testnet.dialects.hyperliquid_session import VENUE, Venue
from funding_pipeline_tests.testnet.dialects.shapes import differences, named, same_type
from funding_pipeline_tests.testnet.running import NOW_MS

BTC = "BTC/USDC:USDC"
CLIENT_ID = VENUE.client_id("0123456789abcdef01234567")
# Whole numbers which ccxt's examples show in quotes: its JavaScript quotes all numbers of a body when it
# reads it, and its comments were printed from there. The same fields are bare in others of its examples.
QUOTED_IN_EXAMPLES = frozenset(
    {"time", "n", "szDecimals", "maxLeverage", "value", "oid", "timestamp", "statusTimestamp", "tid"}
)
# In an example about something else than ours: a transfer (ours: a deposit), isolated (ours: cross).
OTHERWISE = frozenset({"toPerp", "rawUsd"})


@pytest.fixture
def venue() -> Venue:
    return Venue()


def limit(side: str, price: float, amount: float = 0.05, **params: Any) -> Callable[[Any], Any]:
    return lambda client: client.create_order(BTC, "limit", side, amount, price, params)


def market(side: str, amount: float = 0.05, **params: Any) -> Callable[[Any], Any]:
    return lambda client: client.create_order(BTC, "market", side, amount, None, params)


def best(venue: Venue) -> tuple[float, float]:
    bids, asks = venue.info("l2Book", coin="BTC")["levels"]
    return float(bids[0]["px"]), float(asks[0]["px"])


# --- bodies
@pytest.fixture
def busy(venue: Venue) -> Venue:
    """An account with a position, fills, a payment and resting orders."""
    bid, _ = best(venue)
    venue.use(market("buy", 0.5))
    venue.use(limit("buy", bid * 0.9, clientOrderId=CLIENT_ID))
    venue.clock.advance(hours=2)
    return venue


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("fetch_swap_markets", "metaAndAssetCtxs", {}),
    ("fetch_time", "exchangeStatus", {}),
    ("fetch_order_book", "l2Book", {"coin": "BTC"}),
    ("fetch_funding_rate_history", "fundingHistory", {"coin": "BTC", "startTime": NOW_MS - 9 * HOUR_MS}),
    ("fetch_balance", "clearinghouseState", {}),
    ("fetch_positions", "clearinghouseState", {}),
    ("fetch_open_orders", "frontendOpenOrders", {}),
    ("fetch_orders", "historicalOrders", {}),
    ("fetch_order", "orderStatus", {"oid": CLIENT_ID}),
    ("fetch_my_trades", "userFills", {}),
    ("fetch_my_trades", "userFillsByTime", {"startTime": 0}),
    ("fetch_funding_history", "userFunding", {"startTime": 0}),
    ("fetch_trading_fee", "userFees", {}),
    ("fetch_ledger", "userNonFundingLedgerUpdates", {}),
]


@pytest.mark.parametrize(("example", "kind", "fields"), REQUESTS, ids=[f"{a}-{b}" for a, b, _ in REQUESTS])
def test_answers_have_the_keys_and_types_of_recorded_ones(
    busy: Venue, payloads_dir: Path, example: str, kind: str, fields: dict[str, Any]
) -> None:
    examples = json.loads((payloads_dir / "ccxt_examples" / "hyperliquid.json").read_text())
    ours = busy.info(kind, user=busy.credentials["walletAddress"], **fields)
    assert ours
    assert _unexplained(examples[example][0]["body"], ours) == set()


def test_candles_have_the_keys_and_types_of_recorded_ones(venue: Venue, payloads_dir: Path) -> None:
    examples = json.loads((payloads_dir / "ccxt_examples" / "hyperliquid.json").read_text())
    asked = {"coin": "BTC", "interval": "1h", "startTime": NOW_MS - HOUR_MS, "endTime": NOW_MS}
    assert _unexplained(examples["fetch_ohlcv"][0]["body"], venue.info("candleSnapshot", req=asked)) == set()


def _unexplained(example: Any, ours: Any) -> set[str]:
    """Keys beyond the example's are the venue's newer ones."""
    found = differences(example, ours, is_same=_same)
    return {one for one in found if not one.startswith("extra") and named(one) not in OTHERWISE}


def _same(name: str, example: Any, ours: Any) -> bool:
    may_be_null = example is None or (ours is None and name in ("cloid", "liquidationPx"))
    is_quoted = name in QUOTED_IN_EXAMPLES and isinstance(ours, int) and str(example).isdigit()
    return may_be_null or is_quoted or same_type(name, example, ours)


# --- signatures and nonces
def test_keys_are_ethereums(venue: Venue) -> None:
    key, secret, passphrase = venue.dialect.new_credentials(bytes(32))
    assert (key, passphrase) == ("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf", "")  # of private key 1
    assert int(secret, 16) == 1


def signed(venue: Venue, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A body signed with the account's key by ccxt's own code."""
    client = VENUE.client_class()(dict(venue.credentials))
    nonce = more.pop("nonce", client.milliseconds())
    return {"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce), **more}


def leverage(value: int = 5) -> dict[str, Any]:
    return {"type": "updateLeverage", "asset": 2, "isCross": True, "leverage": value}


def response(venue: Venue, body: Any) -> Any:
    answer = venue.answer("/exchange", body)
    assert answer.status == 200
    return json.loads(answer.body)["response"]


def test_a_changed_byte_is_another_wallet(venue: Venue) -> None:
    body = signed(venue, leverage(5))
    assert "does not exist" in response(venue, {**body, "action": leverage(40)})
    assert "does not exist" in response(venue, {**body, "nonce": body["nonce"] + 1})
    assert "does not exist" in response(venue, {**body, "vaultAddress": "0x" + "ab" * 20})
    assert response(venue, body) == {"type": "default"}


@pytest.mark.parametrize("change", [{"v": 1}, {"r": "0x" + "f" * 64}, {"s": 5}, {"s": "0xzz"}, {"v": None}])
def test_a_broken_signature_is_refused(venue: Venue, change: dict[str, Any]) -> None:
    body = signed(venue, leverage())
    answer = response(venue, {**body, "signature": {**body["signature"], **change}})
    assert "Invalid signature" in answer


def test_a_stranger_is_told_its_address(venue: Venue) -> None:
    key_three = "0x" + "0" * 63 + "3"
    with pytest.raises(ccxt.AuthenticationError, match="0x6813eb9362372eef6200f3b1dbc3f819671cba69"):
        venue.use(market("buy"), privateKey=key_three)


def test_prices_with_zeros_at_the_end_are_hashed_without(venue: Venue) -> None:
    def order(price: str) -> dict[str, Any]:
        row = {"a": 2, "b": True, "p": price, "s": "0.05", "r": False, "t": {"limit": {"tif": "Gtc"}}}
        return {"type": "order", "orders": [row], "grouping": "na"}

    low = f"{best(venue)[0] * 0.9:.0f}"
    assert "does not exist" in response(venue, signed(venue, order(low + ".0")))
    assert "resting" in response(venue, signed(venue, order(low)))["data"]["statuses"][0]


def test_a_nonce_is_used_once_and_recent_on_one_of_two_clocks(venue: Venue) -> None:
    body = signed(venue, leverage())
    assert response(venue, body) == {"type": "default"}
    assert "duplicate nonce" in response(venue, body)
    day = 24 * HOUR_MS
    for nonce, told in (
        (NOW_MS - 2 * day + 1000, {"type": "default"}),
        (NOW_MS + day - 1000, {"type": "default"}),
        (NOW_MS - 2 * day - 1000, "too low"),
        (NOW_MS + day + 1000, "too high"),
    ):
        found = response(venue, signed(venue, leverage(), nonce=nonce))
        assert found == told or (isinstance(told, str) and told in found)


def test_a_nonce_below_the_hundred_highest_is_refused(venue: Venue) -> None:
    account = venue.exchange.account_by_key(venue.credentials["walletAddress"])
    account.nonces.update(range(NOW_MS, NOW_MS + 100))
    assert "too low" in response(venue, signed(venue, leverage(), nonce=NOW_MS - 1))
    assert response(venue, signed(venue, leverage(), nonce=NOW_MS + 200)) == {"type": "default"}
    assert len(account.nonces) == 100


def test_what_a_client_spends_is_written_down(venue: Venue) -> None:
    """ccxt's defaults approve a builder's fee, set a referrer and attach the builder; ours never."""
    venue.use(market("buy", clientOrderId=CLIENT_ID))
    venue.use(lambda client: client.set_leverage(5, BTC))
    venue.use(lambda client: client.fetch_balance())
    assert venue.dialect.spent == []
    bid, _ = best(venue)
    venue.use(limit("buy", bid * 0.9), stock=True)
    assert [action["type"] for action in venue.dialect.spent] == [
        "approveBuilderFee",
        "setReferrer",
        "builder",
    ]
    assert venue.dialect.spent[0]["maxFeeRate"] == "0.01%"


# --- what is no request
def test_answers_to_what_is_no_request(venue: Venue) -> None:
    assert venue.answer("/other", {}).status == 404
    assert venue.answer("/info", {"type": "meta"}, method="GET").status == 405
    assert venue.answer("/info", b"{").status == 400
    for path, body in (
        ("/info", []),
        ("/info", {"type": "nothing"}),
        ("/info", {"type": "userFunding", "user": venue.credentials["walletAddress"]}),  # no startTime
        ("/exchange", {"action": {}, "nonce": "1", "signature": {}}),
        ("/exchange", signed(venue, {"type": "withdraw3"})),
    ):
        answer = venue.answer(path, body)
        assert (answer.status, answer.body[:21]) == (422, b"Failed to deserialize")


def test_an_unknown_coin(venue: Venue) -> None:
    assert venue.answer("/info", {"type": "l2Book", "coin": "NONE"}).body == b"null"
    answer = venue.answer("/info", {"type": "fundingHistory", "coin": "NONE", "startTime": 1})
    assert (answer.status, answer.body) == (500, b"null")


def test_an_address_without_account_is_an_empty_one(venue: Venue) -> None:
    nobody = "0x" + "00" * 20
    assert venue.info("clearinghouseState", user=nobody)["withdrawable"] == "0.0"
    assert venue.info("userFills", user=nobody) == []
    assert venue.info("orderStatus", user=nobody, oid=1) == {"status": "unknownOid"}


# --- pages and quirks of public data
def test_settlements_come_five_hundred_a_page_the_oldest_first(venue: Venue) -> None:
    start = NOW_MS - 600 * HOUR_MS
    page = venue.info("fundingHistory", coin="BTC", startTime=start, endTime=NOW_MS)
    assert len(page) == 500
    assert page[0]["time"] == start + 31  # stamped a little after the hour
    assert page[-1]["time"] == page[0]["time"] + 499 * HOUR_MS


def test_candles_come_a_page_the_oldest_first_and_only_the_last_are_kept(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_info, "CANDLE_PAGE", 10)
    asked = {"coin": "BTC", "interval": "1h", "startTime": NOW_MS - 50 * HOUR_MS, "endTime": NOW_MS}
    page = venue.info("candleSnapshot", req=asked)
    assert [row["t"] for row in page] == [NOW_MS - hours * HOUR_MS for hours in range(9, -1, -1)]
    later = venue.info("candleSnapshot", req={**asked, "startTime": NOW_MS - 5 * HOUR_MS})
    assert later[0]["t"] == NOW_MS - 5 * HOUR_MS


def test_mark_candles_are_silently_trade_candles(venue: Venue) -> None:
    """The trap which `candle_kinds` is about."""

    async def both(client: Any) -> Any:
        params = {"until": NOW_MS - 1}
        trade = await client.fetch_ohlcv(BTC, "1h", NOW_MS - 3 * HOUR_MS, None, params)
        return trade, await client.fetch_ohlcv(
            BTC, "1h", NOW_MS - 3 * HOUR_MS, None, params | {"price": "mark"}
        )

    trade, mark = venue.use(both)
    assert trade == mark
    assert len(trade) == 3


def test_fetch_trades_gives_the_accounts_own(venue: Venue) -> None:
    """The trap which `has_public_trades` is about."""
    assert len(venue.info("recentTrades", coin="BTC")) == 10
    assert venue.use(lambda client: client.fetch_trades(BTC)) == []


def test_the_book_is_on_five_figures(venue: Venue) -> None:
    bids, asks = venue.info("l2Book", coin="BTC")["levels"]
    assert 5 <= len(bids) <= 20
    assert all(len(Decimal(row["px"]).normalize().as_tuple().digits) <= 5 for row in bids + asks)
    prices = [Decimal(row["px"]) for row in [*reversed(bids), *asks]]
    assert prices == sorted(set(prices))


def test_a_delisted_coin_keeps_its_number(venue: Venue) -> None:
    venue.exchange.desk.state.delisted.add("AVAX/USDC:USDC")  # the first of the list
    markets = venue.use(lambda client: client.load_markets())
    assert markets[BTC]["id"] == "2"
    assert (markets["AVAX/USDC:USDC"]["active"], markets[BTC]["active"]) == (False, True)
