"""The accounts as somebody looked at them, small enough to keep at each look: legs, venues, limits used.

What lives here: making it from a book, and keeping it in the journal. What does not: reading accounts
(`book_reading`), measures (`execution.exposure`), showing it (`commands.state`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import TypeAdapter

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.exposure import Exposure, exposure
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.storage.journal import Journal

Amount = float | None


@dataclass(frozen=True)
class LookedLeg:
    """A position, signed, in quoted base units; USD at its mark. None: not known."""

    venue: str
    symbol: str
    base: str
    quantity: float
    notional_usd: Amount
    liquidation_distance_fraction: Amount
    is_listed: bool


@dataclass(frozen=True)
class LookedVenue:
    """An account. `problem`: why it could not be read, and then nothing else is known."""

    venue: str
    equity_usd: Amount = None
    gross_usd: Amount = None
    net_usd: Amount = None
    margin_fraction: Amount = None
    nearest_liquidation_fraction: Amount = None
    problem: str = ""


@dataclass(frozen=True)
class LimitUse:
    """The worst measure against a limit, both in the limit's unit. `used` None: not known."""

    name: str
    used: Amount
    limit: float

    @property
    def fraction(self) -> Amount:
        """Of the limit; more than 1 is beyond it."""
        if self.used is None:
            return None
        return self.used / self.limit if self.limit else (0.0 if not self.used else float("inf"))


@dataclass(frozen=True)
class LookedFinding:
    """What the guard had to say."""

    severity: str
    title: str
    advice: str


@dataclass(frozen=True)
class AccountLook:
    """All accounts at `at`, the venues' time. `base_net_usd`: what is not hedged, by base."""

    at: datetime
    equity_usd: Amount
    day_start_equity_usd: Amount
    legs: tuple[LookedLeg, ...]
    venues: tuple[LookedVenue, ...]
    base_net_usd: Mapping[str, Amount]
    limits: tuple[LimitUse, ...]
    findings: tuple[LookedFinding, ...] = ()

    @classmethod
    def of(
        cls,
        book: BookState,
        down: Mapping[str, str],
        *,
        market: MarketFacts,
        limits: RiskLimits,
        findings: Iterable[LookedFinding] = (),
    ) -> Self:
        """Of `book`; venues in `down` have the reason alone."""
        view = exposure(
            book,
            market=market,
            haircut_fraction=limits.collateral_haircut_fraction,
            move_fraction=limits.survival_move_fraction,
        )
        listed = {(p.venue, p.symbol): p.is_listed for p in book.positions}
        legs = tuple(
            LookedLeg(
                leg.venue,
                leg.symbol,
                leg.base,
                float(leg.quantity),
                _amount(leg.notional_usd),
                _amount(leg.liquidation_distance_fraction),
                listed[leg.venue, leg.symbol],
            )
            for leg in view.legs
        )
        return cls(
            at=book.at,
            equity_usd=_amount(book.equity_usd),
            day_start_equity_usd=_amount(book.equity_at_day_start_usd),
            legs=legs,
            venues=_venues(book, view, down),
            base_net_usd={base: _amount(net) for base, net in view.base_delta_usd.items()},
            limits=_limits_used(book, view, limits),
            findings=tuple(findings),
        )

    def keep(self, journal: Journal, name: str) -> None:
        """As the newest look of `name`. Raises JournalError."""
        journal.note_look(name, self.at, _LOOK.dump_json(self).decode())

    @classmethod
    def read(cls, body: str) -> "AccountLook":
        """What was kept."""
        return _LOOK.validate_json(body)


_LOOK = TypeAdapter(AccountLook)


def _amount(number: Decimal | None) -> Amount:
    return None if number is None or not number.is_finite() else float(number)


def _venues(book: BookState, view: Exposure, down: Mapping[str, str]) -> tuple[LookedVenue, ...]:
    found = {
        name: LookedVenue(
            name,
            _amount(book.venues[name].equity_usd),
            _amount(venue.gross_usd),
            _amount(venue.net_usd),
            _amount(venue.margin_fraction),
            _amount(venue.nearest_liquidation_fraction),
        )
        for name, venue in view.venues.items()
        if name not in down
    }
    found |= {name: LookedVenue(name, problem=why) for name, why in down.items()}
    return tuple(found[name] for name in sorted(found))


def _limits_used(book: BookState, view: Exposure, limits: RiskLimits) -> tuple[LimitUse, ...]:
    """Of each limit that a book alone is measured against."""
    venues = view.venues.values()
    sizes = [None if leg.notional_usd is None else abs(leg.notional_usd) for leg in view.legs]
    by_base: dict[str, list[Decimal | None]] = {}
    for leg, size in zip(view.legs, sizes, strict=True):
        by_base.setdefault(leg.base, []).append(size)
    begun, now, peak = book.equity_at_day_start_usd, book.equity_usd, book.peak_equity_usd
    used: Mapping[str, Decimal | None] = {
        "max_gross_notional_usd": view.gross_usd,
        "max_portfolio_delta_usd": _largest([view.portfolio_delta_usd]),
        "max_base_delta_usd": _largest(view.base_delta_usd.values()),
        "max_venue_beta_usd": _largest(venue.beta_usd for venue in venues),
        "max_venue_notional_usd": _largest(venue.gross_usd for venue in venues),
        "max_base_notional_usd": _largest(
            None if None in own else sum((size for size in own if size is not None), Decimal(0))
            for own in by_base.values()
        ),
        "max_instrument_notional_usd": _largest(sizes),
        "max_margin_fraction": _largest(venue.margin_fraction for venue in venues),
        "max_daily_loss_usd": None if begun is None or now is None else max(begun - now, Decimal(0)),
        "max_drawdown_fraction": None if not peak or now is None else max(1 - now / peak, Decimal(0)),
    }
    return tuple(LimitUse(name, _amount(value), float(getattr(limits, name))) for name, value in used.items())


def _largest(numbers: Iterable[Decimal | None]) -> Decimal | None:
    """The largest in size; None if one of them is not known, zero of none."""
    found = list(numbers)
    if any(number is None for number in found):
        return None
    return max((abs(number) for number in found if number is not None), default=Decimal(0))
