"""What the next dollar of a limit is worth: the optimum's multipliers in words that a person can act on.

A multiplier is what the plan's objective (expected funding less costs and risk, over the hold) gains when a
limit is one dollar wider; it is stated per year. It holds for a small change only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.limit_names import named_values
from funding_pipeline.portfolio.limits import Limits

_HOURS_PER_YEAR = 24 * 365
_LEAST = 1e-3  # USD a year per USD: below it, the solver's accuracy


@dataclass(frozen=True)
class ShadowPrice:
    """`usd_per_year`: what one more USD of `limit` about `subject` is worth."""

    limit: str
    subject: str
    usd_per_year: float

    @property
    def text(self) -> str:
        """One line for a person."""
        what = f"{self.limit} {self.subject}".strip()
        return f"the next dollar of {what} is worth {self.usd_per_year:.3f} USD a year"


def shadow_prices(
    duals: Mapping[str, Floats], *, limits: Limits, config: PortfolioConfig, most: int = 12
) -> tuple[ShadowPrice, ...]:
    """The largest ones, dearest first; collateral of a venue, depth and volume under their own names."""
    per_year, totals = _per_year(config), all_stages(duals)
    worth: dict[tuple[str, str], float] = {}
    for item in named_values(totals, universe=limits.universe, above=_LEAST / per_year / 10):
        if item.constraint in ("base_neutral", "venue_gross", "survival", "margin"):
            continue  # an equation has no next dollar; the others are what collateral is for
        limit = item.limit
        if item.constraint in ("leg_upper", "leg_lower"):
            limit = limits.cap_source[item.index]
        name = limit, item.subject
        worth[name] = worth.get(name, 0.0) + abs(item.value) * per_year
    found = [*_collateral(totals, limits=limits, config=config)]
    found += [ShadowPrice(*name, value) for name, value in worth.items()]
    dear = sorted((price for price in found if price.usd_per_year > _LEAST), key=lambda p: -p.usd_per_year)
    return tuple(dear[:most])


def all_stages(duals: Mapping[str, Floats]) -> dict[str, Floats]:
    """Multipliers of the first stage with those of the same limit at later stages added: it is one limit."""
    out = {name: values.copy() for name, values in duals.items()}
    for name, values in duals.items():
        first = name.removesuffix("_later")
        if first != name and first in out:
            out[first] = out[first] + values.reshape(-1, len(out[first])).sum(axis=0)
    return out


def collateral_values(duals: Mapping[str, Floats], *, limits: Limits, config: PortfolioConfig) -> Floats:
    """USD a year that one more USD of equity on each venue is worth: room for gross, margin and survival.

    `duals` of all stages; after the first, gross on a venue is bounded by the collateral that is there then.
    """
    u, given = limits.universe, config.governance
    if not duals:
        return np.zeros(len(u.venues))
    kept = 1 - given.collateral_haircut_fraction
    survival = u.venue_matrix @ duals.get("survival", np.zeros(len(u)))
    margin = given.max_margin_fraction * duals.get("margin", np.zeros(len(u.venues)))
    return (config.gross_leverage * duals["venue_gross"] + kept * (survival + margin)) * _per_year(config)


def _collateral(duals: Mapping[str, Floats], *, limits: Limits, config: PortfolioConfig) -> list[ShadowPrice]:
    values = collateral_values(duals, limits=limits, config=config)
    return [
        ShadowPrice("collateral on", venue, float(value))
        for venue, value in zip(limits.universe.venues, values, strict=True)
    ]


def _per_year(config: PortfolioConfig) -> float:
    """From basis points over the hold to USD a year per USD."""
    return 1e-4 * _HOURS_PER_YEAR / config.expected_hold_hours if config.expected_hold_hours else 0.0
