"""The journal against the testnet's own statements, which no dialect has touched, and every settlement once.

What lives here: comparing. What does not: the rules of fills and payments (`chaos.final_audit`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import polars as pl
from pydantic import TypeAdapter

from funding_pipeline.chaos.final_audit import CENT, compare_account
from funding_pipeline.commands.paper_accounts import ACCOUNT
from funding_pipeline.commands.soak.home import ask
from funding_pipeline.defs.accounts import SETTLEMENT_TAG
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline.defs.statements import STATEMENT
from funding_pipeline.execution.settlement_requests import text_of
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake
from funding_pipeline.testnet.engine.values import EngineFill, EnginePayment

_FILLS, _PAYMENTS = TypeAdapter(list[EngineFill]), TypeAdapter(list[EnginePayment])


@dataclass(frozen=True)
class Audit:
    """What was compared, and `mismatches` in words: none where all is right."""

    fills: int
    payments: int
    settlements: int
    funding_usd: Decimal
    stated_funding_usd: Decimal
    mismatches: tuple[str, ...]


def audit(settings: Settings, instance: dg.DagsterInstance, settlements: Iterable[datetime]) -> Audit:
    """Compare everything that has happened since the accounts were opened.

    Raises TestnetError, JournalError, StorageError."""
    setup, wanted = settings.trading_setup(), list(settlements)
    fills = payments = 0
    found: list[str] = []
    paid = Decimal(0)
    with setup.journal() as journal:
        for venue in setup.venues:
            stated = ask(settings, f"/admin/accounts/{venue}/{ACCOUNT}")
            of_venue = _of(stated)
            fills += len(of_venue[0])
            payments += len(of_venue[1])
            paid += sum((payment.amount for payment in of_venue[1]), Decimal(0))
            compared = compare_account(venue, journal, *of_venue)
            found += [differ.text for differs in compared.values() for differ in differs]
            found += payments_not_once(venue, journal, of_venue[1])
    told = _stated_funding(Lake(str(settings.state_dir / "lake")))
    if abs(told - paid) >= CENT:
        found.append(f"closes add up to {told:.4f} USD of funding, the venues paid {paid:.4f}")
    found += runs_not_once(instance, wanted)
    return Audit(fills, payments, len(wanted), paid, told, tuple(found))


def _of(stated: Mapping[str, Any]) -> tuple[list[EngineFill], list[EnginePayment]]:
    return _FILLS.validate_python(stated["fills"]), _PAYMENTS.validate_python(stated["payments"])


def payments_not_once(venue: str, journal: Journal, payments: Iterable[EnginePayment]) -> list[str]:
    """Settlements of an instrument that the journal does not have exactly once. Compared to the minute:
    some venues stamp a payment a little after its settlement."""
    kept = Counter((p.symbol, round(p.settled_at.timestamp() / 60)) for p in journal.payments(venue=venue))
    paid = Counter((p.symbol, round(p.time / 60_000)) for p in payments)
    return [
        f"{venue} {symbol}: settlement at minute {minute} {kept[symbol, minute]} times in the journal, "
        f"{paid[symbol, minute]} times paid"
        for symbol, minute in sorted({*kept, *paid})
        if kept[symbol, minute] != paid[symbol, minute]
    ]


def _stated_funding(lake: Lake) -> Decimal:
    """Funding of all closes, USD: each payment counts in one of them."""
    if not lake.exists(STATEMENT):
        return Decimal(0)
    rows = lake.scan(STATEMENT).filter(pl.col("source") == "funding").select(pl.col("usd").sum()).collect()
    return Decimal(repr(float(rows.item())))


def runs_not_once(instance: dg.DagsterInstance, settlements: Iterable[datetime]) -> list[str]:
    """Settlements without exactly one rebalance and one close."""
    found = []
    for settlement in settlements:
        for job in (REBALANCE, CLOSE):
            tags = {SETTLEMENT_TAG: text_of(settlement)}
            count = instance.get_runs_count(dg.RunsFilter(job_name=job, tags=tags))
            if count != 1:
                found.append(f"{count} runs of {job} for {text_of(settlement)}")
    return found
