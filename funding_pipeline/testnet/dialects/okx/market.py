"""OKX's market data: tickers, books, trades and candles.

What lives here: `/market/*`. What does not: instruments, funding, open interest (`public`).

Pages are newest first. `before` means newer than, `after` older than, both exclusive; where more rows
match than fit, the NEWEST are given, so a client that walks forward must close its windows itself.
"""

from collections.abc import Callable, Mapping

import polars as pl

from funding_pipeline.testnet.dialects.okx.wire import (
    Parameters,
    Row,
    contracts,
    family,
    find,
    find_family,
    inst_id,
    page_size,
    parameter_error,
    success,
    success_array,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.http import Answer
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.rendering import RenderedBars, plain, seen_at

Handler = Callable[[Parameters], Answer]

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# Bars of a day follow Hong Kong's clock unless their name ends in `utc`; the market here has UTC only.
_BAR_HOURS: Mapping[str, int] = {"1H": 1, "2H": 2, "4H": 4, "1Dutc": 24}
_RECENT_BARS = 1440  # the endpoints without `history` reach back this far
_RECENT_PAGE, _HISTORY_PAGE = 300, 100
_BOOK_LEVELS, _TRADES_PAGE = 400, 500


class MarketData:
    """Handlers of `/api/v5/market/*`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._quotes = exchange, exchange.quotes
        self._bars = RenderedBars(exchange.quotes, _candle_rows)

    def routes(self) -> Mapping[str, Handler]:
        """Path below `/api/v5/` to handler; all GET."""
        return {
            "market/tickers": self.tickers,
            "market/ticker": self.ticker,
            "market/index-tickers": self.index_tickers,
            "market/books": self.book,
            "market/trades": self.trades,
            "market/candles": lambda p: self.candles(p, "trade", _RECENT_PAGE, _RECENT_BARS),
            "market/history-candles": lambda p: self.candles(p, "trade", _HISTORY_PAGE),
            "market/mark-price-candles": lambda p: self.candles(p, "mark", _HISTORY_PAGE, _RECENT_BARS),
            "market/history-mark-price-candles": lambda p: self.candles(p, "mark", _HISTORY_PAGE),
            "market/index-candles": lambda p: self.candles(p, "index", _HISTORY_PAGE, _RECENT_BARS),
            "market/history-index-candles": lambda p: self.candles(p, "index", _HISTORY_PAGE),
        }

    def tickers(self, parameters: Parameters) -> Answer:
        """Every swap; other kinds of instrument do not exist here."""
        listed = self._exchange.instruments() if parameters.get("instType") == "SWAP" else ()
        return success([self._ticker(instrument) for instrument in listed])

    def ticker(self, parameters: Parameters) -> Answer:
        """One swap."""
        return success([self._ticker(find(self._exchange, parameters.get("instId")))])

    def index_tickers(self, parameters: Parameters) -> Answer:
        """Index prices, by family or by quote currency."""
        wanted, quote = parameters.get("instId"), parameters.get("quoteCcy")
        listed = [
            i
            for i in self._exchange.instruments()
            if wanted == family(i) or (not wanted and quote == i.quote)
        ]
        return success([self._index_ticker(instrument) for instrument in listed])

    def book(self, parameters: Parameters) -> Answer:
        """Levels as [price, contracts, "0", orders]; `sz` above 400 is an error, not a cut."""
        instrument = find(self._exchange, parameters.get("instId"))
        levels = whole(parameters, "sz", 1)
        if not 1 <= levels <= _BOOK_LEVELS:
            raise parameter_error("sz")
        book = self._quotes.book(instrument.symbol, self._exchange.now())
        asks, bids = (
            [[text(level.price), contracts(instrument, level.quantity), "0", "1"] for level in side[:levels]]
            for side in (book.asks, book.bids)
        )
        return success([{"asks": asks, "bids": bids, "ts": str(book.time)}])

    def trades(self, parameters: Parameters) -> Answer:
        """The last trades, newest first."""
        instrument = find(self._exchange, parameters.get("instId"))
        last = self._quotes.trades(
            instrument.symbol, self._exchange.now(), page_size(parameters, _TRADES_PAGE, 100)
        )
        return success(
            [
                {
                    "instId": inst_id(instrument),
                    "side": trade.side,
                    "sz": contracts(instrument, trade.quantity),
                    "px": text(trade.price),
                    "tradeId": str(trade.trade_id),
                    "ts": str(trade.time),
                }
                for trade in reversed(last)
            ]
        )

    def candles(
        self, parameters: Parameters, kind: CandleKind, most: int, reach: int | None = None
    ) -> Answer:
        """Bars with `before < open time < after`, newest first; `reach`: how many bars back there are any."""
        named = find_family if kind == "index" else find
        instrument = named(self._exchange, parameters.get("instId"))
        hours = _BAR_HOURS.get(str(parameters.get("bar", "1m")))
        if hours is None:
            raise parameter_error("bar")
        now = self._exchange.now()
        oldest = 0 if reach is None else now - reach * hours * _HOUR_MS
        rows = self._bars.array(
            instrument.symbol,
            kind,
            start=max(whole(parameters, "before", -1) + 1, oldest),
            end=min(whole(parameters, "after", now + 1) - 1, now),
            now=now,
            limit=page_size(parameters, most, 100),
            keep="newest",
            order="descending",
            hours=hours,
        )
        return success_array(rows)

    def _day(self, instrument: Instrument, kind: CandleKind) -> Row:
        """Open, high and low of the last 24 hours, and the opens of the day in UTC and in Hong Kong."""
        now = seen_at(self._quotes, self._exchange.now())
        bars = self._quotes.candles(instrument.symbol, kind, now - 2 * _DAY_MS, now + 1)
        day = bars.filter(pl.col("open_time") > now - _DAY_MS)
        if day.is_empty():
            return dict.fromkeys(("open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), "")
        return {
            "open24h": _price(day["open"][0]),
            "high24h": _price(day["high"].max()),
            "low24h": _price(day["low"].min()),
            "sodUtc0": _open_at(bars, now - now % _DAY_MS),
            "sodUtc8": _open_at(bars, now - (now + 8 * _HOUR_MS) % _DAY_MS),
        }

    def _ticker(self, instrument: Instrument) -> Row:
        now = self._exchange.now()
        symbol = instrument.symbol
        book = self._quotes.book(symbol, now)
        trades = self._quotes.trades(symbol, now, 1)
        bars = self._quotes.candles(symbol, "trade", now - _DAY_MS, now + 1)
        volume = float(bars["volume"].sum())
        return {
            "instType": "SWAP",
            "instId": inst_id(instrument),
            "last": text(self._quotes.last(symbol, now)),
            "lastSz": contracts(instrument, trades[-1].quantity) if trades else "",
            "askPx": text(book.asks[0].price) if book.asks else "",
            "askSz": contracts(instrument, book.asks[0].quantity) if book.asks else "",
            "bidPx": text(book.bids[0].price) if book.bids else "",
            "bidSz": contracts(instrument, book.bids[0].quantity) if book.bids else "",
            **self._day(instrument, "trade"),
            "volCcy24h": _price(volume),
            "vol24h": _price(volume / float(instrument.contract_size)),
            "ts": str(book.time),
        }

    def _index_ticker(self, instrument: Instrument) -> Row:
        now = self._exchange.now()
        return {
            "instId": family(instrument),
            "idxPx": text(self._quotes.index(instrument.symbol, now)),
            **self._day(instrument, "index"),
            "ts": str(seen_at(self._quotes, now)),
        }


def _candle_rows(bars: pl.DataFrame) -> pl.Series:
    """[open time, o, h, l, c, contracts, coins, quote, is it closed]; mark and index without volumes."""
    values = [
        pl.col("open_time").cast(pl.String),
        *(plain(pl.col(n)) for n in ("open", "high", "low", "close")),
    ]
    if bars["kind"][0] == "trade":
        coins = pl.col("volume")
        quote = coins * (pl.col("high") + pl.col("low")) / 2
        values += [plain(coins / pl.col("contract_size"), 4), plain(coins, 8), plain(quote, 4)]
    values.append(pl.when(pl.col("is_closed")).then(pl.lit("1")).otherwise(pl.lit("0")))
    row = pl.concat_str(pl.lit('["'), pl.concat_str(values, separator='","'), pl.lit('"]'))
    return bars.select(row.alias("row"))["row"]


def _open_at(bars: pl.DataFrame, time: int) -> str:
    found = bars.filter(pl.col("open_time") == time)
    return "" if found.is_empty() else _price(found["open"][0])


def _price(value: object) -> str:
    """A float of a frame as text; ten decimals are finer than any tick."""
    return f"{float(str(value)):.10f}".rstrip("0").rstrip(".")
