"""The state of the market as the verdict sees it: regime, severities with reasons, and when it was judged.

What lives here: the value, and reading it from its table. What does not: judging the market (`models`), or
what follows from it (`market_gate`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from funding_pipeline.models.anomalies import NONE
from funding_pipeline.models.market_readings import MARKET


@dataclass(frozen=True)
class Unusual:
    """How unusual something is (none, notice, warning, alarm; None: not judged), and why, in words."""

    severity: str | None
    reason: str = ""


@dataclass(frozen=True)
class MarketState:
    """What was known of the market at `judged_at` (UTC).

    `instruments`: by venue and symbol; one that is not named was not judged.
    """

    judged_at: datetime
    regime: str | None
    market: Unusual
    instruments: Mapping[tuple[str, str], Unusual] = field(default_factory=dict)

    def of(self, key: tuple[str, str]) -> Unusual:
        """Of one instrument."""
        return self.instruments.get(key, Unusual(None))


def calm_state(at: datetime) -> MarketState:
    """A market in which nothing is unusual: for simulations that tell no state of their own."""
    return MarketState(at, None, Unusual(NONE))


def market_state_of(rows: pl.DataFrame) -> MarketState | None:
    """From rows of models.market_state.MARKET_STATE_SCHEMA; None where there is no row of the market."""
    whole = rows.filter(pl.col("venue") == MARKET)
    if whole.is_empty():
        return None
    market = whole.row(0, named=True)
    instruments = {
        (row["venue"], row["symbol"]): Unusual(row["severity"], row["reason"])
        for row in rows.filter(pl.col("venue") != MARKET).iter_rows(named=True)
    }
    return MarketState(
        market["as_of"], market["regime"], Unusual(market["severity"], market["reason"]), instruments
    )
