"""What POST /info tells anybody about the market: terms, contexts, funding, candles, books.

What lives here: public requests by their `type`. What does not: anything about a user
(`account_info`).

Limits as on the venue: 500 settlements and 5,000 candles a page, the oldest first; only the last 5,000
candles exist; twenty levels of the book; ten trades. There are no mark or index candles: a client that
asks for them (ccxt sends `price`) gets trade candles and is not told.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import orjson
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.hyperliquid.spelling import (
    NO_HASH,
    SETTLEMENT_LAG_MS,
    BadBodyError,
    Json,
    levels_json,
    number,
    side_letter,
    size_decimals,
    usd,
)
from funding_pipeline.testnet.dialects.hyperliquid.universe import (
    Universe,
    optional_whole,
    record,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Book, Instrument
from funding_pipeline.testnet.rendering import RenderedBars, RenderedFunding, plain

FUNDING_PAGE = 500
CANDLE_PAGE = 5000
BOOK_LEVELS = 20
RECENT_TRADES = 10
_HOURS = {"1h": 1, "2h": 2, "4h": 4, "8h": 8, "1d": 24}


class PublicInfo:
    """Answers to public requests as JSON text."""

    def __init__(self, exchange: Exchange, universe: Universe) -> None:
        self._exchange, self._universe = exchange, universe
        self._bars = RenderedBars(exchange.quotes, _candle_rows)
        self._funding = RenderedFunding(exchange.quotes, _funding_rows)
        self._volumes: dict[str, tuple[int, Decimal, Decimal]] = {}
        self.requests: Mapping[str, Callable[[Json], bytes]] = {
            "meta": lambda body: orjson.dumps(self._meta(body)),
            "metaAndAssetCtxs": lambda body: orjson.dumps([self._meta(body), self._contexts(body)]),
            "fundingHistory": self._funding_history,
            "candleSnapshot": self._candles,
            "l2Book": self._book,
            "recentTrades": self._trades,
            "allMids": self._mids,
            "exchangeStatus": lambda body: orjson.dumps({"time": exchange.now(), "specialStatuses": None}),
            "perpDexs": lambda body: b"[null]",
            "spotMeta": lambda body: orjson.dumps(_SPOT_META),
            "spotMetaAndAssetCtxs": lambda body: orjson.dumps([_SPOT_META, []]),
        }

    def day_volume_usd(self) -> Decimal:
        """Notional traded on the venue in the last 24 hours."""
        return sum((self._volume(item)[1] for item in self._universe.instruments), Decimal(0))

    def _meta(self, body: Json) -> Json:
        if body.get("dex"):
            return {"universe": [], "marginTables": [], "collateralToken": 0}
        tables: dict[int, Json] = {}
        return {
            "universe": [self._terms(item, tables) for item in self._universe.instruments],
            "marginTables": [[table_id, table] for table_id, table in sorted(tables.items())],
            "collateralToken": 0,
        }

    def _terms(self, item: Instrument, tables: dict[int, Json]) -> Json:
        terms: Json = {
            "szDecimals": size_decimals(item),
            "name": item.quoted,
            "maxLeverage": item.tiers[0].max_leverage,
            "onlyIsolated": False,
            "marginTableId": _margin_table(item, tables),
        }
        if item not in self._exchange.instruments():
            terms["isDelisted"] = True
        return terms

    def _contexts(self, body: Json) -> list[Json]:
        return [] if body.get("dex") else [self._context(item) for item in self._universe.instruments]

    def _context(self, item: Instrument) -> Json:
        quotes, now, symbol = self._exchange.quotes, self._exchange.now(), item.symbol
        book = quotes.book(symbol, now)
        coins, notional = self._volume(item)
        return {
            "funding": number(quotes.estimate(symbol, now), 12),
            "openInterest": number(quotes.open_interest(symbol, now)),
            "prevDayPx": number(quotes.mark(symbol, max(now - 24 * HOUR_MS, item.listed_at))),
            "dayNtlVlm": usd(notional),
            "premium": number(quotes.premium(symbol, now)),
            "oraclePx": number(quotes.index(symbol, now)),
            "markPx": number(quotes.mark(symbol, now)),
            "midPx": number(_mid(book)),
            "impactPxs": [number(book.bids[0].price), number(book.asks[0].price)],
            "dayBaseVlm": number(coins),
        }

    def _volume(self, item: Instrument) -> tuple[Decimal, Decimal]:
        """Coins and notional of the last 24 closed hours; counted once an hour."""
        hour = self._exchange.now() // HOUR_MS
        known = self._volumes.get(item.symbol)
        if known is None or known[0] != hour:
            end = hour * HOUR_MS
            bars = self._exchange.quotes.candles(item.symbol, "trade", end - 24 * HOUR_MS, end)
            coins, notional = bars.select(
                pl.col("volume").sum().alias("coins"), (pl.col("volume") * pl.col("close")).sum().alias("usd")
            ).row(0)
            known = (hour, Decimal(str(coins)), Decimal(str(notional)))
            self._volumes[item.symbol] = known
        return known[1], known[2]

    def _funding_history(self, body: Json) -> bytes:
        item = self._universe.of_coin(text(body, "coin"))
        now = self._exchange.now()
        end = optional_whole(body, "endTime", now)
        return self._funding.array(
            item.symbol,
            start=whole(body, "startTime") - SETTLEMENT_LAG_MS,
            end=end - SETTLEMENT_LAG_MS if body.get("endTime") is not None else end,
            now=now,
            limit=FUNDING_PAGE,
        )

    def _candles(self, body: Json) -> bytes:
        asked = record(body, "req")
        item = self._universe.of_coin(text(asked, "coin"))
        interval = text(asked, "interval")
        if interval not in _HOURS:
            raise BadBodyError(f"interval {interval}: the testnet has bars of {', '.join(_HOURS)}")
        hours, now = _HOURS[interval], self._exchange.now()
        length = hours * HOUR_MS
        oldest = now - now % length - (CANDLE_PAGE - 1) * length
        return self._bars.array(
            item.symbol,
            "trade",
            start=max(whole(asked, "startTime"), oldest),
            end=optional_whole(asked, "endTime", now),
            now=now,
            limit=CANDLE_PAGE,
            hours=hours,
        )

    def _book(self, body: Json) -> bytes:
        item = self._universe.of_coin(text(body, "coin"))
        book = self._exchange.quotes.book(item.symbol, self._exchange.now())
        levels = [
            levels_json(book.bids, "buy", BOOK_LEVELS),
            levels_json(book.asks, "sell", BOOK_LEVELS),
        ]
        return orjson.dumps({"coin": item.quoted, "time": book.time, "levels": levels})

    def _trades(self, body: Json) -> bytes:
        item = self._universe.of_coin(text(body, "coin"))
        trades = self._exchange.quotes.trades(item.symbol, self._exchange.now(), RECENT_TRADES)
        rows = [
            {
                "coin": item.quoted,
                "side": side_letter(trade.side),
                "px": number(trade.price),
                "sz": number(trade.quantity),
                "time": trade.time,
                "hash": NO_HASH,
                "tid": trade.trade_id,
            }
            for trade in reversed(trades)
        ]
        return orjson.dumps(rows)

    def _mids(self, body: Json) -> bytes:
        quotes, now = self._exchange.quotes, self._exchange.now()
        mids = {
            item.quoted: number(_mid(quotes.book(item.symbol, now))) for item in self._universe.instruments
        }
        return orjson.dumps(mids)


_SPOT_META: Json = {
    "tokens": [{"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "isCanonical": True}],
    "universe": [],
}


def _margin_table(item: Instrument, tables: dict[int, Json]) -> int:
    """Number of the instrument's brackets, as on the venue: the leverage itself where there is only one."""
    brackets = [(Decimal(0), item.tiers[0].max_leverage)]
    for lower, upper in zip(item.tiers, item.tiers[1:], strict=False):
        brackets.append((lower.cap or Decimal(0), upper.max_leverage))
    rows = [{"lowerBound": number(bound), "maxLeverage": leverage} for bound, leverage in brackets]
    table = {"description": f"tiered {brackets[0][1]}x" if len(rows) > 1 else "", "marginTiers": rows}
    found = brackets[0][1] if len(rows) == 1 else 50 + len(rows)
    while tables.setdefault(found, table) != table:
        found += 1
    return found


