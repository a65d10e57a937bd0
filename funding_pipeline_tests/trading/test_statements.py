"""After a rebalance: what the venues state, compared and split by source, adds up to the change in equity."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.governance import IntentRecord, OrderIntent
from funding_pipeline.core.trading import (
    Balance,
    Fill,
    FundingPayment,
    OrderRequest,
    OrderState,
    PositionState,
)
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.pnl import PnlBySource, decision_prices, pnl_by_source
from funding_pipeline.trading.statements import Difference, differences, funding_by_leg, record_statements
from funding_pipeline.trading.venue_book import read_venue_book
from funding_pipeline_tests.trading.rig import QUICK, Open, TradingRig, symbol

NOW = datetime(2024, 2, 1, tzinfo=UTC)
BTC = "BTC/USDT:USDT"
D = Decimal


def fill(
    number: int, side: str, quantity: str, price: str, *, order: str = "o1", fee: str | None = "1"
) -> Fill:
    return Fill(
        "okx", BTC, f"f{number}", order, "buy" if side == "buy" else "sell", D(quantity), D(price),
        None if fee is None else D(fee), "USDT", False, NOW,
    )  # fmt: skip


def record(filled: str = "2") -> IntentRecord:
    request = OrderRequest("okx", BTC, "buy", "limit", D(2), "c" * 24, D(100))
    order = OrderState(
        "okx", BTC, "o1", "c" * 24, "filled", "buy", D(2), D(filled), D(100), D(100), False, NOW
    )
    intent = OrderIntent("carry", "r", f"okx {BTC}", 1, "open", "v", request, NOW)
    return IntentRecord(intent, "accepted", order)


def book(equity: str | None, held: str = "0", mark: str = "100") -> VenueBook:
    position = PositionState("okx", BTC, D(held), D(100), D(mark), None, None, None, None, None, "cross")
    positions = (position,) if D(held) else ()
    return VenueBook("okx", NOW, None if equity is None else D(equity), (), positions, {BTC: D(mark)})


def test_what_agrees_is_no_difference() -> None:
    fills = [fill(1, "buy", "1.5", "100"), fill(2, "buy", "0.5", "101")]
    assert differences([record()], fills, {"okx": book("1000")}, {"okx": book("1000", "2")}) == ()


def test_differences_have_names_and_null_is_not_zero() -> None:
    fills = [fill(1, "buy", "1.5", "100", fee=None), fill(3, "sell", "1", "90", order="forced")]
    found = differences([record()], fills, {"okx": book("1000")}, {"okx": book("1000", "1")})
    assert found == (
        Difference(f"okx {BTC} {'c' * 24}", "filled quantity", D(2), D("1.5")),
        Difference(f"okx {BTC} fill f1", "the fee is not told"),
        Difference(f"okx {BTC} fill f3", "of an order that is not ours", None, D(-1)),
        Difference(f"okx {BTC}", "position", D("0.5"), D(1)),
    )
    assert "expected 0.5, told 1" in found[-1].text()
    pending = replace(record(), outcome="unknown", order=None)
    assert differences([pending], [], {}, {})[0].what == "its outcome is unknown"


def test_profit_by_source_of_a_worked_example() -> None:
    """Bought 2 at 101 against a mid of 100, marked at 110; one of them is then closed by the venue at 90."""
    fills = [fill(1, "buy", "2", "101"), fill(2, "sell", "1", "90", order="forced", fee="0.5")]
    found = pnl_by_source({"okx": book("1000")}, {"okx": book("995.5", "1", "110")}, fills, [], [record()])
    assert (found.slippage, found.fees, found.liquidation) == (D(-2), D(-1), D("-10.5"))
    assert found.basis == D(10), "2 x 10 less the one that was closed: 110 - 100 a coin for what is left"
    assert found.total == D("-3.5")
    assert found.difference == D("-4.5") - D("-3.5")


def test_a_guards_order_was_decided_at_its_limit_less_the_wider_bound() -> None:
    """A guard's executor takes within `flatten_bound_bp` whatever it is for (`guard.shedding`)."""
    plain = record()
    guards = replace(plain, intent=replace(plain.intent, rebalance="guard 2024-02-01T00:00:00"))
    for told, bound in ((plain, QUICK.taker_bound_bp), (guards, QUICK.flatten_bound_bp)):
        price = decision_prices([told], QUICK)["okx", "o1"]
        assert float(price) == pytest.approx(100 / (1 + bound * 1e-4))


