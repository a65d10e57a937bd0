"""How the guard looks and how patient it is. All seconds are real ones at speed 1.

What lives here: values. What does not: limits of risk (`core.risk_limits`), which the guard applies as they
are, or what follows from a breach (`assessment`).
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class GuardConfig(BaseModel):
    """Settings of the guard; `at_speed` for whatever is compared with the venues' time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_seconds: float = Field(default=1.5, gt=0, le=60, description="pause between looks")
    venue_timeout_seconds: float = Field(
        default=4, gt=0, le=60, description="a look waits this long for a venue; what comes later counts then"
    )
    slow_look_seconds: float = Field(
        default=10, ge=0, le=600, description="books, margin brackets and clocks are read this often"
    )
    confirming_looks: int = Field(
        default=2, ge=1, le=100, description="looks in a row that must agree before anything is done"
    )
    naked_seconds: float = Field(
        default=10, ge=0, le=600, description="a base beyond its delta limit is reduced after this time"
    )
    rebalance_patience_seconds: float = Field(
        default=240, ge=0, le=3_600, description="the same while an executor is at work: then REDUCING"
    )
    venue_down_seconds: float = Field(
        default=120, ge=0, le=3_600, description="a venue with something at stake is unheard: then REDUCING"
    )
    soft_patience_seconds: float = Field(
        default=300, ge=0, le=86_400, description="a limit of size or beta is broken: then legs are reduced"
    )
    tidy_seconds: float = Field(
        default=60, ge=0, le=3_600, description="own orders rest or are unknown and nobody is at work"
    )
    journal_seconds: float = Field(
        default=30, ge=0, le=3_600, description="the journal cannot be used: then it is critical"
    )
    equity_seconds: float = Field(default=60, ge=0, le=3_600, description="between two marks of equity")
    reopen_seconds: float = Field(
        default=30, gt=0, le=3_600, description="a venue that could not be opened is tried again"
    )
    shed_wait_seconds: float = Field(
        default=6,
        ge=0,
        le=600,
        description="a look waits this long for its orders, then they go on beside it",
    )
    shed_deadline_seconds: float = Field(
        default=60, gt=0, le=600, description="of one reduction, hedges included; the next look begins anew"
    )
    max_clock_skew_seconds: float = Field(
        default=5, gt=0, le=3_600, description="between this machine's clock and the venues'"
    )
    clock_seconds: float = Field(
        default=40,
        ge=0,
        le=3_600,
        description="that skew lasts so long: HALTED (a testnet's clock is asked "
        "again every 30 s, and may have been moved)",
    )
    mark_bound_fraction: float = Field(
        default=0.05, gt=0, le=1, description="a mark this far from all others is told and not acted on"
    )

    def at_speed(self, speed: float) -> Self:
        """The same where the venues' time runs `speed` times as fast as this machine's."""
        if speed <= 1:
            return self
        given = self.model_dump()
        # Not validated again: bounds are about real seconds.
        return self.model_copy(update={n: v * speed for n, v in given.items() if n.endswith("_seconds")})
