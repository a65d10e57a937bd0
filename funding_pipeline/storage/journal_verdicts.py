"""The part of the journal that keeps risk verdicts, whole and unchanged.

What lives here: writing them down and reading them back. What does not: judging (`execution`).
"""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select

from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.governance import LegVerdict, LimitBreach, RiskVerdict, TargetPosition
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import verdicts
from funding_pipeline.storage.journal_types import UnreadableValueError


class VerdictJournal(JournalDatabase):
    """Risk verdicts by id."""

    def save_verdict(self, verdict: RiskVerdict) -> None:
        """Keep a verdict; the same one again changes nothing. Raises JournalError if its id has another."""
        with self._write("save_verdict") as connection:
            known = find_verdict(connection, verdict.verdict_id)
            if known is None:
                connection.execute(insert(verdicts).values(**_columns(verdict)))
            elif known != verdict:
                raise JournalError(f"verdict {verdict.verdict_id} is in the journal with other contents")

    def verdict(self, verdict_id: str) -> RiskVerdict | None:
        """The verdict of that id, or None."""
        with self._read() as connection:
            return find_verdict(connection, verdict_id)

    def latest_verdict(self) -> RiskVerdict | None:
        """The verdict that was saved last, or None."""
        with self._read() as connection:
            row = connection.execute(select(verdicts).order_by(verdicts.c.sequence.desc()).limit(1))
            found = row.mappings().one_or_none()
        return None if found is None else _verdict(found)


def find_verdict(connection: Connection, verdict_id: str) -> RiskVerdict | None:
    """The verdict of that id, as this transaction sees it."""
    rows = connection.execute(select(verdicts).where(verdicts.c.verdict_id == verdict_id))
    found = rows.mappings().one_or_none()
    return None if found is None else _verdict(found)


def _columns(verdict: RiskVerdict) -> dict[str, Any]:
    return {
        "verdict_id": verdict.verdict_id,
        "rebalance": verdict.rebalance,
        "judged_at": verdict.judged_at,
        "expires_at": verdict.expires_at,
        "state": verdict.state,
        "limits_version": verdict.limits_version,
        "legs": [_leg_document(leg) for leg in verdict.legs],
        "breaches": [asdict(breach) for breach in verdict.breaches],
    }


def _leg_document(leg: LegVerdict) -> dict[str, Any]:
    """Decimals as their digits; JSON would make floats of them."""
    target = {
        key: str(value) if isinstance(value, Decimal) else value for key, value in asdict(leg.target).items()
    }
    return {
        "target": target,
        "decision": leg.decision,
        "allowed": str(leg.allowed),
        "reasons": list(leg.reasons),
    }


def _verdict(row: Mapping[Any, Any]) -> RiskVerdict:
    try:
        legs = tuple(_leg(document) for document in row["legs"])
        breaches = tuple(LimitBreach(**document) for document in row["breaches"])
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise UnreadableValueError(f"verdict {row['verdict_id']} has unreadable legs") from error
    return RiskVerdict(
        verdict_id=row["verdict_id"],
        rebalance=row["rebalance"],
        judged_at=row["judged_at"],
        expires_at=row["expires_at"],
        state=row["state"],
        limits_version=row["limits_version"],
        legs=legs,
        breaches=breaches,
    )


def _leg(document: Mapping[str, Any]) -> LegVerdict:
    target = dict(document["target"])
    for name in ("multiplier", "quantity", "price"):
        target[name] = Decimal(target[name])
    return LegVerdict(
        target=TargetPosition(**target),
        decision=document["decision"],
        allowed=Decimal(document["allowed"]),
        reasons=tuple(document["reasons"]),
    )
