"""Deribit's public methods about now: instruments, ticker, summaries, order book.

What lives here: their answers. What does not: the past (`history`), prices (`quotes`).
"""

from typing import Any

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.deribit.wire import Query, RpcError, instrument_of, name_of, whole
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.rendering import seen_at

DAY_MS = 24 * HOUR_MS
PERPETUAL_ENDS = 32_503_708_800_000
_DEPTHS = (1, 5, 10, 20, 50, 100, 1000, 10000)


class PresentMethods:
    """Public methods; each takes the decoded query and gives the `result`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def currencies(self, query: Query) -> list[dict[str, Any]]:
        """The settlement currency alone."""
        settles = sorted({item.settle for item in self._exchange.instruments()})
        return [
            {
                "currency": settle,
                "currency_long": settle,
                "coin_type": settle,
                "network_currency": settle,
                "network_fee": 0.0,
                "withdrawal_fee": 0.0,
                "min_withdrawal_fee": 0.0,
                "min_confirmations": 1,
                "fee_precision": 6,
                "apr": 0.0,
                "in_cross_collateral_pool": True,
                "withdrawal_priorities": [],
            }
            for settle in settles
        ]

    def instruments(self, query: Query) -> list[dict[str, Any]]:
        """Every perpetual; `kind` and `currency` narrow it down."""
        if query.get("kind", "future") != "future":
            return []
        currency = query.get("currency", "any")
        return [_listed(item) for item in self._exchange.instruments() if currency in ("any", item.settle)]

    def ticker(self, query: Query) -> dict[str, Any]:
        """What is known now; `current_funding` is the present rate per 8 hours."""
        instrument = instrument_of(self._exchange, query)
        book = self._exchange.quotes.book(instrument.symbol, self._exchange.now())
        best = {
            "best_bid_price": float(book.bids[0].price) if book.bids else 0,
            "best_bid_amount": float(book.bids[0].quantity) if book.bids else 0,
            "best_ask_price": float(book.asks[0].price) if book.asks else 0,
            "best_ask_amount": float(book.asks[0].quantity) if book.asks else 0,
        }
        return {**self._state(instrument), **best}

    def order_book(self, query: Query) -> dict[str, Any]:
        """The ticker with `depth` levels a side, amounts in coins."""
        depth = whole(query, "depth", 5)
        if depth not in _DEPTHS:
            raise RpcError.invalid("depth")
        book = self._exchange.quotes.book(instrument_of(self._exchange, query).symbol, self._exchange.now())
        levels = {
            "bids": [[float(level.price), float(level.quantity)] for level in book.bids[:depth]],
            "asks": [[float(level.price), float(level.quantity)] for level in book.asks[:depth]],
        }
        return {**self.ticker(query), **levels, "change_id": book.time}

    def summary(self, query: Query) -> list[dict[str, Any]]:
        """One instrument's summary, with open interest in coins."""
        return [self._summary(instrument_of(self._exchange, query))]

    def summaries(self, query: Query) -> list[dict[str, Any]]:
        """Summaries of every perpetual that settles in `currency`."""
        wanted = query.get("currency")
        return [self._summary(item) for item in self._exchange.instruments() if item.settle == wanted]

    def _state(self, instrument: Instrument) -> dict[str, Any]:
        quotes, now, symbol = self._exchange.quotes, self._exchange.now(), instrument.symbol
        day = quotes.candles(symbol, "trade", now - DAY_MS, seen_at(quotes, now) + 1)
        mark, last = float(quotes.mark(symbol, now)), float(quotes.last(symbol, now))
        hourly = float(quotes.estimate(symbol, now)) / quotes.interval_hours(symbol, now)
        past = quotes.settled(symbol, now - 8 * HOUR_MS + 1, now)
        return {
            "instrument_name": name_of(instrument),
            "timestamp": now,
            "state": "open",
            "stats": {
                "volume": float(day["volume"].sum()),
                "low": _number(day["low"].min(), last),
                "high": _number(day["high"].max(), last),
            },
            "settlement_price": mark,
            "open_interest": float(quotes.open_interest(symbol, now)),
            "min_price": mark * 0.97,
            "max_price": mark * 1.03,
            "mark_price": mark,
            "last_price": last,
            "index_price": float(quotes.index(symbol, now)),
            "funding_8h": float(past["rate"].sum()),
            "current_funding": hourly * 8,
        }

    def _summary(self, instrument: Instrument) -> dict[str, Any]:
        state = self.ticker({"instrument_name": name_of(instrument)})
        volume = state["stats"]["volume"] * state["last_price"]
        return {
            "instrument_name": state["instrument_name"],
            "base_currency": instrument.quoted,
            "quote_currency": instrument.quote,
            "creation_timestamp": state["timestamp"],
            "high": state["stats"]["high"],
            "low": state["stats"]["low"],
            "last": state["last_price"],
            "bid_price": state["best_bid_price"],
            "ask_price": state["best_ask_price"],
            "mid_price": (state["best_bid_price"] + state["best_ask_price"]) / 2,
            "mark_price": state["mark_price"],
            "estimated_delivery_price": state["index_price"],
            "open_interest": state["open_interest"],
            "volume": state["stats"]["volume"],
            "volume_usd": volume,
            "volume_notional": volume,
            "price_change": 0.0,
            "current_funding": state["current_funding"],
            "funding_8h": state["funding_8h"],
        }


def _listed(instrument: Instrument) -> dict[str, Any]:
    return {
        "instrument_name": name_of(instrument),
        "kind": "future",
        "future_type": "linear",
        "settlement_period": "perpetual",
        "base_currency": instrument.quoted,
        "counter_currency": instrument.quote,
        "quote_currency": instrument.quote,
        "settlement_currency": instrument.settle,
        "contract_size": float(instrument.step),
        "min_trade_amount": float(instrument.min_quantity),
        "tick_size": float(instrument.tick),
        "maker_commission": float(instrument.maker_fee),
        "taker_commission": float(instrument.taker_fee),
        "block_trade_commission": float(instrument.taker_fee / 2),
        "max_liquidation_commission": 0.0075,
        "max_leverage": instrument.tiers[0].max_leverage,
        "is_active": True,
        "creation_timestamp": instrument.listed_at,
        "expiration_timestamp": PERPETUAL_ENDS,
    }


def _number(value: Any, last: float) -> float:
    return last if value is None else float(value)
