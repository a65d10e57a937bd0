"""What is made of odd answers, on all nine venues: bodies of `venue_bodies`, changed where it says so."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import VenueAnswerError, VenueError, VenueRefusedError
from funding_pipeline.venues.listing import Listing
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.registry import PUBLIC_VENUES, dialect_of
from funding_pipeline.venues.sessions import HeldAnswer, SessionMethods
from funding_pipeline.venues.trace import note_sent
from funding_pipeline_tests.venues.canned_gateway import CannedConnection
from funding_pipeline_tests.venues.mutations import FAULTS, Venue, mutations
from funding_pipeline_tests.venues.venue_bodies import HOUR, HOUR_MS, NEXT, NOW_MS, Part, whole_venue

Change = Callable[[dict[str, Any]], None]
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
TRADED_LISTS = ("listing", "estimates", "settled", "candles", "open_interest")


def part_of(venue: str, call: str) -> Part:
    return next(part for part in whole_venue(venue).parts if part.call == call)


def row_of(part: Part, index: int = 0) -> dict[str, Any]:
    """A row of a body, to be changed."""
    rows: Any = part.body
    for key in filter(None, part.rows.split(".")):
        rows = rows[int(key) if key.isdigit() else key]
    row: dict[str, Any] = rows[index]
    return row


def changed(venue: str, call: str, change: Change) -> Part:
    """A part whose first row is changed."""
    part = replace(part_of(venue, call), body=deepcopy(part_of(venue, call).body))
    change(row_of(part))
    return part


def asked(
    venue: str, changed_part: Part | None, ask: Callable[[PublicGateway], Awaitable[Any]], **options: Any
) -> tuple[Any, PublicGateway]:
    """What `ask` makes of the venue with one part changed, and the gateway with its reasons."""
    connection = CannedConnection(whole_venue(venue).bodies(changed_part), "/", NOW_MS)

    async def no_sleep(seconds: float) -> None:
        """Retries do not wait."""

    async def run() -> tuple[Any, PublicGateway]:
        async with PublicGateway(dialect_of(venue), connection, sleep=no_sleep, **options) as gateway:
            return await ask(gateway), gateway

    return asyncio.run(run())


def listed(venue: str, change: Change, **options: Any) -> Listing:
    part = changed(venue, "listing", change)
    listing: Listing = asked(venue, part, lambda gateway: gateway.instruments(), **options)[0]
    return listing


def estimated(venue: str, part: Part | None) -> tuple[Mapping[str, dict[str, Any]], PublicGateway]:
    whole = whole_venue(venue)
    found, gateway = asked(venue, part, lambda g: g.estimated_funding([whole.btc, whole.eth]))
    return {row["symbol"]: row for row in found.iter_rows(named=True)}, gateway


def set_to(**values: Any) -> Change:
    return lambda row: row.update(values)


# --- L1: what a contract is on
KINDS = [
    ("binance", {"underlyingType": "INDEX"}, "index"),
    ("binance", {"underlyingType": "PREMARKET"}, "pre_market"),
    ("binance", {"underlyingSubType": ["Pre-Market"]}, "pre_market"),
    ("binance", {"contractType": "TRADIFI_PERPETUAL", "underlyingType": "EQUITY"}, "stock"),
    ("bybit", {"symbolType": "stock"}, "stock"),
    ("bybit", {"symbolType": "ETF"}, "fund"),
    ("bybit", {"isPreListing": True}, "pre_market"),
    ("bybit", {"symbolType": "carbon"}, "carbon"),
    ("okx", {"instCategory": "3"}, "stock"),
    ("okx", {"instCategory": "4"}, "commodity"),
    ("okx", {"instCategory": "3", "ruleType": "pre_market"}, "pre_market"),
    ("okx", {"ruleType": "xperp"}, "xperp"),
    ("gate", {"contract_type": "stocks"}, "stock"),
    ("gate", {"contract_type": "indices"}, "index"),
    ("gate", {"is_pre_market": True}, "pre_market"),
    ("bitget", {"isRwa": "YES"}, "isRwa YES"),
    ("kucoin", {"assetClass": "STOCK"}, "stock"),
    ("kucoin", {"marketStage": "PRE_MARKET"}, "pre_market"),
    ("kraken", {"category": "xStocks"}, "stock"),
    ("kraken", {"tradfi": True}, "tradfi"),
    ("deribit", {"underlying_type": "commodity"}, "commodity"),
    ("hyperliquid", {"name": "xyz:TSLA"}, "dex xyz"),
]


@pytest.mark.parametrize(("venue", "fields", "word"), KINDS)
def test_what_is_on_no_coin_is_refused_by_name(venue: str, fields: dict[str, Any], word: str) -> None:
    listing = listed(venue, set_to(**fields))
    (terms,) = listing.terms
    assert terms.symbol == whole_venue(venue).eth
    (reason,) = listing.refused.values()
    assert reason.startswith(f"{venue} ")
    assert reason.endswith(f": not a crypto asset ({word})")


def test_what_is_accepted_is_listed_as_what_it_is() -> None:
    symbol = whole_venue("bybit").btc
    listing = listed("bybit", set_to(symbolType="stock"), accepted=frozenset({symbol}))
    assert {terms.symbol: terms.underlying for terms in listing.terms}[symbol] == "stock"


# --- L12: what does not trade, or will end
STATES = [
    ("binance", {"status": "SETTLING"}, "SETTLING"),
    ("binance", {"contractType": "PERPETUAL_DELIVERING"}, "PERPETUAL_DELIVERING"),
    ("binance", {"status": "PENDING_TRADING"}, "PENDING_TRADING"),
    ("bybit", {"status": "PreLaunch"}, "PreLaunch"),
    ("bybit", {"status": "Settling"}, "Settling"),
    ("okx", {"state": "suspend"}, "suspend"),
    ("okx", {"state": "preopen"}, "preopen"),
    ("gate", {"status": "delisting"}, "delisting"),
    ("gate", {"in_delisting": True}, "in_delisting"),
    ("bitget", {"symbolStatus": "off"}, "off"),
    ("bitget", {"symbolStatus": "listed"}, "listed"),
    ("kucoin", {"status": "BeingSettled"}, "BeingSettled"),
    ("kraken", {"tradeable": False}, "not tradeable"),
    ("deribit", {"is_active": False}, "not active"),
    ("deribit", {"state": "closed"}, "closed"),
    ("hyperliquid", {"isDelisted": True}, "delisted"),
]


@pytest.mark.parametrize(("venue", "fields", "word"), STATES)
def test_what_does_not_trade_is_refused_by_name(venue: str, fields: dict[str, Any], word: str) -> None:
    listing = listed(venue, set_to(**fields))
    assert [terms.symbol for terms in listing.terms] == [whole_venue(venue).eth]
    (reason,) = listing.refused.values()
    assert "does not trade" in reason
    assert word in reason


END = NOW + timedelta(days=7)
END_MS = NOW_MS + 7 * 24 * HOUR_MS


@pytest.mark.parametrize(
    ("venue", "fields"),
    [
        ("binance", {"deliveryDate": END_MS}),
        ("bybit", {"deliveryTime": str(END_MS)}),
        ("okx", {"expTime": str(END_MS)}),
        ("gate", {"delisting_time": END_MS // 1000}),
        ("bitget", {"offTime": str(END_MS)}),
        ("bitget", {"limitOpenTime": str(END_MS), "offTime": str(END_MS + HOUR_MS)}),
        ("kucoin", {"settleDate": END_MS}),
        ("deribit", {"expiration_timestamp": END_MS}),
    ],
)
def test_an_announced_end_is_a_term(venue: str, fields: dict[str, Any]) -> None:
    ends = {terms.symbol: terms.delists_at for terms in listed(venue, set_to(**fields)).terms}
    whole = whole_venue(venue)
    assert ends == {whole.btc: END, whole.eth: None}


def test_an_end_in_the_past_of_what_trades_is_none() -> None:
    """Gate's own example has the time of listing in `delisting_time`."""
    terms = listed("gate", set_to(delisting_time=1_609_899_548)).terms
    assert [item.delists_at for item in terms] == [None, None]


