"""Kraken's example bodies through the real ccxt class and the gateway to raw frames; figures by hand."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.trading import LeverageTier
from funding_pipeline.venues.dialect import EstimatedRate, Json
from funding_pipeline.venues.kraken import KrakenVenue
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline_tests.venues.canned import Bodies, Examples, example, read_examples
from funding_pipeline_tests.venues.canned_gateway import Asked, gateway_asked

VENUE = KrakenVenue()
BTC, ENJ, ETH, INVERSE = "BTC/USD:USD", "ENJ/USD:USD", "ETH/USD:USD", "ETH/USD:ETH"
INSTRUMENTS = "derivatives/api/v3/instruments"
HISTORY = "derivatives/api/v4/historicalfundingrates"
HOUR = timedelta(hours=1)
NOW = datetime(2025, 10, 22, 11, 2, 26, tzinfo=UTC)


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "krakenfutures")


def instruments(examples: Examples) -> Json:
    """The example's instrument, and linear perpetuals on its terms (margin levels in dollars)."""
    dated = example(examples, "parse_market_leverage_tiers")
    undated = {name: value for name, value in dated.items() if name != "lastTradingTime"}
    levels = [
        {**level, "numNonContractUnits": level["contracts"], "contracts": None}
        for level in dated["marginLevels"]
    ]
    terms = {"type": "flexible_futures", "marginLevels": levels, "contractValueTradePrecision": 3}
    perpetuals = [{**undated, **terms, "symbol": f"PF_{base}USD"} for base in ("XBT", "ENJ", "ETH")]
    index = {"symbol": "in_xbtusd", "type": "spot index", "tradeable": False}
    inverse = {**undated, "symbol": "PI_ETHUSD"}
    return {"result": "success", "instruments": [dated, inverse, index, *perpetuals]}


def asked(
    examples: Examples,
    bodies: Bodies,
    ask: Callable[[PublicGateway], Awaitable[Any]],
    *,
    now: datetime = NOW,
) -> tuple[Any, Asked]:
    listed = {INSTRUMENTS: instruments(examples), **bodies}
    return gateway_asked(VENUE, listed, "/", int(now.timestamp() * 1000), ask)


def history(first: datetime, hours: int) -> Json:
    """Rates of each hour since `first`, as Kraken documents the rows: dollars per coin, and relative."""
    return {
        "result": "success",
        "rates": [
            {
                "timestamp": (first + place * HOUR).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "fundingRate": 1.5,
                "relativeFundingRate": (place + 1) * 1e-6,
            }
            for place in range(hours)
        ],
    }


def test_only_linear_perpetuals_are_served(examples: Examples) -> None:
    found, requests = asked(examples, {}, lambda gateway: gateway.instruments())
    assert requests == [(INSTRUMENTS, {})]
    terms = {item.symbol: item for item in found.terms}
    assert sorted(terms) == [BTC, ENJ, ETH]
    bitcoin = terms[BTC]
    assert (bitcoin.native_id, bitcoin.settle, bitcoin.contract_size) == ("PF_XBTUSD", "USD", Decimal(1))
    assert (bitcoin.price_tick, bitcoin.quantity_step) == (Decimal("0.1"), Decimal("0.001"))
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))
    assert bitcoin.interval_hours == 1.0


def test_a_rate_is_settled_at_the_end_of_the_hour_it_is_stamped_with(examples: Examples) -> None:
    first = datetime(2025, 10, 1, tzinfo=UTC)
    frame, requests = asked(
        examples,
        {HISTORY: history(first, 400)},
        lambda gateway: gateway.settled_funding(ENJ, first + 24 * HOUR, first + 27 * HOUR),
    )
    assert requests[-1] == (HISTORY, {"symbol": "PF_ENJUSD"})
    assert frame["settled_at"].to_list() == [first + 24 * HOUR, first + 25 * HOUR, first + 26 * HOUR]
    assert frame["rate"].to_list() == pytest.approx([24e-6, 25e-6, 26e-6])  # that stamped 23:00 comes first
    assert frame["interval_hours"].to_list() == [1.0, 1.0, 1.0]


