"""What the guard may find and what it may do about it. Values only.

What lives here: symptoms of one look, findings after memory has its say, the report of a look. What does
not: the checks (`trust`, `hedging`, `solvency`), or acting (`guard`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from funding_pipeline.core.governance import Alert, TradingState

Severity = Literal["info", "warning", "critical"]
GuardAction = Literal["none", "shed", "REDUCING", "HALTED"]
"""shed: legs are reduced, and if it is critical the state becomes REDUCING first."""
Numbers = Mapping[str, float | str]


@dataclass(frozen=True)
class Symptom:
    """Something that one look sees. It becomes an action when it has lasted.

    `key` tells it from others over time. `advice`: what a person should do. `early`: how severe it is until
    it has lasted `after_seconds` (venues' time) and been seen in `looks` looks; None: no finding before.
    `bases`: to be reduced; `limits`: names of the limits that the reduction is about.
    """

    key: str
    severity: Severity
    title: str
    advice: str
    action: GuardAction = "none"
    after_seconds: float = 0.0
    looks: int = 1
    early: Severity | None = "info"
    bases: frozenset[str] = frozenset()
    limits: frozenset[str] = frozenset()
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A symptom with its past: what is done about it now. An `info` is told to nobody."""

    key: str
    severity: Severity
    title: str
    action: GuardAction
    advice: str
    since: datetime
    numbers: Numbers = field(default_factory=dict)
    bases: frozenset[str] = frozenset()
    limits: frozenset[str] = frozenset()

    @property
    def state(self) -> TradingState | None:
        """The trading state that it asks for."""
        if self.action in ("REDUCING", "HALTED"):
            return self.action
        return "REDUCING" if self.action == "shed" and self.severity == "critical" else None

    def alert(self, at: datetime) -> Alert:
        """For people."""
        return Alert(self.key, self.severity, self.title, self.advice, at, dict(self.numbers))


@dataclass(frozen=True)
class GuardReport:
    """One look: what was found, in order of urgency, and done. `state` None: the journal does not tell.

    `acted`: in words, what was set or sent. `problems`: what the guard itself could not do.
    """

    at: datetime
    state: TradingState | None
    findings: tuple[Finding, ...] = ()
    acted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0

    def has(self, key: str) -> bool:
        """Whether there is a finding whose key begins so."""
        return any(finding.key.startswith(key) for finding in self.findings)
