"""What trading is to be done with: venues, connection, journal, limits. A value, made from the settings.

What lives here: the value, and how its seconds are counted where the venues' time runs faster. What does
not: reading settings (`settings`), opening anything (`session`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from funding_pipeline.core.risk_limits import RiskLimits, limits_at
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.storage.journal import Journal
from funding_pipeline.venues.connection import Connection

TradingMode = Literal["paper", "live"]


@dataclass(frozen=True)
class TradingSetup:
    """`mode` paper: accounts on the local testnet. live: accounts at the exchanges, with arming.

    `venues`: where is traded; keys of each come from the environment. `limits`: effective-dated.
    `journal_url`: as SQLAlchemy writes it; `journal_marker`: a file that remembers which journal is used, by
    default beside it. `alert_urls`: services of apprise, never shown; `escalation_urls`: for what is critical
    and goes on. `strategy`: name in every order's id.
    """

    mode: TradingMode
    venues: tuple[str, ...]
    connect: Callable[[], Connection] = field(repr=False)
    journal_url: str = field(repr=False)
    limits: tuple[RiskLimits, ...]
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    strategy: str = "carry"
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    escalation_urls: tuple[str, ...] = field(default=(), repr=False)
    journal_marker: Path | None = None

    def journal(self, **options: Any) -> Journal:
        """Open the journal; `options` of Journal. Raises JournalError."""
        return Journal(self.journal_url, marker=self.journal_marker, **options)

    @property
    def is_live(self) -> bool:
        """Whether money is at stake."""
        return self.mode == "live"

    def limits_in_force(
        self, tightened: Mapping[str, float], *, at: datetime, speed: float = 1.0
    ) -> RiskLimits:
        """What plan, verdict and guard hold themselves to at `at`: the configured limits, and those that were
        tightened at run time (`Journal.tightened`). Raises SettingsError where a name is no limit."""
        return self.limits_at(at, speed=speed).tightened_where_tighter(tightened)

    def limits_at(self, at: datetime, *, speed: float = 1.0) -> RiskLimits:
        """Limits in force at `at`; their seconds are the venues' (see `RiskLimits.at_speed`)."""
        return limits_at(self.limits, at).at_speed(speed)
