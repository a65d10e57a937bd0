"""Raw `funding_rates`: what every instrument paid, and what some venues announced an hour before."""

import numpy as np
import polars as pl

from funding_pipeline.market.simulation.frames import block, table_of
from funding_pipeline.market.simulation.grid import WARM_UP_HOURS
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market.simulation.paths import MarketPaths
from funding_pipeline.market.simulation.premium import Instrument, instrument_interest, twap_weights
from funding_pipeline.market.simulation.settlement import RateFormula, Settlements, settlements
from funding_pipeline.market.simulation.streams import Floats, plus

_MAJORS = frozenset({"BTC", "ETH"})
# Binance stamps settlements up to 47 ms late, half of them in the same millisecond; the others on time.
_JITTER_VENUE, _JITTER_MS, _JITTER_MOST_MS = "binance", 3.0, 47.0


def funding_rates(paths: MarketPaths) -> pl.DataFrame:
    """Kind `settled` for every instrument, `predicted` where the venue announces its estimate.

    An estimate is dated (`settled_at`) by the settlement that it is about; `venue_time` is when it was
    announced, an hour before.
    """
    blocks = []
    for instrument in paths.premiums:
        settled = instrument_settlements(paths, instrument)
        blocks.append(_settled_block(paths, instrument, settled))
        if paths.parameters.venues[instrument[0]].announces_estimate:
            blocks.append(_estimate_block(paths, instrument, settled))
    return table_of("funding_rates", blocks)


def instrument_settlements(paths: MarketPaths, instrument: Instrument) -> Settlements:
    """Settlements of one instrument from the simulation's start to its end (exclusive)."""
    terms = paths.parameters.venues[instrument[0]]
    drawn = settlements(
        paths.premiums[instrument],
        paths.grid.hour_of_day,
        formula=rate_formula(paths.parameters, instrument),
        interval_hours=terms.interval_hours,
        shortening=terms.shortening,
    )
    # Hour i of the grid ends at start + i + 1 - warm-up; the last one ends at the (exclusive) end.
    inside = (drawn.hour >= WARM_UP_HOURS - 1) & (drawn.hour < paths.grid.hours - 1)
    return Settlements(drawn.hour[inside], drawn.interval_hours[inside], drawn.rate_bp[inside])


def rate_formula(parameters: SimulationParameters, instrument: Instrument) -> RateFormula:
    """The venue's formula with the instrument's interest and cap."""
    venue, coin = instrument
    terms = parameters.venues[venue]
    return RateFormula(
        interest=instrument_interest(parameters, venue, coin),
        dampener=terms.dampener,
        cap=terms.major_cap if coin in _MAJORS else terms.cap,
    )


def _settled_block(paths: MarketPaths, instrument: Instrument, settled: Settlements) -> pl.DataFrame:
    venue, coin = instrument
    settled_at = paths.grid.ends[settled.hour]
    late_ms = np.zeros(paths.grid.hours)
    if venue == _JITTER_VENUE:
        drawn = -_JITTER_MS * np.log1p(-paths.noise.uniform("jitter", coin))
        late_ms = np.minimum(np.floor(drawn), _JITTER_MOST_MS)
    return block(
        "funding_rates",
        {
            "venue": venue,
            "symbol": paths.parameters.symbol(venue, coin),
            "kind": "settled",
            "settled_at": settled_at,
            "venue_time": settled_at + late_ms[settled.hour].astype("timedelta64[ms]"),
            "rate": _rate(paths, venue, settled.rate_bp),
            "interval_hours": settled.interval_hours,
        },
    )


def _estimate_block(paths: MarketPaths, instrument: Instrument, settled: Settlements) -> pl.DataFrame:
    """What the venue announces an hour before: the formula on the premium of the hours gone by."""
    venue, coin = instrument
    formula, premium = rate_formula(paths.parameters, instrument), paths.premiums[instrument]
    rate = np.empty_like(settled.rate_bp)
    for interval in np.unique(settled.interval_hours):
        mine = settled.interval_hours == interval
        so_far = _premium_so_far(premium, settled.hour[mine], int(interval))
        rate[mine] = formula.rate_bp(so_far, float(interval))
    settles_at = paths.grid.ends[settled.hour]
    return block(
        "funding_rates",
        {
            "venue": venue,
            "symbol": paths.parameters.symbol(venue, coin),
            "kind": "predicted",
            "settled_at": settles_at,
            "venue_time": settles_at - np.timedelta64(1, "h"),
            "rate": _rate(paths, venue, rate),
            "interval_hours": settled.interval_hours,
        },
    )


def _premium_so_far(premium: Floats, hour: np.typing.NDArray[np.int64], interval: int) -> Floats:
    """Time-weighted premium of an interval without its last hour."""
    weights = twap_weights(interval)[:-1]
    first = hour - interval + 1
    parts = [weight * premium[np.maximum(first + k, 0)] for k, weight in enumerate(weights)]
    return plus(parts) / float(weights.sum())


def _rate(paths: MarketPaths, venue: str, rate_bp: Floats) -> Floats:
    rounded: Floats = np.round(rate_bp * 1e-4, paths.parameters.venues[venue].rate_decimals)
    return rounded
