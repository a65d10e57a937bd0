"""What came of the day: the end state, the loss by source, alerts and timeline, for reader and program.

What lives here: figures and words. What does not: playing (`play`), drawing (`plot`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from funding_pipeline.chaos.final_audit import Residual, compare_statements, residual
from funding_pipeline.chaos.ground import Ground
from funding_pipeline.chaos.october_2025.timeline import Row, Sample, timeline
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.core.governance import Alert, IntentRecord, StateRecord
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.trading.pnl import PnlBySource

_CENT = Decimal("0.005")
_SHOWN = 150


@dataclass(frozen=True)
class Loss:
    """Profit by source between two books; `problems`: statements that could not be read."""

    sources: PnlBySource
    before: Mapping[str, VenueBook]
    after: Mapping[str, VenueBook]
    problems: tuple[str, ...]

    @property
    def adds_up(self) -> bool:
        """Whether the sources are the change in equity, to the cent."""
        difference = self.sources.difference
        return difference is not None and abs(difference) < _CENT


@dataclass(frozen=True)
class OctoberOutcome:
    """`began`: when prices began to fall. `violations`: rules that were broken; there should be none."""

    began: datetime
    rows: tuple[Row, ...]
    samples: tuple[Sample, ...]
    alerts: tuple[Alert, ...]
    states: tuple[StateRecord, ...]
    loss: Loss
    left: Residual
    orders: Mapping[str, int]
    fills: int
    guard_looks: int
    violations: tuple[Violation, ...]

    @property
    def is_clean(self) -> bool:
        """Flat or hedged within the cap, every cent explained, no rule broken."""
        return not self.violations

    @property
    def worst_unhedged_usd(self) -> Decimal:
        """The most that was unhedged at a sample, over all bases."""
        return max(sample.total_unhedged_usd for sample in self.samples)

    def as_json(self) -> dict[str, Any]:
        """Everything; numbers in USD, times in UTC."""
        books = self.loss.after
        return {
            "scenario": "october-2025",
            "fall_began_at": self.began.isoformat(),
            "is_clean": self.is_clean,
            "end_state": self.states[-1].state,
            "residual_unhedged_usd": float(round(self.left.usd, 2)),
            "residual_cap_usd": float(round(self.left.cap_usd, 2)),
            "unavoidable_unhedged_usd": float(round(self.left.unavoidable_usd, 2)),
            "worst_unhedged_usd": float(round(self.worst_unhedged_usd, 2)),
            "pnl_by_source_usd": {row["source"]: row["usd"] for row in self.loss.sources.rows()},
            "orders": dict(self.orders),
            "fills": self.fills,
            "guard_looks": self.guard_looks,
            "positions": {
                venue: {p.symbol: f"{p.quantity:f}" for p in book.positions if p.quantity}
                for venue, book in sorted(books.items())
            },
            "alerts": [
                {
                    "raised_at": alert.raised_at.isoformat(),
                    "seconds": round((alert.raised_at - self.began).total_seconds(), 1),
                    "severity": alert.severity,
                    "key": alert.key,
                    "title": alert.title,
                    "action": alert.action,
                }
                for alert in self.alerts
            ],
            "timeline": [row.as_json(self.began) for row in self.rows],
            "violations": [f"{v.rule}: {v.text}" for v in self.violations],
        }


def conclude(
    ground: Ground,
    loss: Loss,
    *,
    began: datetime,
    samples: Sequence[Sample],
    events: Sequence[tuple[datetime, str]],
    guard_looks: int,
) -> OctoberOutcome:
    """Judge what is left by the rules of the campaign."""
    journal, audit = ground.journal, ground.audit
    state = journal.state()
    left = residual(ground.testnet, ground.accounts, journal, gone=(), state=state.state)
    statements = compare_statements(ground.testnet, ground.accounts, journal, gone=())
    failed = [a for a in journal.alerts() if a.key == "guard failed"]
    violations = [
        *audit.violations,
        *left.breaches,
        *statements.mismatches,
        *ground.network.failures,
        *(Violation("guard_failures", alert.title) for alert in failed),
        *(Violation("statement_mismatches", text) for text in loss.problems),
    ]
    if left.unavoidable_usd:
        violations.append(Violation("residual_above_cap", f"{left.unavoidable_usd:.2f} USD cannot be hedged"))
    if not loss.adds_up:
        violations.append(
            Violation("loss_unexplained", f"the sources leave {loss.sources.difference} USD unexplained")
        )

    def who(record: IntentRecord) -> str:
        return audit.kind_of_sender(record.intent.request.venue, record.intent.client_order_id)

    return OctoberOutcome(
        began=began,
        rows=timeline(samples, events, journal, who),
        samples=tuple(samples),
        alerts=journal.alerts(),
        states=tuple(reversed(journal.state_history())),
        loss=loss,
        left=left,
        orders=dict(audit.orders),
        fills=sum(len(account.fills) for account in ground.accounts.values()),
        guard_looks=guard_looks,
        violations=tuple(violations),
    )


def lines(outcome: OctoberOutcome) -> list[str]:
    """For a person: the timeline, then the end."""
    head = f"{'time':>8}  {'BTC':>6} {'worst':>6}  {'unhedged USD':>12}  {'equity USD':>12}"
    return [head, *(_line(row, outcome.began) for row in outcome.rows), "", *_end(outcome)]


def _line(row: Row, began: datetime) -> str:
    seconds = (row.at - began).total_seconds()
    sign, whole = ("-" if seconds < 0 else "+"), abs(round(seconds))
    prices = row.sample.prices
    btc, worst = (f"{float(p) - 1:+.0%}" for p in (prices.get("BTC", Decimal(1)), min(prices.values())))
    figures = f"{row.sample.total_unhedged_usd:>12,.0f}  {row.sample.equity_usd:>12,.0f}"
    text = row.text if len(row.text) <= _SHOWN else row.text[: _SHOWN - 3] + "..."
    return f"{sign}{whole // 60:>3}:{whole % 60:02d}  {btc:>6} {worst:>6}  {figures}  {row.kind}: {text}"


def _end(outcome: OctoberOutcome) -> list[str]:
    loss, left = outcome.loss, outcome.left
    sources = [
        f"  {row['source']:<14} {row['usd']:>14,.2f}"
        for row in loss.sources.rows()
        if isinstance(row["usd"], float)
    ]
    state = outcome.states[-1]
    return [
        f"state: {state.state} by {state.by}: {state.reason}",
        f"unhedged in the end: {left.usd:,.2f} USD in the worst base (cap {left.cap_usd:,.2f}); "
        f"at most it was {outcome.worst_unhedged_usd:,.0f} USD",
        "profit by source since just before the fall, USD:",
        *sources,
        *(f"BROKEN {v.rule}: {v.text}" for v in outcome.violations),
    ]
