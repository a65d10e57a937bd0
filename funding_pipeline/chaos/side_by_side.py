"""Episodes on several processors: each process has a market of its own, and outcomes come in order.

What lives here: sharing the work out. What does not: the work (`campaign`). An episode depends on its
number and the seed alone, so that it does not matter which process plays it.
"""

import gc
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from functools import partial

from funding_pipeline.chaos.campaign import Campaign, Totals
from funding_pipeline.chaos.episode import Outcome
from funding_pipeline.core.errors import SettingsError

MakeCampaign = Callable[[], Campaign]
_EPISODES_PER_COLLECTION = 20
_FEW = 20
"""So few episodes are not worth another process."""
_campaign: Campaign | None = None


def run(
    make_campaign: MakeCampaign,
    episodes: int,
    seed: int,
    *,
    told: Callable[[Outcome], None] = lambda outcome: None,
    processes: int | None = None,
) -> tuple[Totals, float]:
    """All episodes and how many seconds they took. `make_campaign` is a function of a module.

    `processes`: default, one per processor. Raises SettingsError for no episodes or a negative seed.
    """
    if episodes < 1 or seed < 0:
        raise SettingsError("--episodes is at least 1 and --seed not negative")
    started, totals = time.perf_counter(), Totals()
    wanted = 1 if episodes <= _FEW else processes or os.cpu_count() or 1
    for outcome in _outcomes(make_campaign, episodes, seed, wanted):
        totals.add(outcome)
        told(outcome)
    return totals, time.perf_counter() - started


def _outcomes(make_campaign: MakeCampaign, episodes: int, seed: int, processes: int) -> Iterator[Outcome]:
    if processes == 1:
        _begin(make_campaign)
        yield from map(partial(_play, seed), range(episodes))
        return
    # Spawned, not forked: polars has threads, and a forked lock of theirs is never released.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_begin, initargs=(make_campaign,)) as pool:
        yield from pool.imap(partial(_play, seed), range(episodes), chunksize=4)


def _begin(make_campaign: MakeCampaign) -> None:
    global _campaign
    logging.getLogger("funding_pipeline.guard").setLevel(logging.CRITICAL + 1)  # alerts are made up here
    _campaign = make_campaign()


def _play(seed: int, number: int) -> Outcome:
    assert _campaign is not None, "the process has begun"
    was_on = gc.isenabled()
    gc.disable()  # ccxt's clients are trees of dictionaries: collecting now and then takes a fifth less time
    try:
        return _campaign.play(_campaign.scenario(seed, number))
    finally:
        if number % _EPISODES_PER_COLLECTION == 0:
            gc.collect()
        if was_on:
            gc.enable()
