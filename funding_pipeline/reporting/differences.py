"""The strategy less each rival, as the summary has it: one value per comparison, ready to be drawn.

What lives here: reading `comparisons` of a summary. What does not: the bootstrap (`validation.significance`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from funding_pipeline.validation.baseline_runs import CEILINGS

Quantity = Literal["net", "drawdown"]
_KEYS: Mapping[Quantity, tuple[str, str, str]] = {
    "net": ("net_annual_difference", "low", "high"),
    "drawdown": ("drawdown_difference", "drawdown_low", "drawdown_high"),
}
HEDGED, PLAIN = "venue_neutral", "plain"


@dataclass(frozen=True)
class Difference:
    """Strategy less `name`, fractions of capital, 95 % interval. `alone`: hedged or not, it is the same."""

    name: str
    hedged: bool
    alone: bool
    value: float
    low: float
    high: float

    @property
    def variant(self) -> str:
        """How the rule was run, in words."""
        return "as it is, neutral by itself" if self.alone else "hedged" if self.hedged else "as it is"


def differences(summary: Mapping[str, Any], quantity: Quantity) -> tuple[Difference, ...]:
    """Every comparison of `summary` but ceilings: the largest lead first, hedged before plain."""
    value, low, high = _KEYS[quantity]
    out = []
    for name, variants in (summary.get("comparisons") or {}).items():
        if name in CEILINGS:
            continue
        alone = variants.get(HEDGED) == variants.get(PLAIN)
        for variant in (HEDGED,) if alone else (HEDGED, PLAIN):
            if (found := variants.get(variant)) is not None:
                out.append(
                    Difference(
                        name=name.replace("_", " "), hedged=variant == HEDGED, alone=alone,
                        value=found[value], low=found[low], high=found[high],
                    )
                )  # fmt: skip
    sign = 1 if quantity == "drawdown" else -1
    lead = {one.name: sign * one.value for one in out if one.hedged}
    return tuple(sorted(out, key=lambda one: (lead.get(one.name, 0.0), one.name, not one.hedged)))
