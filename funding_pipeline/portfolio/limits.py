"""The hard limits of a portfolio in USD, and the check whether a set of positions keeps them.

The optimiser, the fallback, the baselines and the tests all use this one definition. Positions are
signed notional in USD at each leg's own price. What does not live here: what margin is (`margin`), stress
scenarios (`scenarios`), or limits that only a live account has, such as ages and losses of the day
(`execution.verdict`).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs, Universe
from funding_pipeline.portfolio.margin import MarginRule, margin_rule
from funding_pipeline.portfolio.scenarios import ScenarioSet

CVAR_LEVEL = 0.8
"""The scenario limit is on the mean loss of the worst fifth of the scenarios."""


@dataclass(frozen=True)
class Limits:
    """Bounds for one decision. `lower` <= notional <= `upper` per leg; the rest per group, USD.

    `base_units` turns own notional into notional at the cross-venue price, so that the sum over a
    base is zero exactly when its net quantity is zero, and stays so when prices move. Of a base's net,
    `base_net` is what whole lots may leave, and `base_target` what legs that cannot be traded leave now.
    `cap_source`: what bounds each leg. `allocation` is the gross that each venue's capital allows;
    `venue_gross_cap` what it may become by moving collateral.
    """

    universe: Universe
    lower: Floats
    upper: Floats
    base_units: Floats
    beta: Floats
    cap_source: tuple[str, ...]
    allocation: Floats
    venue_gross: Floats
    venue_gross_cap: Floats
    venue_beta: Floats
    base_gross: Floats
    base_net: Floats
    base_target: Floats
    currency_net: float
    delta_fraction: float
    delta_cap: float
    delta_floor: float
    gross_cap: float
    turnover: float
    margin: MarginRule
    scenarios: ScenarioSet | None
    scenario_cap: float

    def violations(self, notional: Floats, *, tolerance_usd: float = 1e-3) -> tuple[str, ...]:
        """Names of the limits that `notional` breaks by more than `tolerance_usd`; empty: none.

        All but turnover, which is about a trade.
        """
        legs, u = self.universe.legs, self.universe
        size = np.abs(notional)
        outside = (notional < self.lower - tolerance_usd) | (notional > self.upper + tolerance_usd)
        out = [f"leg_cap:{legs[i].name}" for i in np.flatnonzero(outside)]
        net = np.abs(u.base_matrix @ (notional * self.base_units))
        out += _over("base_neutral", u.bases, net - self.base_net, tolerance_usd)
        out += _over("base_gross", u.bases, u.base_matrix @ size - self.base_gross, tolerance_usd)
        out += _over("venue_gross", u.venues, u.venue_matrix @ size - self.venue_gross, tolerance_usd)
        beta = np.abs(u.venue_matrix @ (notional * self.beta))
        out += _over("venue_beta", u.venues, beta - self.venue_beta, tolerance_usd)
        currency = np.abs(u.currency_matrix @ notional)
        out += _over("currency_net", u.currencies, currency - self.currency_net, tolerance_usd)
        out += _over("margin", u.venues, self.margin.excess_usd(notional), tolerance_usd)
        out += _over(
            "survival", [leg.name for leg in legs], self.margin.shortfall_usd(notional), tolerance_usd
        )
        if abs(float(notional.sum())) > self.delta_allowed(notional) + tolerance_usd:
            out.append("portfolio_delta")
        if float(size.sum()) > self.gross_cap + tolerance_usd:
            out.append("gross_cap")
        if self.scenario_cvar(notional) > self.scenario_cap + tolerance_usd:
            out.append("scenario_cvar")
        return tuple(out)

    @property
    def tolerance_usd(self) -> float:
        """What a solution may be outside without meaning it: cents, or twice the solver's accuracy."""
        return max(0.04, 2e-6 * float(self.venue_gross.max(initial=0.0)))

    def delta_allowed(self, notional: Floats) -> float:
        """Largest |net notional| of such a book, USD."""
        fraction = self.delta_fraction * float(np.abs(notional).sum())
        return max(min(fraction, self.delta_cap), self.delta_floor)

    def scenario_cvar(self, notional: Floats) -> float:
        """CVaR of what the positions lose in the scenarios, USD; collateral not counted."""
        if self.scenarios is None:
            return 0.0
        losses = self.scenarios.position_losses_usd(notional)
        return cvar(losses, self.scenarios.probability)

    def binding(self, notional: Floats, *, within: float = 1e-3) -> tuple[str, ...]:
        """Names of the limits that are used to within a fraction of them; of those on size and risk, all.

        Not of what is meant to be zero (a base's net, the portfolio's), and not of turnover.
        """
        u = self.universe
        cap = np.where(notional > 0, self.upper, -self.lower)
        size = np.abs(notional)
        used = (size > 0) & (size >= cap * (1 - within))
        out = [f"leg_cap:{u.legs[i].name}" for i in np.flatnonzero(used)]
        groups = (
            ("venue_gross", u.venues, u.venue_matrix @ size, self.venue_gross),
            ("venue_beta", u.venues, np.abs(u.venue_matrix @ (notional * self.beta)), self.venue_beta),
            ("base_gross", u.bases, u.base_matrix @ size, self.base_gross),
            ("currency_net", u.currencies, np.abs(u.currency_matrix @ notional), self.currency_net),
            ("margin", u.venues, self.margin.maintenance_usd(notional), self.margin.margin_cap_usd),
            (
                "survival",
                [leg.name for leg in u.legs],
                self.margin.survival_usd(notional),
                self.margin.collateral_usd[u.venue_index],
            ),
            ("gross_cap", ("",), size.sum(keepdims=True), self.gross_cap),
        )
        for name, members, value, bound in groups:
            full = (value > 0) & (value >= bound * (1 - within))
            out += [f"{name}:{members[i]}".removesuffix(":") for i in np.flatnonzero(full)]
        if self.scenarios is not None and self.scenario_cvar(notional) >= self.scenario_cap * (1 - within):
            out.append("scenario_cvar")
        return tuple(out)


