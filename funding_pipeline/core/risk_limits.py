"""The limits of risk as one typed value: names with units, bounds, defaults, version, effective date.

What lives here: numbers, and how they may be changed while the system runs (only made tighter). What does
not: measuring a book (`execution.exposure`), applying limits to a plan (`execution.verdict`,
`portfolio.limits`), or how the plan is found.

Defaults are for 1,000,000 USD over five or six venues: a notch outside what the portfolio construction
plans with, so that a plan which keeps its own limits passes, also after prices have moved a little.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from funding_pipeline.core.errors import SettingsError

DEFAULT_CAPITAL_USD = 1_000_000.0
_SINCE_EVER = datetime(2000, 1, 1, tzinfo=UTC)
_AGES = (
    "max_data_age_seconds",
    "max_book_age_seconds",
    "verdict_valid_seconds",
    "max_market_state_age_hours",
)


def _at_most(default: float, text: str, *, highest: float) -> Any:
    """A limit from above: a smaller value is tighter."""
    return Field(default=default, ge=0, le=highest, description=text, json_schema_extra={"tighter": "lower"})


def _at_least(default: float, text: str, *, lowest: float = 0.0, highest: float) -> Any:
    """A margin of safety: a larger value is tighter."""
    return Field(
        default=default, ge=lowest, le=highest, description=text, json_schema_extra={"tighter": "higher"}
    )


class RiskLimits(BaseModel):
    """What a book may be at most. Amounts in USD, fractions of 1; held against marks, not entry prices.

    `version` names these very numbers; it goes into every verdict. Not a number is refused, never a limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    effective_from: datetime = Field(default=_SINCE_EVER, description="UTC; these limits hold from then on")

    max_portfolio_delta_usd: float = _at_most(10_000, "|sum of signed notional over all legs|", highest=1e9)
    max_venue_beta_usd: float = _at_most(
        25_000, "|sum of beta to BTC x signed notional| on one venue", highest=1e9
    )
    max_base_delta_usd: float = _at_most(
        5_000, "|net quantity x reference price| of one base: what is not hedged", highest=1e9
    )
    max_gross_notional_usd: float = _at_most(1_250_000, "sum of |notional| over all legs", highest=1e10)
    max_venue_notional_usd: float = _at_most(275_000, "sum of |notional| on one venue", highest=1e10)
    max_base_notional_usd: float = _at_most(
        400_000, "sum of |notional| over the legs of a base", highest=1e10
    )
    max_instrument_notional_usd: float = _at_most(85_000, "|notional| of one leg", highest=1e10)
    max_depth_participation_fraction: float = _at_most(
        2.0, "|notional| of a leg, of the thinner side of its book within 10 bp; for what grows", highest=100
    )
    max_open_interest_fraction: float = _at_most(
        0.01, "|notional| of a leg, of its instrument's open interest; for what grows", highest=1
    )
    max_venue_collateral_fraction: float = _at_most(
        0.40, "equity on one venue, of all equity; above, nothing grows there", highest=1
    )
    max_currency_collateral_fraction: float = _at_most(
        0.90, "wallet in one stablecoin, of all wallets; above, nothing grows on it", highest=1
    )
    collateral_haircut_fraction: float = _at_least(
        0.05, "taken off a venue's equity before margin is judged: a stablecoin may break", highest=0.9
    )
    max_margin_fraction: float = _at_most(
        0.30, "maintenance margin of a venue, of its equity after the haircut", highest=1
    )
    survival_move_fraction: float = _at_least(
        0.35, "adverse move of any one leg alone that its venue's collateral must survive", highest=0.95
    )
    max_adl_rank: float = _at_most(
        0.80,
        "place in the queue of auto-deleveraging, 0 last to 1 first; above, a leg may not grow",
        highest=1,
    )
    assumed_adl_rank: float = _at_least(0.50, "taken where a venue does not tell the rank", highest=1)
    max_daily_turnover_usd: float = _at_most(
        2_500_000,
        "sum of |traded notional| since 00:00 UTC; reductions count but are not stopped",
        highest=1e11,
    )
    max_daily_loss_usd: float = _at_most(
        20_000, "equity at 00:00 UTC less equity now; above, only reductions", highest=1e9
    )
    max_drawdown_fraction: float = _at_most(
        0.05, "fall from the highest equity; above, only reductions", highest=1
    )
    max_data_age_seconds: float = _at_most(
        120, "of an instrument's price and depth; older, its base may not grow", highest=86_400
    )
    max_book_age_seconds: float = _at_most(
        60, "of a venue's positions and balances; older, nothing grows", highest=3_600
    )
    max_model_age_hours: float = _at_most(
        240, "of the model behind the forecasts; older, nothing grows", highest=8_760
    )
    max_market_state_age_hours: float = _at_most(
        12, "of the judgement of the market; older, it counts as a warning", highest=8_760
    )
    max_stress_fraction: float = _at_most(
        0.60, "of max_gross_notional_usd, up to which anything grows while the regime is stress", highest=1
    )
    max_warning_fraction: float = _at_most(
        0.50,
        "the same while the market is a warning or its state is not known; of max_instrument_notional_usd, "
        "up to which a leg grows while its instrument is one",
        highest=1,
    )
    max_alarm_fraction: float = _at_most(
        0.0, "the same in an alarm; 0: nothing grows, or nothing of the base", highest=1
    )
    verdict_valid_seconds: float = _at_most(900, "a verdict expires after this time", highest=86_400)

    @field_validator("effective_from", mode="after")
    @classmethod
    def _utc(cls, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    @property
    def version(self) -> str:
        """16 hex digits that change when any number or the effective date changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @classmethod
    def for_capital(cls, capital_usd: float, **given: Any) -> Self:
        """Defaults with every amount in USD in proportion to `capital_usd`; `given` goes before them."""
        if not (math.isfinite(capital_usd) and capital_usd > 0):
            raise SettingsError(f"capital_usd: {capital_usd} is not a positive number")
        scale = capital_usd / DEFAULT_CAPITAL_USD
        amounts = {
            name: field.default * scale
            for name, field in cls.model_fields.items()
            if name.endswith("_usd") and name not in given
        }
        return cls._checked({**amounts, **given})

    def tightened(self, changes: Mapping[str, float]) -> Self:
        """These limits with `changes`, each tighter than or equal to what it replaces.

        Raises SettingsError for an unknown name, a value out of bounds, or one that would loosen.
        """
        for name, value in changes.items():
            _refuse_loosening(name, value, old=getattr(self, name, None))
        return self._checked({**self.model_dump(), **changes})

    def tightened_where_tighter(self, changes: Mapping[str, float]) -> Self:
        """The same for changes made earlier: those that have become looser than these limits are left out."""
        for name, value in changes.items():
            if not math.isfinite(value):
                raise SettingsError(f"limit {name}: {value} is not a number")
        tighter = {
            name: value
            for name, value in changes.items()
            if not _loosens(name, value, getattr(self, name, value))
        }
        return self.tightened(tighter)

    def at_speed(self, speed: float) -> Self:
        """The same where the venues' time runs `speed` times as fast as this machine's (a testnet).

        Ages and validities are about work that takes real seconds, so they grow with it, up to their bounds.
        """
        if speed <= 1:
            return self
        longer = {}
        for name in _AGES:
            longer[name] = min(getattr(self, name) * speed, _highest(name))
        return self._checked({**self.model_dump(), **longer})

    @classmethod
    def _checked(cls, values: Mapping[str, Any]) -> Self:
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "limits"
            raise SettingsError(f"limit {name}: {first['msg'].removeprefix('Value error, ')}") from error


def _highest(name: str) -> float:
    """Upper bound of a limit's field."""
    return float(next(rule.le for rule in RiskLimits.model_fields[name].metadata if hasattr(rule, "le")))


def tighter_direction(name: str) -> Literal["lower", "higher"]:
    """Which way a limit gets tighter; SettingsError for what is no limit."""
    field = RiskLimits.model_fields.get(name)
    extra = field.json_schema_extra if field is not None else None
    if not isinstance(extra, dict):
        known = ", ".join(limit_names())
        raise SettingsError(f"{name} is not a risk limit; there are {known}")
    return "lower" if extra["tighter"] == "lower" else "higher"


def limit_names() -> tuple[str, ...]:
    """Names of all limits, in the order of the issue."""
    return tuple(name for name in RiskLimits.model_fields if name != "effective_from")


def limits_at(schedule: Iterable[RiskLimits], at: datetime) -> RiskLimits:
    """Of several effective-dated limits the ones in force at `at`; SettingsError where none is yet."""
    begun = [limits for limits in schedule if limits.effective_from <= at]
    if not begun:
        raise SettingsError(f"no risk limits are in force at {at.isoformat()}")
    return max(begun, key=lambda limits: limits.effective_from)


def _refuse_loosening(name: str, value: float, *, old: float | None) -> None:
    if old is None or not math.isfinite(value):
        tighter_direction(name)  # says so where there is no such limit
        raise SettingsError(f"limit {name}: {value} is not a number")
    if _loosens(name, value, old):
        raise SettingsError(
            f"limit {name}: {value:g} is looser than {old:g}; loosening takes a changed setting and a restart"
        )


def _loosens(name: str, value: float, old: float) -> bool:
    return value > old if tighter_direction(name) == "lower" else value < old
