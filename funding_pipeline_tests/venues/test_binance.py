"""Binance: real bodies through the real ccxt parser and this venue's dialect, figures checked by hand."""

import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yarl

from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.venues.binance import BinanceVenue
from funding_pipeline.venues.dialect import EstimatedRate, KeyPermissions, SettledRate
from funding_pipeline_tests.venues.canned import Answer, Bodies, ask_client

BTC = "BTC/USDT:USDT"
VENUE = BinanceVenue()


class ReplaySession:
    """Answers each path with one body; a `code` below zero comes with HTTP 400. Keeps what was asked."""

    headers: Mapping[str, str] = {}

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def request(self, method: str, url: str, **options: Any) -> Answer:
        address = yarl.URL(str(url))
        form = yarl.URL.build(query_string=(options.get("data") or b"").decode()).query
        self.asked.append((method, f"{address.host}{address.path}", {**address.query, **form}))
        body = self.bodies[address.path]
        refused = isinstance(body, dict) and body.get("code", 0) < 0
        return Answer(400 if refused else 200, body)

    def get(self, url: str, **options: Any) -> Answer:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> Answer:
        return self.request("POST", url, **options)

    def delete(self, url: str, **options: Any) -> Answer:
        return self.request("DELETE", url, **options)


@pytest.fixture(scope="module")
def recorded(payloads_dir: Path) -> Callable[[str, str], Any]:
    """Recorded body of a path and query string."""
    text = (payloads_dir / "binance_recorded.json").read_text("utf-8")
    calls: dict[str, list[dict[str, Any]]] = json.loads(text)

    def body(path: str, query: str = "") -> Any:
        return next(call["data"] for call in calls[path] if call["queryString"] == query)

    return body


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Callable[[str], list[Any]]:
    """Example bodies of one of ccxt's methods."""
    text = (payloads_dir / "ccxt_examples" / "binance.json").read_text("utf-8")
    by_method: dict[str, list[dict[str, Any]]] = json.loads(text)
    return lambda method: [example["body"] for example in by_method[method]]


@pytest.fixture
def ask(recorded: Callable[..., Any]) -> Callable[..., Any]:
    """Run one call of a real ccxt client over given bodies (markets: the recorded ones)."""
    markets = recorded("/fapi/v1/exchangeInfo")

    def run(call: Callable[[Any], Coroutine[Any, Any, Any]], bodies: Bodies, *, session: Any = None) -> Any:
        served = session or ReplaySession({"/fapi/v1/exchangeInfo": markets, **bodies})
        return ask_client(VENUE, served, call, apiKey="key", secret="secret")

    return run


def test_one_request_loads_the_markets_and_nothing_else(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    session = ReplaySession({"/fapi/v1/exchangeInfo": recorded("/fapi/v1/exchangeInfo")})
    markets = ask(lambda client: client.load_markets(), {}, session=session)
    assert [asked[:2] for asked in session.asked] == [("GET", "fapi.binance.com/fapi/v1/exchangeInfo")]
    assert len(markets) == 25
    bitcoin = markets[BTC]
    assert (bitcoin["id"], bitcoin["contractSize"], bitcoin["active"]) == ("BTCUSDT", 1, True)
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.1, 0.001)
    assert (bitcoin["limits"]["amount"]["min"], bitcoin["limits"]["cost"]["min"]) == (0.001, 100)
    assert bitcoin["created"] == 1569398400000
    assert all(VENUE.serves(market) for market in markets.values())


def test_a_perpetual_on_a_share_is_no_crypto_asset() -> None:
    share = {"contractType": "TRADIFI_PERPETUAL", "underlyingType": "EQUITY"}
    assert VENUE.underlying({"info": share}) == ("stock", "EQUITY")
    assert VENUE.underlying({"info": {"contractType": "TRADIFI_PERPETUAL"}})[0] == "other"


