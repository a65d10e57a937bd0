"""The admin API of the testnet, on host 127.0.0.1 and localhost: time, venues, accounts, faults.

What lives here: reading these requests and showing what the engine knows. What does not: an exchange's
own API (`dialects`). An account's statement here is made without any dialect, to reconcile against.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.testnet import Seat, Testnet

Json = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CREDENTIALS = ("key", "secret", "passphrase", "nonces", "last_nonce")
_HELP = {
    "GET /admin/clock": "now_ms, now, speed, market",
    "POST /admin/clock": "speed, advance_seconds: go on at another speed, jump ahead",
    "GET /admin/venues": "hosts, instruments, and what is not served and why",
    "POST /admin/accounts": "venue, balance, may_withdraw, account_id: credentials by ccxt's names",
    "GET /admin/accounts": "every account",
    "GET /admin/accounts/<venue>/<id>": "wallet, equity, positions, orders, fills, payments, ledger",
    "GET /admin/accounts/<venue>/<id>/credentials": "the test account's keys again, by ccxt's names",
    "GET, POST /admin/faults": "faults at work; make one: kind, venue, path, probability, count, seed, ...",
    "DELETE /admin/faults/<id>": "end a fault; without id: all",
}


class Admin:
    """Answers admin requests; errors are one line of JSON that names the field."""

    def __init__(self, testnet: Testnet, faults: FaultDesk) -> None:
        self._testnet, self._faults = testnet, faults
        self._routes: Mapping[tuple[str, str], Callable[[Json], Any]] = {
            ("GET", "/"): lambda _: self._about(),
            ("GET", "/admin"): lambda _: self._about(),
            ("GET", "/admin/clock"): lambda _: self._clock(),
            ("POST", "/admin/clock"): self._set_clock,
            ("GET", "/admin/venues"): lambda _: self._venues(),
            ("GET", "/admin/accounts"): lambda _: self._accounts(),
            ("POST", "/admin/accounts"): self._open_account,
            ("GET", "/admin/faults"): lambda _: self._faults.list(),
            ("POST", "/admin/faults"): self._faults.add,
            ("DELETE", "/admin/faults"): lambda _: {"ended": self._faults.remove()},
        }

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        if "origin" in {name.lower() for name in request.headers}:
            return _error(403, "requests of web pages are refused")  # any page may post to loopback
        try:
            return Answer.of(_plain(self._answer(request)))
        except (TestnetError, Rejected) as error:
            return _error(400, str(error))
        except LookupError as error:
            return _error(404, str(error.args[0]))

    def _answer(self, request: Request) -> Any:
        path = request.path.rstrip("/") or "/"
        route = self._routes.get((request.method, path))
        if route is not None:
            return route(_body(request) if request.method == "POST" else {})
        parts = path.split("/")[2:]
        if request.method == "GET" and len(parts) == 3 and parts[0] == "accounts":
            return self._statement(parts[1], parts[2])
        if (
            request.method == "GET"
            and len(parts) == 4
            and (parts[0], parts[3]) == ("accounts", "credentials")
        ):
            return self._keys(parts[1], parts[2])
        if request.method == "DELETE" and len(parts) == 2 and parts[0] == "faults":
            return {"ended": self._faults.remove(parts[1])}
        raise LookupError(f"no {request.method} {path} here; GET / tells what there is")

    def _about(self) -> Json:
        return {
            "testnet": "a local exchange for tests: nothing here is real money or a real exchange",
            "market": self._testnet.market.label,
            "now": _iso(self._testnet.clock.now()),
            "how": "send requests to this port in plain HTTP with the real exchange's name in Host",
            "hosts": {venue: list(seat.dialect.hosts) for venue, seat in self._testnet.seats.items()},
            "admin": _HELP,
        }

    def _clock(self) -> Json:
        clock = self._testnet.clock
        now = clock.now()
        return {"now_ms": now, "now": _iso(now), "speed": clock.speed, "market": self._testnet.identity}

    def _set_clock(self, body: Json) -> Json:
        _only(body, "speed", "advance_seconds")
        clock = self._testnet.clock
        speed, ahead = _number(body, "speed"), _number(body, "advance_seconds")
        if ahead is not None:
            clock.advance(seconds=ahead)
        if speed is not None:
            clock.set_speed(speed)
        for exchange in self._testnet.exchanges.values():
            exchange.advance()
        return self._clock()

    def _venues(self) -> Json:
        return {venue: _venue(seat) for venue, seat in self._testnet.seats.items()}

    def _accounts(self) -> list[Json]:
        return [
            {"venue": venue, "account_id": account.account_id, "wallet": account.wallet}
            for venue, exchange in self._testnet.exchanges.items()
            for account in exchange.accounts()
        ]

    def _open_account(self, body: Json) -> Json:
        _only(body, "venue", "balance", "may_withdraw", "account_id")
        venue, may_withdraw = body.get("venue"), body.get("may_withdraw", False)
        account_id = body.get("account_id")
        if not isinstance(may_withdraw, bool):
            raise TestnetError(f"may_withdraw: {may_withdraw!r} is not true or false")
        # It is part of a path afterwards.
        if account_id is not None and not (isinstance(account_id, str) and _NAME.fullmatch(account_id)):
            raise TestnetError(f"account_id: {account_id!r} is not a name of letters, digits, . _ and -")
        balance = _decimal(body.get("balance", "100000"), "balance")
        account, credentials = self._testnet.new_account(
            venue if isinstance(venue, str) else "", balance, may_withdraw=may_withdraw, account_id=account_id
        )
        return {"venue": venue, "account_id": account.account_id, **credentials}

    def _statement(self, venue: str, account_id: str) -> Json:
        seat = self._testnet.seat(venue)
        seat.exchange.advance()
        return statement(seat, _account(seat, account_id))

    def _keys(self, venue: str, account_id: str) -> Json:
        """Keys of a test account: worth nothing elsewhere, and whoever may ask may open one anyway."""
        seat = self._testnet.seat(venue)
        account = _account(seat, account_id)
        return {"venue": venue, "account_id": account_id, **seat.dialect.show_credentials(account)}


def statement(seat: Seat, account: Account) -> Json:
    """Everything the engine knows about an account, without its credentials."""
    exchange = seat.exchange
    told = {name: value for name, value in _fields(account).items() if name not in _CREDENTIALS}
    return {
        **told,
        "venue": seat.venue,
        "time": exchange.now(),
        "equity": exchange.equity(account),
        "available": exchange.available(account),
        "unrealised": exchange.unrealised(account),
        "maintenance_margin": exchange.maintenance_margin(account),
        "positions": [
            {
                **asdict(position),
                "mark": seat.quotes.mark(position.symbol, exchange.now()),
                "unrealised": exchange.unrealised(account, position.symbol),
                "liquidation_price": exchange.liquidation_price(account, position.symbol),
            }
            for position in exchange.positions(account)
        ],
        "orders": [{**asdict(order), "left": order.left} for order in exchange.orders(account)],
        "conditional": [asdict(order) for order in account.conditional.values()],
    }


def _account(seat: Seat, account_id: str) -> Account:
    """LookupError where the venue has no such account."""
    found = next((account for account in seat.exchange.accounts() if account.account_id == account_id), None)
    if found is None:
        raise LookupError(f"account {account_id!r} is not on {seat.venue}")
    return found


def _fields(account: Account) -> Json:
    values = {name: getattr(account, name) for name in Account.__dataclass_fields__}
    for name in ("fills", "payments", "ledger"):
        values[name] = [asdict(item) for item in values[name]]
    return values


def _venue(seat: Seat) -> Json:
    unserved = getattr(seat.quotes.inner, "unserved", dict)
    return {
        "hosts": list(seat.dialect.hosts),
        "instruments": [instrument.symbol for instrument in seat.exchange.instruments()],
        "unserved": unserved(),
    }


def _body(request: Request) -> Json:
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise TestnetError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise TestnetError("the body is no JSON object")
    return body


def _only(body: Json, *names: str) -> None:
    odd = sorted(set(body) - set(names))
    if odd:
        raise TestnetError(f"{odd[0]}: no such field; there are {', '.join(names)}")


def _number(body: Json, name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TestnetError(f"{name}: {value!r} is no number")
    return float(value)


def _decimal(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise TestnetError(f"{name}: {value!r} is no amount above zero")
    return number


def _plain(value: Any) -> Any:
    """JSON values: Decimals as text, without exponents."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _error(status: int, text: str) -> Answer:
    return Answer.of({"error": " ".join(text.split())}, status)
