"""One account of one venue: balance, positions, orders, fills and funding payments, the same for every venue.

What lives here: calls. What does not: values from ccxt's structures (`account_values`), a venue's quirks
(its module), or deciding what to trade (`execution`).

An order is sent once, always with a client order id. After OrderOutcomeUnknownError nothing else may be
sent for the instrument until `order_by_client_id` tells what became of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from funding_pipeline.core.errors import (
    CredentialsError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    VenueAnswerError,
    VenueError,
)
from funding_pipeline.core.trading import (
    Balance,
    Fill,
    FundingPayment,
    InstrumentModes,
    MarginMode,
    OrderRequest,
    OrderState,
    OrderStatus,
    PositionState,
)
from funding_pipeline.venues import account_values as values
from funding_pipeline.venues.answers import understanding
from funding_pipeline.venues.calls import Sleep
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import Json, KeyPermissions, VenueDialect
from funding_pipeline.venues.listing import instrument_terms
from funding_pipeline.venues.pager import PageRequest, walk
from funding_pipeline.venues.reading import VenueReader
from funding_pipeline.venues.spelling import HOUR_MS, info_of, to_ms

LISTING_SECONDS = 600.0
"""After which a listing is read again."""


@dataclass(frozen=True)
class PositionsRead:
    """`unread`: reasons by symbol."""

    held: tuple[PositionState, ...]
    unread: Mapping[str, str]


class PrivateGateway(VenueReader):
    """One account; an async context manager. Nothing of it is archived.

    Opening raises CredentialsError for keys that are wrong, incomplete, or may withdraw.
    """

    def __init__(
        self,
        dialect: VenueDialect,
        connection: Connection,
        credentials: Credentials,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if not dialect.can_trade:
            raise CredentialsError(f"{dialect.name}: only public data of this venue is implemented")
        super().__init__(dialect, connection, credentials=credentials, sleep=sleep)
        self._listed_at: float | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            await self._refuse_withdrawal()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _refuse_withdrawal(self) -> None:
        if (await self.permissions()).may_withdraw:
            raise CredentialsError(
                f"{self.venue}: the API key may withdraw; make one that may only trade and read"
            )

    # --- account
    async def permissions(self) -> KeyPermissions:
        """What the venue says the key may do."""
        told: KeyPermissions = await self._calls.read_by(
            self.dialect.key_permissions, self._client, name="key_permissions"
        )
        return told

    async def prepare(self, symbols: Sequence[str]) -> None:
        """Bring the account into the modes that this system trades in (one-way); idempotent."""
        await self._markets()
        about = ",".join(symbols[:3])
        await self._calls.setting(
            self.dialect.prepare_account, self._client, symbols, name="prepare_account", about=about
        )

    async def balance(self) -> tuple[Balance, ...]:
        """Collateral by currency; currencies of which there is nothing are left out."""
        await self._markets()
        answer, left_out = await self._calls.read_rows("fetch_balance", self._params("fetch_balance"))
        for row in left_out:  # of another list of the same answer: open profit is then unknown
            raise VenueAnswerError(f"{self.venue}: balance: {row.name}: {row.reason}")
        with understanding(f"{self.venue}: balance"):
            return values.balances(self.dialect, answer)

    async def positions(self) -> tuple[PositionState, ...]:
        """Open positions by symbol, signed, in quoted base units; raises VenueAnswerError for one that cannot
        be read."""
        found = await self.read_positions()
        if found.unread:
            raise VenueAnswerError("; ".join(found.unread.values()))
        return found.held

    async def read_positions(self) -> PositionsRead:
        """Open positions, and by symbol those that are there and cannot be read: how much is held is unknown.

        Raises VenueAnswerError where it is not even known in what.
        """
        markets = await self._recent_markets()
        rows, left_out = await self._calls.read_rows("fetch_positions", None, self._params("fetch_positions"))
        held: list[PositionState] = []
        unread = {
            self._symbol_of(row.name): f"{self.venue}: position of {row.name}: {row.reason}"
            for row in left_out
        }
        for row in rows:
            try:
                with understanding(f"{self.venue}: position of {row.get('symbol')}"):
                    state = values.position(self.dialect, row, markets)
            except VenueAnswerError as error:
                unread[str(row.get("symbol"))] = str(error)
            else:
                held += [state] if state is not None else []
        return PositionsRead(tuple(sorted(held, key=lambda state: state.symbol)), unread)

    async def _recent_markets(self) -> Mapping[str, Json]:
        """The listing, read again from time to time: what is held may have been delisted since. One that
        cannot be read leaves the last one."""
        now = asyncio.get_running_loop().time()
        is_old = self._listed_at is not None and now - self._listed_at > LISTING_SECONDS
        if self._listed_at is None or is_old:
            self._listed_at = now
        try:
            return await self._markets(again=is_old)
        except VenueError as error:
            if not is_old:
                raise
            self.unread.append(f"{self.venue}: the listing is not read again: {error}")
            return await self._markets()

    def _symbol_of(self, native: str) -> str:
        """The symbol of an instrument that the venue names like this."""
        for symbol, market in self._client.markets.items():
            if native in (market["id"], info_of(market).get("name")) and self.dialect.serves(market):
                return str(symbol)
        return values.perpetual_symbol(native)

    async def modes(self, symbol: str) -> InstrumentModes:
        """Leverage, margin mode and position mode that hold for an instrument."""
        await self._market(symbol)
        found = await self._calls.read_by(
            self.dialect.modes, self._client, symbol, name="modes", about=symbol
        )
        assert isinstance(found, InstrumentModes)
        return found

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set it; success also where it is set already. OrderRejectedError(leverage) above the maximum."""
        await self._set(self.dialect.set_leverage, symbol, leverage, "set_leverage")

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> None:
        """Cross or isolated; success also where it is set already."""
        await self._set(self.dialect.set_margin_mode, symbol, mode, "set_margin_mode")

    async def _set(self, function: Any, symbol: str, value: Any, name: str) -> None:
        await self._market(symbol)

        async def unless_set(client: Any) -> None:
            try:
                await function(client, symbol, value)
            except Exception as error:
                if not self.dialect.is_already_set(error):
                    raise

        reason = "leverage" if name == "set_leverage" else "other"
        await self._calls.setting(
            unless_set, self._client, name=name, about=f"{symbol} {value}", reason=reason
        )

    # --- orders
    async def create_order(self, request: OrderRequest) -> OrderState:
        """Send an order once and return what became of it.

        Raises OrderRejectedError (nothing rests, nothing was filled) with a reason, and
        OrderOutcomeUnknownError after any failure that leaves open whether the venue has it.
        """
        market = await self._market(request.symbol)
        terms = instrument_terms(self.dialect, market, self._client.precisionMode, None)
        contracts = values.contracts(request, terms)
        acknowledged = await self._calls.order(
            self._client.create_order,
            request.symbol,
            request.kind,
            request.side,
            float(contracts),
            None if request.price is None else float(request.price),
            self.dialect.order_params(request),
            name="create_order",
            about=f"{request.symbol} {request.client_order_id}",
        )
        state = values.acknowledged(self.dialect, acknowledged, market, request)
        if state is None or state.status == "open" or request.time_in_force == "post_only":
            state = await self._what_became(request)
        return _unless_rejected(self.venue, request, state)

    async def _what_became(self, request: OrderRequest) -> OrderState:
        """An acknowledgement may say little (Bybit: an id); what the order did is asked for."""
        what = f"{self.venue}: create_order {request.symbol} {request.client_order_id}"
        try:
            state = await self.order_by_client_id(request.symbol, request.client_order_id)
        except VenueError as error:
            raise OrderOutcomeUnknownError(f"{what}: accepted, then: {error}") from error
        if state is None:
            raise OrderOutcomeUnknownError(f"{what}: accepted, but the venue does not find it yet")
        return state

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderState:
        """Cancel by client id, once, and return the order as it ended (it may have been filled meanwhile).

        Raises OrderRejectedError(unknown_order) where the venue has no such order, and
        OrderOutcomeUnknownError where no answer came.
        """
        await self._market(symbol)
        about = f"{symbol} {client_order_id}"
        venue_form = self.dialect.client_id(client_order_id)
        refused: OrderRejectedError | None = None
        try:
            await self._calls.order(
                self.dialect.cancel_by_client_id,
                self._client,
                symbol,
                venue_form,
                name="cancel_order",
                about=about,
            )
        except OrderRejectedError as error:
            refused = error
        state = await self.order_by_client_id(symbol, client_order_id)
        if state is None or (refused is not None and state.status == "open"):
            raise refused or OrderRejectedError(
                f"{self.venue}: cancel_order {about}: no such order", reason="unknown_order"
            )
        return state

    async def order_by_client_id(self, symbol: str, client_order_id: str) -> OrderState | None:
        """The order with this client id, open or done; None only where the venue says there is none."""
        market = await self._market(symbol)
        venue_form = self.dialect.client_id(client_order_id)

        async def look_up() -> Json | None:
            import ccxt

            try:
                return await self.dialect.fetch_order_by_client_id(self._client, symbol, venue_form)
            except ccxt.OrderNotFound:
                return None

        about = f"{symbol} {client_order_id}"
        row = await self._calls.read_by(look_up, name="fetch_order", about=about)
        if row is None:
            return None
        if row.get("clientOrderId") not in (None, "", venue_form):
            raise VenueAnswerError(f"{self.venue}: fetch_order {about}: the answer is about another order")
        ended = None if values.has_known_status(row) else await self._ending(row, symbol)
        with understanding(f"{self.venue}: order {about}"):
            return values.order_state(self.dialect, row, market, unless_known=ended)

    async def _ending(self, row: Json, symbol: str) -> OrderStatus:
        """What is behind a status that nobody knows: an order that is not among those that rest has ended."""
        resting = await self._listed(symbol, self._params("fetch_open_orders"))
        return "open" if any(order.order_id == str(row.get("id")) for order in resting) else "cancelled"

    async def open_orders(self, symbol: str | None = None) -> tuple[OrderState, ...]:
        """Resting orders, of one instrument or all, with those that wait for a trigger.

        One whose status nobody knows rests, since it is listed; one that cannot be read is left out, with a
        line in `unread`.

        Raises VenueError where any of the venue's lists cannot be read."""
        plain = self._params("fetch_open_orders")
        orders = list(await self._listed(symbol, plain))
        for extra in self.dialect.conditional_lists:
            orders += await self._listed(symbol, {**plain, **extra}, is_conditional=True)
        return tuple(orders)

    async def _listed(
        self, symbol: str | None, params: Json, *, is_conditional: bool = False
    ) -> tuple[OrderState, ...]:
        """One of the venue's lists of open orders."""
        markets = await self._markets()
        if symbol is not None:
            await self._market(symbol)
        rows = await self._calls.read("fetch_open_orders", symbol, None, None, params, about=symbol or "")
        orders = []
        for row in rows:
            try:
                orders.append(self._resting(row, markets, is_conditional=is_conditional))
            except VenueAnswerError as error:
                self.unread.append(str(error))
        return tuple(orders)

    def _resting(self, row: Json, markets: Mapping[str, Json], *, is_conditional: bool) -> OrderState:
        """An order that rests; of an instrument that is not listed in contracts."""
        name = str(row.get("symbol"))
        unlisted = {"symbol": values.perpetual_symbol(name), "contractSize": 1}
        with understanding(f"{self.venue}: order of {name}"):
            return values.order_state(
                self.dialect,
                row,
                markets.get(name, unlisted),
                unless_known="open",
                is_conditional=is_conditional or bool(row.get("triggerPrice")),
            )

    # --- statements
    async def fills(self, symbol: str, since: datetime) -> tuple[Fill, ...]:
        """Trades of the account from `since` on, oldest first."""
        market = await self._market(symbol)
        rows = await self._statement("fetch_my_trades", symbol, since, self.dialect.fills_request)
        with understanding(f"{self.venue}: fills of {symbol}"):
            return tuple(values.fill(self.dialect, row, market) for row in rows)

    async def funding_payments(self, symbol: str, since: datetime) -> tuple[FundingPayment, ...]:
        """Funding from `since` on, oldest first; positive was received, negative was paid."""
        market = await self._market(symbol)
        rows = await self._statement("fetch_funding_history", symbol, since, self.dialect.payments_request)
        with understanding(f"{self.venue}: funding payments of {symbol}"):
            return tuple(values.payment(self.dialect, row, market) for row in rows)

    async def _statement(
        self, call: str, symbol: str, since: datetime, ask: Callable[[int, int], tuple[int, Json]]
    ) -> list[Json]:
        """Rows from `since` to now, in spans that the venue answers, distinguished by id."""
        extra = self._params(call)
        page = int(extra.get("limit", self.dialect.statement_page))

        async def fetch(start_ms: int, end_ms: int) -> list[Json]:
            start, params = ask(start_ms, end_ms)
            rows: list[Json] = await self._calls.read(
                call, symbol, start, page, {**extra, **params}, about=symbol
            )
            return rows

        span_ms = self.dialect.statement_hours * HOUR_MS - 10_000  # windows overlap by two seconds
        request = PageRequest(
            fetch, page, _time_of, f"{self.venue}: {call} {symbol}", key=_identity, longest_ms=span_ms
        )
        until_ms = await self._connection.clock_ms() + 1
        return await walk(request, to_ms(since), until_ms, spacing_ms=span_ms)


def _unless_rejected(venue: str, request: OrderRequest, state: OrderState) -> OrderState:
    """A post-only order that was accepted and then cancelled unfilled would have taken (Bybit, OKX)."""
    what = f"{venue}: create_order {request.symbol} {request.client_order_id}"
    if (
        state.filled == 0
        and state.status in ("cancelled", "rejected")
        and request.time_in_force == "post_only"
    ):
        raise OrderRejectedError(f"{what}: post-only order would have taken", reason="would_take")
    if state.status == "rejected":
        raise OrderRejectedError(f"{what}: rejected by the venue", reason="other")
    return state


def _time_of(row: Json) -> int | None:
    return row.get("timestamp")


def _identity(row: Json) -> Any:
    """Fills and payments have ids; where a venue gives none, their whole row distinguishes them."""
    if row.get("id") is None and row.get("timestamp") is None:
        raise VenueAnswerError("a statement's row without id and time")
    return values.statement_id(row)
