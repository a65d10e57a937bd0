"""The convex problem of one decision in cvxpy: variables, objective, named constraints.

What lives here: writing it down, and its numbers' shapes. What does not: the numbers themselves
(`formulation`), solving it (`problem`), or why it has no solution (`conflicts`).

Stages k = 1..K follow each other; only the first is carried out. Per leg w_k = long_k - short_k is the
signed notional; o_k what is opened, c_k what is closed, of either side, since the stage before (or since
what is held); everything is in units of `scale_usd`, the objective in basis points of it:

    minimise   sum_k [ f_k'w_k + h_k'(long_k + short_k) + |R_k w_k|^2 + |G_k V w_k|^2 + a_k'o_k + b_k'c_k ]
             + m'o_1^1.5 + transfer'(collateral moved in)
    subject to, at every stage,
               lower <= w_k <= upper                    per leg: caps, depth, what may only shrink
               B (u * w_k) = base target                per base: net quantity is zero, or what is frozen
               |V (beta * w_k)| <= venue band           per venue
               V (long_k + short_k) <= gross budget     per venue; after the first stage by collateral moved
               |1'w_k| <= delta band, 1'(long_k + short_k) <= gross cap          portfolio
    and, at the first stage,
               B (long + short) <= base cap             per base
               |C w| <= currency band                   per stablecoin
               move (1 + mm_i) |w_i| + M_v <= collateral_v        per leg: survives the test move alone
               M_v = V (mm * |w|) <= margin share x collateral_v  per venue
               1'(o_1 + c_1) <= turnover cap
               eta + p'z / (1 - alpha) <= scenario cap, z >= loss_s(w) - eta,  z >= 0        CVaR

f expected funding over the stage (a positive rate costs the long), h the cost of holding, R and G the
residual and the common basis risk of a venue, a what opening has to earn, b the cost of closing, m impact.
A leg out of use has lower = upper = 0. Sources: Boyd et al. 2017, Multi-period trading via convex
optimization; Rockafellar and Uryasev 2000 (CVaR).
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from funding_pipeline.portfolio.legs import Floats, Universe

Kind = Literal["full", "lean", "elastic"]
"""lean: without the constraints of the first stage that rarely bind; elastic: limits may be broken."""


@dataclass(frozen=True)
class ProblemNumbers:
    """Parameters of one decision in units of the problem's scale; see the module for their meaning.

    Shapes: n legs, V venues, B bases, C currencies, K stages, S scenarios.
    """

    long_now: Floats  # n, what is held
    short_now: Floats  # n, the same where it is short
    funding: Floats  # K x n
    hold_cost: Floats  # K x n
    risk_root: Floats  # K x n
    venue_risk_root: Floats  # K x V
    open_cost: Floats  # K x n
    close_cost: Floats  # K x n
    impact: Floats  # n
    lower: Floats  # n
    upper: Floats  # n
    base_units: Floats  # n
    base_target: Floats  # B
    beta: Floats  # n
    venue_gross: Floats  # V, first stage
    venue_gross_cap: Floats  # V, whatever collateral is moved
    venue_beta: Floats  # V
    base_gross: Floats  # B
    currency_net: Floats  # C
    delta_band: float
    gross_cap: float
    turnover: float
    survival: Floats  # n
    maintenance: Floats  # n
    margin_collateral: Floats  # V, after the haircut
    margin_share: Floats  # V, the part of it that maintenance margin may take
    allocation: Floats  # V, capital x leverage on each venue now
    allocation_cap: Floats  # V
    allocation_total: float
    transfer_cost: float
    scenario_long: Floats  # S x n
    scenario_short: Floats  # S x n
    scenario_weight: Floats  # S, p / (1 - level)
    scenario_cap: float


@dataclass(frozen=True)
class CompiledParts:
    """The pieces of a compiled problem: cvxpy objects by name."""

    parameters: dict[str, Any]
    constraints: dict[str, list[Any]]
    notional: Any
    allocation: Any
    objective: Any
    slack: dict[str, Any] = field(default_factory=dict)


def build_parts(universe: Universe, *, stages: int, scenarios: int, kind: Kind) -> CompiledParts:
    """Variables, objective and named constraints of one kind of the problem."""
    return _Builder(universe, stages=stages, scenarios=scenarios, kind=kind).parts()


class _Builder:
    """Collects constraints by name while the stages are written down."""

    def __init__(self, universe: Universe, *, stages: int, scenarios: int, kind: Kind) -> None:
        import cvxpy as cp

        self.cp = cp
        self.universe = universe
        self.stages = stages
        self.kind = kind
        self.elastic = kind == "elastic"
        self.p = _parameters(cp, universe, stages=stages, scenarios=scenarios)
        self.constraints: dict[str, list[Any]] = {}
        self.slack: dict[str, Any] = {}
        self.objective: Any = 0

    def parts(self) -> CompiledParts:
        """Write down all stages."""
        cp, p, n = self.cp, self.p, len(self.universe)
        allocation, moved_in = self._allocation()
        long_before, short_before = p["long_now"], p["short_now"]
        first: Any = None
        for k in range(self.stages):
            long, short, more_long, more_short = (cp.Variable(n, nonneg=True) for _ in range(4))
            w, size = long - short, long + short
            self._limit("trades", long - long_before, "<=", more_long, hard=True)
            self._limit("trades", short - short_before, "<=", more_short, hard=True)
            opened = more_long + more_short
            closed = opened - size + (long_before + short_before)
            self._every_stage(k, w, size, budget=p["venue_gross"] if k == 0 else allocation)
            self.objective += (
                p["funding"][k] @ w
                + p["hold_cost"][k] @ size
                + cp.sum_squares(cp.multiply(p["risk_root"][k], w))
                + cp.sum_squares(cp.multiply(p["venue_risk_root"][k], self.universe.venue_matrix @ w))
                + p["open_cost"][k] @ opened
                # what is held now is left out: a constant, and a product of parameters, which DPP forbids
                + p["close_cost"][k] @ (closed if k else opened - size)
            )
            if k == 0:
                first = w
                if self.kind != "lean":
                    self._first_stage(long, short, opened + closed)
                self.objective += p["impact"] @ cp.power(opened, 1.5, approx=False)
            long_before, short_before = long, short
        self.objective += p["transfer_cost"] * cp.sum(moved_in)
        used = {item.name() for item in self._every_parameter()}
        return CompiledParts(
            parameters={name: self.p[name] for name in used},
            constraints=self.constraints,
            notional=first,
            allocation=allocation,
            objective=self.objective,
            slack=self.slack,
        )

    def _every_parameter(self) -> list[Any]:
        found = list(self.objective.parameters())
        return found + [p for group in self.constraints.values() for item in group for p in item.parameters()]

    def _allocation(self) -> tuple[Any, Any]:
        """Capital per venue after the first stage, and what is moved into each."""
        cp, p, venues = self.cp, self.p, len(self.universe.venues)
        allocation, moved_in = cp.Variable(venues), cp.Variable(venues, nonneg=True)
        self._limit("allocation", allocation - p["allocation"], "<=", moved_in, hard=True)
        self._limit("allocation", -allocation, "<=", 0, hard=True)
        self._limit("venue_collateral", allocation, "<=", p["allocation_cap"], hard=True)
        self._limit("allocation", cp.sum(allocation), "==", p["allocation_total"], hard=True)
        return allocation, moved_in

    def _every_stage(self, k: int, w: Any, size: Any, *, budget: Any) -> None:
        cp, p, u = self.cp, self.p, self.universe
        later = "" if k == 0 else "_later"
        self._limit(f"leg_upper{later}", w, "<=", p["upper"], hard=True)
        self._limit(f"leg_lower{later}", -w, "<=", -p["lower"], hard=True)
        self._limit(
            f"base_neutral{later}", u.base_matrix @ cp.multiply(p["base_units"], w), "==", p["base_target"]
        )
        beta = u.venue_matrix @ cp.multiply(p["beta"], w)
        self._limit(f"venue_beta{later}", beta, "<=", p["venue_beta"])
        self._limit(f"venue_beta_short{later}", -beta, "<=", p["venue_beta"])
        self._limit(f"venue_gross{later}", u.venue_matrix @ size, "<=", budget)
        if k > 0:
            self._limit("venue_gross_cap", u.venue_matrix @ size, "<=", p["venue_gross_cap"])
        self._limit(f"portfolio_delta{later}", cp.sum(w), "<=", p["delta_band"])
        self._limit(f"portfolio_delta_short{later}", -cp.sum(w), "<=", p["delta_band"])
        self._limit(f"gross_cap{later}", cp.sum(size), "<=", p["gross_cap"])

    def _first_stage(self, long: Any, short: Any, traded: Any) -> None:
        cp, p, u = self.cp, self.p, self.universe
        size, w = long + short, long - short
        self._limit("base_gross", u.base_matrix @ size, "<=", p["base_gross"])
        currency = u.currency_matrix @ w
        self._limit("currency_net", currency, "<=", p["currency_net"])
        self._limit("currency_net_short", -currency, "<=", p["currency_net"])
        margin = cp.Variable(len(u.venues))
        self._limit(
            "margin_sum", u.venue_matrix @ cp.multiply(p["maintenance"], size), "==", margin, hard=True
        )
        left = u.venue_matrix.T @ (p["margin_collateral"] - margin)
        self._limit("survival", cp.multiply(p["survival"], size), "<=", left)
        self._limit("margin", margin, "<=", p["margin_share"])
        self._limit("turnover", cp.sum(traded), "<=", p["turnover"])
        excess, var = cp.Variable(p["scenario_weight"].shape[0], nonneg=True), cp.Variable()
        loss = p["scenario_long"] @ long + p["scenario_short"] @ short
        self._limit("scenario", loss - var, "<=", excess, hard=True)
        self._limit("scenario_cvar", var + p["scenario_weight"] @ excess, "<=", p["scenario_cap"])

    def _limit(self, name: str, left: Any, sign: str, right: Any, *, hard: bool = False) -> None:
        """Add `left <= right` or `left == right`; an elastic one may be broken by its slack."""
        give: Any = 0
        if self.elastic and not hard:
            give = self.cp.Variable(left.shape, nonneg=True)
            self.slack[name] = give
        if sign == "<=":
            group = [left - right <= give]
        elif self.elastic and not hard:
            group = [left - right <= give, right - left <= give]
        else:
            group = [left == right]
        self.constraints.setdefault(name, []).extend(group)


def _parameters(cp: Any, universe: Universe, *, stages: int, scenarios: int) -> dict[str, Any]:
    n, venues, bases = len(universe), len(universe.venues), len(universe.bases)
    shapes: dict[str, Any] = {
        "funding": (stages, n),
        "hold_cost": (stages, n),
        "risk_root": (stages, n),
        "open_cost": (stages, n),
        "close_cost": (stages, n),
        "venue_risk_root": (stages, venues),
        "base_gross": bases,
        "base_target": bases,
        "currency_net": len(universe.currencies),
        "scenario_long": (scenarios, n),
        "scenario_short": (scenarios, n),
        "scenario_weight": scenarios,
    }
    per_venue = {
        "venue_gross", "venue_gross_cap", "venue_beta", "margin_collateral", "margin_share", "allocation",
        "allocation_cap",
    }  # fmt: skip
    scalar = {"delta_band", "gross_cap", "turnover", "allocation_total", "transfer_cost", "scenario_cap"}
    signed = {
        "funding", "lower", "upper", "base_units", "base_target", "beta", "scenario_long",
        "scenario_short",
    }  # fmt: skip
    out = {}
    for name in (item.name for item in fields(ProblemNumbers)):
        shape = () if name in scalar else shapes.get(name, venues if name in per_venue else n)
        out[name] = cp.Parameter(shape, nonneg=name not in signed, name=name)
    return out
