"""What the constraints of the compiled problem are called in words, and what each of them is about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Universe


@dataclass(frozen=True)
class NamedValue:
    """`value` of one constraint: `limit` in words, `subject` it is about (empty: the portfolio)."""

    constraint: str
    limit: str
    subject: str
    index: int
    value: float

    @property
    def text(self) -> str:
        """The limit and its subject."""
        return f"{self.limit} {self.subject}".strip()


_WORDS = {
    "leg_upper": ("size of", "leg"),
    "leg_lower": ("size of", "leg"),
    "base_neutral": ("base neutrality of", "base"),
    "venue_beta": ("venue beta on", "venue"),
    "venue_beta_short": ("venue beta on", "venue"),
    "venue_gross": ("gross budget of", "venue"),
    "base_gross": ("gross of base", "base"),
    "currency_net": ("net notional priced in", "currency"),
    "currency_net_short": ("net notional priced in", "currency"),
    "survival": ("survival of", "leg"),
    "margin": ("margin on", "venue"),
    "portfolio_delta": ("portfolio delta", ""),
    "portfolio_delta_short": ("portfolio delta", ""),
    "gross_cap": ("gross of the portfolio", ""),
    "turnover": ("turnover", ""),
    "scenario_cvar": ("scenario losses (CVaR)", ""),
}


def named_values(values: Mapping[str, Floats], *, universe: Universe, above: float) -> Iterator[NamedValue]:
    """Every entry of the first stage's constraints whose absolute value exceeds `above`."""
    members = {
        "leg": tuple(leg.name for leg in universe.legs),
        "base": universe.bases,
        "venue": universe.venues,
        "currency": universe.currencies,
        "": ("",),
    }
    for name, (limit, kind) in _WORDS.items():
        entries = np.atleast_1d(values.get(name, np.zeros(0)))
        for index in np.flatnonzero(np.abs(entries) > above):
            place = int(index) % len(members[kind])
            yield NamedValue(name, limit, members[kind][place], place, float(entries[index]))
