"""Kill points: the chosen one, and everything after it."""

import pytest

from funding_pipeline.chaos.kills import Kill, Killed, KillSwitch


def test_dies_at_the_chosen_point_and_stays_dead() -> None:
    switch = KillSwitch(Kill("any", 2))
    switch.pass_point("before request GET")
    switch.pass_point("before:write_intent")
    with pytest.raises(Killed):
        switch.pass_point("after:write_intent")
    assert (switch.is_dead, switch.point) == (True, "after:write_intent")
    with pytest.raises(Killed):
        switch.pass_point("before request GET")


def test_a_kill_at_writes_passes_reads_by() -> None:
    switch = KillSwitch(Kill("writes", 1))
    for name in ("before request GET", "after request GET", "before request POST"):
        switch.pass_point(name)
    with pytest.raises(Killed):
        switch.pass_point("before:record_outcome")


def test_no_except_exception_stops_a_kill() -> None:
    assert not issubclass(Killed, Exception)
