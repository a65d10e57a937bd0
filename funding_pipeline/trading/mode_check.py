"""Leverage, margin mode and position mode of instruments, as they have to be before anything is opened.

What lives here: reading them once per execution, and setting what differs. What does not: changes made by
hand while something is held, which the guard reports (`guard.trust`).
"""

from collections.abc import Mapping

from funding_pipeline.core.errors import FundingPipelineError, OrderRejectedError
from funding_pipeline.core.trading import InstrumentModes, MarginMode
from funding_pipeline.trading.orders import Key
from funding_pipeline.venues.private import PrivateGateway

MARGIN_MODE: MarginMode = "cross"
"""What all is traded in: one leg's profit stands in for the other's loss on its venue."""


class ModeCheck:
    """What is wrong with the modes of instruments. `leverage`: wanted, where the venue allows as much."""

    def __init__(self, gateways: Mapping[str, PrivateGateway], *, leverage: int) -> None:
        self._gateways = gateways
        self._leverage = leverage
        self._refusals: dict[Key, str] = {}

    def known(self, key: Key) -> str:
        """What `refusal` found; empty where it was not asked yet."""
        return self._refusals.get(key, "")

    async def refusal(self, key: Key) -> str:
        """Why nothing may be opened in an instrument; empty: it may. Asked once, and again after a failure to
        read."""
        if key in self._refusals:
            return self._refusals[key]
        venue, symbol = key
        if venue not in self._gateways:
            return f"{venue}: no account is open"
        try:
            self._refusals[key] = await self._bring(self._gateways[venue], symbol)
        except OrderRejectedError as error:
            self._refusals[key] = f"its modes cannot be set: {error}"
        except FundingPipelineError as error:
            return f"its modes are not known: {error}"
        return self._refusals[key]

    async def _bring(self, gateway: PrivateGateway, symbol: str) -> str:
        """Set what differs; what is not stated stays unknown, and refuses."""
        found = await gateway.modes(symbol)
        if found.is_one_way is False:
            await gateway.prepare([symbol])
            found = await gateway.modes(symbol)
        if found.margin_mode not in (None, MARGIN_MODE):
            await gateway.set_margin_mode(symbol, MARGIN_MODE)
            found = await gateway.modes(symbol)
        if found.leverage not in (None, self._leverage):
            found = await self._bring_leverage(gateway, found)
        is_right = found.is_one_way and found.margin_mode == MARGIN_MODE and found.leverage is not None
        return "" if is_right else f"{gateway.venue} trades {symbol} in {found.text()}"

    async def _bring_leverage(self, gateway: PrivateGateway, found: InstrumentModes) -> InstrumentModes:
        tiers = await gateway.leverage_tiers([found.symbol])
        wanted = min([self._leverage, *(int(tier.max_leverage) for tier in tiers[:1])])
        if found.leverage == wanted:
            return found
        await gateway.set_leverage(found.symbol, wanted)
        return await gateway.modes(found.symbol)
