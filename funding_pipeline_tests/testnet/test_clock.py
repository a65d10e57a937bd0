"""The testnet's clocks."""

import pytest

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.clock import ManualClock, TestnetClock


class Machine:
    """A machine's monotonic seconds, set by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_an_hour_passes_in_a_second_at_speed_3600() -> None:
    machine = Machine()
    clock = TestnetClock(1_000_000, 3600, monotonic=machine)
    machine.seconds += 1
    assert clock.now() == 1_000_000 + 3_600_000


def test_another_speed_goes_on_from_now() -> None:
    machine = Machine()
    clock = TestnetClock(0, 10, monotonic=machine)
    machine.seconds += 2
    clock.set_speed(0)
    machine.seconds += 50
    assert clock.now() == 20_000
    clock.set_speed(1)
    clock.advance(hours=1, seconds=5)
    machine.seconds += 1
    assert clock.now() == 20_000 + 3_605_000 + 1000


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), 1e9])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(TestnetError, match="speed"):
        TestnetClock(0, speed)


def test_no_clock_jumps_back_by_a_step() -> None:
    clock = ManualClock(5_000)
    with pytest.raises(TestnetError, match="does not lead ahead"):
        clock.advance(seconds=-1)
    clock.advance(seconds=1)
    assert clock.now() == 6_000