def cvar(losses: Floats, probability: Floats, *, level: float = CVAR_LEVEL) -> float:
    """Mean of the worst `1 - level` of the losses by weight (Rockafellar and Uryasev 2000)."""
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(probability[order])[:-1]])
    weight = np.clip(1 - level - before, 0.0, probability[order])
    return float(losses[order] @ weight) / (1 - level)


def even_budgets(venue_open: Bools, *, config: PortfolioConfig) -> Floats:
    """Gross budget of each venue, USD: an even share for every open venue, zero for the others.

    The last axis of `venue_open` is the venues; any axes may go before.
    """
    count = np.maximum(venue_open.sum(axis=-1, keepdims=True), 1)
    return np.where(venue_open, config.gross_cap_usd / count, 0.0).astype(np.float64)


def limits_for(
    universe: Universe,
    *,
    inputs: LegInputs,
    thin: Bools,
    current_usd: Floats,
    config: PortfolioConfig,
    scenarios: ScenarioSet | None = None,
    collateral_usd: Floats | None = None,
    allocation_usd: Floats | None = None,
) -> Limits:
    """Limits for a decision on top of `current_usd`. Zero keeps all of them where no leg is frozen.

    Without `scenarios` losses in them are not limited. A leg that may not be increased is bounded by zero
    and its present size; one that must close, or has no price, by zero on both sides; a frozen one stays as
    it is. Depth, open interest and volume bound what grows. `collateral_usd`: equity per venue (None: the
    even share of the capital); `allocation_usd`: capital that a person has put on each venue (None: even).
    """
    given = config.governance
    even = even_budgets(inputs.venue_open, config=config)
    share = even if allocation_usd is None else allocation_usd * config.gross_leverage
    budget = np.minimum(share, given.max_venue_notional_usd)
    cap, source = _leg_caps(
        universe, inputs=inputs, thin=thin, budget=even, current_usd=current_usd, config=config
    )
    lower, upper = _bounds(inputs, cap=cap, current_usd=current_usd)
    units = _base_units(universe, inputs=inputs)
    lots = coarsest_lots_usd(universe, price=inputs.price, base_units=units)
    net = universe.base_matrix @ (current_usd * units)
    stuck = universe.base_matrix @ inputs.frozen > 0
    beta = np.where(np.isfinite(inputs.beta), inputs.beta, 1.0)
    equity = even / config.gross_leverage if collateral_usd is None else collateral_usd
    return Limits(
        universe=universe,
        lower=lower,
        upper=upper,
        base_units=units,
        beta=beta,
        cap_source=source,
        allocation=share,
        venue_gross=budget,
        venue_gross_cap=np.where(inputs.venue_open, given.max_venue_notional_usd, 0.0),
        venue_beta=np.minimum(config.venue_beta_band_fraction * even, given.max_venue_beta_usd),
        base_gross=np.full(len(universe.bases), given.max_base_notional_usd),
        base_net=lots,
        base_target=np.where(stuck & (np.abs(net) <= lots), net, 0.0),
        currency_net=config.currency_band_fraction * config.capital_usd,
        delta_fraction=config.portfolio_delta_band_fraction,
        delta_cap=given.max_portfolio_delta_usd,
        delta_floor=0.0,
        gross_cap=min(config.gross_cap_usd, given.max_gross_notional_usd),
        turnover=given.max_daily_turnover_usd * config.rebalance_every_hours / 24,
        margin=margin_rule(universe, inputs=inputs, collateral_usd=equity, limits=given),
        scenarios=scenarios,
        scenario_cap=config.max_scenario_cvar_fraction * config.capital_usd,
    )


