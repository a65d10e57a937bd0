"""Shapes of real answers and other hands on the accounts, drawn: rules with when they begin and end.

What lives here: which of them, how often, where. What does not: what they do (`testnet.faults`), or the
faults of networks and venues (`faults_drawn`).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from funding_pipeline.chaos.faults_drawn import LONGEST_S, DrawnFault
from funding_pipeline.testnet.account_faults import KINDS_OF_ACCOUNT

Json = dict[str, Any]
Leg = tuple[str, str]
DRAWN = 0.13
"""Share of the episodes in which a shape is drawn."""
_OFTENER: Mapping[str, float] = {"silent_ack": 0.4}
"""It strikes orders alone, and many episodes send none to the venue that was drawn."""
READS: Mapping[str, Sequence[Json]] = {
    "binance": (
        {"path": "/account"}, {"path": "/positionRisk"}, {"path": "/openOrders"}, {"path": "/userTrades"},
        {"path": "/income"}, {"path": "/fapi/v1/order", "method": "GET"},
    ),
    "bybit": (
        {"path": "/wallet-balance"}, {"path": "/position/list"}, {"path": "/order/realtime"},
        {"path": "/order/history"}, {"path": "/execution/list"}, {"path": "/transaction-log"},
    ),
    "gate": (
        {"path": "/accounts"}, {"path": "/positions"}, {"path": "/my_trades"}, {"path": "/account_book"},
        {"path": "/futures/usdt/orders", "method": "GET"},
    ),
    "hyperliquid": tuple(
        {"path": "/info", "asked": f'"{kind}"'}
        for kind in (
            "clearinghouseState", "frontendOpenOrders", "orderStatus", "userFillsByTime", "userFunding",
        )
    ),
    "okx": (
        {"path": "/account/balance"}, {"path": "/account/positions"}, {"path": "/orders-pending"},
        {"path": "/trade/order", "method": "GET"}, {"path": "/fills"}, {"path": "/bills"},
    ),
}  # fmt: skip
"""Reads of an account by venue: balance, positions, open orders, an order, fills, funding."""


def draw_shapes(chance: random.Random, venues: Sequence[str], legs: Sequence[Leg]) -> tuple[DrawnFault, ...]:
    """Each shape in some of the episodes; a unified account more often, where a venue has it."""
    found: list[DrawnFault] = []
    for kind, make in _SHAPES.items():
        is_drawn, own = chance.random() < _OFTENER.get(kind, DRAWN), random.Random(chance.getrandbits(64))
        if is_drawn:
            found.append(make(own, kind, *own.choice(legs)))
    is_unified, one = chance.random() < 2 * DRAWN, chance.random()
    unified = [venue for venue in venues if venue in KINDS_OF_ACCOUNT]
    if is_unified and unified:
        venue = unified[int(one * len(unified))]
        found.append(DrawnFault({"kind": "unified_account", "venue": venue}, 0.0, None))
    return tuple(found)


def _request(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    rule: Json = {
        "kind": kind,
        "venue": venue,
        "probability": chance.choice((0.2, 0.5, 1.0)),
        "count": chance.choice((1, 2, 5, 20)),
        "seed": chance.getrandbits(31),
    }
    if kind == "null_answer":
        rule |= chance.choice(READS[venue])
    return DrawnFault(rule, 0.0, LONGEST_S)


def _refused(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    rule = {"kind": kind, "venue": venue, "symbol": symbol, "fraction": chance.choice(("0.1", "0.5", "0.9"))}
    return DrawnFault(rule, 0.0, LONGEST_S)


def _unlisted(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    """Late enough that there may be a position, and mostly for good."""
    at_s = round(chance.uniform(3, 20), 2)
    until_s = None if chance.random() < 0.6 else round(at_s + chance.uniform(5, 60), 2)
    return DrawnFault({"kind": kind, "venue": venue, "symbol": symbol}, at_s, until_s)


def _foreign(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    """Half of them are there from the beginning, and half stay for good."""
    at_s, until_s = _while(chance)
    rule: Json = {
        "kind": kind,
        "venue": venue,
        "symbol": symbol,
        "seed": chance.getrandbits(31),
        "side": chance.choice(("buy", "sell")),
        "conditional": chance.random() < 0.4,
        "has_id": chance.random() < 0.7,
    }
    is_first, is_for_good = chance.random() < 0.5, chance.random() < 0.5
    return DrawnFault(rule, 0.0 if is_first else at_s, None if is_for_good else until_s)


def _settings(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    """Leverage mostly; the modes only take while nothing is open, which is at the beginning."""
    at_s, until_s = _while(chance)
    rule: Json = {"kind": kind, "venue": venue, "symbol": symbol, "leverage": chance.choice((1, 3, 20))}
    what = chance.choice(("leverage", "leverage", "margin_mode", "hedge_mode"))
    if what == "leverage":
        return DrawnFault(rule, at_s, until_s)
    is_mode = what == "margin_mode" or venue == "hyperliquid"
    rule |= {"margin_mode": "isolated"} if is_mode else {"hedge_mode": True}
    return DrawnFault(rule, 0.0, until_s)


def _by_hand(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    """In an instrument of the plan, while it is carried out: opens, adds, takes from it or closes it."""
    at_s, until_s = _while(chance)
    rule: Json = {"kind": kind, "venue": venue, "symbol": symbol}
    side = chance.choice(("buy", "sell", None))
    return DrawnFault(rule if side is None else {**rule, "side": side}, at_s, until_s)


def _late(chance: random.Random, kind: str, venue: str, symbol: str) -> DrawnFault:
    """From the beginning, so that the settlement of the episode is among what is listed late."""
    until_s = round(chance.uniform(20, 120), 2)
    return DrawnFault({"kind": kind, "venue": venue, "symbol": symbol}, 0.0, until_s)


def _while(chance: random.Random) -> tuple[float, float]:
    at_s = round(min(0.3 + chance.expovariate(1 / 5), 40), 2)
    return at_s, round(at_s + chance.uniform(5, 60), 2)


_SHAPES: Mapping[str, Callable[[random.Random, str, str, str], DrawnFault]] = {
    "null_answer": _request,
    "silent_ack": _request,
    "unknown_ending": _request,
    "refused_after_fill": _refused,
    "delisted_position": _unlisted,
    "foreign_order": _foreign,
    "leverage_change": _settings,
    "late_funding_row": _late,
    "hand_position": _by_hand,
}
