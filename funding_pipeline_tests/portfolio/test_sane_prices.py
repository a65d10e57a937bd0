"""Own prices that no other venue bears out, and what is quoted in something else than a dollar."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import PRICES
from funding_pipeline.market_data.instruments import instruments
from funding_pipeline.portfolio.legs import Universe
from funding_pipeline.portfolio.reference import sane_prices
from funding_pipeline.portfolio.universe import quoted_universe

T0 = datetime(2025, 1, 1, tzinfo=UTC)


def _bars(closes: dict[tuple[str, str], list[float]], *, kind: str = "trade") -> pl.DataFrame:
    rows = [
        {
            "venue": venue, "symbol": symbol, "kind": kind, "timeframe_hours": 1.0,
            "close_time": T0 + timedelta(hours=hour), "open": None, "high": None, "low": None,
            "close": close, "volume": None, "known_at": T0 + timedelta(hours=hour),
        }
        for (venue, symbol), series in closes.items()
        for hour, close in enumerate(series)
    ]  # fmt: skip
    return PRICES.conform(pl.DataFrame(rows, schema=dict(PRICES.columns)))


def _quoted(bars: pl.DataFrame) -> Universe:
    listed = bars.group_by("venue", "symbol").agg(pl.col("known_at").min().alias("effective_from"))
    return quoted_universe(instruments(listed)[0].lazy())


def _kept(bars: pl.DataFrame, venue: str) -> list[float]:
    sane = sane_prices(bars.lazy(), quoted=_quoted(bars))
    return sane.filter(pl.col("venue") == venue).sort("close_time")["close"].to_list()


def test_a_lone_close_is_no_price() -> None:
    bars = _bars(
        {
            ("a", "BTC/USDT:USDT"): [100.0, 10_000.0, 101.0],
            ("b", "BTC/USDT:USDT"): [100.0, 100.0, 101.0],
            ("c", "BTC/USDC:USDC"): [100.0, 100.0, 101.0],
        }
    )
    assert _kept(bars, "a") == [100.0, 101.0]
    assert _kept(bars, "b") == [100.0, 100.0, 101.0]


def test_multipliers_are_no_deviation() -> None:
    bars = _bars(
        {
            ("a", "1000PEPE/USDT:USDT"): [10.0],
            ("b", "kPEPE/USDC:USDC"): [10.0],
            ("c", "PEPE/USDT:USDT"): [0.01],
        }
    )
    assert (_kept(bars, "a"), _kept(bars, "c")) == ([10.0], [0.01])


def test_of_two_venues_nothing_says_which_is_wrong() -> None:
    bars = _bars({("a", "BTC/USDT:USDT"): [100.0], ("b", "BTC/USDT:USDT"): [10_000.0]})
    assert _kept(bars, "a") + _kept(bars, "b") == [100.0, 10_000.0]


def test_other_currencies_are_not_quoted_here() -> None:
    bars = _bars({("a", "ETH/BTC:BTC"): [0.05], ("b", "BTC/EUR:EUR"): [90.0], ("c", "BTC/USD:BTC"): [100.0]})
    assert [leg.symbol for leg in _quoted(bars).legs] == ["BTC/USD:BTC"]


def test_mark_prices_stand_until_the_first_trade_price() -> None:
    marks = _bars({("a", "BTC/USDT:USDT"): [1.0, 2.0, 3.0]}, kind="mark")
    trades = _bars({("a", "BTC/USDT:USDT"): [1.1, 2.1, 3.1]}).filter(pl.col("close") > 2)
    both = pl.concat([marks, trades])
    assert _kept(both, "a") == [1.0, 2.1, 3.1]
    early = both.filter(pl.col("known_at") < T0 + timedelta(hours=1))
    assert _kept(early, "a") == pytest.approx([1.0])