def test_what_is_not_told_makes_the_difference_unknown() -> None:
    silent = pnl_by_source(
        {"okx": book(None)}, {"okx": book("1")}, [fill(1, "buy", "1", "1", fee=None)], [], []
    )
    assert silent.difference is None
    assert silent.unknown == (f"fee of okx {BTC} f1", "equity of okx")


def test_a_price_that_moves_between_balance_and_positions_makes_no_difference() -> None:
    """Found on a trading testnet: equity was told at other marks than those of the positions read next."""
    told = replace(
        book("1007", "1", "110"),
        balances=(Balance("okx", "USDT", D(1000), None, D(1007)),),
    )
    later = replace(told, positions=tuple(replace(p, unrealised_pnl=D(10)) for p in told.positions))
    first = replace(book("1000"), balances=(Balance("okx", "USDT", D(1000), None, D(1000)),))
    found = pnl_by_source(
        {"okx": first}, {"okx": later}, [fill(1, "buy", "1", "100", fee="0")], [], [record()]
    )
    assert found.equity_change == D(10)
    assert found.difference == D(0)


def test_a_fee_in_coins_is_no_number_of_dollars() -> None:
    in_coins = replace(fill(1, "buy", "1", "100", fee="0.002"), fee_currency="BNB")
    found = pnl_by_source({"okx": book("1000")}, {"okx": book("1000", "1")}, [in_coins], [], [record()])
    assert (found.fees, found.unknown) == (D(0), (f"fee of okx {BTC} f1",))


class ToldStatements:
    """A gateway that has read these fills."""

    def __init__(self, *told: Fill) -> None:
        self._told = told

    async def fills(self, symbol: str, since: datetime) -> tuple[Fill, ...]:
        return tuple(one for one in self._told if one.symbol == symbol)

    async def funding_payments(self, symbol: str, since: datetime) -> tuple[FundingPayment, ...]:
        return ()


def test_a_fill_that_contradicts_the_journal_costs_its_own_instrument_only(tmp_path: Path) -> None:
    first = fill(1, "buy", "1", "100")
    with Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}", now=lambda: NOW) as journal:
        journal.record_fills([first])
        other = replace(fill(2, "buy", "1", "50"), symbol="ETH/USDT:USDT")
        gateway: Any = ToldStatements(replace(first, quantity=D(7)), other)
        legs = [("okx", BTC), ("okx", other.symbol)]
        problems = asyncio.run(record_statements(journal, {"okx": gateway}, legs, since=NOW))
        assert len(problems) == 1
        assert problems[0].startswith(f"okx {BTC}: statement not kept")
        assert journal.fills() == (first, other)


def test_forecast_against_settled_funding() -> None:
    rows = funding_by_leg([], {("okx", BTC): D("1.5")})
    assert [(row.settlements, row.surprise) for row in rows] == [(0, D("-1.5"))]


async def books(rig: TradingRig, opened: Open) -> Mapping[str, VenueBook]:
    symbols = {venue: symbol(venue, "BTC") for venue in rig.venues}
    return {
        venue: await read_venue_book(
            opened.gateways[venue], at=rig.now(), public=opened.public[venue], symbols=[symbols[venue]]
        )
        for venue in rig.venues
    }


def test_a_days_profit_adds_up_to_the_cent_on_five_venues(new_rig: Callable[..., TradingRig]) -> None:
    rig = new_rig("binance", "bybit", "okx", "hyperliquid", "gate")
    quantities = ("0.6", "-0.2", "-0.2", "0.1", "-0.3")
    targets = {(v, "BTC"): q for v, q in zip(rig.venues, quantities, strict=True)}

    async def case(opened: Open) -> tuple[PnlBySource, tuple[Difference, ...]]:
        before = await books(rig, opened)
        await opened.executor.rebalance(rig.verdict("r1", targets))
        rig.testnet.clock.advance(hours=9)
        rig.fault("adl", "gate", account=rig.account_id("gate"), symbol=symbol("gate", "BTC"), quantity="0.1")
        await opened.executor.flatten(reason="the day is over")
        after = await books(rig, opened)
        fills, paid = rig.journal.fills(), rig.journal.payments()
        records = rig.journal.intents()
        assert {row.venue for row in funding_by_leg(paid, {})} == set(rig.venues)
        return (
            pnl_by_source(before, after, fills, paid, records, references=decision_prices(records, QUICK)),
            differences(records, fills, before, after),
        )

    profit, found = rig.run(case)
    assert profit.difference is not None
    assert abs(profit.difference) < D("0.01")
    assert all((profit.funding, profit.fees, profit.basis, profit.slippage, profit.liquidation))
    assert profit.slippage <= 0
    assert [difference.what for difference in found] == ["of an order that is not ours"]
