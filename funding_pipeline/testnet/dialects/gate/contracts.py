"""Gate's public endpoints about contracts: terms and estimate, tickers, statistics, margin tiers.

What lives here: what a contract looks like now. What does not: its history, book and trades
(`market_data`), prices (`quotes`).
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.gate.wire import (
    GateError,
    contract_name,
    contracts,
    instrument_of,
    whole,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.rendering import seen_at

DAY_MS = 24 * HOUR_MS
STATS_PAGE = 100
OPEN_TIER_CAP = Decimal(1_000_000_000)
"""Limit shown for a last bracket that has no end: Gate's tiers always have one."""
_STATS_MS: Mapping[str, int] = {
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
}


class ContractEndpoints:
    """Public endpoints; each takes the request and the name in its path (or an empty text)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def contracts(self, request: Request, name: str) -> Answer:
        """Every listed contract."""
        return Answer.of([self._contract(item) for item in self._exchange.instruments()])

    def contract(self, request: Request, name: str) -> Answer:
        """One contract; funding estimate and interval are in here."""
        return Answer.of(
            self._contract(self._exchange.instrument(instrument_of(self._exchange, name).symbol))
        )

    def tickers(self, request: Request, name: str) -> Answer:
        """One or all tickers. The real one has no funding interval either."""
        wanted = request.query.get("contract")
        listed = self._exchange.instruments()
        chosen = [instrument_of(self._exchange, wanted)] if wanted else listed
        return Answer.of([self._ticker(item) for item in chosen])

    def contract_stats(self, request: Request, name: str) -> Answer:
        """Open interest and mark by interval, ascending from `from`, at most 100 rows."""
        query, now = request.query, self._exchange.now()
        instrument = instrument_of(self._exchange, query.get("contract"))
        step = _STATS_MS.get(query.get("interval", "5m"), 0)
        if not step:
            raise GateError.invalid("interval", query.get("interval", ""))
        limit = whole(query, "limit", 30, least=1, most=STATS_PAGE)
        latest = now - now % step
        first = whole(query, "from", (latest - (limit - 1) * step) // 1000) * 1000
        first += -first % step
        times = range(first, min(latest, first + (limit - 1) * step) + 1, step)
        return Answer.of([self._stats(instrument, time) for time in times])

    def risk_limit_tiers(self, request: Request, name: str) -> Answer:
        """Margin brackets of one contract, or of a page of contracts (`limit` and `offset` count those)."""
        query = request.query
        if wanted := query.get("contract"):
            return Answer.of(_tiers(instrument_of(self._exchange, wanted)))
        offset, limit = whole(query, "offset", 0), whole(query, "limit", 100, least=1, most=100)
        chosen = list(self._exchange.instruments())[offset : offset + limit]
        return Answer.of([row for item in chosen for row in _tiers(item)])

    def _contract(self, instrument: Instrument) -> dict[str, Any]:
        quotes, now, symbol = self._exchange.quotes, self._exchange.now(), instrument.symbol
        mark = quotes.mark(symbol, now)
        estimate = plain_text(quotes.estimate(symbol, now))
        return {
            **_terms(instrument),
            "funding_rate": estimate,
            "funding_rate_indicative": estimate,
            "funding_interval": round(quotes.interval_hours(symbol, now) * 3600),
            "funding_next_apply": quotes.next_settlement(symbol, now) // 1000,
            "mark_price": plain_text(mark),
            "index_price": plain_text(quotes.index(symbol, now)),
            "last_price": plain_text(quotes.last(symbol, now)),
            "position_size": contracts(quotes.open_interest(symbol, now), instrument),
            "trade_id": now // 1000,
            "orderbook_id": now,
        }

    def _ticker(self, instrument: Instrument) -> dict[str, Any]:
        quotes, now, symbol = self._exchange.quotes, self._exchange.now(), instrument.symbol
        day = quotes.candles(symbol, "trade", now - DAY_MS, seen_at(quotes, now) + 1)
        last, estimate = quotes.last(symbol, now), plain_text(quotes.estimate(symbol, now))
        volume = Decimal(str(round(float(day["volume"].sum()), 6)))
        opened = Decimal(str(day["open"][0])) if day.height else last
        money = plain_text(round(volume * last, 2))
        best = quotes.book(symbol, now)
        return {
            "contract": contract_name(instrument),
            "last": plain_text(last),
            "low_24h": plain_text(_extreme(day["low"].min(), last)),
            "high_24h": plain_text(_extreme(day["high"].max(), last)),
            "change_percentage": plain_text(round((last / opened - 1) * 100, 2)),
            "total_size": str(contracts(quotes.open_interest(symbol, now), instrument)),
            "volume_24h": str(contracts(volume, instrument)),
            "volume_24h_btc": plain_text(volume),
            "volume_24h_usd": money,
            "volume_24h_base": plain_text(volume),
            "volume_24h_quote": money,
            "volume_24h_settle": money,
            "mark_price": plain_text(quotes.mark(symbol, now)),
            "funding_rate": estimate,
            "funding_rate_indicative": estimate,
            "index_price": plain_text(quotes.index(symbol, now)),
            "lowest_ask": plain_text(best.asks[0].price) if best.asks else "",
            "highest_bid": plain_text(best.bids[0].price) if best.bids else "",
        }

    def _stats(self, instrument: Instrument, time: int) -> dict[str, Any]:
        quotes, symbol = self._exchange.quotes, instrument.symbol
        mark, open_interest = quotes.mark(symbol, time), quotes.open_interest(symbol, time)
        size = contracts(open_interest, instrument)
        zeros = ("long_liq_size", "short_liq_size", "top_lsr_size", "top_lsr_account")
        money = ("short_liq_usd", "long_liq_usd", "short_liq_amount", "long_liq_amount")
        return {
            "time": time // 1000,
            "open_interest": size,
            "open_interest_usd": float(size * instrument.contract_size * mark),
            "mark_price": float(mark),
            "lsr_account": 1.0,
            "lsr_taker": 1.0,
            **dict.fromkeys((*zeros, *money), 0),
        }


def _extreme(value: Any, last: Decimal) -> Decimal:
    return last if value is None else Decimal(str(value))


def _tiers(instrument: Instrument) -> list[dict[str, Any]]:
    return [
        {
            "tier": position,
            "contract": contract_name(instrument),
            "risk_limit": plain_text(tier.cap if tier.cap is not None else OPEN_TIER_CAP),
            "initial_rate": plain_text(round(Decimal(1) / tier.max_leverage, 8)),
            "maintenance_rate": plain_text(tier.maintenance_rate),
            "leverage_max": str(tier.max_leverage),
            "deduction": plain_text(tier.deduction),
        }
        for position, tier in enumerate(instrument.tiers, 1)
    ]


def _terms(instrument: Instrument) -> dict[str, Any]:
    """What of a contract does not move. Fees in here are nobody's, as at Gate."""
    caps = [tier.cap if tier.cap is not None else OPEN_TIER_CAP for tier in instrument.tiers]
    step = max((high - low for low, high in pairwise(caps)), default=caps[0])
    tick, created = plain_text(instrument.tick), instrument.listed_at // 1000
    return {
        "name": contract_name(instrument),
        "type": "direct",
        "contract_type": "",
        "status": "trading",
        "quanto_multiplier": plain_text(instrument.contract_size),
        "order_size_min": max(contracts(instrument.min_quantity, instrument), 1),
        "order_size_max": 1_000_000_000,
        "market_order_size_max": "1000000000",
        "market_order_slip_ratio": "0.04",
        "enable_decimal": False,
        "order_price_round": tick,
        "mark_price_round": tick,
        "order_price_deviate": "0.5",
        "mark_type": "index",
        "leverage_min": "1",
        "leverage_max": str(instrument.tiers[0].max_leverage),
        "cross_leverage_default": "10",
        "maintenance_rate": plain_text(instrument.tiers[0].maintenance_rate),
        "risk_limit_base": plain_text(caps[0]),
        "risk_limit_step": plain_text(step),
        "risk_limit_max": plain_text(caps[-1]),
        "maker_fee_rate": "-0.0001",
        "taker_fee_rate": "0.00075",
        "interest_rate": plain_text(instrument.interest_per_8h * 3),
        "funding_offset": 0,
        "funding_impact_value": "10000",
        "funding_cap_ratio": "1",
        "funding_rate_limit": plain_text(instrument.rate_cap),
        "in_delisting": False,
        "is_pre_market": False,
        "enable_bonus": True,
        "enable_credit": True,
        "enable_circuit_breaker": False,
        "voucher_leverage": "0",
        "ref_discount_rate": "0",
        "ref_rebate_rate": "0.2",
        "orders_limit": 100,
        "create_time": created,
        "launch_time": created,
        "config_change_time": created,
        "trade_size": 0,
        "long_users": 1,
        "short_users": 1,
    }
