"""OKX's statements of an account: fills and bills (funding payments among them).

What lives here: `/trade/fills*` and `/account/bills*`. What does not: orders (`trading`).

Newest first, at most 100 a page; `begin` and `end` are times (both included), `after` and `before` are
bill ids (both excluded). ccxt sends `begin` for fills, and no time at all for funding payments.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice

from funding_pipeline.testnet.dialects.okx.trading import PrivateHandler
from funding_pipeline.testnet.dialects.okx.wire import (
    Parameters,
    Row,
    contracts,
    inst_id,
    page_size,
    parameter_error,
    success,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import (
    Account,
    EngineFill,
    EnginePayment,
    LedgerEntry,
)
from funding_pipeline.testnet.http import Answer

_DAY_MS = 24 * 3_600_000
_PAGE = 100
_FILL_TYPES: Mapping[str, str] = {"trade": "2", "liquidation": "5", "adl": "9", "settlement": "3"}
_ENTRY_TYPES: Mapping[str, tuple[str, str]] = {"deposit": ("1", "11"), "insurance": ("10", "117")}
_FUNDING, _PAID, _RECEIVED = "8", "173", "174"


class Statements:
    """Handlers of `/api/v5/trade/fills*` and `/api/v5/account/bills*`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> Mapping[tuple[str, str], PrivateHandler]:
        """Method and path below `/api/v5/` to handler; the venue forgets after 3, 7 or 90 days."""
        return {
            ("GET", "trade/fills"): lambda account, query: self.fills(account, query, 3),
            ("GET", "trade/fills-history"): lambda account, query: self.fills(account, query, 90),
            ("GET", "account/bills"): lambda account, query: self.bills(account, query, 7),
            ("GET", "account/bills-archive"): lambda account, query: self.bills(account, query, 90),
        }

    def fills(self, account: Account, query: Parameters, days: int) -> Answer:
        """Fills; `fee` below zero was charged."""
        if days > 3 and not query.get("instType"):
            raise parameter_error("instType")
        start, end = self._window(query, days)
        found = self._exchange.fills(account, start=start, end=end)
        rows = (self._fill(fill) for fill in reversed(found))
        return success(_page(rows, query, ("instType", "instId", "ordId")))

    def bills(self, account: Account, query: Parameters, days: int) -> Answer:
        """Changes of the wallet, each with the balance after it."""
        start, end = self._window(query, days)
        if query.get("ctType") == "inverse":
            return success([])
        rows = (row for row in self._bills(account) if start <= int(row["ts"]) <= end)
        return success(_page(rows, query, ("type", "subType", "ccy", "instType", "instId")))

    def _window(self, query: Parameters, days: int) -> tuple[int, int]:
        now = self._exchange.now()
        return max(whole(query, "begin", 0), now - days * _DAY_MS), whole(query, "end", now)

    def _fill(self, fill: EngineFill) -> Row:
        instrument = self._exchange.instrument(fill.symbol)
        return {
            "billId": str(fill.fill_id),
            "clOrdId": fill.client_id or "",
            "execType": "M" if fill.is_maker else "T",
            "fee": text(-fill.fee),
            "feeCcy": instrument.settle,
            "fillPnl": text(fill.pnl),
            "fillPx": text(fill.price),
            "fillSz": contracts(instrument, fill.quantity),
            "fillTime": str(fill.time),
            "instId": inst_id(instrument),
            "instType": "SWAP",
            "ordId": str(fill.order_id),
            "posSide": "net",
            "side": fill.side,
            "tag": "",
            "tradeId": str(fill.fill_id),
            "ts": str(fill.time),
        }

    def _bills(self, account: Account) -> Iterator[Row]:
        """Every entry of the wallet, newest first."""
        fills = {fill.fill_id: fill for fill in self._exchange.fills(account)}
        payments = {payment.payment_id: payment for payment in self._exchange.payments(account)}
        balance = account.wallet
        for entry in reversed(self._exchange.ledger(account)):
            cause: EngineFill | EnginePayment | None = None
            if entry.reference is not None:
                cause = (payments if entry.kind == "funding" else fills).get(entry.reference)
            yield self._bill(account, entry, balance, cause)
            balance -= entry.amount

    def _bill(
        self, account: Account, entry: LedgerEntry, balance: Decimal, cause: EngineFill | EnginePayment | None
    ) -> Row:
        instrument = self._exchange.instrument(entry.symbol) if entry.symbol else None
        kind, sub_kind = _types(entry, cause)
        is_fee = entry.kind == "fee"
        return {
            "bal": text(balance),
            "balChg": text(entry.amount),
            "billId": str(entry.entry_id),
            "ccy": account.settle,
            "execType": ("M" if cause.is_maker else "T") if isinstance(cause, EngineFill) else "",
            "fee": text(entry.amount) if is_fee else "0",
            "from": "",
            "instId": inst_id(instrument) if instrument else "",
            "instType": "SWAP" if instrument else "",
            "mgnMode": self._exchange.position(account, entry.symbol).margin_mode if entry.symbol else "",
            "notes": "",
            "ordId": str(cause.order_id) if isinstance(cause, EngineFill) else "",
            "pnl": "0" if is_fee or not instrument else text(entry.amount),
            "posBal": "0",
            "posBalChg": "0",
            "subType": sub_kind,
            "sz": contracts(instrument, abs(cause.quantity)) if instrument and cause else "0",
            "to": "",
            "ts": str(entry.time),
            "type": kind,
        }


def _types(entry: LedgerEntry, cause: EngineFill | EnginePayment | None) -> tuple[str, str]:
    """`type` and `subType`."""
    if entry.kind == "funding":
        return _FUNDING, _RECEIVED if entry.amount > 0 else _PAID
    if isinstance(cause, EngineFill):
        return _FILL_TYPES[cause.kind], "1" if cause.side == "buy" else "2"
    return _ENTRY_TYPES.get(entry.kind, ("2", "1"))


def _page(rows: Iterable[Row], query: Parameters, filters: tuple[str, ...]) -> list[Row]:
    """The first rows, newest first, that have the values asked for and lie between the bill ids."""
    after, before = whole(query, "after", 2**63), whole(query, "before", -1)
    wanted = {name: query[name] for name in filters if query.get(name)}
    found = (
        row
        for row in rows
        if before < int(row["billId"]) < after and all(row[name] == value for name, value in wanted.items())
    )
    return list(islice(found, page_size(query, _PAGE)))
