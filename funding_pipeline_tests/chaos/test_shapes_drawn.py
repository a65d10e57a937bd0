"""Shapes of answers and other hands in the campaign: each is drawn often, and what it must not lead to is
caught."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from multidict import CIMultiDict

from funding_pipeline.chaos.campaign import VENUES, Campaign
from funding_pipeline.chaos.engines import EpisodeTestnet
from funding_pipeline.chaos.ground import Ground, lay
from funding_pipeline.chaos.other_hands import claimed_orders, unnamed_positions
from funding_pipeline.chaos.shapes_drawn import READS
from funding_pipeline.chaos.virtual_time import VirtualClock, VirtualLoop
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.testnet.account_faults import ACCOUNT_KINDS
from funding_pipeline.testnet.answer_shapes import SHAPES
from funding_pipeline.testnet.faults import Rule
from funding_pipeline.testnet.http import Answer, Request

SYMBOL = "BTC/USDT:USDT"
NOW_MS = 1_704_873_600_000


def test_a_thousand_episodes_draw_each_shape_at_least_fifty_times(campaign: Campaign) -> None:
    rules = [
        Rule.model_validate(fault.rule)
        for number in range(1_000)
        for fault in campaign.scenario(1, number).faults
    ]
    drawn = Counter(rule.kind for rule in rules)
    assert {kind: drawn[kind] for kind in (*SHAPES, *ACCOUNT_KINDS) if drawn[kind] < 50} == {}
    assert sum(rule.conditional for rule in rules) >= 25


def test_mishaps_draw_positions_opened_by_hand(campaign: Campaign) -> None:
    kinds = Counter(m.kind for number in range(1_000) for m in campaign.scenario(1, number).mishaps)
    assert min(kinds["person"], kinds["person_adds"], kinds["person_opens"]) >= 30


def test_every_venue_has_reads_to_lose() -> None:
    assert set(READS) == set(VENUES)


# --- what is caught
@pytest.fixture
def ground(campaign: Campaign, tmp_path: Path) -> Iterator[Ground]:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    clock = VirtualClock(loop, NOW_MS)
    laid = lay(
        EpisodeTestnet(campaign.market, ("binance",), clock),
        clock,
        balances={"binance": Decimal(50_000)},
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        terms=load_venue_terms(),
        seed=1,
    )
    yield laid
    laid.journal.close()
    asyncio.set_event_loop(None)
    loop.close()


def test_a_request_of_ours_that_cancels_another_program_s_order_is_caught(ground: Ground) -> None:
    ground.desk.add({"kind": "foreign_order", "venue": "binance", "symbol": SYMBOL})
    exchange, account = ground.testnet.seat("binance").exchange, ground.accounts["binance"]
    (order,) = exchange.orders(account, is_open=True)
    asked = Request("DELETE", "fapi.binance.com", "/fapi/v1/order", {}, "", b"", CIMultiDict())

    def cancelled() -> Answer:
        exchange.cancel(account, order_id=order.order_id)
        return Answer.of({})

    leaving = ground.audit.leaving("binance", asked, "executor 1")
    ground.audit.at_venue("binance", asked, leaving, lambda: Answer.of({}))
    assert ground.audit.violations == []
    ground.audit.at_venue("binance", asked, leaving, cancelled)
    assert [violation.rule for violation in ground.audit.violations] == ["foreign_orders_cancelled"]


def test_another_program_s_order_is_none_of_the_journal_s(ground: Ground) -> None:
    ground.desk.add({"kind": "foreign_order", "venue": "binance", "symbol": SYMBOL})
    claims = claimed_orders(ground.testnet, ground.accounts, ground.journal, ground.audit.ours)
    assert claims == ()


def test_an_unlisted_position_has_to_be_named(ground: Ground) -> None:
    ground.desk.add({"kind": "hand_position", "venue": "binance", "symbol": SYMBOL, "side": "buy"})
    ground.desk.add({"kind": "delisted_position", "venue": "binance", "symbol": SYMBOL})
    (silent,) = unnamed_positions(ground.testnet, ground.accounts, "done, 0 orders", gone=())
    assert silent.rule == "unlisted_not_named"
    told = f"incomplete; binance {SYMBOL} is not listed"
    assert unnamed_positions(ground.testnet, ground.accounts, told, gone=()) == ()
