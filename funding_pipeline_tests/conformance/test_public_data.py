"""Public data of every trading venue, against the testnet's own rows."""

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.market import RAW_CANDLES, RAW_FUNDING_RATES, RAW_ORDER_BOOKS
from funding_pipeline.venues.dialect import CandleKind
from funding_pipeline_tests.conformance.rig import VenueRig, days, run

HOUR = timedelta(hours=1)
KINDS: tuple[CandleKind, ...] = ("trade", "mark", "index")


def test_instruments_have_the_terms_of_the_testnet(venue: VenueRig) -> None:
    async def case() -> None:
        async with venue.public() as gateway:
            listing = await gateway.instruments()
        terms = {found.symbol: found for found in listing.terms}
        assert listing.refused == {}
        assert set(terms) == {found.symbol for found in venue.exchange.instruments()}
        for instrument in venue.exchange.instruments():
            found = terms[instrument.symbol]
            assert found.contract_size == instrument.contract_size
            assert found.price_tick is not None
            # Hyperliquid's is coarser where five significant digits end before the tick
            assert found.price_tick >= instrument.tick
            assert found.price_tick % instrument.tick == 0
            assert found.quantity_step is not None
            assert found.quantity_step == instrument.step
            assert found.min_quantity in (None, instrument.min_quantity)
            assert found.settle == instrument.settle
            assert found.is_active

    run(case())


def test_settled_funding_of_ten_days_is_complete_and_equal(venue: VenueRig) -> None:
    start, end = venue.now - days(10), venue.now

    async def case() -> tuple[pl.DataFrame, list[object]]:
        async with venue.public() as gateway:
            return await gateway.settled_funding(venue.symbol, start, end), list(gateway.gaps)

    frame, gaps = run(case())
    low, high = int(start.timestamp() * 1000), int(end.timestamp() * 1000) - 1
    truth = venue.exchange.quotes.settled(venue.symbol, low, high)
    assert gaps == []
    assert frame.schema == pl.Schema(RAW_FUNDING_RATES)
    assert frame["settled_at"].dt.epoch("ms").to_list() == truth["time"].to_list()
    assert frame["rate"].to_list() == pytest.approx(truth["rate"].to_list(), abs=1e-12)
    assert frame["kind"].unique().to_list() == ["settled"]
    stamped = (frame["venue_time"] - frame["settled_at"]).dt.total_milliseconds()
    assert all(abs(offset) <= 60_000 for offset in stamped)


def test_estimate_is_apart_from_settled_rates(venue: VenueRig) -> None:
    async def case() -> pl.DataFrame:
        async with venue.public() as gateway:
            return await gateway.estimated_funding([venue.symbol])

    row = run(case()).row(0, named=True)
    quotes, now = venue.exchange.quotes, venue.now_ms
    assert row["kind"] == "predicted"
    assert row["settled_at"].timestamp() * 1000 == quotes.next_settlement(venue.symbol, now)
    assert row["rate"] == pytest.approx(float(quotes.estimate(venue.symbol, now)), abs=1e-8)
    assert row["interval_hours"] == quotes.interval_hours(venue.symbol, now)
    assert row["venue_time"] == venue.now


@pytest.mark.parametrize("kind", KINDS)
def test_candles_are_complete_or_refused_by_name(venue: VenueRig, kind: CandleKind) -> None:
    start, end = venue.now - days(6), venue.now

    async def case() -> tuple[pl.DataFrame, list[object]]:
        async with venue.public() as gateway:
            return await gateway.candles(venue.symbol, kind, start, end), list(gateway.gaps)

    if kind not in venue.dialect.candle_kinds:
        with pytest.raises(ValueError, match=f"{venue.name} has no {kind} candles"):
            run(case())
        return
    frame, gaps = run(case())
    low, high = int(start.timestamp() * 1000), int(end.timestamp()) // 3600 * 3_600_000
    truth = venue.exchange.quotes.candles(venue.symbol, kind, low, high)
    assert gaps == []
    assert frame.schema == pl.Schema(RAW_CANDLES)
    assert frame["open_time"].dt.epoch("ms").to_list() == truth["open_time"].to_list()
    for column in ("open", "high", "low", "close"):
        assert frame[column].to_list() == pytest.approx(truth[column].to_list(), rel=1e-6)


def test_the_bar_that_is_forming_is_left_out(venue: VenueRig) -> None:
    venue.advance(seconds=1800)
    try:

        async def case() -> pl.DataFrame:
            async with venue.public() as gateway:
                return await gateway.candles(venue.symbol, "trade", venue.now - days(1), venue.now + HOUR)

        frame = run(case())
        hour = venue.now.replace(minute=0, second=0, microsecond=0)
        assert frame["open_time"].max() == hour - HOUR
    finally:
        venue.advance(seconds=1800)


