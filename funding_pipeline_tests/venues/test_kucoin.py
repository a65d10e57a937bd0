"""KuCoin's example bodies through the real ccxt class and the gateway to raw frames; figures by hand."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.trading import LeverageTier
from funding_pipeline.venues.dialect import Json
from funding_pipeline.venues.kucoin import KucoinVenue
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline_tests.venues.canned import Bodies, Examples, example, read_examples
from funding_pipeline_tests.venues.canned_gateway import Asked, gateway_asked

VENUE = KucoinVenue()
BTC, ETH, IDEX = "BTC/USDT:USDT", "ETH/USDT:USDT", "ID/USDT:USDT"
ACTIVE = "v1/contracts/active"
NOW_MS = 1_776_690_000_000  # 2026-04-20T13:00Z


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "kucoin")


def contracts(examples: Examples, **changes: Any) -> Json:
    """The ETH contract of the examples (a list on the venue), and the same terms under other names."""
    body = example(examples, "fetch_contract_markets")
    terms = {**body["data"], **changes}
    named = [
        {**terms, "symbol": f"{base}USDTM", "baseCurrency": base, "multiplier": size}
        for base, size in (("ETH", 0.01), ("XBT", 0.001), ("ID", 10))
    ]
    return {**body, "data": named}


def asked(
    examples: Examples,
    bodies: Bodies,
    ask: Callable[[PublicGateway], Awaitable[Any]],
    *,
    now_ms: int = NOW_MS,
    **changes: Any,
) -> tuple[Any, Asked]:
    listed = {ACTIVE: contracts(examples, **changes), **bodies}
    return gateway_asked(VENUE, listed, "/api/", now_ms, ask)


def test_instruments_cost_one_request_and_count_in_lots(examples: Examples) -> None:
    found, requests = asked(examples, {}, lambda gateway: gateway.instruments())
    assert [path for path, _ in requests] == [ACTIVE]
    assert found.refused == {}
    terms = {item.symbol: item for item in found.terms}
    assert sorted(terms) == [BTC, ETH, IDEX]
    ethereum = terms[ETH]
    assert (terms[BTC].native_id, terms[BTC].contract_size) == ("XBTUSDTM", Decimal("0.001"))
    assert (ethereum.contract_size, ethereum.price_tick) == (Decimal("0.01"), Decimal("0.05"))
    assert (ethereum.quantity_step, ethereum.min_quantity) == (Decimal("0.01"), Decimal("0.01"))
    assert (ethereum.maker_fee, ethereum.taker_fee) == (Decimal("0.0002"), Decimal("0.0006"))
    assert ethereum.listed_at == datetime(2020, 6, 2, 8, 20, tzinfo=UTC)
    assert ethereum.interval_hours is None  # the example is from before KuCoin told it


def test_the_interval_is_in_milliseconds(examples: Examples) -> None:
    changes = {"fundingRateGranularity": 28_800_000, "currentFundingRateGranularity": 7_200_000}
    found, _ = asked(examples, {}, lambda gateway: gateway.instruments(), **changes)
    assert {item.interval_hours for item in found.terms} == {2.0}


@pytest.mark.parametrize("changes", [{"assetClass": "STOCK"}, {"marketStage": "PRE_MARKET"}])
def test_a_stock_or_a_pre_market_is_no_crypto_asset(changes: Json) -> None:
    ordinary = {"assetClass": "CRYPTO", "marketStage": "NORMAL"}
    assert VENUE.underlying({"info": ordinary})[0] == "crypto"
    assert VENUE.underlying({"info": {**ordinary, **changes}})[0] in ("stock", "pre_market")


def test_settlements_come_unordered_and_at_four_o_clock(examples: Examples) -> None:
    body = examples["fetch_funding_rate_history"][1]["body"]
    row, eight_hours = body["data"][0], 28_800_000
    answer = {
        **body,
        "data": [
            {**row, "timepoint": row["timepoint"] - eight_hours, "fundingRate": None},
            row,
            {**row, "timepoint": row["timepoint"] - 2 * eight_hours, "fundingRate": -0.0001},
        ],
    }
    start, end = datetime(2023, 12, 10, 16, tzinfo=UTC), datetime(2023, 12, 11, 13, tzinfo=UTC)
    frame, requests = asked(
        examples,
        {"v1/contract/funding-rates": answer},
        lambda gateway: gateway.settled_funding(IDEX, start, end),
    )
    query = requests[-1][1]
    low, high = start - timedelta(seconds=61), end + timedelta(seconds=61)  # a minute of slack, one of pad
    assert query == {
        "symbol": "IDUSDTM",
        "from": f"{low.timestamp():.0f}000",
        "to": f"{high.timestamp():.0f}000",
    }
    assert frame["settled_at"].dt.hour().to_list() == [20, 4, 12]
    assert frame["rate"].to_list() == [-0.0001, None, 0.000226]  # a missing rate is null, not 0
    assert frame["interval_hours"].to_list() == [None, None, None]


def test_estimates_are_those_of_the_coming_settlement(examples: Examples) -> None:
    body = example(examples, "fetch_funding_rates")
    now_ms = 1_789_300_000_000
    frame, requests = asked(
        examples,
        {"ua/v2/market/funding-rate": {**body, "data": [*body["data"], {"symbol": ".XBTUSDTMFPI8H"}]}},
        lambda gateway: gateway.estimated_funding([BTC]),
        now_ms=now_ms,
    )
    assert [path for path, _ in requests] == [ACTIVE, "ua/v2/market/funding-rate"]
    row = frame.row(0, named=True)
    assert (row["kind"], row["rate"], row["interval_hours"]) == ("predicted", -0.000004, 8.0)
    assert row["settled_at"] == datetime(2026, 9, 13, 16, tzinfo=UTC)
    assert row["venue_time"] == datetime.fromtimestamp(now_ms / 1000, UTC)


def test_both_endpoints_speak_of_the_same_settlement(examples: Examples) -> None:
    unified, futures = (item["body"]["data"] for item in examples["fetch_funding_rate"])
    assert unified["fundingTime"] == futures["fundingTime"]
    assert futures["timePoint"] + futures["granularity"] == futures["fundingTime"]
    assert VENUE.interval_hours({}, {"info": futures}) == VENUE.interval_hours({}, {"info": unified}) == 8.0


def test_trade_candles_are_asked_by_milliseconds(examples: Examples) -> None:
    body = example(examples, "fetch_contract_ohlcv")
    start = datetime(2021, 11, 9, 12, tzinfo=UTC)
    hourly = {**body, "data": [bar for bar in body["data"] if bar[0] % 3_600_000 == 0]}
    frame, requests = asked(
        examples,
        {"v1/kline/query": hourly},
        lambda gateway: gateway.candles(ETH, "trade", start, start + timedelta(hours=1)),
    )
    query = requests[-1][1]
    assert (query["granularity"], query["from"], query["to"]) == ("60", "1636459199000", "1636462800999")
    row = frame.row(0, named=True)
    assert row["open_time"] == start
    assert [row[name] for name in ("open", "high", "low", "close")] == [4779.3, 4792.1, 4768.7, 4770.3]


@pytest.mark.parametrize(("kind", "name"), [("mark", "mark-price"), ("index", "index-price")])
def test_mark_and_index_candles_are_of_the_unified_host(examples: Examples, kind: Any, name: str) -> None:
    body = example(examples, "fetch_utaohlcv")
    start = datetime(2025, 11, 4, 7, tzinfo=UTC)
    bar = [str(int(start.timestamp())), *body["data"]["list"][0][1:]]  # time, open, CLOSE, high, low
    answer = {**body, "data": {**body["data"], "list": [bar]}}
    frame, requests = asked(
        examples,
        {"ua/v1/market/kline": answer},
        lambda gateway: gateway.candles(BTC, kind, start, start + timedelta(hours=1)),
    )
    query = requests[-1][1]
    assert (query["symbol"], query["interval"], query["tradeType"]) == (
        f"XBTUSDTM-{name}",
        "1hour",
        "FUTURES",
    )
    assert (query["startAt"], query["endAt"]) == ("1762239599", "1762243200")
    row = frame.row(0, named=True)
    values = [row[name] for name in ("kind", "open", "high", "low", "close")]
    assert values == [kind, 104581.4, 104620.1, 104526.4, 104527.1]


def test_the_order_book_has_a_hundred_levels_of_lots(examples: Examples) -> None:
    body = examples["fetch_order_book"][1]["body"]
    frame, requests = asked(examples, {"v1/level2/depth100": body}, lambda gateway: gateway.order_book(BTC))
    assert requests[-1][0] == "v1/level2/depth100"
    row = frame.row(0, named=True)
    assert (row["bid_px"], row["bid_qty"]) == ([3200.0, 3100.0], [800.0, 100.0])
    assert (row["ask_px"], row["ask_qty"]) == ([5000.0, 6000.0], [1000.0, 1983.0])
    assert row["contract_size"] == 0.001
    assert row["observed_at"] == datetime(2020, 11, 6, 6, 20, 55, 40_000, UTC)


def test_trades_are_stamped_in_nanoseconds(examples: Examples) -> None:
    body = examples["fetch_trades"][2]["body"]
    frame, _ = asked(examples, {"v1/trade/history": body}, lambda gateway: gateway.trades(BTC))
    row = frame.row(0, named=True)
    assert row["traded_at"] == datetime(2021, 12, 21, 16, 56, 34, 99_000, UTC)
    assert (row["side"], row["price"], row["qty"]) == ("buy", 4001.65, 39.0)
    assert (row["id"], row["contract_size"]) == ("61c2074277a0c473e69029b8", 0.001)


def test_open_interest_is_lots_times_their_size(examples: Examples) -> None:
    body = example(examples, "fetch_open_interests")
    frame, requests = asked(
        examples, {"ua/v1/market/open-interest": body}, lambda gateway: gateway.open_interest(ETH)
    )
    assert requests[-1][1] == {"symbol": "ETHUSDTM"}
    row = frame.row(0, named=True)
    assert row["open_interest_base"] == pytest.approx(80_539.6)
    assert row["observed_at"] == datetime(2026, 3, 20, 11, 51, 7, 50_000, UTC)


def test_open_interest_history_is_asked_by_window(examples: Examples) -> None:
    body = example(examples, "fetch_open_interests")
    start = datetime(2026, 3, 20, 11, tzinfo=UTC)
    row = {**body["data"][0], "ts": int(start.timestamp() * 1000)}
    frame, requests = asked(
        examples,
        {"ua/v1/market/open-interest": {**body, "data": [row]}},
        lambda gateway: gateway.open_interest_history(ETH, start, start + timedelta(hours=1)),
    )
    query = requests[-1][1]
    assert (query["interval"], query["pageSize"]) == ("1hour", "200")
    assert (query["startAt"], query["endAt"]) == ("1774004399000", "1774008001000")
    assert frame["open_interest_base"].to_list() == [pytest.approx(80_539.6)]


def test_leverage_tiers_are_the_risk_limits_in_dollars(examples: Examples) -> None:
    body = example(examples, "fetch_market_leverage_tiers")
    tiers, requests = asked(
        examples,
        {"v1/contracts/risk-limit/ETHUSDTM": body},
        lambda gateway: gateway.leverage_tiers([ETH]),
    )
    assert requests[-1][0] == "v1/contracts/risk-limit/ETHUSDTM"
    limit = Decimal(300_000)
    assert tiers == (
        LeverageTier("kucoin", ETH, Decimal(0), limit, Decimal("0.005"), Decimal(0), Decimal(100)),
    )


def test_the_clock_is_that_of_the_futures_host(examples: Examples) -> None:
    body = example(examples, "fetch_time")
    skew, requests = asked(
        examples,
        {"v1/timestamp": body},
        lambda gateway: gateway.clock_skew_ms(),
        now_ms=1_637_385_119_000,
    )
    assert (skew, [path for path, _ in requests]) == (302, ["v1/timestamp"])
