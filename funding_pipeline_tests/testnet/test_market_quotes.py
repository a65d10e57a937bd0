"""Quotes from a market's rows: nothing of the future, nothing that changes once it was published."""

from decimal import Decimal
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.raw_market import RawMarket
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market

BTC = "BTC/USDT:USDT"
SECOND = st.integers(min_value=0, max_value=12 * 3600 - 1)
KIND = st.sampled_from(["trade", "mark", "index"])


@cache
def quotes(venue: str = "binance") -> MarketQuotes:
    return MarketQuotes(simulated_market(), venue)


def price(kind: CandleKind, time: int) -> Decimal:
    source = quotes()
    ask = {"trade": source.last, "mark": source.mark, "index": source.index}[kind]
    return ask(BTC, time)


@settings(max_examples=40, deadline=None)
@given(kind=KIND, second=SECOND, hours=st.sampled_from([1, 4, 8]))
def test_a_forming_bar_holds_the_price_of_its_moment(kind: CandleKind, second: int, hours: int) -> None:
    time = NOW_MS + second * 1000
    bar = quotes().candles(BTC, kind, time - hours * HOUR_MS, time + 1, hours).tail(1).to_dicts()[0]
    assert bar["open_time"] <= time < bar["open_time"] + hours * HOUR_MS
    assert bar["low"] <= bar["close"] <= bar["high"]
    # Marks and the index carry more decimals than the tick has.
    assert abs(Decimal(str(bar["close"])) - price(kind, time)) <= Decimal("0.05")


@settings(max_examples=30, deadline=None)
@given(kind=KIND, second=SECOND, later=st.integers(min_value=0, max_value=7200))
def test_bars_only_grow_and_closed_ones_stay(kind: CandleKind, second: int, later: int) -> None:
    time = NOW_MS + second * 1000
    early = quotes().candles(BTC, kind, NOW_MS - 5 * HOUR_MS, time + 1)
    late = quotes().candles(BTC, kind, NOW_MS - 5 * HOUR_MS, time + later * 1000 + 1)
    assert late.head(early.height - 1).equals(early.head(-1))
    forming, same = early.tail(1).to_dicts()[0], late.to_dicts()[early.height - 1]
    assert same["open"] == forming["open"]
    assert same["high"] >= forming["high"]
    assert same["low"] <= forming["low"]
    assert same["volume"] >= forming["volume"]


def test_what_is_asked_does_not_depend_on_what_was_asked_before() -> None:
    fresh, used = MarketQuotes(simulated_market(), "gate"), MarketQuotes(simulated_market(), "gate")
    for hour in range(100):
        used.mark(BTC, NOW_MS + hour * HOUR_MS)
        used.book(BTC, NOW_MS + hour * HOUR_MS)
    for time in (NOW_MS + 12_345_000, NOW_MS - 86_399_000):
        assert fresh.mark(BTC, time) == used.mark(BTC, time)
        assert fresh.book(BTC, time) == used.book(BTC, time)
        assert fresh.trades(BTC, time, 20) == used.trades(BTC, time, 20)


def test_closed_bars_are_the_markets_rows() -> None:
    rows = simulated_market().candles("binance")[BTC, "trade"]
    bars = quotes().candles(BTC, "trade", 0, NOW_MS)
    expected = rows.filter(pl.col("open_time") < NOW_MS).drop("hours")
    assert bars.equals(expected.select(bars.columns))


def test_mark_at_a_settlement_is_the_close_of_the_hour_before() -> None:
    rows = simulated_market().candles("binance")[BTC, "mark"]
    closed = rows.filter(pl.col("open_time") == NOW_MS - HOUR_MS)["close"][0]
    assert abs(quotes().mark(BTC, NOW_MS) - Decimal(str(closed))) <= Decimal("0.05")


def test_the_index_is_the_median_of_spot_and_index_closes() -> None:
    market = simulated_market()
    closes = []
    for venue in market.venues:
        for (symbol, kind), bars in market.candles(venue).items():
            if kind in ("spot", "index") and symbol.startswith("BTC/"):
                at = pl.col("open_time") + pl.col("hours") * HOUR_MS
                closes += bars.filter(at == NOW_MS)["close"].to_list()
    assert len(closes) >= 3
    assert abs(float(quotes().index(BTC, NOW_MS)) - pl.Series(closes).median()) <= 0.05


def test_a_book_has_fifty_levels_a_side_in_order_and_on_the_grid() -> None:
    source = quotes("okx")
    for terms in source.instruments():
        book = source.book(terms.symbol, NOW_MS + 1_234_567)
        assert (len(book.bids), len(book.asks)) == (50, 50)
        bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]
        assert bids[0] <= source.last(terms.symbol, NOW_MS + 1_234_567) <= asks[0]
        assert all(level.price % terms.tick == 0 for level in book.bids + book.asks)
        assert all(level.quantity % terms.step == 0 and level.quantity > 0 for level in book.bids + book.asks)


def test_a_book_changes_every_second_and_not_within_one() -> None:
    source = quotes()
    assert source.book(BTC, NOW_MS) == source.book(BTC, NOW_MS + 999)
    assert source.book(BTC, NOW_MS).bids != source.book(BTC, NOW_MS + 1000).bids


