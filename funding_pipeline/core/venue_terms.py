"""Terms of a venue that a recording does not tell: fees, spread, reference price, settlement window.

The defaults are in `config/venues.toml`; a live venue's own answers go before them.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from funding_pipeline.core.errors import SettingsError

ReferencePrice = Literal["mark", "index", "oracle"]
VolumeUnit = Literal["base", "contracts", "unknown"]


class VenueTerms(BaseModel):
    """Costs and mechanics of one venue. Rates in basis points of notional, 1 bp = 1e-4.

    `assumed` is true when the venue is unknown and the defaults of `[default]` were taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    maker_fee_bp: float = Field(ge=-5, le=50)
    taker_fee_bp: float = Field(ge=0, le=50)
    half_spread_bp: float = Field(ge=0, le=200, description="of the base's major instruments, taker side")
    thin_half_spread_bp: float = Field(ge=0, le=200, description="of instruments outside `liquid_bases`")
    liquid_bases: frozenset[str] | None = Field(
        default=None, description="bases with a deep book here; null: all of them"
    )
    reference_price: ReferencePrice = Field(description="price that funding is charged on")
    settlement_window_seconds: float = Field(
        ge=0, le=600, description="no trading this close to a settlement"
    )
    funding_cap_per_hour: float | None = Field(
        default=None, gt=0, le=0.04, description="documented limit of funding per hour, fraction of notional"
    )
    candle_volume_unit: VolumeUnit = Field(
        default="unknown", description="unit of a candle's volume, linear contracts"
    )
    inverse_candle_volume_unit: VolumeUnit = Field(
        default="unknown", description="unit of a candle's volume, inverse contracts"
    )
    assumed_maintenance_fraction: float = Field(
        default=0.01, gt=0, lt=1, description="maintenance margin per notional where no tiers are known"
    )
    assumed_thin_maintenance_fraction: float = Field(
        default=0.025, gt=0, lt=1, description="the same outside `liquid_bases`"
    )
    assumed: bool = False

    def half_spread(self, base: str) -> float:
        """Half of the bid-ask spread paid by a taker, as a fraction of notional."""
        liquid = self.liquid_bases is None or base in self.liquid_bases
        return (self.half_spread_bp if liquid else self.thin_half_spread_bp) * 1e-4

    def is_thin(self, base: str) -> bool:
        """True where the venue's book in `base` is shallow and positions must stay small."""
        return self.liquid_bases is not None and base not in self.liquid_bases

    def volume_unit(self, *, is_inverse: bool) -> VolumeUnit:
        """What the volume of a candle counts: quoted units of the base, contracts, or not known."""
        return self.inverse_candle_volume_unit if is_inverse else self.candle_volume_unit

    def maintenance_fraction(self, base: str) -> float:
        """Maintenance margin per notional, a fraction, assumed where the venue's tiers are not known."""
        return (
            self.assumed_thin_maintenance_fraction
            if self.is_thin(base)
            else self.assumed_maintenance_fraction
        )


def load_venue_terms() -> Mapping[str, VenueTerms]:
    """Defaults by venue, among them `default` for a venue that is not listed."""
    text = resources.files("funding_pipeline").joinpath("config/venues.toml").read_text("utf-8")
    return {name: VenueTerms(**values) for name, values in tomllib.loads(text).items()}


def terms_of(venue: str, terms: Mapping[str, VenueTerms]) -> VenueTerms:
    """Terms of `venue`, or the assumed defaults, marked so, when nothing is known about it."""
    if venue in terms:
        return terms[venue]
    if "default" not in terms:
        raise SettingsError(f"venue {venue}: no terms known and no [default] in venues.toml")
    return terms["default"].model_copy(update={"assumed": True})
