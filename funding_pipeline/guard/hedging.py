"""Bases whose legs do not hedge each other.

What lives here: the check, with what is known of venues that are silent. What does not: other limits
(`solvency`), or how a leg is reduced (`shedding`).
"""

from collections.abc import Iterator
from decimal import Decimal

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.exposure import Exposure
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Symptom
from funding_pipeline.guard.seen import Seen


def naked(seen: Seen, view: Exposure, limits: RiskLimits, config: GuardConfig) -> Iterator[Symptom]:
    """Net of a base beyond its limit. An executor at work is left alone for a while: it has its own cap.

    A base of which a venue that is down may hold something is told, and not reduced: what looks naked may
    be hedged there.
    """
    for base, delta in sorted(view.base_delta_usd.items()):
        if delta is None or abs(delta) <= Decimal(str(limits.max_base_delta_usd)):
            continue
        numbers: dict[str, float | str] = {
            "delta_usd": round(float(delta), 2),
            "limit_usd": limits.max_base_delta_usd,
        }
        word = "long" if delta > 0 else "short"
        title = f"{base} is not hedged: {abs(delta):,.0f} USD {word}, limit {limits.max_base_delta_usd:,.0f}"
        looks = config.confirming_looks
        if base in seen.doubtful_bases:
            venues = ", ".join(sorted(v for v, bases in seen.at_stake.items() if base in bases))
            yield Symptom(
                key=f"naked {base} in doubt",
                severity="warning",
                title=f"{title}; but {venues} does not answer and may hold the other leg",
                advice=f"see at {venues} what is held of {base}; the guard closes nothing on a guess",
                after_seconds=config.naked_seconds,
                looks=looks,
                numbers=numbers,
            )
        elif seen.is_executing:
            yield Symptom(
                key=f"naked {base} under {seen.lock_holder}",
                severity="critical",
                title=f"{title}; {seen.lock_holder} has been at work for long",
                advice="see what the executor's run is waiting for; the guard reduces once it has ended",
                action="REDUCING",
                after_seconds=config.rebalance_patience_seconds,
                looks=looks,
                numbers=numbers,
            )
        else:
            yield Symptom(
                key=f"naked {base}",
                severity="critical",
                title=title,
                advice=f"the guard reduces what is not hedged of {base}; see why its other leg is missing, "
                "then `resume` in the web UI",
                action="shed",
                after_seconds=config.naked_seconds,
                looks=looks,
                bases=frozenset({base}),
                limits=frozenset({"max_base_delta_usd"}),
                numbers=numbers,
            )