# --- caps and floors
BOUNDS = {
    "binance": "0.003",
    "bybit": "0.005",
    "okx": "0.00375",
    "gate": "0.003",
    "bitget": "0.003",
    "kucoin": "0.003",
    "kraken": "0.0025",
    "hyperliquid": "0.04",
}


@pytest.mark.parametrize("venue", PUBLIC_VENUES)
def test_caps_and_floors_are_terms(venue: str) -> None:
    whole = whole_venue(venue)

    async def ask(gateway: PublicGateway) -> Any:
        await gateway.estimated_funding([whole.btc])
        return gateway.with_bounds((await gateway.instruments()).terms[0])

    terms, _ = asked(venue, None, ask)
    cap = Decimal(BOUNDS[venue]) if venue in BOUNDS else None
    assert (terms.funding_cap, terms.funding_floor) == (cap, None if cap is None else -cap)


def test_an_estimate_is_limited_by_its_contracts_cap() -> None:
    """Dollars per coin over the index would be -0.95 % an hour; the contract's cap is 0.25 %."""
    part = changed("kraken", "estimates", set_to(fundingRate=-0.0013, indexPrice=0.136173))
    found, gateway = estimated("kraken", part)
    assert found["BTC/USD:USD"]["rate"] == -0.0025
    assert gateway.untold == ["kraken: funding rate of BTC/USD:USD: estimate -0.009547 limited to -0.002500"]