def test_the_documented_rows_are_a_fraction_per_hour() -> None:
    row = {"timestamp": 1_664_755_200_000, "fundingRate": -0.000016898883333333, "info": {}}
    settled = VENUE.settled_rate(row, {})
    assert (settled.rate, settled.interval_hours) == (-0.000016898883333333, 1.0)
    assert VENUE.settled_rate({**row, "fundingRate": None}, {}).rate is None


def test_a_window_costs_one_request_whatever_its_length_and_its_gaps(examples: Examples) -> None:
    first = datetime(2025, 7, 1, tzinfo=UTC)
    body = history(first, 24 * 100)
    del body["rates"][1000]  # a gap, which is asked for again: inside what is known

    async def quarter(gateway: PublicGateway) -> Any:
        frame = await gateway.settled_funding(ENJ, first, first + 90 * 24 * HOUR)
        part = await gateway.settled_funding(ENJ, first + 24 * HOUR, first + 48 * HOUR)
        return frame.height, part.height, gateway.gaps

    (height, part, gaps), requests = asked(examples, {HISTORY: body}, quarter)
    assert (height, part) == (90 * 24 - 2, 24)  # nothing settles in the first hour, and hour 1000 has no rate
    assert [(gap.missing, gap.table) for gap in gaps] == [(1, "funding_rates")]
    assert [path for path, _ in requests] == [INSTRUMENTS, HISTORY]


def test_a_later_window_is_asked_for_anew(examples: Examples) -> None:
    first = datetime(2025, 10, 1, tzinfo=UTC)
    answers = [history(first, 24), history(first, 48)]

    async def days(gateway: PublicGateway) -> list[int]:
        frames = [
            await gateway.settled_funding(ENJ, first + start * HOUR, first + (start + 24) * HOUR)
            for start in (1, 25)
        ]
        return [frame.height for frame in frames]

    heights, requests = asked(examples, {HISTORY: lambda _: answers.pop(0)}, days)
    assert heights == [24, 24]
    assert sum(path == HISTORY for path, _ in requests) == 2


def test_the_running_hour_is_not_settled_yet(examples: Examples) -> None:
    first = NOW.replace(hour=9, minute=0, second=0)
    body = history(first, 3)  # 9:00, 10:00 and 11:00, which is running at 11:02
    frame, _ = asked(
        examples, {HISTORY: body}, lambda gateway: gateway.settled_funding(ENJ, first, NOW + 24 * HOUR)
    )
    assert frame["settled_at"].dt.hour().to_list() == [10, 11]


def test_rows_of_four_hours_are_left_out(examples: Examples) -> None:
    stamps = [datetime(2022, 9, 28, 16, tzinfo=UTC), datetime(2022, 10, 1, tzinfo=UTC)]
    rates = [history(stamp, 1)["rates"][0] for stamp in stamps]
    frame, _ = asked(
        examples,
        {HISTORY: {"result": "success", "rates": rates}},
        lambda gateway: gateway.settled_funding(BTC, stamps[0], stamps[1] + 2 * HOUR),
    )
    assert frame["settled_at"].to_list() == [stamps[1] + HOUR]


def test_the_estimate_is_dollars_over_the_index_for_the_running_hour(examples: Examples) -> None:
    ticker = example(examples, "parse_funding_rate")
    frame, requests = asked(
        examples,
        {"derivatives/api/v3/tickers": {"result": "success", "tickers": [ticker]}},
        lambda gateway: gateway.estimated_funding([ENJ]),
    )
    assert len(requests) == 2
    row = frame.row(0, named=True)
    # -7.56414717067e-7 dollars at an index of 0.043391
    assert row["rate"] == pytest.approx(-1.743252e-5, rel=1e-6)
    assert (row["settled_at"], row["interval_hours"]) == (datetime(2025, 10, 22, 12, tzinfo=UTC), 1.0)
    assert row["kind"] == "predicted"


@pytest.mark.parametrize("info", [{}, {"fundingRate": 1.0}, {"fundingRate": 1.0, "indexPrice": 0}])
def test_an_estimate_without_its_price_is_null(info: Json) -> None:
    assert VENUE.estimated_rate({"info": info}, {}, 1.0) == EstimatedRate(None, None, 1.0)


