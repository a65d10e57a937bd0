"""Independent runs side by side in processes of their own.

What lives here: starting and ending the processes. What does not: what is run. Results are those of one
process, in the order of the tasks: a run draws nothing at random and shares nothing.

joblib's executor and not the standard library's: that one starts by importing the caller's script again,
which runs a script without `if __name__ == "__main__"` a second time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")
_shared: Any = None
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def started(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, processes: int
) -> Iterator[Callable[[], list[Result]]]:
    """Start `function` on every task in the background; what is given collects the results, in order.

    With one process, or nothing to do, all is done when the results are collected, here. Function, tasks and
    results must be picklable. An error of a task is raised when its result is collected.
    """
    count = min(processes, len(tasks))
    if processes < 2 or not count:
        yield lambda: [function(task) for task in tasks]
        return
    with _pool(count) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        yield lambda: [future.result() for future in futures]


def in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    processes: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Results of `function` on every task, in order; `progress(done, total)` after each."""
    count = min(processes, len(tasks))
    if count < 2:
        return _counted(map(function, tasks), total=len(tasks), progress=progress)
    with _pool(count) as pool:
        return _counted(pool.map(function, tasks), total=len(tasks), progress=progress)


def in_processes_with(
    shared: Shared,
    function: Callable[[Shared, Task], Result],
    tasks: Sequence[Task],
    *,
    processes: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """The same of `function(shared, task)`; what is shared is large and goes to each process once."""
    count = min(processes, len(tasks))
    if count < 2:
        own = (function(shared, task) for task in tasks)
        return _counted(own, total=len(tasks), progress=progress)
    with _pool(count, shared=shared) as pool:
        found = pool.map(_on_shared, [function] * len(tasks), tasks)
        return _counted(found, total=len(tasks), progress=progress)


def _share(value: Any) -> None:
    """Keep what all tasks of this process share."""
    global _shared
    _shared = value


def _on_shared(function: Callable[[Any, Task], Result], task: Task) -> Result:
    return function(_shared, task)


@contextmanager
def _pool(count: int, *, shared: Any = None) -> Iterator[Executor]:
    """Processes of one thread each, gone when the block ends; after an error at once."""
    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=count, env=_ONE_THREAD, initializer=_share, initargs=(shared,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


def _counted(
    results: Iterator[Result], *, total: int, progress: Callable[[int, int], None] | None
) -> list[Result]:
    out: list[Result] = []
    for result in results:
        out.append(result)
        if progress is not None:
            progress(len(out), total)
    return out
