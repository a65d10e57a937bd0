"""What was known at each decision, as arrays of times x legs, built from the normalized tables once.

The back-test asks for many times and a live plan for one: the same code, so the same numbers. Every
look-up takes the last row with `known_at` <= time (forecasts: `as_of` <= time).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.core.tables import UTC, MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts, leg_costs
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs, Universe
from funding_pipeline.portfolio.reference import reference_per_leg, sane_prices
from funding_pipeline.portfolio.restrictions import Restrictions, restrict, venues_open
from funding_pipeline.portfolio.risk_model import GRID_HOURS, RiskPanel, risk_panel
from funding_pipeline.portfolio.universe import quoted_universe

_LEG = ["venue", "symbol"]
_Z_80 = 2 * 1.2815515655446004  # width of q10..q90 in standard deviations of a normal


@dataclass(frozen=True)
class DecisionPanels:
    """Times x legs (`venue_open`: times x venues). NaN is unknown. See LegInputs for each array.

    `seen`: the leg has had a price, a settlement and a forecast by then.
    """

    universe: Universe
    costs: LegCosts
    times: tuple[datetime, ...]
    price: Floats
    price_age_hours: Floats
    funding_age_hours: Floats
    reference_price: Floats
    rate_per_hour: Floats
    rate_sd: Floats
    beta: Floats
    basis_sd: Floats
    price_sd_per_decision: Floats
    restrictions: Restrictions
    venue_open: Bools
    seen: Bools

    def at(self, index: int) -> LegInputs:
        """The inputs of the decision at `times[index]`."""
        return LegInputs(
            as_of=self.times[index],
            price=self.price[index],
            reference_price=self.reference_price[index],
            may_increase=self.restrictions.may_increase[index],
            must_close=self.restrictions.must_close[index],
            note=self.restrictions.notes(index),
            rate_per_hour=self.rate_per_hour[index],
            rate_sd=self.rate_sd[index],
            beta=self.beta[index],
            basis_sd=self.basis_sd[index],
            price_sd_per_decision=self.price_sd_per_decision[index],
            venue_open=self.venue_open[index],
        )


def decision_panels(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    universe: Universe,
    times: Sequence[datetime],
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
) -> DecisionPanels:
    """Panels for `times` (UTC, ascending). `forecasts` has the FORECASTS schema and one horizon."""
    asked = tuple(times)
    times = _with_memory(asked, config=config)
    skip = len(times) - len(asked)
    # Every quoted perpetual counts for the cross-venue price, traded here or not: which ones come to be
    # traded later must not change it.
    quoted = quoted_universe(tables.instruments)
    mine = np.array([quoted.legs.index(leg) for leg in universe.legs], dtype=np.int64)
    prices = sane_prices(tables.prices, quoted=quoted)
    all_price, all_age, _ = price_panels(prices, universe=quoted, times=times)
    all_fresh = all_age <= config.max_price_age_hours
    reference = reference_per_leg(all_price, fresh=all_fresh, universe=quoted)[:, mine]
    price, age, fresh = all_price[:, mine], all_age[:, mine], all_fresh[:, mine]
    rate, rate_sd = _forecast_panels(forecasts, universe=universe, times=times, config=config)
    funding_age = _funding_age(tables.settled_funding, universe=universe, times=times)
    restrictions = restrict(
        price_age_hours=age, price_fresh=fresh, rate=rate, funding_age_hours=funding_age, config=config
    )
    risk = _risk_at(prices, universe=quoted, times=times, config=config)
    seen = np.isfinite(price) & np.isfinite(funding_age) & np.isfinite(rate)
    opened = venues_open(restrictions.may_increase, times=times, universe=universe, config=config)
    return DecisionPanels(
        universe=universe,
        costs=leg_costs(universe, terms=terms, config=config),
        times=asked,
        price=price[skip:],
        price_age_hours=age[skip:],
        funding_age_hours=funding_age[skip:],
        reference_price=reference[skip:],
        rate_per_hour=rate[skip:],
        rate_sd=rate_sd[skip:],
        beta=risk.beta[skip:, mine],
        basis_sd=risk.basis_sd[skip:, mine],
        price_sd_per_decision=(risk.price_sd * np.sqrt(config.rebalance_every_hours / GRID_HOURS))[
            skip:, mine
        ],
        restrictions=restrictions.since(skip),
        venue_open=opened[skip:],
        seen=np.logical_or.accumulate(seen, axis=0)[skip:],
    )


def _with_memory(times: tuple[datetime, ...], *, config: PortfolioConfig) -> tuple[datetime, ...]:
    """`times` with decisions before the first, so that a venue's recent use is known from the start."""
    step = timedelta(hours=config.rebalance_every_hours)
    count = int(config.venue_memory_hours // config.rebalance_every_hours)
    return tuple(times[0] - k * step for k in range(count, 0, -1)) + times


def as_of_panels(
    frame: pl.DataFrame, *, on: str, values: Sequence[str], universe: Universe, times: Sequence[datetime]
) -> list[Floats]:
    """For each of `values`, times x legs: the last row of `frame` with `on` <= time, NaN where none.

    Datetime values come back as hours before the time. `frame` has venue, symbol and `on`; ties on
    `on` are taken in the frame's order, last wins.
    """
    legs = pl.DataFrame(
        {
            "venue": [leg.venue for leg in universe.legs],
            "symbol": [leg.symbol for leg in universe.legs],
            "leg": np.arange(len(universe)),
        }
    )
    grid = pl.DataFrame({"time": pl.Series(list(times), dtype=UTC)}).with_row_index("row")
    right = frame.select(*_LEG, on, *values).sort(on, maintain_order=True).set_sorted(on)
    joined = (
        grid.join(legs, how="cross")
        .sort("time")
        .join_asof(right, left_on="time", right_on=on, by=_LEG, check_sortedness=False, coalesce=False)
        .sort("row", "leg")
    )
    shape = (len(times), len(universe))
    return [_column(joined, value).reshape(shape) for value in values]


def price_panels(
    prices: pl.DataFrame, *, universe: Universe, times: Sequence[datetime]
) -> tuple[Floats, Floats, Floats]:
    """Last own close known at each time, its age in hours, and the length of its bar in hours."""
    ordered = prices.with_columns(closed=pl.col("close_time"))
    columns = ["close", "closed", "timeframe_hours"]
    price, age, bar = as_of_panels(ordered, on="known_at", values=columns, universe=universe, times=times)
    return price, age, bar


def _column(frame: pl.DataFrame, name: str) -> Floats:
    if isinstance(frame.schema[name], pl.Datetime):
        hours = (pl.col("time") - pl.col(name)).dt.total_seconds(fractional=True) / 3600
        return frame.select(hours).to_series().to_numpy().astype(np.float64)
    return frame[name].cast(pl.Float64).to_numpy().astype(np.float64)


def _forecast_panels(
    forecasts: pl.DataFrame, *, universe: Universe, times: Sequence[datetime], config: PortfolioConfig
) -> tuple[Floats, Floats]:
    if forecasts["horizon_hours"].n_unique() > 1:
        raise MarketDataError("forecasts have several horizons (horizon_hours): choose one")
    frame = forecasts.select(*_LEG, "as_of", "rate_per_hour", "q10", "q90", made="as_of")
    values = ["rate_per_hour", "q10", "q90", "made"]
    rate, low, high, age = as_of_panels(frame, on="as_of", values=values, universe=universe, times=times)
    stale = ~(age <= config.max_forecast_age_hours)
    spread = np.maximum(high - low, 0.0) / _Z_80
    return np.where(stale, np.nan, rate), np.where(stale, np.nan, spread)


def _funding_age(funding: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> Floats:
    frame = funding.select(*_LEG, "known_at", "settled_at").sort("settled_at").collect()
    (age,) = as_of_panels(frame, on="known_at", values=["settled_at"], universe=universe, times=times)
    return age


def _risk_at(
    prices: pl.DataFrame, *, universe: Universe, times: Sequence[datetime], config: PortfolioConfig
) -> RiskPanel:
    """Risk on the 8-hour grid that ends at or before each time."""
    step = timedelta(hours=GRID_HOURS)
    midnight = times[0].replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=config.beta_window_days + 1)
    grid = [start + k * step for k in range(int((times[-1] - start) / step) + 1)]
    price, age, bar = price_panels(prices, universe=universe, times=grid)
    fresh = age <= np.maximum(bar, 1.0)
    reference = reference_per_leg(price, fresh=fresh, universe=universe)
    panel = risk_panel(
        np.where(fresh, price, np.nan),
        reference_price=reference,
        universe=universe,
        window_days=config.beta_window_days,
    )
    rows = np.array([int((time - start) / step) for time in times])
    return RiskPanel(beta=panel.beta[rows], basis_sd=panel.basis_sd[rows], price_sd=panel.price_sd[rows])
