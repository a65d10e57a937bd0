"""Closing everything that is held, by a person's order, and saying what remains.

What lives here: waiting for whoever executes, and looking afterwards. What does not: the orders (`executor`),
confirmation and the state that is needed, REDUCING (`governance_actions`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import ExecutionLockedError
from funding_pipeline.core.trading import PositionState
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.trading.account_look import AccountLook
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.executor import ExecutionReport, LegReport
from funding_pipeline.trading.session import TradingSession

_LOCK_REAL_SECONDS = 60.0
_OWNER = "flatten"
_DUST = "dust"


@dataclass(frozen=True)
class Flattened:
    """What a flattening did. `remaining`: what the venues say is still held; `unread`: venues that could not
    be read afterwards, with the reason: what they hold is not known."""

    report: ExecutionReport
    remaining: tuple[PositionState, ...]
    unread: Mapping[str, str]

    @property
    def beyond_dust(self) -> tuple[PositionState, ...]:
        """What remains and could still be closed by an order."""
        return tuple(held for held in self.remaining if not self._note(held).startswith(_DUST))

    @property
    def is_flat(self) -> bool:
        """Whether every account was read and holds nothing but dust."""
        return not self.beyond_dust and not self.unread

    def rows(self) -> tuple[dict[str, Any], ...]:
        """One row per leg that was held or still is: before, what is held now, and why. A venue that could
        not be read has one at least."""
        now = {(held.venue, held.symbol): held for held in self.remaining}
        legs = {(leg.venue, leg.symbol): leg for leg in self.report.legs}
        unseen = {(venue, "?"): None for venue in self.unread if venue not in {key[0] for key in legs}}
        return tuple(self._row(key, legs.get(key), now.get(key)) for key in sorted({**legs, **now, **unseen}))

    def text(self) -> str:
        """One line for a person."""
        if self.is_flat:
            dust = f", dust on {len(self.remaining)} legs" if self.remaining else ""
            return f"everything is closed{dust}; {self.report.orders_sent} orders were sent"
        held = ", ".join(f"{p.venue} {p.symbol} {p.quantity:f}" for p in self.beyond_dust)
        unread = "; ".join(f"{venue} is not known: {why}" for venue, why in self.unread.items())
        return "not flat: " + "; ".join(part for part in (held and f"held are {held}", unread) if part)

    def _row(self, key: tuple[str, str], leg: LegReport | None, held: PositionState | None) -> dict[str, Any]:
        unknown = key[0] in self.unread
        return {
            "venue": key[0],
            "symbol": key[1],
            "before": None if leg is None or leg.before is None else float(leg.before),
            "held": None if unknown else float(Decimal(0) if held is None else held.quantity),
            "usd": None
            if held is None or held.mark_price is None
            else float(held.quantity * held.mark_price),
            "why": self.unread[key[0]] if unknown else "" if held is None else self._note(held),
        }

    def _note(self, held: PositionState) -> str:
        for leg in self.report.legs:
            if (leg.venue, leg.symbol) == (held.venue, held.symbol):
                return leg.note or "still held"
        return "it came after the flattening had begun"


async def flatten_all(
    session: TradingSession, *, reason: str, patience_real_seconds: float | None = None
) -> Flattened:
    """Close everything, the legs of a base together, and look afterwards. The state has to be REDUCING.

    Whoever executes now may open nothing any more, and is waited for: for `patience_real_seconds`, or as long
    as it may take and then be dead. Raises ExecutionLockedError after that, JournalError.
    """
    config = session.setup.execution
    longest = _LOCK_REAL_SECONDS + config.deadline_seconds + config.grace_seconds
    report = await _when_free(
        session, reason, seconds=longest if patience_real_seconds is None else patience_real_seconds
    )
    book, down = await read_book(session, betas={})
    AccountLook.of(book, down, market=MarketFacts(), limits=session.limits()).keep(session.journal, _OWNER)
    return Flattened(report, book.positions, down)


async def _when_free(session: TradingSession, reason: str, *, seconds: float) -> ExecutionReport:
    """Flatten as soon as the executor's lock is free; looks once a real second."""
    for _ in range(int(seconds)):
        try:
            return await session.executor(_OWNER).flatten(reason=reason)
        except ExecutionLockedError:
            await session.sleep(max(session.speed, 1.0))
    return await session.executor(_OWNER).flatten(reason=reason)
