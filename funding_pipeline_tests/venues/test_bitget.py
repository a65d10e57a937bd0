"""Bitget's example bodies through the real ccxt class and the gateway to raw frames; figures by hand."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.trading import LeverageTier
from funding_pipeline.venues.bitget import BitgetVenue
from funding_pipeline.venues.dialect import Json
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline_tests.venues.canned import Bodies, Examples, example, read_examples
from funding_pipeline_tests.venues.canned_gateway import Asked, gateway_asked

VENUE = BitgetVenue()
BTC = "BTC/USDT:USDT"
CONTRACTS = "mix/market/contracts"
HISTORY = "mix/market/history-fund-rate"
HOUR = timedelta(hours=1)
NOW_MS = 1_761_660_000_000  # 2025-10-28T14:00Z


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "bitget")


def ok(*rows: Any) -> Json:
    """Bitget's envelope."""
    return {"code": "00000", "msg": "success", "requestTime": 1_700_290_724_614, "data": list(rows)}


def asked(
    examples: Examples,
    bodies: Bodies,
    ask: Callable[[PublicGateway], Awaitable[Any]],
    *,
    now_ms: int = NOW_MS,
    **changes: Any,
) -> tuple[Any, Asked]:
    contract = {**example(examples, "fetch_default_markets", "swap and future"), **changes}
    return gateway_asked(VENUE, {CONTRACTS: ok(contract), **bodies}, "/api/v2/", now_ms, ask)


def test_instruments_cost_one_request_and_count_in_coins(examples: Examples) -> None:
    found, requests = asked(examples, {}, lambda gateway: gateway.instruments())
    assert requests == [(CONTRACTS, {"productType": "USDT-FUTURES"})]
    (bitcoin,) = found.terms
    assert (bitcoin.symbol, bitcoin.native_id, bitcoin.contract_size) == (BTC, "BTCUSDT", Decimal(1))
    assert bitcoin.price_tick == Decimal("0.1")  # a step of 1 in the first decimal place
    assert (bitcoin.quantity_step, bitcoin.min_quantity) == (Decimal("0.001"), Decimal("0.001"))
    assert (bitcoin.min_notional, bitcoin.interval_hours) == (Decimal(5), 8.0)
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("0.0002"), Decimal("0.0006"))


def test_a_stock_is_no_crypto_asset() -> None:
    market = {"swap": True, "linear": True, "settle": "USDT"}
    assert VENUE.underlying({**market, "info": {"isRwa": "NO"}})[0] == "crypto"
    assert VENUE.underlying({**market, "info": {"isRwa": "YES"}}) == ("other", "isRwa YES")
    assert VENUE.serves(market)
    assert not VENUE.serves({**market, "settle": "USDC"})


def paged(rows: list[Json]) -> Callable[[dict[str, str]], Json]:
    """Pages by number, newest first, as the venue gives them: times in the query mean nothing to it."""

    def page(query: dict[str, str]) -> Json:
        size, number = int(query.get("pageSize", 20)), int(query.get("pageNo", 1))
        newest_first = sorted(rows, key=lambda row: -int(row["fundingTime"]))
        return ok(*newest_first[(number - 1) * size : number * size])

    return page


def settlements(examples: Examples, count: int) -> list[Json]:
    """The example's settlement and those before it, eight hours apart, each with a rate of its own."""
    last = examples["fetch_funding_rate_history"][1]["body"]["data"][0]
    return [
        {
            **last,
            "fundingTime": str(int(last["fundingTime"]) - place * 28_800_000),
            "fundingRate": last["fundingRate"] if place == 0 else f"{place / 1e6:.6f}",
        }
        for place in range(count)
    ]


def test_settled_funding_walks_pages_until_the_window_is_covered(examples: Examples) -> None:
    rows = settlements(examples, 730)
    end = datetime(2022, 5, 12, 23, tzinfo=UTC) + HOUR  # the example's settlement is at 23:00 of that day
    start = end - timedelta(days=60)
    frame, requests = asked(
        examples,
        {HISTORY: paged(rows)},
        lambda gateway: gateway.settled_funding(BTC, start, end),
        now_ms=1_652_406_728_393,
    )
    pages = [query for path, query in requests if path == HISTORY]
    assert [query["pageNo"] for query in pages] == ["1", "2"]  # 180 settlements
    assert {(query["pageSize"], query["productType"]) for query in pages} == {("100", "USDT-FUTURES")}
    # The venue knows no times; they tell kept bodies of one window from those of another.
    assert {(query["startTime"], query["endTime"]) for query in pages} == {("1647215939000", "1652400061000")}
    assert not any("until" in query for query in pages)
    assert frame.height == 180
    assert frame["settled_at"].diff().drop_nulls().unique().to_list() == [timedelta(hours=8)]
    assert frame.row(-1, named=True)["settled_at"] == datetime(2022, 5, 12, 23, tzinfo=UTC)
    assert frame["rate"].to_list()[-3:] == [0.000002, 0.000001, -0.0003]


