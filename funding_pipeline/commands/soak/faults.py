"""Faults of one market hour, drawn from the soak's seed: those of the chaos campaign that pass."""

import random
from collections.abc import Sequence
from typing import Any

from funding_pipeline.chaos.faults_drawn import draw_faults

_FAULTY_HOURS = 0.2
_NOT_HERE = frozenset({"delist", "adl"})
"""What cannot be undone would leave less and less to trade in fourteen days."""
_LONGEST_LATENCY_MS = 3_000
Json = dict[str, Any]


def faults_of(
    seed: int, hour: int, *, venues: Sequence[str], legs: Sequence[tuple[str, str]]
) -> tuple[Json, ...]:
    """Rules for the testnet's fault API, to be ended with the hour; none in four hours of five.

    `legs`: (venue, symbol) that faults of a venue may choose from; without any there are none.
    """
    chance = random.Random(f"soak {seed} {hour}")
    if not legs or chance.random() >= _FAULTY_HOURS:
        return ()
    drawn = draw_faults(chance, venues, legs)
    return tuple(_bearable(fault.rule) for fault in drawn if fault.rule["kind"] not in _NOT_HERE)


def _bearable(rule: Json) -> Json:
    """A delay is in seconds of this machine, of which a soak has few."""
    if rule["kind"] != "latency":
        return rule
    return {**rule, "latency_ms": min(rule["latency_ms"], _LONGEST_LATENCY_MS)}
