"""Every feature in a trader's words: which family it belongs to, what it is called, and its unit.

What lives here: one table of name patterns, so that a new feature falls into place or is refused by
name. What does not: formulas and windows (`catalog`), or what a model makes of a feature.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from funding_pipeline.core.errors import SchemaError

_HOURS_PER_YEAR = 24 * 365
_YEARLY_PERCENT = 100 * _HOURS_PER_YEAR

OWN_RECENT = "own funding, recent"
OWN_LONG = "own funding, long mean"
SWINGS = "swings and sign"
BASE_CROWD = "crowd of the base"
MARKET_CROWD = "crowd of the market"
GAP = "gap to other venues"
VENUE_HABIT = "venue habit"
PLATEAU = "plateau"
BASIS = "basis and premium"
PRICES = "volatility and momentum"
OPEN_INTEREST = "open interest"
BOOK = "book and trades"
HISTORY = "history and interval"
SCALE = "scale"

_UNITS: Mapping[str, Callable[[float], str]] = {
    "rate": lambda x: f"{x * _YEARLY_PERCENT:+z.1f} %/yr",
    "size": lambda x: f"{x * _YEARLY_PERCENT:.1f} %/yr",
    "log size": lambda x: f"{math.exp(x) * _YEARLY_PERCENT:.1f} %/yr",
    "volatility": lambda x: f"{x * 100 * math.sqrt(_HOURS_PER_YEAR):.0f} %/yr",
    "change": lambda x: f"{x * 100:+z.1f} %",
    "share": lambda x: f"{x * 100:.0f} %",
    "fraction in bp": lambda x: f"{x * 1e4:+z.1f} bp",
    "bp": lambda x: f"{x:.1f} bp",
    "hours": lambda x: f"{x:.0f} h",
    "count": lambda x: f"{x:.0f}",
    "balance": lambda x: f"{x:+z.2f}",
}
"""How a value of the panel is written; `log return` and `log change` count as changes in percent."""


@dataclass(frozen=True)
class FeatureWords:
    """Family of a feature, its name for a reader (may hold {base} and {venue}), and its unit."""

    family: str
    noun: str
    unit: str

    def phrase(self, value: float | None, *, base: str, venue: str) -> str:
        """Name and value as text, such as `168 h mean +12.3 %/yr`; `unknown` for null and NaN."""
        known = value is not None and math.isfinite(value)
        text = _UNITS[self.unit](value) if known and value is not None else "unknown"
        return f"{self.noun.format(base=base, venue=venue)} {text}"


# Pattern, family, name, unit. The first that matches a whole name counts; {0} is its window.
# Windows of at most two digits (8, 24, 72 h) are recent.
_WORDS: tuple[tuple[str, str, str, str], ...] = (
    (r"rate_last_per_hour", OWN_RECENT, "last settlement", "rate"),
    (r"estimated_rate_per_hour", OWN_RECENT, "the venue's own estimate", "rate"),
    (r"rate_(\d{1,2})h_per_hour", OWN_RECENT, "{0} h mean", "rate"),
    (r"rate_(\d+)h_per_hour", OWN_LONG, "{0} h mean", "rate"),
    (r"rate_std_(\d+)h_per_hour", SWINGS, "{0} h swings of its rate", "size"),
    (r"positive_share_(\d+)h", SWINGS, "{0} h share of positive rates", "share"),
    (r"same_sign_hours", SWINGS, "same sign for", "hours"),
    (r"rate_absolute_(\d+)h_per_hour", SCALE, "{0} h mean size of its rate", "size"),
    (r"log_scale", SCALE, "usual size of its rate", "log size"),
    (r"base_rate_(\d+)h_per_hour", BASE_CROWD, "crowd in {{base}} over {0} h", "rate"),
    (r"base_estimated_rate_per_hour", BASE_CROWD, "venues' own estimates for {{base}}", "rate"),
    (r"market_rate_(\d+)h_per_hour", MARKET_CROWD, "crowd in all coins over {0} h", "rate"),
    (r"base_gap_(\d+)h_per_hour", GAP, "{0} h gap to the venues' mean", "rate"),
    (r"base_median_gap_(\d+)h_per_hour", GAP, "{0} h gap to the venues' median", "rate"),
    (r"base_median_gap_(\d+)h_per_hour", GAP, "{0} h gap to the venues' median", "rate"),
    (r"base_rank_(\d+)h", GAP, "{0} h rank among the venues", "share"),
    (r"base_dispersion_(\d+)h_per_hour", GAP, "{0} h spread of the venues", "size"),
    (r"base_instruments", GAP, "contracts on {{base}}", "count"),
    (r"venue_gap_(\d+)h_per_hour", VENUE_HABIT, "{0} h gap of {{venue}}'s other contracts", "rate"),
    (r"plateau_share_(\d+)h", PLATEAU, "{0} h share on the plateau", "share"),
    (r"repeated_share_(\d+)h", PLATEAU, "{0} h share at an unchanged rate", "share"),
    (r"basis", BASIS, "basis", "fraction in bp"),
    (r"basis_(\d+)h", BASIS, "{0} h basis", "fraction in bp"),
    (r"base_premium_(\d+)h", BASIS, "{0} h premium of {{base}} over spot", "fraction in bp"),
    (r"momentum_(\d+)h", PRICES, "{0} h log return of {{base}}", "change"),
    (r"volatility_(\d+)h_per_sqrt_hour", PRICES, "{0} h volatility of {{base}}", "volatility"),
    (r"open_interest_change_(\d+)h", OPEN_INTEREST, "{0} h log change of open interest", "change"),
    (r"base_open_interest_change_(\d+)h", OPEN_INTEREST, "{0} h log change of {{base}}'s open interest",
     "change"),
    (r"book_spread_bp", BOOK, "bid-ask spread", "bp"),
    (r"book_impact_\d+k_bp", BOOK, "impact of 100,000 USD", "bp"),
    (r"book_imbalance", BOOK, "imbalance of the book", "balance"),
    (r"taker_imbalance_(\d+)h", BOOK, "{0} h imbalance of takers", "balance"),
    (r"history_hours", HISTORY, "history of", "hours"),
    (r"interval_hours", HISTORY, "settled every", "hours"),
    (r"hours_since_settlement", HISTORY, "since the last settlement", "hours"),
    (r"hours_to_settlement", HISTORY, "to the next settlement", "hours"),
)  # fmt: skip


@cache
def words_of(feature: str) -> FeatureWords:
    """Family, name and unit of a feature; raises SchemaError naming one that no pattern knows."""
    for pattern, family, noun, unit in _WORDS:
        if found := re.fullmatch(pattern, feature):
            return FeatureWords(family, noun.format(*found.groups()), unit)
    raise SchemaError(f"feature {feature}: it belongs to no family (features/families.py)")


def family_of(feature: str) -> str:
    """Family of a feature; raises SchemaError naming one that no pattern knows."""
    return words_of(feature).family
