"""How orders are carried out: sizes of slices, price bounds, patience. Units are in the names.

What lives here: values. What does not: limits of risk (`limits`), which cut a plan before anything is sent.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field


class ExecutionConfig(BaseModel):
    """Settings of the executor. 1 bp = 1e-4; USD stands for the settle currency, taken at par."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slice_usd: float = Field(default=25_000, gt=0, description="largest notional of one slice of a leg")
    depth_share: float = Field(
        default=0.25, gt=0, le=1, description="largest share of the depth within the price bound per slice"
    )
    taker_bound_bp: float = Field(default=30, gt=0, le=1_000, description="worst price from the best quote")
    flatten_bound_bp: float = Field(default=150, gt=0, le=1_500, description="the same when flattening")
    plan_drift_bp: float = Field(
        default=500, gt=0, description="nothing is opened when the mid is further than this from the plan"
    )
    maker_seconds: float = Field(default=0, ge=0, le=3_600, description="patience as maker; 0: take at once")
    maker_bases: frozenset[str] | None = Field(default=None, description="bases that bear waiting; null: all")
    poll_seconds: float = Field(default=0.5, gt=0, le=60, description="pause between looks")
    longest_pause_seconds: float = Field(default=5, gt=0, le=60, description="pause when nothing moves")
    quote_seconds: float = Field(default=1, gt=0, le=30, description="age at which a book is read again")
    window_lead_seconds: float = Field(
        default=10, ge=0, le=600, description="no slice is begun this long before a settlement window"
    )
    deadline_seconds: float = Field(default=120, gt=0, le=86_400, description="no slice is begun after it")
    grace_seconds: float = Field(
        default=60, ge=0, le=3_600, description="after the deadline, to hedge or flatten what is unhedged"
    )
    unhedged_cap_usd_seconds: float = Field(
        default=500_000, gt=0, description="unhedged notional x time per base; then it is flattened"
    )
    absence_after_seconds: Mapping[str, Annotated[float, Field(ge=0, le=600)]] = Field(
        default={"binance": 20, "bybit": 20, "okx": 45, "gate": 75, "hyperliquid": 75, "default": 75},
        description="by venue: an order not found is believed absent no earlier than this after it was "
        "written: the client's time-out and the age at which the venue refuses a request, with a margin",
    )
    absence_pause_seconds: float = Field(
        default=2, ge=0, le=60, description="between the two look-ups that must both find nothing"
    )
    absence_final_seconds: float = Field(
        default=300, ge=0, description="then it is absent even if a fill of another order looks like it"
    )
    max_rejections: int = Field(default=3, ge=1, le=100, description="per leg and run; then it is left")
    actions_per_read: int = Field(default=6, ge=1, le=1_000, description="orders per base between readings")
    guard_max_age_seconds: float | None = Field(
        default=None, gt=0, description="nothing is opened without a heartbeat this fresh; null: not asked"
    )
    leverage: int = Field(
        default=10,
        ge=1,
        le=125,
        description="set for an instrument before it is opened, at most what its venue allows",
    )
    open_beside_foreign_orders: bool = Field(
        default=False, description="open in instruments where an order that is not ours rests"
    )
    concurrency: int = Field(default=8, ge=1, le=64, description="bases and venues at once; 1: in sequence")

    def at_speed(self, speed: float) -> Self:
        """The same where the venues' time runs `speed` times as fast as this machine's (a testnet).

        All seconds are about work and waiting in real time, so they grow with it.
        """
        if speed <= 1:
            return self
        given = self.model_dump()
        longer = {
            name: value * speed
            for name, value in given.items()
            if name.endswith("_seconds") and isinstance(value, float | int)
        }
        absence = {venue: seconds * speed for venue, seconds in self.absence_after_seconds.items()}
        # Not validated again: bounds are about real seconds.
        return self.model_copy(update={**longer, "absence_after_seconds": absence})

    def absence_after(self, venue: str) -> float:
        """Seconds after which an order that the venue does not find can no longer arrive."""
        known = self.absence_after_seconds
        return known.get(venue, known.get("default", 75.0))

    def may_make(self, base: str) -> bool:
        """Whether orders of `base` may rest first."""
        return self.maker_seconds > 0 and (self.maker_bases is None or base in self.maker_bases)