def test_order_book_is_sorted_and_in_the_venues_units(venue: VenueRig) -> None:
    async def case() -> pl.DataFrame:
        async with venue.public() as gateway:
            return await gateway.order_book(venue.symbol)

    frame = run(case())
    row = frame.row(0, named=True)
    truth = venue.exchange.quotes.book(venue.symbol, venue.now_ms)
    assert frame.schema == pl.Schema(RAW_ORDER_BOOKS)
    assert row["bid_px"] == sorted(row["bid_px"], reverse=True)
    assert row["ask_px"] == sorted(row["ask_px"])
    tick = Decimal(10) if venue.name == "hyperliquid" else venue.instrument().tick  # it adds levels up
    assert 0 <= truth.bids[0].price - Decimal(str(row["bid_px"][0])) < tick
    assert row["contract_size"] == float(venue.instrument().contract_size)
    coins = Decimal(str(row["ask_qty"][0])) * Decimal(str(row["contract_size"]))
    best = Decimal(str(row["ask_px"][0]))
    assert coins == sum(level.quantity for level in truth.asks if level.price <= best)


def test_public_trades_or_none_by_name(venue: VenueRig) -> None:
    async def case() -> pl.DataFrame:
        async with venue.public() as gateway:
            return await gateway.trades(venue.symbol)

    if not venue.dialect.has_public_trades:
        with pytest.raises(ValueError, match="no public trades"):
            run(case())
        return
    frame = run(case())
    last = venue.exchange.quotes.trades(venue.symbol, venue.now_ms, 1)[-1]
    assert frame["traded_at"].is_sorted()
    assert frame["price"].last() == float(last.price)
    coins = Decimal(str(frame["qty"].last())) * Decimal(str(frame["contract_size"].last()))
    assert coins == last.quantity
    assert frame["side"].last() == last.side


def test_open_interest_is_in_coins(venue: VenueRig) -> None:
    async def case() -> pl.DataFrame:
        async with venue.public() as gateway:
            return await gateway.open_interest(venue.symbol)

    truth = float(venue.exchange.quotes.open_interest(venue.symbol, venue.now_ms))
    assert run(case())["open_interest_base"].item() == pytest.approx(truth, rel=1e-3)


def test_open_interest_history_or_none_by_name(venue: VenueRig) -> None:
    async def case() -> pl.DataFrame:
        async with venue.public() as gateway:
            return await gateway.open_interest_history(venue.symbol, venue.now - days(1), venue.now)

    if not venue.dialect.has_open_interest_history:
        with pytest.raises(ValueError, match="no history of open interest"):
            run(case())
        return
    frame = run(case())
    low, high = venue.now_ms - 86_400_000, venue.now_ms - 1
    truth = venue.exchange.quotes.open_interest_history(venue.symbol, low, high)
    assert frame["observed_at"].dt.epoch("ms").to_list() == truth["time"].to_list()
    assert frame["open_interest_base"].to_list() == pytest.approx(truth["open_interest"].to_list(), rel=1e-3)


def test_the_clock_is_the_testnets(venue: VenueRig) -> None:
    async def case() -> int | None:
        async with venue.public() as gateway:
            return await gateway.clock_skew_ms()

    skew = run(case())
    assert skew is None or abs(skew) <= 1000
    venue.fault("clock_skew", skew_ms=60_000)
    skewed = run(case())
    assert skewed is None or abs(skewed - 60_000) <= 1000


def test_unknown_symbol_is_refused_by_name(venue: VenueRig) -> None:
    async def case() -> None:
        async with venue.public() as gateway:
            await gateway.order_book("NOSUCH/USDT:USDT")

    with pytest.raises(UnknownInstrumentError, match=f"{venue.name}: NOSUCH/USDT:USDT is not listed"):
        run(case())


def test_silent_interval_change_shows_in_rows_and_is_no_gap(venue: VenueRig) -> None:
    symbol = venue.instrument("SOL").symbol
    before = venue.exchange.quotes.interval_hours(symbol, venue.now_ms)
    if before == 1:  # already as short as it gets: lengthen it
        venue.fault("interval_change", symbol=symbol, hours=4, rate=0.01)
    else:
        venue.fault("interval_change", symbol=symbol, hours=1, rate=0.01)
    start = venue.now - days(2)
    venue.advance(hours=16)

    async def case() -> tuple[pl.DataFrame, list[object]]:
        async with venue.public() as gateway:
            return await gateway.settled_funding(symbol, start, venue.now), list(gateway.gaps)

    frame, gaps = run(case())
    low, high = int(start.timestamp() * 1000), venue.now_ms - 1
    truth = venue.exchange.quotes.settled(symbol, low, high)
    assert frame["settled_at"].dt.epoch("ms").to_list() == truth["time"].to_list()
    assert gaps == []