def test_trades_end_with_the_last_price_and_cross_hours() -> None:
    source = quotes()
    trades = source.trades(BTC, NOW_MS + 100_500, 500)
    assert len(trades) == 500
    times = [trade.time for trade in trades]
    assert times == sorted(times)
    assert times[-1] <= NOW_MS + 100_500
    assert times[0] < NOW_MS  # of the hour before
    assert trades[-1].price == source.last(BTC, NOW_MS + 100_500)
    assert trades[:-100] == source.trades(BTC, NOW_MS + 500, 400)
    assert len({trade.trade_id for trade in trades}) == 500


def test_settlements_are_the_markets_and_the_estimate_meets_the_coming_one() -> None:
    source = quotes()
    rows = simulated_market().funding("binance")[BTC, "settled"]
    settled = source.settled(BTC, 0, NOW_MS)
    assert settled["rate"].to_list() == rows.filter(pl.col("time") <= NOW_MS)["rate"].to_list()
    coming = source.next_settlement(BTC, NOW_MS)
    assert coming == NOW_MS + 8 * HOUR_MS
    paid = source.settled(BTC, coming, coming)["rate"][0]
    assert source.estimate(BTC, NOW_MS) == round(Decimal(str(settled["rate"][-1])), 10)
    assert abs(float(source.estimate(BTC, coming - 1)) - paid) < 1e-8
    assert source.interval_hours(BTC, NOW_MS) == 8.0


def test_prices_and_rates_go_on_after_the_markets_end() -> None:
    source, end = quotes(), simulated_market().end
    later = end + 30 * 24 * HOUR_MS
    assert source.last(BTC, later) == source.last(BTC, end)
    bars = source.candles(BTC, "mark", end - HOUR_MS, end + 3 * HOUR_MS)
    assert bars["open_time"].to_list() == [end + hour * HOUR_MS for hour in range(-1, 3)]
    settled = source.settled(BTC, end - 8 * HOUR_MS, end + 16 * HOUR_MS)
    assert settled["time"].to_list() == [end + hour * HOUR_MS for hour in (-8, 0, 8, 16)]
    assert settled["rate"][1:].unique().to_list() == [settled["rate"][0]]
    assert source.next_settlement(BTC, end + HOUR_MS) == end + 8 * HOUR_MS


def test_an_unknown_symbol_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        quotes().mark("NOPE/USDT:USDT", NOW_MS)


def test_contract_sizes_of_the_venues_that_count_contracts() -> None:
    sizes = {i.symbol: i.contract_size for i in quotes("gate").instruments()}
    assert sizes[BTC] == Decimal("0.0001")
    assert {i.symbol: i.contract_size for i in quotes("okx").instruments()}[BTC] == Decimal("0.01")
    assert {i.contract_size for i in quotes().instruments()} == {Decimal(1)}
    volumes = [quotes(v).candles(BTC, "trade", 0, NOW_MS)["volume"].median() for v in ("gate", "binance")]
    assert 0.01 < volumes[0] / volumes[1] < 1  # both in coins: Gate trades a tenth of Binance


# --- recorded rows
@pytest.fixture(scope="module")
def recorded(recorded_dir: Path) -> RawMarket:
    return RawMarket(RecordedMarket(recorded_dir))


def test_inverse_instruments_are_not_served_and_listed(recorded: RawMarket) -> None:
    binance = MarketQuotes(recorded, "binance")
    assert "BTC/USD:BTC" not in {item.symbol for item in binance.instruments()}
    assert "inverse" in binance.unserved()["BTC/USD:BTC"]


def test_eight_hour_bars_are_split_into_hours_that_add_up(recorded: RawMarket) -> None:
    source = MarketQuotes(recorded, "hyperliquid")
    symbol = "ETH/USDC:USDC"
    raw = recorded.candles("hyperliquid")[symbol, "trade"].filter(pl.col("open_time") < NOW_MS)
    whole = source.candles(symbol, "trade", 0, NOW_MS, 8)
    both = raw.join(whole, on="open_time", suffix="_again")
    assert both.height == raw.height > 900
    for name in ("open", "high", "low", "close"):
        assert both[name].equals(both[f"{name}_again"].alias(name))
    # Between the closes it stays near the market: a straight line would be percents away.
    hourly = source.candles(symbol, "trade", NOW_MS - 90 * 24 * HOUR_MS, NOW_MS)
    index = source.candles(symbol, "index", NOW_MS - 90 * 24 * HOUR_MS, NOW_MS)
    basis = (hourly["close"] / index["close"] - 1).abs()
    assert basis.quantile(0.99) < 0.01


def test_an_estimate_is_not_served_as_a_settlement(recorded: RawMarket) -> None:
    source = MarketQuotes(recorded, "okx")
    assert source.settled("SOL/USDT:USDT", 0, NOW_MS).is_empty()
    assert source.next_settlement("SOL/USDT:USDT", NOW_MS) == NOW_MS + 8 * HOUR_MS
    assert source.settled(BTC, NOW_MS, NOW_MS).height == 1


def test_intervals_change_as_they_were_recorded(recorded: RawMarket) -> None:
    source = MarketQuotes(recorded, "binance")
    intervals = source.settled("SOL/USDT:USDT", 1_667_260_800_000, 1_669_852_800_000)["interval_hours"]
    assert {2.0, 8.0} <= set(intervals.to_list())
