"""Statements of several settlements in a row: each thing counts once, also where a venue was silent."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.trading.closing import SettlementStatement, close_settlement
from funding_pipeline.trading.session import TradingSession, open_session
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.running import running_testnet
from funding_pipeline_tests.trading.rig import TradingRig, symbol

Books = dict[str, VenueBook]
CENT = Decimal("0.01")


@pytest.fixture
def new_rig(tmp_path: Path) -> Iterator[Callable[..., TradingRig]]:
    """On a testnet of its own: a day goes by here, and others count on the prices of their hour."""
    with running_testnet() as testnet:
        testnet.clock.advance(hours=0.2)
        yield lambda *venues: TradingRig(testnet, tmp_path, venues)


async def closed(rig: TradingRig, kept: Books) -> SettlementStatement:
    """In a session of its own, as `settlement_statement` does; a silent venue keeps its earlier book."""
    setup = TradingSetup(
        mode="paper",
        venues=rig.venues,
        connect=partial(TestnetConnection, rig.testnet.port),
        journal_url=rig.url,
        limits=(RiskLimits.for_capital(2_000_000),),
    )

    async def close(session: TradingSession) -> SettlementStatement:
        return await close_settlement(session, previous=dict(kept), hourly_rates={}, interval_hours={})

    async with open_session(setup, credentials=rig.keys) as session:
        found = await close(session)
    kept.update(found.counted)
    return found


def unexplained(statement: SettlementStatement) -> Decimal:
    """What the sources do not explain; it has to be known."""
    assert statement.pnl is not None
    assert statement.pnl.difference is not None
    return statement.pnl.difference


def test_what_happened_while_a_venue_was_silent_counts_once(new_rig: Callable[..., TradingRig]) -> None:
    rig, kept = new_rig("binance", "bybit"), dict[str, VenueBook]()
    hedged = {("binance", "BTC"): "0.5", ("bybit", "BTC"): "-0.5"}
    rig.rebalance(rig.verdict("opened", hedged))
    first = asyncio.run(closed(rig, kept))
    assert first.pnl is None, "there was no earlier book"

    rig.testnet.clock.advance(seconds=60)
    rig.rebalance(rig.verdict("smaller", {key: f"{Decimal(q) * 2 / 5}" for key, q in hedged.items()}))
    rig.testnet.clock.advance(hours=9)
    gone = rig.fault("venue_gone", "bybit")
    second = asyncio.run(closed(rig, kept))
    assert abs(unexplained(second)) < CENT, "of binance alone"

    rig.testnet.admin("DELETE", f"/admin/faults/{gone}")
    rig.testnet.clock.advance(hours=8)
    third = asyncio.run(closed(rig, kept))
    assert abs(unexplained(third)) < CENT, "bybit's sale counts now, that of binance did before"
    paid = [payment.payment_id for payment in (*second.payments, *third.payments)]
    assert paid
    assert len(paid) == len(set(paid)), "each settlement is in one statement"


def test_what_a_statement_that_failed_would_have_told_counts_the_next_time(
    new_rig: Callable[..., TradingRig],
) -> None:
    """The account answers and its statement does not: its equity has changed, and nobody knows why yet."""
    rig, kept = new_rig("binance", "bybit"), dict[str, VenueBook]()
    rig.rebalance(rig.verdict("opened", {("binance", "BTC"): "0.5", ("bybit", "BTC"): "-0.5"}))
    asyncio.run(closed(rig, kept))
    rig.testnet.clock.advance(hours=9)
    rig.fault("status", "bybit", path="/v5/execution/list", status=503)
    second = asyncio.run(closed(rig, kept))
    assert "bybit BTC/USDT:USDT: statement not read" in second.problems[0]
    assert set(second.book.venues) == {"binance", "bybit"}
    assert set(second.counted) == {"binance"}
    assert abs(unexplained(second)) < CENT, "of binance alone"

    rig.end_faults()
    third = asyncio.run(closed(rig, kept))
    assert abs(unexplained(third)) < CENT
    assert {payment.venue for payment in third.payments} == {"bybit"}


def test_a_delisted_leg_whose_statement_never_comes_keeps_its_venue_out_for_a_day_only(
    new_rig: Callable[..., TradingRig],
) -> None:
    rig, kept = new_rig("binance", "bybit"), dict[str, VenueBook]()
    rig.rebalance(rig.verdict("opened", {("binance", "ETH"): "2", ("bybit", "ETH"): "-2"}))
    asyncio.run(closed(rig, kept))
    rig.fault("delist", "bybit", symbol=symbol("bybit", "ETH"))
    rig.testnet.clock.advance(hours=9)
    early = asyncio.run(closed(rig, kept))
    assert set(early.counted) == {"binance"}
    rig.testnet.clock.advance(hours=16)
    late = asyncio.run(closed(rig, kept))
    assert set(late.counted) == {"binance", "bybit"}
    assert late.pnl is not None
    assert abs(unexplained(late)) > CENT, "what was not told is said as a difference"