RATE_FIELDS = {
    "binance": "lastFundingRate",
    "bybit": "fundingRate",
    "okx": "fundingRate",
    "gate": "funding_rate",
    "bitget": "fundingRate",
    "kucoin": "nextFundingRate",
    "hyperliquid": "funding",
}


@pytest.mark.parametrize("venue", RATE_FIELDS)
def test_estimates_are_limited_on_every_venue_with_caps(venue: str) -> None:
    beyond = float(BOUNDS[venue]) * 1.5
    found, _ = estimated(venue, changed(venue, "estimates", set_to(**{RATE_FIELDS[venue]: str(beyond)})))
    assert found[whole_venue(venue).btc]["rate"] == float(BOUNDS[venue])


# --- L3, L7: one odd row costs that row
ODD_ROWS = [
    ("bitget", {"pricePlace": ""}, "BTCUSDT"),
    ("bitget", {"priceEndStep": None}, "BTCUSDT"),
    ("kucoin", {"nextFundingRateTime": None}, "XBTUSDTM"),
    ("kucoin", {"fundingRateGranularity": "", "currentFundingRateGranularity": ""}, "BTC/USDT:USDT"),
    ("gate", {"funding_interval": ""}, "BTC/USDT:USDT"),
    ("gate", {"quanto_multiplier": "0"}, "BTC/USDT:USDT"),
    ("gate", {"name": None}, "row 1"),
    ("okx", {"ctVal": ""}, "BTC/USDT:USDT"),
    ("okx", {"settleCcy": None}, "BTC/USDT"),
    ("binance", {"filters": None}, "BTC/USDT:USDT"),
    ("binance", {"quoteAsset": None}, "BTCUSDT"),
    ("bybit", {"baseCoin": ""}, "BTCUSDT"),
    ("bybit", {"lotSizeFilter": {"qtyStep": "0"}}, "BTC/USDT:USDT"),
    ("kraken", {"type": None}, "PF_XBTUSD"),
    ("deribit", {"kind": None}, "BTC_USDC-PERPETUAL"),
    ("hyperliquid", {"szDecimals": None}, "BTC"),
]


@pytest.mark.parametrize(("venue", "fields", "name"), ODD_ROWS)
def test_an_odd_listing_row_costs_that_row(venue: str, fields: dict[str, Any], name: str) -> None:
    listing = listed(venue, set_to(**fields))
    assert [terms.symbol for terms in listing.terms] == [whole_venue(venue).eth]
    assert name in listing.refused


def test_an_unreadable_row_leaves_the_others_in_their_places() -> None:
    """Hyperliquid's orders name a coin by its place in the listing."""
    part = changed("hyperliquid", "listing", set_to(szDecimals="many"))

    async def ask(gateway: PublicGateway) -> Any:
        await gateway.instruments()
        return gateway._client.markets["ETH/USDC:USDC"]["baseId"]

    assert asked("hyperliquid", part, ask)[0] == "1"


