"""The journal: what was meant, what was sent, what became of it, and what is allowed. It survives a kill.

What lives here: the one class that the rest of the program uses. What does not: its parts, each in a
module of its own (`journal_orders`, `journal_governance`, ...), and the database (`journal_database`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from funding_pipeline.storage.journal_database import utc_now
from funding_pipeline.storage.journal_equity import EquityJournal
from funding_pipeline.storage.journal_governance import GovernanceJournal
from funding_pipeline.storage.journal_lock import Lease
from funding_pipeline.storage.journal_orders import OrderJournal
from funding_pipeline.storage.journal_signs import SignJournal
from funding_pipeline.storage.journal_statements import StatementJournal
from funding_pipeline.storage.journal_totals import TotalsJournal
from funding_pipeline.storage.journal_verdicts import VerdictJournal

__all__ = ["Journal", "Lease", "utc_now"]


class Journal(
    OrderJournal,
    VerdictJournal,
    StatementJournal,
    TotalsJournal,
    GovernanceJournal,
    SignJournal,
    EquityJournal,
):
    """A transactional journal in a SQLite file (`sqlite:///path`) or PostgreSQL (`postgresql+psycopg2://`).

    Every method that writes is one transaction and durable when it returns. `now`, `commit_hook`,
    `busy_timeout_seconds` and `marker`: see `JournalDatabase`. `alert_window`: in which an alert is a repeat.
    Raises JournalError for whatever the database cannot do, with the file and the mend in the message.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Callable[[], datetime] = utc_now,
        commit_hook: Callable[[str], None] | None = None,
        busy_timeout_seconds: float = 5.0,
        alert_window: timedelta = timedelta(minutes=15),
        marker: Path | None = None,
    ) -> None:
        super().__init__(
            url, now=now, commit_hook=commit_hook, busy_timeout_seconds=busy_timeout_seconds, marker=marker
        )
        self.alert_window = alert_window
