"""Faults of an episode, drawn: rules of the testnet's fault desk with when they begin and end.

What lives here: which faults, how often, how long. What does not: what they do (`testnet.faults`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from funding_pipeline.testnet.answer_shapes import ORDER_ENTRY

Json = dict[str, Any]
LONGEST_S = 60.0
TAKES_IDS_TWICE = ("gate",)
"""Venues that do not refuse a client order id they have seen. An order that the network itself delivers
twice is two orders there, whatever a client does: no episode does that to them."""


@dataclass(frozen=True)
class DrawnFault:
    """`rule` as the fault desk takes it, from `at_s` seconds on; `ends_s` None: it stays for good."""

    rule: Json
    at_s: float
    ends_s: float | None


def draw_faults(
    chance: random.Random, venues: Sequence[str], legs: Sequence[tuple[str, str]]
) -> tuple[DrawnFault, ...]:
    """None to four on requests, none to two of a venue."""
    requests = [_on_requests(chance, venues) for _ in range(chance.choice((0, 1, 2, 3, 4)))]
    venue_made = [_of_a_venue(chance, venues, legs) for _ in range(chance.choice((0, 0, 1, 1, 2)))]
    return tuple(requests + venue_made)


def _on_requests(chance: random.Random, venues: Sequence[str]) -> DrawnFault:
    """Some of all requests, or a few in a row; what places orders more often than the rest."""
    kind = chance.choice(
        ("lost_answer", "lost_answer", "drop", "status", "garbage", "truncated", "duplicate", "latency")
    )
    rule: Json = {
        "kind": kind,
        "probability": chance.choice((0.05, 0.2, 0.5, 1.0)),
        "count": chance.choice((1, 2, 5, 20)),
        "seed": chance.getrandbits(31),
        **_target(chance, kind, chance.choice(venues)),
    }
    if kind == "status":
        rule |= {"status": chance.choice((429, 500, 502, 503, 504)), "retry_after": chance.choice((1, 5))}
    if kind == "latency":
        rule["latency_ms"] = chance.choice((200, 3_000, 9_900, 12_000, 25_000))
    return DrawnFault(rule, 0.0, LONGEST_S)


def _target(chance: random.Random, kind: str, venue: str) -> Json:
    """Orders of a venue, everything of it, or reads of all venues."""
    target = chance.choice(("orders", "orders", "orders", "venue", "reads"))
    if kind == "duplicate" and venue in TAKES_IDS_TWICE:
        target = "reads"
    if target == "orders":
        return {"venue": venue, "method": "POST", "path": ORDER_ENTRY[venue]}
    return {"venue": venue} if target == "venue" else {"method": "GET"}


def _of_a_venue(chance: random.Random, venues: Sequence[str], legs: Sequence[tuple[str, str]]) -> DrawnFault:
    venue, symbol = chance.choice(legs)
    at_s = round(min(0.3 + chance.expovariate(1 / 5), 40), 2)
    until_s = round(at_s + chance.uniform(1, 60), 2)
    rule: Json = {"venue": venue, "seed": chance.getrandbits(31)}
    kind = chance.choice(
        (
            "partial_then_halt", "partial_then_halt", "halt", "venue_gone", "adl", "adl", "delist",
            "stale_prices", "clock_skew", "interval_change",
        )
    )  # fmt: skip
    rule |= {"kind": kind}
    if kind in ("partial_then_halt", "halt", "adl", "delist", "interval_change"):
        rule["symbol"] = symbol
    if kind == "partial_then_halt":
        at_s, rule["fraction"] = 0.0, chance.choice(("0.1", "0.5", "0.9"))
    if kind == "adl":
        rule["account"] = f"{venue}-1"
    if kind == "stale_prices":
        rule["seconds"] = until_s - at_s
    if kind == "clock_skew":
        rule["skew_ms"] = chance.choice((-20_000, -900, 900, 20_000))
    if kind == "interval_change":
        rule |= {"hours": 1, "rate": chance.choice((-0.02, 0.01))}
    is_for_good = kind == "delist" or (kind in ("halt", "venue_gone") and chance.random() < 0.3)
    return DrawnFault(rule, at_s, None if is_for_good else until_s)
