"""Trading states: who may change them, what may be sent in each, and when live orders are allowed at all.

What lives here: rules, as pure functions. What does not: keeping the state (`storage.journal`), or the web
UI's confirmations.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import TradingState

ActorKind = Literal["person", "guard", "executor", "sensor", "journal"]
Permission = Literal["none", "reduce", "all"]
_SEVERITY: dict[TradingState, int] = {"ACTIVE": 0, "REDUCING": 1, "HALTED": 2}
LONGEST_ARMING = timedelta(hours=24)


@dataclass(frozen=True)
class Actor:
    """Who acts: `person alice`, `guard`. Anything that is not known for a person is none."""

    kind: ActorKind
    name: str = ""

    @property
    def text(self) -> str:
        """As the journal keeps it."""
        return f"{self.kind} {self.name}".strip()


def is_stricter(one: TradingState, other: TradingState) -> bool:
    """Whether `one` allows less than `other`."""
    return _SEVERITY[one] > _SEVERITY[other]


def strictest(*states: TradingState) -> TradingState:
    """The one of `states` that allows least."""
    return max(states, key=lambda state: _SEVERITY[state])


def require_transition(current: TradingState, wanted: TradingState, *, by: Actor, reason: str) -> None:
    """GovernanceError unless `by` may change the state, for a reason that is said.

    Toward HALTED anyone may, at any time, also to the state that already holds. Back toward ACTIVE only a
    person with a name: what stopped trading must not start it again.
    """
    if not reason.strip():
        raise GovernanceError(f"{current} to {wanted}: needs a reason")
    if is_stricter(current, wanted) and (by.kind != "person" or not by.name):
        raise GovernanceError(f"{current} to {wanted}: only a person may loosen the state, not {by.text}")


def permission_in(state: TradingState) -> Permission:
    """What may be sent in a state, besides cancels, which always may."""
    permissions: dict[TradingState, Permission] = {"ACTIVE": "all", "REDUCING": "reduce", "HALTED": "none"}
    return permissions[state]


@dataclass(frozen=True)
class Arming:
    """What live trading stands on. `armed_until`: UTC, None where nobody armed it."""

    is_live: bool
    has_keys: bool
    armed_until: datetime | None = None

    def permission(self, at: datetime) -> Permission:
        """Paper may do all. Live: nothing without keys; without arming in force only what reduces.

        An expired arming still lets positions be closed, else it would lock a person out of the way home.
        """
        if not self.is_live:
            return "all"
        if not self.has_keys:
            return "none"
        return "all" if self.armed_until is not None and at < self.armed_until else "reduce"

    def reason(self, at: datetime) -> str:
        """Why the permission is what it is, for a person."""
        if not self.is_live:
            return "paper: orders go to a testnet"
        if not self.has_keys:
            return "live, but no keys are set"
        if self.armed_until is None:
            return "live, but not armed: arm it in the web UI"
        word = "until" if at < self.armed_until else "no longer: it expired at"
        return f"live, armed {word} {self.armed_until:%Y-%m-%d %H:%M} UTC"


def require_arming(*, by: Actor, at: datetime, until: datetime) -> None:
    """GovernanceError unless `by` may arm live trading until `until`: a person, for at most a day."""
    if by.kind != "person" or not by.name:
        raise GovernanceError(f"only a person may arm live trading, not {by.text}")
    if not at < until <= at + LONGEST_ARMING:
        hours = LONGEST_ARMING.total_seconds() / 3600
        raise GovernanceError(f"arming must end within {hours:g} hours from now, not at {until.isoformat()}")
