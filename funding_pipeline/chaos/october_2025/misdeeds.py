"""What venues do on the day: one freezes with what is held on it, others deleverage winning shorts.

What lives here: doing it to the engines when it is time, and saying so. What does not: when (`story`).
"""

from collections.abc import Callable

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.chaos.ground import Ground
from funding_pipeline.chaos.october_2025.story import Deleveraging, Story
from funding_pipeline.testnet.engine.values import Rejected


class Misdeeds:
    """Acts by seconds since the fall began; `note` hears what was done."""

    def __init__(self, ground: Ground, story: Story, note: Callable[[str], None]) -> None:
        self._ground, self._story, self._note = ground, story, note

    def planned(self) -> list[tuple[float, Callable[[], None]]]:
        """Each with its time."""
        start, end = self._story.frozen_s
        acts: list[tuple[float, Callable[[], None]]] = [(start, self._freeze), (end, self._thaw)]
        return acts + [(one.at_s, self._deleveraging(one)) for one in self._story.deleveragings]

    def _freeze(self) -> None:
        """No answer but 503, no matching, and prices that stand still."""
        venue, (start, end) = self._story.frozen_venue, self._story.frozen_s
        seat = self._ground.testnet.seat(venue)
        seat.exchange.advance()
        seat.exchange.halt()
        self._ground.desk.add({"kind": "status", "status": 503, "venue": venue})
        self._ground.desk.add({"kind": "stale_prices", "seconds": end - start, "venue": venue})
        positions = seat.exchange.positions(self._ground.accounts[venue])
        held = ", ".join(f"{position.quantity:f} {position.symbol}" for position in positions)
        self._note(f"{venue} freezes: it answers and matches nothing; held there: {held or 'nothing'}")

    def _thaw(self) -> None:
        self._ground.testnet.seat(self._story.frozen_venue).exchange.resume()
        self._ground.desk.remove()
        self._note(f"{self._story.frozen_venue} answers again")

    def _deleveraging(self, one: Deleveraging) -> Callable[[], None]:
        return lambda: self._deleverage(one)

    def _deleverage(self, one: Deleveraging) -> None:
        seat, account = self._ground.testnet.seat(one.venue), self._ground.accounts[one.venue]
        seat.exchange.advance()
        symbol = instrument_of(self._ground, one.venue, one.base)
        terms = seat.exchange.instrument(symbol)
        held = seat.exchange.position(account, symbol).quantity
        if held >= 0:
            self._note(f"{one.venue} would deleverage shorts in {symbol}, of which none is held any more")
            return
        size = max(abs(held) * one.fraction // terms.step * terms.step, terms.step)
        mark = seat.quotes.mark(symbol, seat.exchange.now())
        price = mark * (1 + one.above_mark) // terms.tick * terms.tick
        try:
            seat.exchange.deleverage(account, symbol, size, price=price)
        except Rejected as error:
            self._note(f"{one.venue} does not deleverage {symbol}: {error.message}")
            return
        part = "all" if size == abs(held) else f"{size:f}"
        self._note(
            f"{one.venue} deleverages the winning short in {symbol}: {part} of {abs(held):f} at {price:f}, "
            f"mark {mark:f}"
        )


def instrument_of(ground: Ground, venue: str, base: str) -> str:
    """Symbol of the base's perpetual on the venue."""
    listed = ground.testnet.seat(venue).quotes.instruments()
    return next(item.symbol for item in listed if base_of(item.symbol)[0] == base)