def test_settlements_are_at_their_nominal_minute(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    body = recorded("/fapi/v1/fundingRate", "symbol=BTCUSDT")
    rows = ask(
        lambda client: client.fetch_funding_rate_history(BTC, None, 1000), {"/fapi/v1/fundingRate": body}
    )
    settled = [VENUE.settled_rate(row, {}) for row in rows]
    assert len(settled) == 100
    assert settled[1] == SettledRate(datetime(2020, 9, 15, 8, tzinfo=UTC), -0.00002796)  # stamped ...00010
    assert all(one.settled_at.minute == 0 and one.settled_at.microsecond == 0 for one in settled)
    hours = {
        (later.settled_at - earlier.settled_at).total_seconds() / 3600 for earlier, later in pairwise(settled)
    }
    assert hours == {8}


def test_the_last_funding_rate_is_the_estimate_for_the_coming_settlement(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    body = recorded("/fapi/v1/premiumIndex", "symbol=BTCUSDT")
    row = ask(lambda client: client.fetch_funding_rate(BTC), {"/fapi/v1/premiumIndex": body})
    expected = EstimatedRate(datetime(2023, 6, 20, 8, tzinfo=UTC), 0.00001226, 4.0)
    assert VENUE.estimated_rate(row, {}, 4.0) == expected
    assert VENUE.interval_hours({}, row) is None  # this row does not tell the interval


def test_no_coming_settlement_is_not_the_year_1970(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    body = recorded("/fapi/v1/premiumIndex", "symbol=BTCUSDT")
    unknown = {**body, "nextFundingTime": 0, "lastFundingRate": ""}
    row = ask(lambda client: client.fetch_funding_rate(BTC), {"/fapi/v1/premiumIndex": unknown})
    assert VENUE.estimated_rate(row, {}, None) == EstimatedRate(None, None, None)


def test_only_symbols_with_a_special_interval_are_listed(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    bodies = {"/fapi/v1/fundingInfo": recorded("/fapi/v1/fundingInfo")}
    rows = ask(lambda client: client.fetch_funding_intervals(), bodies)
    hours = {row["info"]["symbol"]: VENUE.interval_hours({}, row) for row in rows.values()}
    assert (hours["LPTUSDT"], hours["ALGOUSDT"]) == (4.0, 8.0)
    assert "BTCUSDT" not in hours
    assert VENUE.interval_hours({}, rows.get(BTC)) == 8.0


def test_candles_book_trades_and_open_interest(ask: Callable[..., Any], recorded: Callable[..., Any]) -> None:
    bodies = {
        "/fapi/v1/klines": recorded(
            "/fapi/v1/klines",
            "endTime=1673136000000&interval=1d&limit=1000&startTime=1672531200000&symbol=BTCUSDT",
        ),
        "/fapi/v1/depth": recorded("/fapi/v1/depth", "limit=5&symbol=BTCUSDT"),
        "/fapi/v1/aggTrades": recorded("/fapi/v1/aggTrades", "limit=5&symbol=BTCUSDT"),
        "/fapi/v1/openInterest": recorded("/fapi/v1/openInterest", "symbol=BTCUSDT"),
    }
    since, params = VENUE.candle_request("trade", 1672531200000, 1673136000001)
    bars = ask(lambda client: client.fetch_ohlcv(BTC, "1d", since, 1000, params), bodies)
    assert bars[0] == [1672531200000, 16537.5, 16618.8, 16488.0, 16610.3, 105502.965]
    book = ask(lambda client: client.fetch_order_book(BTC, 5), bodies)
    assert (book["bids"][0], book["asks"][0], book["timestamp"]) == (
        [11492.09, 0.004],
        [11492.1, 0.191],
        1602818750767,
    )
    trades = ask(lambda client: client.fetch_trades(BTC, None, 5), bodies)
    assert [trade["side"] for trade in trades] == ["buy", "buy", "buy", "buy", "sell"]
    held = ask(lambda client: client.fetch_open_interest(BTC), bodies)
    assert VENUE.open_interest(held, {}) == 83782.317


def test_mark_candles_are_asked_from_the_mark_endpoint(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    rows = recorded("/dapi/v1/markPriceKlines", "interval=1M&limit=5&symbol=BTCUSD_201225")
    session = ReplaySession(
        {
            "/fapi/v1/exchangeInfo": recorded("/fapi/v1/exchangeInfo"),
            "/fapi/v1/markPriceKlines": rows,
            "/fapi/v1/indexPriceKlines": rows,
        }
    )
    for kind, name in (("mark", "symbol"), ("index", "pair")):
        since, params = VENUE.candle_request(kind, 1593561600000, 1600000000000)  # type: ignore[arg-type]
        bars = ask(
            lambda client, since=since, params=params: client.fetch_ohlcv(BTC, "1d", since, 1000, params),
            {},
            session=session,
        )
        assert bars[0][:3] == [1593561600000, 9134.473375, 12124.35747917]
        _, path, query = session.asked[-1]
        assert path == f"fapi.binance.com/fapi/v1/{kind}PriceKlines"
        assert (query[name], query["endTime"], query["limit"]) == ("BTCUSDT", "1599999999999", "1000")


def test_received_funding_is_positive(ask: Callable[..., Any], examples: Callable[[str], list[Any]]) -> None:
    body = examples("parse_income")
    since, params = VENUE.payments_request(1621580000000, 1621590000000)
    rows = ask(
        lambda client: client.fetch_funding_history("ETH/USDT:USDT", since, 1000, params),
        {"/fapi/v1/income": body},
    )
    assert [VENUE.payment_amount(row) for row in rows] == [Decimal("0.00134317")]


def test_equity_has_unrealised_profit_and_the_wallet_has_not(
    ask: Callable[..., Any], examples: Callable[[str], list[Any]]
) -> None:
    account = next(body for body in examples("fetch_balance") if "totalWalletBalance" in body)
    asset = {**account["assets"][0], "asset": "USDT", "walletBalance": "100.5", "marginBalance": "90.25"}
    body = {**account, "assets": [{**asset, "availableBalance": "80.125", "updateTime": 1}]}
    answer = ask(lambda client: client.fetch_balance(), {"/fapi/v3/account": body})
    told = VENUE.balance("USDT", answer["USDT"], answer)
    assert (told.wallet, told.equity, told.free) == (Decimal("100.5"), Decimal("90.25"), Decimal("80.125"))


def test_an_order_carries_our_id_and_no_broker(
    ask: Callable[..., Any], examples: Callable[[str], list[Any]], recorded: Callable[..., Any]
) -> None:
    placed = examples("edit_contract_order")[0]
    session = ReplaySession(
        {"/fapi/v1/exchangeInfo": recorded("/fapi/v1/exchangeInfo"), "/fapi/v1/order": placed}
    )
    request = OrderRequest(
        venue="binance",
        symbol=BTC,
        side="buy",
        kind="limit",
        quantity=Decimal("0.001"),
        client_order_id="0123456789abcdef01234567",
        price=Decimal(25000),
        time_in_force="post_only",
        reduce_only=True,
    )
    order = ask(
        lambda client: client.create_order(BTC, "limit", "buy", 0.001, 25000.0, VENUE.order_params(request)),
        {},
        session=session,
    )
    _, path, form = session.asked[-1]
    assert path == "fapi.binance.com/fapi/v1/order"
    assert form["newClientOrderId"] == "0123456789abcdef01234567"
    assert (form["timeInForce"], form["reduceOnly"], form["price"]) == ("GTX", "true", "25000")
    assert (order["id"], order["status"], order["amount"]) == ("151007482392", "open", 0.001)
    assert VENUE.canonical_client_id(order["clientOrderId"]) is None  # placed by hand in the example


def test_an_order_without_an_id_has_not_ccxts_prefix(ask: Callable[..., Any]) -> None:
    session = ReplaySession({})
    prefix = ask(lambda client: _generated(client), {}, session=session)
    assert not prefix.startswith("x-")


async def _generated(client: Any) -> str:
    generated: str = client.generate_client_order_id({"option": False, "linear": True, "swap": True})
    return generated


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-2019, "insufficient_margin"),
        (-5022, "would_take"),
        (-2022, "reduce_only"),
        (-4164, "below_minimum"),
        (-1111, "off_grid"),
        (-4014, "off_grid"),
        (-4116, "duplicate_client_id"),
        (-2011, "unknown_order"),
        (-2027, "leverage"),
        (-4061, None),
    ],
)
def test_reasons_are_told_by_the_code(ask: Callable[..., Any], code: int, reason: str | None) -> None:
    import ccxt

    bodies = {"/fapi/v1/order": {"code": code, "msg": "as the venue says it"}}
    with pytest.raises(ccxt.ExchangeError) as raised:
        ask(lambda client: client.create_order(BTC, "market", "buy", 0.001), bodies)
    assert VENUE.rejection_reason(raised.value) == reason


def test_the_futures_host_keeps_its_own_error_classes(ask: Callable[..., Any]) -> None:
    """With overridden urls ccxt would raise InvalidOrder and ExchangeError here."""
    import ccxt

    for code, kind in (
        (-5022, ccxt.OrderNotFillable),
        (-4116, ccxt.InvalidOrder),
        (-2022, ccxt.InvalidOrder),
    ):
        bodies = {"/fapi/v1/order": {"code": code, "msg": "refused"}}
        with pytest.raises(ccxt.ExchangeError) as raised:
            ask(lambda client: client.create_order(BTC, "market", "buy", 0.001), bodies)
        assert type(raised.value) is kind


def test_an_order_is_found_and_cancelled_by_its_client_id(
    ask: Callable[..., Any], examples: Callable[[str], list[Any]], recorded: Callable[..., Any]
) -> None:
    import ccxt

    body = {**examples("fetch_open_order")[0], "clientOrderId": "0123456789abcdef01234567"}
    session = ReplaySession(
        {"/fapi/v1/exchangeInfo": recorded("/fapi/v1/exchangeInfo"), "/fapi/v1/order": body}
    )
    wanted = "0123456789abcdef01234567"
    order = ask(lambda client: VENUE.fetch_order_by_client_id(client, BTC, wanted), {}, session=session)
    assert (order["id"], VENUE.canonical_client_id(order["clientOrderId"])) == ("3697213934", wanted)
    ask(lambda client: VENUE.cancel_by_client_id(client, BTC, wanted), {}, session=session)
    for method, _, query in session.asked[1::2]:
        assert method in ("GET", "DELETE")
        assert query["origClientOrderId"] == wanted
        assert "orderId" not in query
    unknown = {"/fapi/v1/order": {"code": -2013, "msg": "Order does not exist."}}
    with pytest.raises(ccxt.OrderNotFound):
        ask(lambda client: VENUE.fetch_order_by_client_id(client, BTC, wanted), unknown)


def test_a_keys_permissions(ask: Callable[..., Any]) -> None:
    told = {"ipRestrict": False, "enableFutures": True, "enableWithdrawals": True, "enableReading": True}
    session = ReplaySession({"/sapi/v1/account/apiRestrictions": told})
    assert ask(VENUE.key_permissions, {}, session=session) == KeyPermissions(True, True)
    assert session.asked[0][1] == "api.binance.com/sapi/v1/account/apiRestrictions"
    silent = ReplaySession({"/sapi/v1/account/apiRestrictions": {}})
    assert ask(VENUE.key_permissions, {}, session=silent) == KeyPermissions(None, None)


@pytest.mark.parametrize(("hedged", "requests"), [(False, ["GET"]), (True, ["GET", "POST"])])
def test_one_way_mode_is_set_only_where_it_is_not(
    ask: Callable[..., Any], hedged: bool, requests: list[str]
) -> None:
    class Answers(ReplaySession):
        def post(self, url: str, **options: Any) -> Answer:
            self.request("POST", url, **options)
            return Answer(200, {"code": 200, "msg": "success"})

    session = Answers({"/fapi/v1/positionSide/dual": {"dualSidePosition": hedged}})
    ask(lambda client: VENUE.prepare_account(client, [BTC]), {}, session=session)
    assert [method for method, _, _ in session.asked] == requests
    assert [form.get("dualSidePosition") for _, _, form in session.asked[1:]] == ["false"] * (
        len(requests) - 1
    )


def test_funding_requests_are_paced_as_the_venue_allows() -> None:
    """500 in 5 minutes: 600 ms each, which ccxt counts in units of 50 ms."""
    client = VENUE.client_class()({"options": VENUE.client_options()})
    cost = client.calculate_rate_limiter_cost(["fapiPublic"], "GET", "fundingRate", {}, {"cost": 1})
    assert cost * client.rateLimit == 600
    assert client.calculate_rate_limiter_cost(["fapiPublic"], "GET", "time", {}, {"cost": 1}) == 1


def test_open_interest_that_is_kept_no_more_is_left_out(
    ask: Callable[..., Any], recorded: Callable[..., Any]
) -> None:
    rows = recorded("/futures/data/openInterestHist", "limit=1&period=5m&symbol=BTCUSDT")
    session = ReplaySession(
        {
            "/fapi/v1/exchangeInfo": recorded("/fapi/v1/exchangeInfo"),
            "/futures/data/openInterestHist": rows,
        }
    )
    now = rows[0]["timestamp"] + 1
    day = 86_400_000

    async def history(client: Any, days_ago: int) -> Any:
        client.milliseconds = lambda: now
        since, params = VENUE.open_interest_request(now - days_ago * day, now - (days_ago - 5) * day)
        return await client.fetch_open_interest_history(BTC, "1h", since, 500, params)

    assert ask(lambda client: history(client, 40), {}, session=session) == []
    assert not session.asked
    ask(lambda client: history(client, 32), {}, session=session)
    _, _, query = session.asked[-1]
    # at a whole hour: the same request, for a replay, however many milliseconds later it is made
    hour = 3_600_000
    assert int(query["startTime"]) == -(-(now - 30 * day + hour) // hour) * hour
    assert int(query["endTime"]) == now - 27 * day
    [row] = ask(lambda client: history(client, 5), {}, session=session)
    assert VENUE.open_interest(row, {}) == 36316.877


def test_brackets_are_not_asked_for_without_keys() -> None:
    client_class = VENUE.client_class()
    assert client_class({}).has["fetchLeverageTiers"] is False
    assert client_class({"apiKey": "key", "secret": "secret"}).has["fetchLeverageTiers"] is True


def test_leverage_that_ccxt_refuses_itself_is_told(ask: Callable[..., Any]) -> None:
    import ccxt

    with pytest.raises(ccxt.BadRequest) as raised:
        ask(lambda client: client.set_leverage(126, BTC), {})
    assert VENUE.rejection_reason(raised.value) == "leverage"


def test_the_adl_queue_is_told_as_a_share() -> None:
    assert VENUE.adl_rank({"info": {"adl": "2"}}) == 0.5
    assert VENUE.adl_rank({"info": {"adl": 4}}) == 1.0
    assert VENUE.adl_rank({"info": {}}) is None
