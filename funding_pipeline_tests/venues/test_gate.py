"""Gate's public example bodies through the real ccxt class and our normalization; figures by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.venues.dialect import EstimatedRate, SettledRate
from funding_pipeline_tests.venues.canned import Examples, example, read_examples
from funding_pipeline_tests.venues.gate_client import SYMBOL, VENUE, asking, contracts


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "gate")


def test_loading_markets_is_one_request_without_a_broker_header(examples: Any) -> None:
    bodies = {"futures/usdt/contracts": contracts(examples)}
    markets, session = asking(bodies, lambda client: client.load_markets())
    assert [path for path, _, _ in session.asked] == ["futures/usdt/contracts"]
    assert not any("channel" in name.lower() for name in session.asked[0][2])
    assert markets[SYMBOL]["contractSize"] == 0.0001
    assert VENUE.serves(markets[SYMBOL])


@pytest.mark.parametrize("changes", [{"contract_type": "stocks"}, {"is_pre_market": True}])
def test_a_stock_or_a_pre_market_is_no_crypto_asset(examples: Any, changes: dict[str, Any]) -> None:
    bodies = {"futures/usdt/contracts": contracts(examples, **changes)}
    markets, _ = asking(bodies, lambda client: client.load_markets())
    assert VENUE.underlying(markets[SYMBOL])[0] in ("stock", "pre_market")


def test_the_estimate_is_funding_rate_and_not_the_indicative_one(examples: Any) -> None:
    listed = contracts(examples)
    bodies = {"futures/usdt/contracts": listed, "futures/usdt/contracts/BTC_USDT": listed[0]}
    row, _ = asking(bodies, lambda client: client.fetch_funding_rate(SYMBOL))
    estimate = VENUE.estimated_rate(row, {}, VENUE.interval_hours({}, row))
    assert estimate == EstimatedRate(datetime(2021, 1, 7, 16, tzinfo=UTC), 0.002053, 8.0)


def test_two_hours_are_two_hours(examples: Any) -> None:
    listed = contracts(examples, funding_interval=7200)
    bodies = {"futures/usdt/contracts": listed, "futures/usdt/contracts/BTC_USDT": listed[0]}
    row, _ = asking(bodies, lambda client: client.fetch_funding_rate(SYMBOL))
    assert row["interval"] == "7200000"  # ccxt has no name for it
    assert VENUE.interval_hours({}, row) == 2.0


def test_history_is_asked_with_an_end_and_is_rounded_to_the_settlement(examples: Any) -> None:
    # The example's `t` passed through a client that quotes numbers and shows ms; the venue sends seconds,
    # here with the second of delay that live answers have.
    rate = example(examples, "fetch_funding_rate_history")["r"]
    bodies = {
        "futures/usdt/contracts": contracts(examples),
        "futures/usdt/funding_rate": [{"r": rate, "t": 1621267201}],
    }
    since, params = VENUE.history_request(1621200000000, 1621267201000)
    rows, session = asking(
        bodies,
        lambda client: client.fetch_funding_rate_history(SYMBOL, since, VENUE.funding_page, params),
    )
    asked = session.asked[-1][1]
    assert (asked["from"], asked["to"], asked["limit"]) == ("1621200000", "1621267201", "1000")
    assert VENUE.settled_rate(rows[0], {}) == SettledRate(datetime(2021, 5, 17, 16, tzinfo=UTC), 0.00063521)


def test_a_missing_rate_is_null() -> None:
    assert VENUE.settled_rate({"timestamp": 1621267200000, "fundingRate": None}, {}).rate is None


@pytest.mark.parametrize(
    ("kind", "contract"),
    [("trade", "BTC_USDT"), ("mark", "mark_BTC_USDT"), ("index", "index_BTC_USDT")],
)
def test_candles_of_each_kind_are_asked_by_name_and_window(examples: Any, kind: Any, contract: str) -> None:
    body = [example(examples, "parse_ohlcv", "Swap, Future, Option, Mark and Index price candles")]
    bodies = {"futures/usdt/contracts": contracts(examples), "futures/usdt/candlesticks": body}
    start = 1632873600000
    since, params = VENUE.candle_request(kind, start, start + 2 * 3_600_000)
    bars, session = asking(
        bodies, lambda client: client.fetch_ohlcv(SYMBOL, "1h", since, VENUE.candle_page, params)
    )
    asked = session.asked[-1][1]
    # `to` is inclusive at Gate: one second short of the end, so that the bar opening there is left out.
    assert asked == {"contract": contract, "interval": "1h", "from": "1632873600", "to": "1632880799"}
    assert bars[0][:5] == [start, 41025.0, 41882.17, 40783.94, 41776.92]


def test_open_interest_is_contracts_times_contract_size(examples: Any) -> None:
    listed = contracts(examples, quanto_multiplier="10")
    stats = example(examples, "fetch_open_interest_history")
    ticker = [example(examples, "parse_ticker", "LINEAR/DELIVERY")]
    bodies = {
        "futures/usdt/contracts": listed,
        "futures/usdt/contract_stats": stats,
        "futures/usdt/tickers": ticker,
    }

    async def ask(client: Any) -> Any:
        rows = await client.fetch_open_interest_history(SYMBOL, "1h")
        return rows[0], await VENUE.fetch_open_interest(client, SYMBOL), client.market(SYMBOL)

    (past, now, market), _ = asking(bodies, ask)
    coins = VENUE.open_interest(past, market)
    assert coins == 28_517_250.0
    assert coins * 0.34619 == pytest.approx(past["openInterestValue"])
    assert VENUE.open_interest(now, market) == 323_239_040.0


def test_open_interest_without_contract_size_is_unknown() -> None:
    assert VENUE.open_interest({"openInterestAmount": 5.0}, {"contractSize": None}) is None
