"""Positions that the journal does not explain, over a long life of the guard."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from funding_pipeline.core.trading import Fill, PositionState
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.guard.own_orders import Explanations
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession

AT = datetime(2025, 6, 21, tzinfo=UTC)
BTC = "BTC/USDT:USDT"


@dataclass
class Statements:
    """A gateway that is asked for fills, and has none."""

    asked: list[str] = field(default_factory=list)

    async def fills(self, symbol: str, since: datetime) -> tuple[Fill, ...]:
        self.asked.append(symbol)
        return ()


def book(quantity: int) -> VenueBook:
    position = SimpleNamespace(venue="okx", symbol=BTC, quantity=Decimal(quantity))
    return cast(VenueBook, SimpleNamespace(venue="okx", positions=(cast(PositionState, position),)))


def test_an_unexplained_position_that_changes_for_weeks_is_remembered_once(tmp_path: Path) -> None:
    gateway = Statements()
    session: Any = SimpleNamespace(gateways={"okx": gateway}, now=lambda: AT)
    explanations = Explanations(cast(TradingSession, session))
    with Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}") as journal:
        for quantity in (1, 1, *range(2, 200)):
            found = asyncio.run(explanations.unexplained(journal, {"okx": book(quantity)}, ()))
            assert [(u.key, u.held) for u in found] == [(("okx", BTC), Decimal(quantity))]
    assert len(gateway.asked) == 199, "asked once for as long as the position stays"
    assert len(explanations._fills) == 1