def coarsest_lots_usd(universe: Universe, *, price: Floats, base_units: Floats) -> Floats:
    """What rounding may leave unhedged in each base: its coarsest step, USD at the cross-venue price."""
    worth = universe.quantity_steps * np.nan_to_num(price) * base_units
    return np.asarray((universe.base_matrix * worth).max(axis=1, initial=0.0))


def _base_units(universe: Universe, *, inputs: LegInputs) -> Floats:
    """Cross-venue over own price; where there is none, the mean of the base's own prices stands for it."""
    per_base_unit = inputs.price / universe.multipliers
    known = np.isfinite(per_base_unit)
    count = np.maximum(universe.base_matrix @ known, 1)
    mean = (universe.base_matrix @ np.where(known, per_base_unit, 0.0) / count)[universe.base_index]
    told = inputs.reference_price / inputs.price
    ratio = np.where(np.isfinite(inputs.reference_price), told, mean / per_base_unit)
    return np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)


def _leg_caps(
    universe: Universe,
    *,
    inputs: LegInputs,
    thin: Bools,
    budget: Floats,
    current_usd: Floats,
    config: PortfolioConfig,
) -> tuple[Floats, tuple[str, ...]]:
    """Largest |notional| per leg: of its venue's budget and of the governance; participation for growth.

    Beside it what sets it, in words.
    """
    given = config.governance
    fraction = np.where(thin, config.thin_leg_cap_fraction, config.leg_cap_fraction)
    cap = np.minimum(fraction * budget[universe.venue_index], given.max_instrument_notional_usd)
    parts = {
        "size of": np.full(len(universe), np.inf),
        "depth of": given.max_depth_participation_fraction * inputs.depth_usd,
        "open interest of": given.max_open_interest_fraction * inputs.open_interest_usd,
        "daily volume of": config.max_volume_fraction * inputs.daily_volume_usd,
    }
    liquid = np.where(np.isnan(table := np.stack(list(parts.values()))), np.inf, table)
    scarce = liquid.min(axis=0)
    bounded = np.minimum(cap, np.maximum(scarce, np.abs(current_usd)))
    names = list(parts)
    source = tuple(names[k] if low < most else names[0] for k, low, most in
                   zip(liquid.argmin(axis=0), scarce, cap, strict=True))  # fmt: skip
    return bounded, source


def _bounds(inputs: LegInputs, *, cap: Floats, current_usd: Floats) -> tuple[Floats, Floats]:
    """Lower and upper bound per leg."""
    upper = np.where(inputs.may_increase, cap, np.clip(current_usd, 0.0, cap))
    lower = np.where(inputs.may_increase, -cap, np.clip(current_usd, -cap, 0.0))
    closed = inputs.must_close | ~np.isfinite(inputs.price)
    lower, upper = np.where(closed, 0.0, lower), np.where(closed, 0.0, upper)
    return np.where(inputs.frozen, current_usd, lower), np.where(inputs.frozen, current_usd, upper)


def _over(name: str, members: tuple[str, ...] | list[str], excess: Floats, tolerance_usd: float) -> list[str]:
    return [f"{name}:{members[i]}" for i in np.flatnonzero(excess > tolerance_usd)]