def test_two_contracts_of_one_name_are_both_refused() -> None:
    part = changed("bybit", "listing", set_to(baseCoin="ETH"))
    rows = part.body["result"]["list"]
    rows.append({**rows[0], "symbol": "SOLUSDT", "baseCoin": "SOL"})
    listing, _ = asked("bybit", part, lambda gateway: gateway.instruments())
    assert [terms.symbol for terms in listing.terms] == ["SOL/USDT:USDT"]
    assert set(listing.refused) == {"BTCUSDT", "ETHUSDT"}


# --- L4: a coin is what its venue calls it
@pytest.mark.parametrize(
    ("venue", "fields", "symbol"),
    [
        ("kucoin", {"symbol": "ALTUSDTM", "baseCurrency": "ALT"}, "ALT/USDT:USDT"),
        ("gate", {"name": "GTC_USDT"}, "GTC/USDT:USDT"),
        ("bitget", {"symbol": "DEGENUSDT", "baseCoin": "DEGEN"}, "DEGEN/USDT:USDT"),
        ("okx", {"instId": "AE-USDT-SWAP", "uly": "AE-USDT"}, "AE/USDT:USDT"),
        ("kucoin", {}, "BTC/USDT:USDT"),
        ("kraken", {}, "BTC/USD:USD"),
    ],
)
def test_no_coin_is_renamed_but_xbt(venue: str, fields: dict[str, Any], symbol: str) -> None:
    assert symbol in {terms.symbol for terms in listed(venue, set_to(**fields)).terms}


# --- L6: an answer has its list
@pytest.mark.parametrize("call", TRADED_LISTS)
@pytest.mark.parametrize("venue", PUBLIC_VENUES)
def test_an_answer_without_its_list_is_an_error(venue: str, call: str) -> None:
    """The list null, missing and of another kind; the way to it null; an error's body with status 200."""
    by_call = {part.call: part for part in whole_venue(venue).parts}
    if call not in by_call or by_call[call].choose:
        return  # Deribit's tickers are no list; some venues' estimates are in the listing
    whole, part = whole_venue(venue), by_call[call]
    start = NOW - timedelta(hours=26)
    asks: Mapping[str, Callable[[PublicGateway], Awaitable[Any]]] = {
        "listing": lambda g: g.instruments(),
        "estimates": lambda g: g.estimated_funding([whole.btc]),
        "settled": lambda g: g.settled_funding(whole.btc, start, NOW),
        "candles": lambda g: g.candles(whole.btc, "trade", start, NOW),
        "open_interest": lambda g: (
            g.open_interest_history(whole.btc, start, NOW)
            if whole.keeps_interest
            else g.open_interest(whole.btc)
        ),
    }
    for body in _without_list(part):
        with pytest.raises(VenueError) as caught:
            asked(venue, replace(part, body=body), asks[call])
        assert str(caught.value).startswith(f"{venue}: ")


def _without_list(part: Part) -> list[Any]:
    keys = [int(key) if key.isdigit() else key for key in part.rows.split(".") if key]
    bodies: list[Any] = [{"error": "too busy"}]
    for kind in (None, "", {}, 0):
        for depth in range(1, len(keys) + 1):
            body = deepcopy(part.body)
            holder = body
            for key in keys[: depth - 1]:
                holder = holder[key]
            holder[keys[depth - 1]] = kind
            bodies.append(body)
    return bodies


def test_bybits_null_result_is_an_error() -> None:
    part = replace(part_of("bybit", "settled"), body={"retCode": 0, "retMsg": "OK", "result": None})
    with pytest.raises(VenueAnswerError, match=r"bybit: fetch_funding_rate_history BTC/USDT:USDT: no list"):
        asked("bybit", part, lambda g: g.settled_funding("BTC/USDT:USDT", NOW - timedelta(hours=9), NOW))


# --- L9: times that are none
TIMES = {
    "binance": "nextFundingTime",
    "bybit": "nextFundingTime",
    "okx": "fundingTime",
    "gate": "funding_next_apply",
    "bitget": "nextUpdate",
    "kucoin": "fundingTime",
    "deribit": "timestamp",
}


