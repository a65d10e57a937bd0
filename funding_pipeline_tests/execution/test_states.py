"""States: who may change them, what they let through; arming of live trading."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import TradingState
from funding_pipeline.execution.states import (
    Actor,
    Arming,
    is_stricter,
    permission_in,
    require_arming,
    require_transition,
    strictest,
)

NOW = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)
STATES: tuple[TradingState, ...] = ("ACTIVE", "REDUCING", "HALTED")
ALICE, GUARD = Actor("person", "alice"), Actor("guard")


@pytest.mark.parametrize(("current", "wanted"), list(product(STATES, STATES)))
def test_anyone_may_stop_and_only_a_person_may_start(current: TradingState, wanted: TradingState) -> None:
    require_transition(current, wanted, by=ALICE, reason="checked the books")
    for actor in (GUARD, Actor("executor"), Actor("sensor"), Actor("journal"), Actor("person")):
        if is_stricter(current, wanted):
            with pytest.raises(GovernanceError, match="only a person may loosen"):
                require_transition(current, wanted, by=actor, reason="it looks fine")
        else:
            require_transition(current, wanted, by=actor, reason="margin")


def test_every_change_needs_a_reason() -> None:
    with pytest.raises(GovernanceError, match="needs a reason"):
        require_transition("HALTED", "ACTIVE", by=ALICE, reason="  ")


def test_what_each_state_lets_through() -> None:
    assert [permission_in(state) for state in STATES] == ["all", "reduce", "none"]
    assert strictest("ACTIVE", "HALTED", "REDUCING") == "HALTED"


def test_live_needs_setting_keys_and_arming_that_has_not_expired() -> None:
    until = NOW + timedelta(hours=1)
    assert Arming(is_live=False, has_keys=False).permission(NOW) == "all"
    assert Arming(is_live=True, has_keys=False, armed_until=until).permission(NOW) == "none"
    assert Arming(is_live=True, has_keys=True).permission(NOW) == "reduce"
    armed = Arming(is_live=True, has_keys=True, armed_until=until)
    assert armed.permission(NOW) == "all"
    assert armed.permission(until) == "reduce"
    assert armed.reason(until) == "live, armed no longer: it expired at 2025-10-10 22:00 UTC"
    assert "not armed" in Arming(is_live=True, has_keys=True).reason(NOW)


def test_only_a_person_arms_and_not_for_long() -> None:
    require_arming(by=ALICE, at=NOW, until=NOW + timedelta(hours=24))
    with pytest.raises(GovernanceError, match="only a person"):
        require_arming(by=GUARD, at=NOW, until=NOW + timedelta(hours=1))
    for until in (NOW, NOW + timedelta(hours=25)):
        with pytest.raises(GovernanceError, match="within 24 hours"):
            require_arming(by=ALICE, at=NOW, until=until)
