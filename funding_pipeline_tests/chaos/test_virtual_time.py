"""Virtual time: sleeps that do not wait, in the right order."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from funding_pipeline.chaos.virtual_time import Stamps, VirtualClock, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    asyncio.set_event_loop(made)
    yield made
    asyncio.set_event_loop(None)
    made.close()


def test_a_day_passes_at_once_and_in_order(loop: VirtualLoop) -> None:
    seen: list[tuple[str, int]] = []
    clock = VirtualClock(loop, 1_704_067_200_000)

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, clock.now() - 1_704_067_200_000))

    async def both() -> None:
        await asyncio.gather(sleeper("day", 86_400), sleeper("hour", 3_600))

    started = time.perf_counter()
    loop.run_until_complete(both())
    assert seen == [("hour", 3_600_000), ("day", 86_400_000)]
    assert time.perf_counter() - started < 5


def test_a_timeout_is_virtual_too(loop: VirtualLoop) -> None:
    async def late() -> None:
        await asyncio.wait_for(asyncio.sleep(100), timeout=10)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(late())
    assert loop.time() == pytest.approx(10)


def test_waiting_for_what_never_comes_is_an_error_and_no_hang(loop: VirtualLoop) -> None:
    async def forever() -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="nothing is left to happen"):
        loop.run_until_complete(forever())


def test_work_for_a_thread_is_done_at_once(loop: VirtualLoop) -> None:
    assert loop.run_until_complete(asyncio.to_thread(lambda: 7)) == 7


def test_stamps_grow_while_the_clock_stands_still(loop: VirtualLoop) -> None:
    stamps = Stamps(VirtualClock(loop, 1_000))
    assert [stamps.next() for _ in range(3)] == [1_000, 1_001, 1_002]
