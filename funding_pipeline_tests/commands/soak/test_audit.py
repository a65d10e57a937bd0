"""Each settlement once: payments in the journal, and runs in Dagster."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg

from funding_pipeline.commands.soak.audit import payments_not_once, runs_not_once
from funding_pipeline.core.trading import FundingPayment
from funding_pipeline.defs.accounts import SETTLEMENT_TAG
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import EnginePayment

AT = datetime(2025, 6, 21, 8, tzinfo=UTC)
BTC = "BTC/USDT:USDT"
ONE = Decimal(1)


def paid(hours: int) -> EnginePayment:
    at = AT + timedelta(hours=hours)
    return EnginePayment(hours, "paper", BTC, round(at.timestamp() * 1000), ONE, ONE, ONE, ONE)


def noted(journal: Journal, hours: int, *, seconds: float = 0, name: str = "") -> None:
    at = AT + timedelta(hours=hours, seconds=seconds)
    payment_id = name or f"{hours}"
    journal.record_payments([FundingPayment("okx", BTC, at, ONE, "USDT", payment_id)])


def test_payments_that_are_missing_or_there_twice_are_named(tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}") as journal:
        for hours in (0, 1, 3):
            noted(journal, hours, seconds=2)  # venues stamp them a little late
        noted(journal, 3, seconds=2, name="again")
        found = payments_not_once("okx", journal, [paid(hours) for hours in range(4)])
    assert len(found) == 2
    assert "0 times in the journal, 1 times paid" in found[0]
    assert "2 times in the journal, 1 times paid" in found[1]


def test_settlements_without_exactly_one_run_of_each_job_are_named() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for job in (REBALANCE, CLOSE, CLOSE):
            tags = {SETTLEMENT_TAG: "2025-06-21T08:00Z"}
            instance.add_run(dg.DagsterRun(job_name=job, tags=tags))
        found = runs_not_once(instance, [AT, AT + timedelta(hours=1)])
    assert found == [
        f"2 runs of {CLOSE} for 2025-06-21T08:00Z",
        f"0 runs of {REBALANCE} for 2025-06-21T09:00Z",
        f"0 runs of {CLOSE} for 2025-06-21T09:00Z",
    ]
