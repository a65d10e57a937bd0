"""OKX's public data: example bodies through ccxt's real parser and our module, figures worked out by hand.

What lives here: what the venue module makes of an answer, and what it makes ccxt send. What does not: the
testnet's answers (`testnet/dialects/test_okx.py`), orders and accounts (`test_okx_private.py`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.venues.canned import CannedSession, Examples, ask_client, read_examples
from funding_pipeline_tests.venues.okx_replay import (
    BTC,
    HOUR_MS,
    INVERSE,
    INVERSE_SWAP,
    MIDNIGHT,
    SWAP,
    VENUE,
    asked_of,
    markets_of,
    ok,
    replayed,
)


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Examples:
    """ccxt's method -> example bodies."""
    return read_examples(payloads_dir, "okx")


# --- instruments
def test_only_swaps_settled_in_usdt_are_served_and_loaded_with_one_request() -> None:
    session = CannedSession({"public/instruments": ok(SWAP, INVERSE_SWAP)}, "/api/v5/")
    markets = ask_client(VENUE, session, lambda client: client.load_markets())

    assert [asked[:2] for asked in session.asked] == [("public/instruments", {"instType": "SWAP"})]
    assert VENUE.serves(markets[BTC])
    assert not VENUE.serves(markets[INVERSE])
    assert markets[BTC]["contractSize"] == 0.01
    assert markets[BTC]["precision"] == {"amount": 0.01, "price": 0.1}


def test_example_instruments_of_other_kinds_are_not_served(examples: Examples) -> None:
    bodies = [example["body"] for example in examples["parse_market"]]

    markets = markets_of(*bodies)

    assert set(markets) == {"BTC/USDT", "BTC/USD:BTC-220325-194000-P"}
    assert not any(VENUE.serves(market) for market in markets.values())


def test_a_contract_multiplier_makes_the_contract_size_unknown() -> None:
    assert markets_of({**SWAP, "ctMult": "10"})[BTC]["contractSize"] is None


# --- funding
def test_settled_rate_is_the_realised_one_and_not_the_estimate_beside_it(examples: Examples) -> None:
    body = examples["fetch_funding_rate_history"][0]["body"]

    rows = replayed(
        {"public/funding-rate-history": body}, lambda client: client.fetch_funding_rate_history(BTC)
    )
    settled = VENUE.settled_rate(rows[0], {})

    assert settled.rate == 0.017  # the row's fundingRate says 0.018
    assert settled.settled_at == datetime(2020, 8, 10, 2, 26, 23, 85_000, UTC)


def test_a_missing_settled_rate_is_null() -> None:
    info = {"fundingTime": "1597026383085", "realizedRate": "", "fundingRate": "0.018"}
    row = {"timestamp": 1597026383085, "info": info}

    assert VENUE.settled_rate(row, {}).rate is None


def test_history_windows_use_after_because_the_venue_ignores_until(examples: Examples) -> None:
    body = examples["fetch_funding_rate_history"][0]["body"]
    since, params = VENUE.history_request(MIDNIGHT, MIDNIGHT + 8 * HOUR_MS)

    _, asked = asked_of(
        {"public/funding-rate-history": body},
        lambda client: client.fetch_funding_rate_history(BTC, since, VENUE.funding_page, params),
    )

    assert asked == [
        (
            "public/funding-rate-history",
            {
                "instId": "BTC-USDT-SWAP",
                "before": str(MIDNIGHT - 1),
                "limit": "100",
                "after": str(MIDNIGHT + 8 * HOUR_MS + 1),
            },
        )
    ]


@pytest.mark.parametrize(("example", "rate"), [(0, 0.00027815), (1, 0.0001875391284828)])
def test_estimate_is_about_the_coming_settlement_not_the_one_after(
    examples: Examples, example: int, rate: float
) -> None:
    body = ok(examples["parse_funding_rate"][example]["body"])

    row = replayed({"public/funding-rate": body}, lambda client: client.fetch_funding_rate(INVERSE))
    hours = VENUE.interval_hours({}, row)
    estimate = VENUE.estimated_rate(row, {}, hours)

    assert estimate.rate == rate
    coming = (datetime(2021, 10, 15, tzinfo=UTC), datetime(2023, 11, 23, 8, tzinfo=UTC))
    assert estimate.settles_at == coming[example]
    assert estimate.interval_hours == 8.0