def test_bids_listed_from_the_worst_are_put_in_order(examples: Examples) -> None:
    body = example(examples, "fetch_order_book")
    book = {**body["orderBook"], "bids": list(reversed(body["orderBook"]["bids"]))}
    assert book["bids"][0] == [4210, 4000]
    frame, _ = asked(
        examples,
        {"derivatives/api/v3/orderbook": {**body, "orderBook": book}},
        lambda gateway: gateway.order_book(ETH),
    )
    row = frame.row(0, named=True)
    assert (row["bid_px"], row["bid_qty"]) == ([4213.0, 4210.0], [2000.0, 4000.0])
    assert (row["ask_px"], row["contract_size"]) == ([4218.0, 4220.0], 1.0)
    assert row["observed_at"] == datetime(2016, 2, 25, 9, 45, 53, 818_000, UTC)


@pytest.mark.parametrize(("kind", "name"), [("trade", "trade"), ("mark", "mark"), ("index", "spot")])
def test_candles_are_asked_by_kind_in_the_path(examples: Examples, kind: Any, name: str) -> None:
    body = example(examples, "fetch_ohlcv")
    start = datetime(2022, 2, 18, 15, tzinfo=UTC)
    bar = {**body["candles"][0], "time": int(start.timestamp() * 1000)}
    path = f"api/charts/v1/{name}/PF_ETHUSD/1h"
    frame, requests = asked(
        examples,
        {path: {**body, "candles": [bar]}},
        lambda gateway: gateway.candles(ETH, kind, start, start + HOUR),
    )
    assert requests[-1] == (path, {"from": "1645196399", "to": "1645200000"})
    row = frame.row(0, named=True)
    assert [row[name] for name in ("open", "high", "low", "close")] == [309.15, 309.15, 308.7, 308.85]
    assert row["open_time"] == start


def test_trades_are_the_markets_executions(examples: Examples) -> None:
    execution = example(examples, "parse_trade", "fetchTrades (executions history)")
    event = {"Execution": {"execution": execution, "takerReducedQuantity": ""}}
    element = {"uid": "a5105030", "timestamp": execution["timestamp"], "event": event}
    path = "api/history/v3/market/PF_XBTUSD/executions"
    frame, requests = asked(
        examples, {path: {"elements": [element], "len": "1"}}, lambda gateway: gateway.trades(BTC)
    )
    assert requests[-1] == (path, {"count": "1000"})
    row = frame.row(0, named=True)
    assert (row["side"], row["price"], row["qty"]) == ("sell", 71_927.0, 0.0695)  # the taker's side
    assert row["traded_at"] == datetime(2024, 3, 11, 10, 21, 56, 830_000, UTC)


def test_open_interest_is_coins_of_the_ticker(examples: Examples) -> None:
    body = example(examples, "fetch_ticker")
    frame, _ = asked(
        examples,
        {"derivatives/api/v3/tickers/PF_XBTUSD": body},
        lambda gateway: gateway.open_interest(BTC),
    )
    row = frame.row(0, named=True)
    assert (row["open_interest_base"], row["observed_at"]) == (1950.5966, NOW)


def test_leverage_tiers_are_the_instruments_margin_levels(examples: Examples) -> None:
    tiers, requests = asked(examples, {}, lambda gateway: gateway.leverage_tiers([BTC]))
    assert [path for path, _ in requests] == [INSTRUMENTS, INSTRUMENTS]
    edge = Decimal(250_000)
    low = LeverageTier("kraken", BTC, Decimal(0), edge, Decimal("0.01"), Decimal(0), Decimal(50))
    # Kraken does not say whether a level's rate counts for the whole position: taken so, it asks for more.
    high = LeverageTier("kraken", BTC, edge, None, Decimal("0.02"), Decimal(0), Decimal(25))
    assert tiers == (low, high)


def test_kraken_does_not_tell_its_time(examples: Examples) -> None:
    skew, _ = asked(examples, {}, lambda gateway: gateway.clock_skew_ms())
    assert skew is None
