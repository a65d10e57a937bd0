"""Several coroutines at once, or strictly one after the other where a run must be repeatable.

What lives here: that. A failure, a kill among them, ends all of them: nothing goes on behind it.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(work: Sequence[Coroutine[Any, Any, T]], at_once: int) -> list[T]:
    """Results in the order of `work`, at most `at_once` under way; 1: in sequence.

    Raises the first failure.
    """
    if at_once == 1 or len(work) < 2:
        return await _in_sequence(work)
    slots = asyncio.Semaphore(at_once)

    async def limited(one: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await one

    tasks = [asyncio.ensure_future(limited(one)) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in work:
            one.close()


async def _in_sequence(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    try:
        return [await one for one in work]
    finally:
        for one in work:
            one.close()