@pytest.mark.parametrize(
    ("first", "second", "hours"),
    [("0", "7200000", 2.0), ("1634256000000", "", None), ("", "", None), ("7200000", "7200000", None)],
)
def test_interval_comes_from_the_two_next_settlements(first: str, second: str, hours: float | None) -> None:
    if first == "0":
        first, second = "1634256000000", str(1634256000000 + 2 * HOUR_MS)

    row = {"info": {"fundingTime": first, "nextFundingTime": second}}

    assert VENUE.interval_hours({}, row) == hours
    assert VENUE.interval_hours({}, None) is None


# --- prices and sizes
@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("trade", "market/history-candles", "BTC-USDT-SWAP"),
        ("mark", "market/history-mark-price-candles", "BTC-USDT-SWAP"),
        ("index", "market/history-index-candles", "BTC-USDT"),
    ],
)
def test_each_kind_of_candle_has_its_own_endpoint(
    examples: Examples, kind: Any, path: str, name: str
) -> None:
    body = examples["fetch_ohlcv"][0]["body"]
    since, params = VENUE.candle_request(kind, 1678928640000, 1678928640000 + 100 * 60_000)

    bars, asked = asked_of(
        {path: body}, lambda client: client.fetch_ohlcv(BTC, "1m", since, VENUE.candle_page, params)
    )

    end = str(1678928640000 + 100 * 60_000)  # exclusive on the venue too
    sent = {"instId": name, "bar": "1m", "limit": "100", "before": "1678928639999", "after": end}
    assert asked == [(path, sent)]
    assert [bar[0] for bar in bars] == [1678928640000, 1678928700000, 1678928760000]
    assert bars[0] == [1678928640000, 24300.2, 24324.1, 24288.0, 24324.1, 13.5937]  # coins, not contracts


def test_book_levels_are_prices_and_contracts(examples: Examples) -> None:
    body = examples["fetch_order_book"][0]["body"]

    book = replayed({"market/books": body}, lambda client: client.fetch_order_book(BTC, 50))

    assert book["asks"][0][:2] == [0.07228, 4.211619]
    assert book["bids"][0][:2] == [0.07221, 18.5]
    assert book["timestamp"] == 1621438475342


def test_open_interest_is_in_coins_now_and_then(examples: Examples) -> None:
    now = replayed(
        {"public/open-interest": examples["fetch_open_interest"][0]["body"]},
        lambda client: client.fetch_open_interest(BTC),
    )
    before = replayed(
        {"rubik/stat/contracts/open-interest-history": examples["fetch_open_interest_history"][0]["body"]},
        lambda client: client.fetch_open_interest_history(BTC, "1h"),
    )

    assert now["openInterestAmount"] == 2125419.0  # contracts
    assert VENUE.open_interest(now, {}) == 21254.19
    assert VENUE.open_interest(before[0], {}) == 28006.5419
    assert VENUE.open_interest({"info": {"oiCcy": ""}}, {}) is None


def test_margin_tiers_are_notional_and_not_contracts(examples: Examples) -> None:
    bodies = {
        "public/position-tiers": examples["fetch_market_leverage_tiers"][0]["body"],
        "public/mark-price": ok({"instId": "ETH-USDT-SWAP", "instType": "SWAP", "markPx": "2000", "ts": "1"}),
    }

    tiers = replayed(bodies, lambda client: client.fetch_market_leverage_tiers("ETH/USDT:USDT"))

    assert (tiers[0]["minNotional"], tiers[0]["maxNotional"]) == (0.0, 500 * 0.1 * 2000)
    assert (tiers[0]["maintenanceMarginRate"], tiers[0]["maxLeverage"]) == (0.03, 10.0)


# --- errors and limits
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"oops": 1}, ccxt.ExchangeNotAvailable),
        (503, {"oops": 1}, ccxt.ExchangeNotAvailable),
        (401, {"code": "50113", "msg": "Invalid Sign"}, ccxt.AuthenticationError),
        (200, {"oops": 1}, ccxt.ExchangeError),
    ],
)
def test_bodies_of_somebody_else_are_judged_by_their_status(
    status: int, body: Json, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        replayed({"public/time": (status, body)}, lambda client: client.fetch_time())


def test_requests_stay_within_what_the_venue_answers() -> None:
    assert VENUE.raw_params("fetch_trades") == {"limit": 500}
    assert VENUE.raw_params("fetch_positions") == {}  # of every kind
    assert VENUE.raw_params("fetch_balance") == {}
