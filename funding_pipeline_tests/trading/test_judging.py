"""A plan judged against accounts on the testnet: what is not told is null, and refuses by name."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import polars as pl
import pytest

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.market_state import calm_state
from funding_pipeline.portfolio.plan import LEG_SCHEMA
from funding_pipeline.trading.facts_reading import FactsReader
from funding_pipeline.trading.judging import judge_plan
from funding_pipeline.trading.session import TradingSession, open_session
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.trading.rig import TradingRig, symbol

T = TypeVar("T")
TRAINED = datetime(2024, 1, 31, tzinfo=UTC)
CALM = calm_state(datetime(2024, 2, 1, tzinfo=UTC))
VENUES = ("binance", "bybit", "okx")


def in_session(rig: TradingRig, work: Callable[[TradingSession], Awaitable[T]]) -> T:
    """`work` in a session over the rig's accounts."""
    setup = TradingSetup(
        mode="paper",
        venues=rig.venues,
        connect=partial(TestnetConnection, rig.testnet.port),
        journal_url=rig.url,
        limits=(RiskLimits.for_capital(3_000_000, max_currency_collateral_fraction=1.0),),
    )

    async def whole() -> T:
        async with open_session(setup, credentials=rig.keys) as session:
            return await work(session)

    return asyncio.run(whole())


def plan(rig: TradingRig, targets: dict[str, float], *, made_ago: timedelta = timedelta(0)) -> pl.DataFrame:
    """Legs in BTC: venue -> signed quantity."""
    rows = [
        {
            "time": rig.now() - made_ago,
            "venue": venue,
            "symbol": symbol(venue, "BTC"),
            "base": "BTC",
            "price": float(rig.mark(venue)),
            "quantity_before": 0.0,
            "quantity_target": quantity,
            "beta": 1.0,
        }
        for venue, quantity in targets.items()
    ]
    return pl.DataFrame(rows, schema=dict(LEG_SCHEMA))


def judged(rig: TradingRig, legs: pl.DataFrame):
    return in_session(
        rig, lambda s: judge_plan(s, legs, rebalance="a", model_trained_at=TRAINED, market_state=CALM)
    )


def test_facts_are_read_and_a_plan_passes(new_rig: Callable[..., TradingRig]) -> None:
    rig = new_rig(*VENUES)
    judgement = judged(rig, plan(rig, {"binance": 0.1, "bybit": -0.1}))
    assert judgement.problems == ()
    assert [leg.decision for leg in judgement.verdict.legs] == ["pass", "pass"], judgement.verdict
    assert rig.journal.verdict(judgement.verdict.verdict_id) == judgement.verdict
    assert judgement.book.equity_usd == 3_000_000


def test_facts_of_a_venue_that_fails_are_null_and_named(new_rig: Callable[..., TradingRig]) -> None:
    rig = new_rig(*VENUES)
    rig.fault("garbage", "bybit", path="open-interest")
    key = ("bybit", symbol("bybit", "BTC"))

    async def read(session: TradingSession) -> tuple[FactsReader, object]:
        reader = FactsReader(session)
        return reader, await reader.read([key], model_trained_at=None)

    reader, facts = in_session(rig, read)
    assert "bybit" in " ".join(reader.problems)
    assert "open interest" in facts.of(key).missing()
    assert facts.of(key).quantity_step is not None


def test_a_leg_that_nobody_knows_is_refused_by_name(new_rig: Callable[..., TradingRig]) -> None:
    rig = new_rig(*VENUES)
    legs = plan(rig, {"binance": 0.1, "bybit": -0.1}).with_columns(
        symbol=pl.col("symbol").str.replace("BTC", "NOSUCH"), base=pl.lit("NOSUCH")
    )
    judgement = judged(rig, legs)
    assert judgement.verdict.decision == "refuse"
    assert judgement.problems == tuple(f"{venue}: NOSUCH/USDT:USDT is not listed" for venue in VENUES[:2])


@pytest.mark.parametrize("is_back", [False, True], ids=["silent still", "back again"])
def test_a_plan_made_while_a_venue_was_silent_leaves_its_bases_alone(
    new_rig: Callable[..., TradingRig], is_back: bool
) -> None:
    """Found on a trading testnet: with okx gone the plan saw one leg of a hedged pair, and hedged it anew."""
    rig = new_rig(*VENUES)
    rig.rebalance(rig.verdict("opened", {("binance", "BTC"): "0.1", ("okx", "BTC"): "-0.1"}))
    if not is_back:
        rig.fault("venue_gone", "okx")
    for targets in ({"binance": 0.1, "bybit": -0.1}, {"binance": 0.0, "bybit": 0.0}):
        legs = plan(rig, targets).with_columns(
            quantity_before=pl.when(pl.col("venue") == "binance").then(0.1).otherwise(0.0)
        )
        judgement = judged(rig, legs)
        for leg in judgement.verdict.legs:
            held = rig.held(leg.target.venue)
            assert leg.decision == "refuse" or leg.allowed == held, (targets, leg)
        assert "BTC: the plan was made without okx BTC/USDT:USDT" in " ".join(judgement.problems)


@pytest.mark.parametrize("hours", [1, -1], ids=["old", "ahead of a clock that was put back"])
def test_an_old_plan_is_not_judged(new_rig: Callable[..., TradingRig], hours: float) -> None:
    rig = new_rig(*VENUES)
    with pytest.raises(GovernanceError, match="make a new one"):
        judged(rig, plan(rig, {"binance": 0.1, "bybit": -0.1}, made_ago=timedelta(hours=hours)))


def test_an_unarmed_live_session_only_reduces(new_rig: Callable[..., TradingRig]) -> None:
    rig = new_rig(*VENUES)
    legs = plan(rig, {"binance": 0.1, "bybit": -0.1})

    async def live(session: TradingSession) -> str:
        session.setup = TradingSetup(**{**vars(session.setup), "mode": "live"})
        judgement = await judge_plan(
            session, legs, rebalance="a", model_trained_at=TRAINED, market_state=CALM
        )
        return judgement.verdict.state

    assert in_session(rig, live) == "REDUCING"
    rig.journal.arm(by="person test", until=rig.now() + timedelta(hours=1))
    assert in_session(rig, live) == "ACTIVE"