def test_a_window_in_the_past_and_the_end_of_the_history(examples: Examples) -> None:
    rows = settlements(examples, 250)
    last = datetime(2022, 5, 12, 23, tzinfo=UTC)
    frame, requests = asked(
        examples,
        {HISTORY: paged(rows)},
        lambda gateway: gateway.settled_funding(BTC, last - timedelta(days=400), last - timedelta(days=80)),
        now_ms=1_652_406_728_393,
    )
    assert {query["pageNo"] for path, query in requests if path == HISTORY} == {"1", "2", "3", "4"}
    assert frame.height == 9  # 250 settlements reach back 83 days less 8 hours; 240 are too young
    assert frame.row(0, named=True)["settled_at"] == last - timedelta(hours=8 * 249)


def test_a_settlement_between_two_pages_costs_no_row(examples: Examples) -> None:
    rows = settlements(examples, 251)
    before, after = paged(rows[1:]), paged(rows)
    frame, _ = asked(
        examples,
        {HISTORY: lambda query: before(query) if query["pageNo"] == "1" else after(query)},
        lambda gateway: gateway.settled_funding(
            BTC, datetime(2022, 2, 20, tzinfo=UTC), datetime(2022, 5, 12, 20, tzinfo=UTC)
        ),
        now_ms=1_652_406_728_393,
    )
    assert frame["settled_at"].diff().drop_nulls().unique().to_list() == [timedelta(hours=8)]
    assert frame.height == 245  # from 07:00 of 20 February to 15:00 of 12 May, 1,952 hours


def test_estimates_are_of_the_endpoint_that_tells_their_time(examples: Examples) -> None:
    body = examples["fetch_funding_rates"][1]["body"]
    frame, requests = asked(
        examples, {"mix/market/current-fund-rate": body}, lambda gateway: gateway.estimated_funding([BTC])
    )
    assert requests[-1] == ("mix/market/current-fund-rate", {"productType": "USDT-FUTURES"})
    assert len(requests) == 2
    row = frame.row(0, named=True)
    assert (row["kind"], row["rate"], row["interval_hours"]) == ("predicted", -0.000024, 8.0)
    assert row["settled_at"] == datetime(2025, 10, 28, 16, tzinfo=UTC)


def test_a_changed_interval_is_told_by_the_rate_before_the_contract() -> None:
    contract, rate = {"info": {"fundInterval": "8"}}, {"info": {"fundingRateInterval": "1"}}
    assert VENUE.interval_hours(contract, rate) == 1.0
    assert VENUE.interval_hours(contract, {"info": {"ratePeriod": "4"}}) == 4.0
    assert VENUE.interval_hours(contract, None) == 8.0
    assert VENUE.interval_hours({"info": {"fundInterval": ""}}, None) is None


