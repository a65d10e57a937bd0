"""Books, facts and plans for tests of governance: everything known and everything wide, then changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from funding_pipeline.core.governance import RiskVerdict, TargetPosition, TradingState
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.trading import Balance, LeverageTier, PositionState
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.execution.market_facts import InstrumentFacts, LegKey, MarketFacts
from funding_pipeline.execution.market_state import calm_state
from funding_pipeline.execution.verdict import judge

Legs = Mapping[tuple[str, str], Any]
"""Quantities, as text or Decimal, by (venue, base)."""
NOW = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)
VENUES = ("a", "b", "c")
PAIR: Legs = {("a", "BTC"): "2", ("b", "BTC"): "-2"}  # 100,000 USD a leg
HELD: Legs = {("a", "BTC"): "1", ("b", "BTC"): "-1"}
FLAT: Legs = {("a", "BTC"): Decimal(0), ("b", "BTC"): Decimal(0)}
PRICES = {"BTC": Decimal(50_000), "ETH": Decimal(2_000), "SOL": Decimal(100)}
BETAS = {"BTC": 1.0, "ETH": 1.5, "SOL": 2.0}
_WIDE: dict[str, Any] = {
    "max_venue_collateral_fraction": 1,
    "max_currency_collateral_fraction": 1,
    "max_depth_participation_fraction": 100,
    "max_open_interest_fraction": 1,
    "max_adl_rank": 1,
    **{name: 1e9 for name in RiskLimits.model_fields if name.endswith("_usd")},
}
WIDE = RiskLimits(
    **_WIDE,
    max_margin_fraction=1,
    survival_move_fraction=0,
    collateral_haircut_fraction=0,
)
"""Limits that nothing in these tests reaches; a test tightens what it is about."""


def limits(**tighter: float) -> RiskLimits:
    """WIDE with some of them tightened."""
    return WIDE.tightened(tighter)


def symbol(base: str) -> str:
    """The perpetual of a base."""
    return f"{base}/USDT:USDT"


def tiers(venue: str, base: str) -> tuple[LeverageTier, ...]:
    """0-50k 0.4 %; to 250k 0.5 %, less 50; above 1 %, less 1,300."""
    edges = [
        ("0", "50000", "0.004", "0"),
        ("50000", "250000", "0.005", "50"),
        ("250000", None, "0.01", "1300"),
    ]
    return tuple(
        LeverageTier(
            venue, symbol(base), Decimal(low), None if high is None else Decimal(high),
            Decimal(rate), Decimal(taken), Decimal(100),
        )
        for low, high, rate, taken in edges
    )  # fmt: skip


def facts(venue: str, base: str, **changed: Any) -> InstrumentFacts:
    """All that has to be known, with a deep book."""
    found = InstrumentFacts(
        venue=venue, symbol=symbol(base), observed_at=NOW, price=PRICES[base],
        bid_depth_10bp_usd=Decimal(10_000_000), ask_depth_10bp_usd=Decimal(8_000_000),
        open_interest_usd=Decimal(1_000_000_000), quantity_step=Decimal("0.001"),
        min_quantity=Decimal("0.001"), min_notional=Decimal(5), tiers=tiers(venue, base),
    )  # fmt: skip
    return replace(found, **changed)


def market(*changed: InstrumentFacts) -> MarketFacts:
    """Facts of every base on every venue, with some `changed`."""
    found: dict[LegKey, InstrumentFacts] = {
        (venue, symbol(base)): facts(venue, base) for venue in VENUES for base in PRICES
    }
    found |= {(one.venue, one.symbol): one for one in changed}
    return MarketFacts(found, model_trained_at=NOW, state=calm_state(NOW))


def position(venue: str, base: str, quantity: str, **told: Any) -> PositionState:
    """A position at its mark."""
    nothing = dict.fromkeys(
        ("liquidation_price", "unrealised_pnl", "initial_margin", "maintenance_margin", "leverage")
    )
    price = PRICES[base]
    values = {**nothing, "entry_price": price, "mark_price": price, "margin_mode": "cross", **told}
    return PositionState(venue=venue, symbol=symbol(base), quantity=Decimal(quantity), **values)


def book(
    held: Legs | None = None,
    *,
    equity: Mapping[str, str] | None = None,
    **changed: Any,
) -> BookState:
    """Three venues of 1,000,000 USD each, or `equity`, holding `held` by (venue, base)."""
    money = dict.fromkeys(VENUES, "1000000") | dict(equity or {})
    venues = {
        venue: VenueBook(
            venue=venue, at=NOW, equity_usd=Decimal(money[venue]),
            balances=(Balance(venue, "USDT", Decimal(money[venue]), None, None),),
            positions=tuple(position(v, base, q) for (v, base), q in (held or {}).items() if v == venue),
            marks={symbol(base): price for base, price in PRICES.items()},
        )
        for venue in VENUES
    }  # fmt: skip
    total = sum((Decimal(amount) for amount in money.values()), Decimal(0))
    found = BookState(
        at=NOW, venues=venues, betas=BETAS, equity_at_day_start_usd=total, peak_equity_usd=total,
        turnover_today_usd=Decimal(0),
    )  # fmt: skip
    return replace(found, **changed)


def plan(targets: Legs) -> list[TargetPosition]:
    """Targets by (venue, base)."""
    return [
        TargetPosition(venue, symbol(base), base, Decimal(1), Decimal(quantity), PRICES[base])
        for (venue, base), quantity in targets.items()
    ]


def verdict_of(
    targets: Legs | Sequence[TargetPosition],
    on: BookState | None = None,
    *,
    under: RiskLimits = WIDE,
    knowing: MarketFacts | None = None,
    state: TradingState = "ACTIVE",
) -> RiskVerdict:
    """`judge` at NOW."""
    legs = plan(targets) if isinstance(targets, Mapping) else targets
    return judge(
        legs, on or book(), market=knowing or market(), limits=under, state=state,
        rebalance="test", judged_at=NOW,
    )  # fmt: skip


def allowed(verdict: RiskVerdict) -> dict[tuple[str, str], Decimal]:
    """Quantities by (venue, base)."""
    return {(leg.target.venue, leg.target.base): leg.allowed for leg in verdict.legs}


def numbers(quantities: Legs) -> dict[tuple[str, str], Decimal]:
    """The same as Decimals."""
    return {key: Decimal(quantity) for key, quantity in quantities.items()}
