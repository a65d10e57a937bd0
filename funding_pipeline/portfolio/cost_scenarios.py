"""Three sets of trading costs, and what each assumes of the fills.

    base    every trade is taken: taker fee, half of the spread, impact of the whole trade.
    low     post-only orders. 70 % of a quantity is filled as maker at the touch and pays the maker fee;
            adverse selection costs it the half-spread it would have earned, so it neither gains nor
            pays one. The other 30 % is taken: taker fee, half of the spread, impact of that part alone.
            A rebate larger than the taken part's fee is not counted: no cost is negative.
    stress  taken, at three times the half-spread and three times the impact.

Impact is b sigma_day / sqrt(V_day) times the square root of the traded USD. b = 0.15
(`PortfolioConfig.impact_coefficient`) is what the recorded ETH book of Binance gives: 100,000 USD fill 0.25
bp from mid at a day's volume of 1e10 USD and a daily volatility of 5 %. Six minutes of one venue: an
assumption for the others, and `stress` takes three times as much. Unknown volumes take
`assumed_daily_volume_usd`, thin legs the smaller one. What does not live here: the formula (`costs`) and
what a venue charges (`core.venue_terms`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import CostPanel
from funding_pipeline.portfolio.legs import Bools, Floats, Universe
from funding_pipeline.portfolio.liquidity import LiquidityPanel
from funding_pipeline.portfolio.risk_model import GRID_HOURS

CostScenario = Literal["low", "base", "stress"]
_LEAST_DAILY_VOLUME_USD = 1e4  # a market in which nothing trades has no finite impact: treated as this


@dataclass(frozen=True)
class FillModel:
    """What a scenario assumes: the part of a trade that is taken, and multiples of spread and impact."""

    taken: float
    spread_multiple: float = 1.0
    impact_multiple: float = 1.0


SCENARIOS: Mapping[CostScenario, FillModel] = {
    "low": FillModel(taken=0.30),
    "base": FillModel(taken=1.0),
    "stress": FillModel(taken=1.0, spread_multiple=3.0, impact_multiple=3.0),
}


def cost_panel(
    universe: Universe,
    *,
    terms: Mapping[str, VenueTerms],
    price_sd: Floats,
    liquidity: LiquidityPanel,
    config: PortfolioConfig,
    scenario: CostScenario | None = None,
) -> CostPanel:
    """Costs at every decision in `scenario` (null: the one of `config`).

    `price_sd` is times x legs, the standard deviation of 8-hour log returns known then.
    """
    model = SCENARIOS[scenario or config.cost_scenario]
    own = [(terms_of(leg.venue, terms), leg.base) for leg in universe.legs]
    maker = np.array([t.maker_fee_bp for t, _ in own], dtype=np.float64) * 1e-4
    taker = np.array([t.taker_fee_bp for t, _ in own], dtype=np.float64) * 1e-4
    spread = np.array([t.half_spread(base) for t, base in own], dtype=np.float64)
    thin = np.array([t.is_thin(base) for t, base in own], dtype=np.bool_)
    volume = volume_or_assumed(liquidity, thin=thin, config=config)
    impact = config.impact_coefficient * price_sd * np.sqrt(24 / GRID_HOURS) / np.sqrt(volume)
    return CostPanel(
        fee=np.maximum((1 - model.taken) * maker + model.taken * taker, 0.0),
        half_spread=model.taken * model.spread_multiple * spread,
        # the taken part s x moves the price by k sqrt(s x): s^1.5 k |x|^1.5 for the whole trade
        impact_per_root_usd=model.taken**1.5 * model.impact_multiple * impact,
        thin=thin,
    )


def volume_or_assumed(liquidity: LiquidityPanel, *, thin: Bools, config: PortfolioConfig) -> Floats:
    """Daily volume, times x legs, USD: the known one, else the assumed one; at least 10,000 USD."""
    assumed = np.where(thin, config.assumed_thin_daily_volume_usd, config.assumed_daily_volume_usd)
    known = np.where(liquidity.volume_assumed, assumed, liquidity.daily_volume_usd)
    return np.maximum(known, _LEAST_DAILY_VOLUME_USD).astype(np.float64)
