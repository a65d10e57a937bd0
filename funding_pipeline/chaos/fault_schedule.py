"""The drawn faults on the loop's time: begun and ended when it is their time, and counted.

What lives here: when. What does not: what a fault does (`testnet.faults`), which are drawn
(`faults_drawn`).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from funding_pipeline.chaos.faults_drawn import DrawnFault
from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.faults import FaultDesk

_AGAIN_S = 0.7
"""A fault that cannot happen yet (there is no position to deleverage) is tried again after this."""


class FaultSchedule:
    """Begins and ends faults at the desk; `hits`: how often each kind struck."""

    def __init__(
        self, desk: FaultDesk, faults: Sequence[DrawnFault], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._desk, self._faults = desk, faults
        self._loop = loop
        self._standing: dict[int, str] = {}
        self._is_calm = False
        self._ended: Counter[str] = Counter()

    def start(self) -> None:
        """Plan everything from the loop's now on."""
        for number, fault in enumerate(self._faults):
            if fault.at_s == 0:
                self._begin(number)
            else:
                self._loop.call_later(fault.at_s, self._begin, number)
            if fault.ends_s is not None:
                self._loop.call_later(fault.ends_s, self._end, number)

    def calm(self) -> None:
        """End what ends, and begin nothing more; what is for good stays."""
        self._is_calm = True
        for number, fault in enumerate(self._faults):
            if fault.ends_s is not None:
                self._end(number)

    @property
    def hits(self) -> Counter[str]:
        """Strikes by kind."""
        standing = {shown["id"]: shown for shown in self._desk.list()}
        found = Counter(self._ended)
        for name in self._standing.values():
            found[standing[name]["kind"]] += standing[name]["hits"]
        return +found

    @property
    def last(self) -> bool:
        """Whether a fault is for good: a leg may then be impossible, and waiting for it ends nowhere."""
        return self._is_calm and bool(self._standing)

    def gone(self) -> frozenset[str]:
        """Venues that cannot be reached at all now."""
        rules = [self._faults[number].rule for number in self._standing]
        return frozenset(rule["venue"] for rule in rules if rule["kind"] == "venue_gone")

    def _begin(self, number: int) -> None:
        if self._is_calm:
            return
        fault = self._faults[number]
        try:
            self._standing[number] = self._desk.add(fault.rule)["id"]
        except TestnetError:  # nothing to deleverage yet, or the instrument is delisted
            if fault.ends_s is not None and self._loop.time() < fault.ends_s:
                self._loop.call_later(_AGAIN_S, self._begin, number)

    def _end(self, number: int) -> None:
        name = self._standing.pop(number, None)
        if name is None:
            return
        shown = next(shown for shown in self._desk.list() if shown["id"] == name)
        self._ended[shown["kind"]] += shown["hits"]
        self._desk.remove(name)
