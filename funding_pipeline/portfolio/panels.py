"""What was known at each decision, as arrays of times x legs, built from the normalized tables once.

The back-test asks for many times and a live plan for one: the same code, so the same numbers. Every
look-up takes the last row with `known_at` <= time (forecasts: `as_of` <= time).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.cost_scenarios import cost_panel
from funding_pipeline.portfolio.costs import CostPanel
from funding_pipeline.portfolio.forecast_panels import forecast_panel, payment_panel, within_caps
from funding_pipeline.portfolio.identity_lists import proven_panel
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs, Universe
from funding_pipeline.portfolio.liquidity import LiquidityPanel, liquidity_panel
from funding_pipeline.portfolio.listing_panel import listing_panel
from funding_pipeline.portfolio.lot_panel import LotPanel, lot_panel
from funding_pipeline.portfolio.reference import reference_per_leg, sane_prices
from funding_pipeline.portfolio.restrictions import Restrictions, restrict, venues_open
from funding_pipeline.portfolio.risk_model import GRID_HOURS, RiskPanel, risk_panel
from funding_pipeline.portfolio.universe import quoted_universe


@dataclass(frozen=True)
class DecisionPanels:
    """Times x legs (`venue_open`, `venue_basis_sd`: times x venues; `rate_path`: times x stages x legs).

    NaN is unknown. See LegInputs for each array; `maintenance_fraction` is per leg and does not change.
    `seen`: the leg has had a price, a settlement and a forecast by then. `cost_panel`: trading costs in the
    configured scenario; `stress_cost_panel`: in `stress`.
    """

    universe: Universe
    lots: LotPanel
    liquidity: LiquidityPanel
    cost_panel: CostPanel
    stress_cost_panel: CostPanel
    times: tuple[datetime, ...]
    price: Floats
    price_age_hours: Floats
    funding_age_hours: Floats
    hours_to_settlement: Floats
    settlement_interval_hours: Floats
    reference_price: Floats
    rate_per_hour: Floats
    rate_sd: Floats
    rate_path: Floats
    stage_lengths: tuple[float, ...]
    beta: Floats
    basis_sd: Floats
    venue_basis_sd: Floats
    maintenance_fraction: Floats
    price_sd_per_decision: Floats
    restrictions: Restrictions
    venue_open: Bools
    seen: Bools

    def universe_at(self, index: int) -> Universe:
        """The universe with the lot sizes and minimums that were stated by `times[index]`."""
        return self.lots.stated_in(self.universe, index)

    def at(self, index: int) -> LegInputs:
        """The inputs of the decision at `times[index]`."""
        return LegInputs(
            as_of=self.times[index],
            price=self.price[index],
            reference_price=self.reference_price[index],
            may_increase=self.restrictions.may_increase[index],
            must_close=self.restrictions.must_close[index],
            frozen=np.zeros(len(self.universe), dtype=np.bool_),
            note=self.restrictions.notes(index),
            rate_per_hour=self.rate_per_hour[index],
            rate_sd=self.rate_sd[index],
            rate_path=self.rate_path[index],
            stage_lengths=self.stage_lengths,
            hours_to_settlement=self.hours_to_settlement[index],
            settlement_interval_hours=self.settlement_interval_hours[index],
            beta=self.beta[index],
            basis_sd=self.basis_sd[index],
            venue_basis_sd=self.venue_basis_sd[index],
            depth_usd=self.liquidity.depth_usd[index],
            open_interest_usd=self.liquidity.open_interest_usd[index],
            daily_volume_usd=self.liquidity.daily_volume_usd[index],
            maintenance_fraction=self.maintenance_fraction,
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
    sane: pl.DataFrame | None = None,
) -> DecisionPanels:
    """Panels for `times` (UTC, ascending). `forecasts` has the FORECASTS schema.

    `sane`: the closes that `sane_prices` finds in `tables`, where the caller has them already.
    """
    asked = tuple(times)
    times = _with_memory(asked, config=config)
    skip = len(times) - len(asked)
    # Every quoted perpetual counts for the cross-venue price, traded here or not: which ones come to be
    # traded later must not change it.
    quoted = quoted_universe(tables.instruments)
    places = {(leg.venue, leg.symbol): i for i, leg in enumerate(quoted.legs)}
    mine = np.array([places[leg.venue, leg.symbol] for leg in universe.legs], dtype=np.int64)
    venues = np.array([quoted.venues.index(venue) for venue in universe.venues], dtype=np.int64)
    prices = sane_prices(tables.prices, quoted=quoted) if sane is None else sane
    all_price, all_age, _ = price_panels(prices, universe=quoted, times=times)
    all_fresh = all_age <= config.max_price_age_hours
    reference = reference_per_leg(all_price, fresh=all_fresh, universe=quoted)[:, mine]
    price, age, fresh = all_price[:, mine], all_age[:, mine], all_fresh[:, mine]
    expected = forecast_panel(
        forecasts, universe=universe, times=times, max_age_hours=config.max_forecast_age_hours
    )
    paid = payment_panel(tables.settled_funding, universe=universe, times=times)
    expected = within_caps(
        expected, tables.instruments, interval_hours=paid.interval_hours, universe=universe, times=times
    )
    restrictions = restrict(
        price_age_hours=age,
        price_fresh=fresh,
        rate=expected.rate_per_hour,
        funding_age_hours=paid.age_hours,
        is_proven=proven_panel(tables.instruments, universe=universe, times=times)
        | config.identity.allowed(universe),
        is_denied=config.identity.denied(universe),
        listing=listing_panel(tables.instruments, universe=universe, times=times),
        config=config,
    )
    risk = _risk_at(prices, universe=quoted, times=times, config=config)
    seen = np.isfinite(price) & np.isfinite(paid.age_hours) & np.isfinite(expected.rate_per_hour)
    opened = venues_open(restrictions.may_increase, times=times, universe=universe, config=config)
    price_sd = risk.price_sd[skip:, mine]
    liquidity = liquidity_panel(tables, universe=universe, times=asked, terms=terms, price=price[skip:])
    costs, stress = (
        cost_panel(
            universe, terms=terms, price_sd=price_sd, liquidity=liquidity, config=config, scenario=scenario
        )
        for scenario in (config.cost_scenario, "stress")
    )
    return DecisionPanels(
        universe=universe,
        lots=lot_panel(tables.instruments, universe=universe, times=asked),
        liquidity=liquidity,
        cost_panel=costs,
        stress_cost_panel=stress,
        times=asked,
        price=price[skip:],
        price_age_hours=age[skip:],
        funding_age_hours=paid.age_hours[skip:],
        hours_to_settlement=paid.until_next_hours[skip:],
        settlement_interval_hours=paid.interval_hours[skip:],
        reference_price=reference[skip:],
        rate_per_hour=expected.rate_per_hour[skip:],
        rate_sd=expected.rate_sd[skip:],
        rate_path=expected.rate_path[skip:],
        stage_lengths=expected.stage_lengths,
        beta=risk.beta[skip:, mine],
        basis_sd=risk.basis_sd[skip:, mine],
        venue_basis_sd=risk.venue_basis_sd[skip:, venues],
        maintenance_fraction=_maintenance(universe, terms),
        price_sd_per_decision=price_sd * np.sqrt(config.rebalance_every_hours / GRID_HOURS),
        restrictions=restrictions.since(skip),
        venue_open=opened[skip:],
        seen=np.logical_or.accumulate(seen, axis=0)[skip:],
    )


def _with_memory(times: tuple[datetime, ...], *, config: PortfolioConfig) -> tuple[datetime, ...]:
    """`times` with decisions before the first, so that a venue's recent use is known from the start."""
    step = timedelta(hours=config.rebalance_every_hours)
    count = int(config.venue_memory_hours // config.rebalance_every_hours)
    return tuple(times[0] - k * step for k in range(count, 0, -1)) + times


def price_panels(
    prices: pl.DataFrame, *, universe: Universe, times: Sequence[datetime]
) -> tuple[Floats, Floats, Floats]:
    """Last own close known at each time, its age in hours, and the length of its bar in hours."""
    ordered = prices.with_columns(closed=pl.col("close_time"))
    columns = ["close", "closed", "timeframe_hours"]
    price, age, bar = as_of_panels(ordered, on="known_at", values=columns, universe=universe, times=times)
    return price, age, bar


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
    return RiskPanel(
        beta=panel.beta[rows],
        basis_sd=panel.basis_sd[rows],
        price_sd=panel.price_sd[rows],
        venue_basis_sd=panel.venue_basis_sd[rows],
    )


def _maintenance(universe: Universe, terms: Mapping[str, VenueTerms]) -> Floats:
    """Maintenance margin per leg, fraction of notional, as assumed of the venue."""
    found = [terms_of(leg.venue, terms).maintenance_fraction(leg.base) for leg in universe.legs]
    return np.array(found, dtype=np.float64)