def _mid(book: Book) -> Decimal:
    return (book.bids[0].price + book.asks[0].price) / 2


def _number(name: str, places: int = 10) -> pl.Expr:
    """The same spelling as `spelling.number`: one decimal at least."""
    digits = plain(pl.col(name), places)
    return pl.when(digits.str.contains(".", literal=True)).then(digits).otherwise(digits + ".0")


def _candle_rows(bars: pl.DataFrame) -> pl.Series:
    interval = next(name for name, hours in _HOURS.items() if hours == bars["hours"][0])
    coin = str(bars["symbol"][0]).split("/", 1)[0]
    text = pl.format(
        '{{"t":{},"T":{},"s":"' + coin + '","i":"' + interval + '","o":"{}","c":"{}","h":"{}","l":"{}",'
        '"v":"{}","n":{}}}',
        pl.col("open_time"),
        pl.col("close_time") - 1,
        _number("open"),
        _number("close"),
        _number("high"),
        _number("low"),
        _number("volume"),
        pl.col("volume").ceil().clip(0, 10_000).cast(pl.Int64),
    )
    return bars.select(text.alias("row"))["row"]


def _funding_rows(settled: pl.DataFrame) -> pl.Series:
    coin = str(settled["symbol"][0]).split("/", 1)[0]
    text = pl.format(
        '{{"coin":"' + coin + '","fundingRate":"{}","premium":"{}","time":{}}}',
        _number("rate", 12),
        pl.when(pl.col("premium").is_null()).then(pl.lit("0.0")).otherwise(_number("premium")),
        pl.col("time") + SETTLEMENT_LAG_MS,
    )
    return settled.select(text.alias("row"))["row"]
