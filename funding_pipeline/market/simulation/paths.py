"""The hidden state of a simulated market, drawn once: premiums, references and venue prices by hour."""

from collections.abc import Mapping
from dataclasses import dataclass

from funding_pipeline.market.simulation.grid import HourGrid
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market.simulation.premium import Instrument, draw_stress, premiums
from funding_pipeline.market.simulation.prices import Reference, draw_shock, references, season
from funding_pipeline.market.simulation.streams import Floats, Noise
from funding_pipeline.market.simulation.venue_prices import VenuePrice, venue_prices


@dataclass(frozen=True)
class MarketPaths:
    """Hourly arrays over `grid`: premiums in bp per 8 h, reference and venue prices in quote units."""

    parameters: SimulationParameters
    grid: HourGrid
    noise: Noise
    premiums: Mapping[Instrument, Floats]
    references: Mapping[str, Reference]
    prices: Mapping[Instrument, VenuePrice]


def simulate_paths(parameters: SimulationParameters, grid: HourGrid, seed: int) -> MarketPaths:
    """Draw the market of this seed; a later end of the grid continues the same paths."""
    noise = Noise(seed=seed, hours=grid.hours)
    stress = draw_stress(parameters, noise)
    btc = draw_shock(noise, parameters.volatility.tail_freedom, "BTC")
    seasonal = season(parameters.volatility, hour_of_day=grid.hour_of_day, weekday=grid.weekday)
    drawn = premiums(parameters, noise, stress=stress, btc_shocks=btc.gaussian)
    paths = references(parameters, noise, btc=btc, stress=stress, season=seasonal)
    prices = venue_prices(parameters, noise, references=paths, premiums=drawn)
    return MarketPaths(parameters, grid, noise, drawn, paths, prices)