@pytest.mark.parametrize("value", ["0", 0, None, "", -1, NEXT // 1000, str(NEXT * 1000), True, "soon"])
@pytest.mark.parametrize("venue", TIMES)
def test_an_estimate_without_a_time_that_can_be_is_left_out(venue: str, value: Any) -> None:
    whole = whole_venue(venue)
    if venue == "gate" and value == NEXT // 1000:
        value = NEXT  # Gate counts seconds: the other unit is milliseconds
    found, gateway = estimated(venue, changed(venue, "estimates", set_to(**{TIMES[venue]: value})))
    assert set(found) == {whole.eth}
    assert any(whole.btc in line for line in gateway.untold)


def test_a_symbol_that_settles_has_no_estimate() -> None:
    part = changed("binance", "estimates", set_to(nextFundingTime=0, lastFundingRate="0"))
    found, gateway = estimated("binance", part)
    assert set(found) == {"ETH/USDT:USDT"}
    assert gateway.untold == ["binance: funding rate of BTC/USDT:USDT: no time of settlement"]


@pytest.mark.parametrize("venue", PUBLIC_VENUES)
def test_a_settlement_without_a_time_costs_its_row(venue: str) -> None:
    part = part_of(venue, "settled")
    field = next(
        name
        for name in ("fundingTime", "fundingRateTimestamp", "timepoint", "timestamp", "time", "t")
        if name in row_of(part)
    )
    odd = changed(venue, "settled", set_to(**{field: 0}))
    whole = whole_venue(venue)
    rows, gateway = asked(venue, odd, lambda g: g.settled_funding(whole.btc, NOW - timedelta(hours=26), NOW))
    assert rows.height == 2
    assert gateway.unread or gateway.gaps


# --- L11: blocked from this region
@pytest.mark.parametrize(
    ("venue", "status", "body"),
    [
        ("gate", 403, {"label": "FORBIDDEN", "message": "access from your location is not allowed"}),
        ("binance", 451, {"code": 0, "msg": "Service unavailable from a restricted location"}),
        (
            "bybit",
            403,
            b"<html>The Amazon CloudFront distribution is configured to block your country</html>",
        ),
        ("okx", 403, {"code": "50403", "msg": "not available in your region"}),
        ("bitget", 403, {"code": "403", "msg": "Access prohibited"}),
        ("kucoin", 403, {"code": "400302", "msg": "our services are unavailable in your country"}),
        ("kraken", 451, {"result": "error", "error": "unavailable for legal reasons"}),
        ("deribit", 403, {"message": "forbidden in your jurisdiction"}),
        ("hyperliquid", 403, {"error": "restricted region"}),
    ],
)
def test_a_region_block_is_named_and_not_retried(venue: str, status: int, body: Any) -> None:
    class Blocked(SessionMethods):
        """Answers everything with the block."""

        sent = 0

        async def send(self, method: str, url: Any, options: dict[str, Any]) -> HeldAnswer:
            note_sent()
            self.sent += 1
            return self._hold(status, "", {}, body if isinstance(body, bytes) else json.dumps(body).encode())

        async def close(self) -> None:
            """Nothing is open."""

    session = Blocked()
    connection = CannedConnection({}, "/", NOW_MS)
    connection.session = lambda venue, record: session  # type: ignore[method-assign,assignment,return-value]

    async def run() -> None:
        async with PublicGateway(dialect_of(venue), connection) as gateway:
            await gateway.instruments()

    with pytest.raises(VenueRefusedError, match=f"{venue}: load_markets: blocked from this region"):
        asyncio.run(run())
    assert session.sent <= 2  # Bybit asks for two lists at once


# --- a slice of the campaign (benchmarks/venue_mutations.py)
@pytest.mark.parametrize("venue", PUBLIC_VENUES)
def test_nothing_odd_passes_in_silence(venue: str) -> None:
    judge = Venue(venue)
    found = [*mutations(venue)]
    for mutation in random.Random(7).sample(found, 25):
        verdict = judge.judge(mutation)
        assert verdict.outcome not in FAULTS, (mutation, verdict)


def test_a_bar_of_another_unit_has_no_prices() -> None:
    part = part_of("bybit", "candles")
    row_of(part, 0)[4] = "100500"
    start = datetime.fromtimestamp(HOUR / 1000, UTC) - timedelta(hours=3)
    rows, gateway = asked("bybit", part, lambda g: g.candles("BTC/USDT:USDT", "trade", start, NOW))
    assert rows["close"].to_list() == [104.0, 102.0, None]
    assert gateway.unread == [
        "bybit: fetch_ohlcv trade BTC/USDT:USDT: 1 of 3 bars have prices that cannot be"
    ]