@pytest.mark.parametrize(("kind", "name"), [("trade", None), ("mark", "MARK"), ("index", "INDEX")])
def test_recent_candles_are_asked_by_kind_in_capitals(examples: Examples, kind: Any, name: Any) -> None:
    start = datetime(2025, 10, 28, 12, tzinfo=UTC)
    bar = [str(int(start.timestamp() * 1000)), "39406", "39407", "39374.5", "39379", "35.526", "1399132.341"]
    frame, requests = asked(
        examples,
        {"mix/market/candles": ok(bar)},
        lambda gateway: gateway.candles(BTC, kind, start, start + HOUR),
    )
    query = requests[-1][1]
    assert query.get("kLineType") == name
    assert (query["granularity"], query["limit"]) == ("1H", "200")
    assert (query["startTime"], query["endTime"]) == ("1761652799000", "1761656400999")
    row = frame.row(0, named=True)
    assert [row[name] for name in ("open", "high", "low", "close")] == [39406.0, 39407.0, 39374.5, 39379.0]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("trade", "mix/market/history-candles"),
        ("mark", "mix/market/history-mark-candles"),
        ("index", "mix/market/history-index-candles"),
    ],
)
def test_old_candles_come_200_at_a_time_and_none_is_lost(examples: Examples, kind: Any, path: str) -> None:
    start, hour_ms = datetime(2024, 1, 1, tzinfo=UTC), 3_600_000
    end = start + timedelta(days=30)

    def bars(query: dict[str, str]) -> Json:  # the venue counts back from the end
        first, last = -(-int(query["startTime"]) // hour_ms), (int(query["endTime"]) - 1) // hour_ms
        opened = range(first, last + 1)[-int(query["limit"]) :]
        return ok(*([str(hour * hour_ms), "1", "2", "0.5", "1.5", "3", "4"] for hour in opened))

    frame, requests = asked(examples, {path: bars}, lambda gateway: gateway.candles(BTC, kind, start, end))
    asked_for = [query for asked_path, query in requests if asked_path == path]
    assert {query["limit"] for query in asked_for} == {"200"}
    assert frame.height == 720
    assert frame["open_time"].diff().drop_nulls().unique().to_list() == [HOUR]


def test_the_order_book_is_in_coins(examples: Examples) -> None:
    body = example(examples, "fetch_order_book")
    frame, requests = asked(
        examples, {"mix/market/merge-depth": body}, lambda gateway: gateway.order_book(BTC)
    )
    assert requests[-1][1] == {"symbol": "BTCUSDT", "limit": "50", "productType": "USDT-FUTURES"}
    row = frame.row(0, named=True)
    assert (row["bid_px"], row["bid_qty"]) == ([39100.5], [1.773])
    assert (row["ask_px"], row["ask_qty"], row["contract_size"]) == ([39102.0], [11.026], 1.0)
    assert row["observed_at"] == datetime(2022, 2, 26, 5, 50, 10, 294_000, UTC)


def test_trades_are_in_coins(examples: Examples) -> None:
    body = example(examples, "fetch_trades", "swap")
    frame, requests = asked(examples, {"mix/market/fills-history": body}, lambda gateway: gateway.trades(BTC))
    assert requests[-1][1]["limit"] == "1000"
    row = frame.row(0, named=True)
    assert (row["side"], row["price"], row["qty"]) == ("buy", 29376.5, 6.035)
    assert row["traded_at"] == datetime(2023, 8, 15, 4, 25, 21, tzinfo=UTC)


def test_open_interest_is_in_coins(examples: Examples) -> None:
    body = examples["fetch_open_interest"][1]["body"]
    frame, _ = asked(examples, {"mix/market/open-interest": body}, lambda gateway: gateway.open_interest(BTC))
    row = frame.row(0, named=True)
    assert row["open_interest_base"] == 52_234.134
    assert row["observed_at"] == datetime(2023, 11, 24, 22, 47, 21, 23_000, UTC)


def test_leverage_tiers_are_public(examples: Examples) -> None:
    body = example(examples, "fetch_market_leverage_tiers", "swap and future")
    tiers, requests = asked(
        examples, {"mix/market/query-position-lever": body}, lambda gateway: gateway.leverage_tiers([BTC])
    )
    assert requests[-1][1] == {"symbol": "BTCUSDT", "productType": "USDT-FUTURES"}
    rate = Decimal("0.004")
    assert tiers == (
        LeverageTier("bitget", BTC, Decimal(0), Decimal(150_000), rate, Decimal(0), Decimal(125)),
    )


def test_the_clock(examples: Examples) -> None:
    body = example(examples, "fetch_time")
    skew, _ = asked(
        examples,
        {"public/time": body},
        lambda gateway: gateway.clock_skew_ms(),
        now_ms=1_700_111_073_000,
    )
    assert skew == 740


def test_the_account_is_never_asked_for_its_settings(examples: Examples) -> None:
    assert VENUE.client_options()["uta"] is False
    body = examples["fetch_open_interest"][1]["body"]
    _, requests = asked(
        examples, {"mix/market/open-interest": body}, lambda gateway: gateway.open_interest(BTC)
    )
    assert [path for path, _ in requests] == [CONTRACTS, "mix/market/open-interest"]
