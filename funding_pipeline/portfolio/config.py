"""Settings of the portfolio construction, with units in their names.

What lives here: numbers a user may change. What does not: fees and spreads (core.venue_terms) and
anything that is read from a market.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.portfolio.identity_lists import IdentityLists


class PortfolioConfig(BaseModel):
    """How capital may be used and what a trade has to earn. All fractions are of 1.

    Capital is spread evenly over the venues that can be traded at a decision; the *gross budget* of
    a venue is its share of `capital_usd * gross_leverage`, and bounds the sum of |notional| there.
    Limits do not compound: they refer to `capital_usd`, not to the equity reached. The limits of the
    governance hold as well (`risk_limits`); these are the plan's own, a notch inside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    capital_usd: float = Field(default=1_000_000.0, gt=0)
    close_before_delisting_hours: float = Field(
        default=24.0, ge=0, le=720, description="a leg is closed this long before an announced end of trading"
    )
    identity: IdentityLists = Field(default=IdentityLists(), description="[identity] of funding.toml")
    gross_leverage: float = Field(
        default=1.0, gt=0, le=10, description="cap on the sum of |notional| over all legs, times capital"
    )
    leg_cap_fraction: float = Field(
        default=0.45, gt=0, le=1, description="largest |notional| of one leg, of its venue's gross budget"
    )
    thin_leg_cap_fraction: float = Field(
        default=0.02, ge=0, le=1, description="the same for a leg whose book is thin (VenueTerms.is_thin)"
    )
    venue_beta_band_fraction: float = Field(
        default=0.10, ge=0, description="largest |beta-weighted net| of a venue, of its gross budget"
    )
    portfolio_delta_band_fraction: float = Field(
        default=0.01, gt=0, le=1, description="largest |net notional| of all legs, of their gross notional"
    )
    currency_band_fraction: float = Field(
        default=0.25, gt=0, description="largest |net notional| priced in one stablecoin, of capital"
    )
    max_volume_fraction: float = Field(
        default=0.02, gt=0, le=1, description="largest |notional| of a leg that grows, of a day's volume"
    )
    max_scenario_cvar_fraction: float = Field(
        default=0.10, gt=0, description="largest CVaR of the positions' stress losses, of capital"
    )
    risk_limits: RiskLimits | None = Field(
        default=None, description="of the governance; unset: its defaults for the capital"
    )
    risk_aversion: float = Field(
        default=3000.0, ge=0, description="relative: utility = mean - aversion / (2 capital) x variance"
    )
    uncertainty_aversion: float = Field(
        default=0.02, ge=0, description="forecast standard deviations taken off a leg's expected funding"
    )
    expected_hold_hours: float = Field(
        default=360.0, gt=0, description="time over which a trade's cost has to be earned back"
    )
    no_trade_multiple: float = Field(
        default=1.5,
        ge=0,
        description="stressed round trips that a position has to earn over its expected hold to be opened",
    )
    closing_fraction: float = Field(
        default=0.5, ge=0, le=1, description="of what opening has to earn, that closing has to save"
    )
    transfer_cost_bp: float = Field(
        default=1.0, ge=0, description="of collateral moved to a venue: fees, and prices while it is away"
    )
    transfer_cost_usd: float = Field(default=10.0, ge=0, description="of one transfer, whatever its size")
    transfer_delay_hours: float = Field(default=24.0, ge=0, description="until moved collateral can be used")
    rebalance_every_hours: int = Field(default=8, ge=1, le=168)
    cost_scenario: Literal["low", "base", "stress"] = Field(
        default="base", description="trading costs of decision and ledger, see portfolio.cost_scenarios"
    )
    impact_coefficient: float = Field(
        default=0.15, ge=0, description="b of the impact b sigma_day sqrt(trade / daily volume)"
    )
    assumed_daily_volume_usd: float = Field(
        default=1e8, gt=0, description="of a leg whose traded volume is unknown"
    )
    assumed_thin_daily_volume_usd: float = Field(
        default=1e6, gt=0, description="the same where the book is thin (VenueTerms.is_thin)"
    )
    min_trade_fraction: float = Field(
        default=0.003,
        ge=0,
        description="of capital; a base whose every trade is smaller is left alone, limits permitting",
    )
    max_price_age_hours: float = Field(
        default=2.0, gt=0, description="a leg with an older own price may only be reduced"
    )
    max_forecast_age_hours: float = Field(default=24.0, gt=0)
    max_funding_age_hours: float = Field(
        default=24.0, gt=0, description="a leg whose last settlement is older has unknown funding: closed"
    )
    gone_after_hours: float = Field(
        default=72.0, gt=0, description="a leg without a price for longer is closed at its last price"
    )
    venue_memory_hours: float = Field(
        default=168.0, ge=0, description="a venue keeps its share of capital this long without a usable leg"
    )
    beta_window_days: int = Field(default=60, ge=10, le=365)

    @property
    def gross_cap_usd(self) -> float:
        """Cap on the gross notional of the whole portfolio, USD."""
        return self.capital_usd * self.gross_leverage

    @property
    def governance(self) -> RiskLimits:
        """The governance's limits that a plan keeps."""
        return self.risk_limits or RiskLimits.for_capital(self.capital_usd)

    @property
    def min_trade_usd(self) -> float:
        """Smallest trade worth making, USD."""
        return self.capital_usd * self.min_trade_fraction
