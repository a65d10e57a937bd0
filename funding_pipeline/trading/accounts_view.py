"""What the venues say is held and resting, and which of them cannot be reached.

What lives here: reading positions and open orders, keeping the last word of a venue that is gone. What does
not: what is done about it (`carrying_out`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.trading import OrderState
from funding_pipeline.execution.slicing import ZERO
from funding_pipeline.trading.orders import Key
from funding_pipeline.venues.private import PrivateGateway


class AccountsView:
    """Positions by (venue, symbol) as last read, plus fills that are known since."""

    def __init__(self, gateways: Mapping[str, PrivateGateway], legs: Sequence[Key]) -> None:
        self._gateways = gateways
        self._legs = tuple(legs)
        self._held: dict[Key, Decimal] = {}
        self._unread: dict[Key, str] = {}
        self._assumed: dict[Key, Decimal] = {}
        self._read: set[str] = set()
        self._prepared: set[str] = set()
        self._open: dict[str, tuple[OrderState, ...]] = {}
        self.down: dict[str, str] = {}

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues of the legs and of all accounts, sorted: orders of ours may rest on any."""
        return tuple(sorted({*self._gateways, *(venue for venue, _ in self._legs)}))

    async def read(self, venue: str) -> None:
        """Read one venue; where it cannot be reached, `down` says why and its last word stays."""
        gateway = self._gateways.get(venue)
        if gateway is None:
            self.down[venue] = f"{venue}: no account is open"
            return
        try:
            await self._prepare(venue, gateway)
            found = await gateway.read_positions()
            self._open[venue] = await gateway.open_orders()
        except FundingPipelineError as error:
            self.down[venue] = str(error)
            return
        self.down.pop(venue, None)
        self._held = {key: held for key, held in self._held.items() if key[0] != venue}
        self._held.update({(venue, position.symbol): position.quantity for position in found.held})
        self._unread = {key: why for key, why in self._unread.items() if key[0] != venue}
        self._unread.update({(venue, symbol): why for symbol, why in found.unread.items()})
        self._read.add(venue)

    def held(self, key: Key) -> Decimal | None:
        """Signed, quoted base units. None while the venue was never read and nothing is assumed, and for a
        position that cannot be read."""
        if key in self._unread:
            return None
        return self._held.get(key, ZERO) if key[0] in self._read else self._assumed.get(key)

    def unread(self, key: Key) -> str:
        """Why it is not known what is held; empty where it is, or where the venue is not read."""
        return self._unread.get(key, "")

    def assume(self, key: Key, held: Decimal) -> None:
        """What a venue that was never read is taken to hold; reading it replaces that."""
        if key[0] not in self._read:
            self._assumed[key] = held

    def add_fill(self, key: Key, filled: Decimal) -> None:
        """A fill that an order's answer told, signed: until the venue is read again it counts."""
        self._held[key] = self._held.get(key, ZERO) + filled

    def resting(self) -> tuple[OrderState, ...]:
        """Orders that rest on venues that were read, ours and others, by venue, symbol and id."""
        found = (order for venue, orders in self._open.items() if venue not in self.down for order in orders)
        return tuple(sorted(found, key=lambda order: (order.venue, order.symbol, order.order_id)))

    def unplanned(self) -> tuple[Key, ...]:
        """Positions in instruments that are no legs."""
        return tuple(sorted(key for key, held in self._held.items() if held and key not in self._legs))

    async def _prepare(self, venue: str, gateway: PrivateGateway) -> None:
        """Account modes, once: they are settings, no orders."""
        symbols = [symbol for of_venue, symbol in self._legs if of_venue == venue]
        if symbols and venue not in self._prepared:
            await gateway.prepare(symbols)
            self._prepared.add(venue)
