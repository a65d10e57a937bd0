"""Faults on demand: rules with a seed, and what they do to a request or to a venue.

What lives here: rules, and which of them fires. What does not: closing connections (`server`), frozen
prices and intervals (`faulty_quotes`), halts and deleveraging (`engine`).

Deterministic: whether a rule fires at the n-th request that it is about depends on its seed and n alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.trading import MarginMode, Side
from funding_pipeline.testnet.account_faults import ACCOUNT_KINDS, account_of, begin, end
from funding_pipeline.testnet.answer_shapes import ORDER_ENTRY, SHAPES, reshape
from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline.testnet.http import Answer
from funding_pipeline.testnet.testnet import Seat, Testnet

REQUEST_KINDS = (
    "latency",
    "status",
    "drop",
    "lost_answer",
    "truncated",
    "garbage",
    "duplicate",
    "venue_gone",
    *SHAPES,
)
VENUE_KINDS = (
    "partial_then_halt",
    "halt",
    "stale_prices",
    "clock_skew",
    "interval_change",
    "delist",
    "adl",
    *ACCOUNT_KINDS,
)
STATUSES = (403, 418, 429, 451, 500, 502, 503, 504)
NEED_A_SYMBOL = frozenset(VENUE_KINDS) - {"stale_prices", "clock_skew", "unified_account"}
_GARBAGE = "<html><body>upstream is being maintained</body></html>"


class Rule(BaseModel):
    """One fault. `path` is part of a path, `asked` of what is sent with it (query and body); None and empty
    mean any. `count`: how often at most.

    Parameters by kind. latency: `latency_ms`; status: `status`, `retry_after` (s), `body`; garbage: `body`;
    stale_prices: `seconds`; clock_skew: `skew_ms`; interval_change: `symbol`, `hours`, `rate`; delist, halt:
    `symbol`; partial_then_halt, refused_after_fill: `symbol`, `fraction`; adl: `account`, `symbol`,
    `quantity`, `price`; delisted_position, late_funding_row: `symbol`. Of an `account` (None: the venue's
    first): foreign_order: `symbol`, `side`, `conditional`, `has_id`; leverage_change: `symbol`, `leverage`,
    `margin_mode`, `hedge_mode`; hand_position: `symbol`, `side` (None: closes), `quantity`; unified_account.
    """

    model_config = ConfigDict(extra="forbid")

    kind: str
    venue: str | None = None
    path: str = ""
    asked: str = ""
    method: str | None = None
    probability: float = Field(default=1.0, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)
    seed: int = 0
    symbol: str | None = None
    account: str | None = None
    latency_ms: int = Field(default=1000, ge=0, le=600_000)
    status: int = 503
    retry_after: int = Field(default=1, ge=0, le=3600)
    body: str | None = None
    seconds: float = Field(default=60, gt=0, le=31_536_000)
    skew_ms: int = Field(default=60_000, ge=-86_400_000, le=86_400_000)
    hours: int = Field(default=1, ge=1, le=24)
    rate: float = Field(default=-0.02, ge=-1, le=1)
    fraction: Decimal = Field(default=Decimal("0.5"), gt=0, lt=1)
    quantity: Decimal | None = Field(default=None, gt=0)
    price: Decimal | None = Field(default=None, gt=0)
    side: Side | None = None
    conditional: bool = False
    has_id: bool = True
    leverage: int | None = Field(default=None, ge=1)
    margin_mode: MarginMode | None = None
    hedge_mode: bool | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Rule":
        if self.kind not in REQUEST_KINDS + VENUE_KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(REQUEST_KINDS + VENUE_KINDS)}")
        if self.kind == "status" and self.status not in STATUSES:
            raise ValueError(f"status {self.status} is none of {', '.join(map(str, STATUSES))}")
        if self.kind in VENUE_KINDS and self.venue is None:
            raise ValueError(f"venue is needed for {self.kind}")
        if self.kind in NEED_A_SYMBOL and self.symbol is None:
            raise ValueError(f"symbol is needed for {self.kind}")
        if self.kind == "adl" and self.account is None:
            raise ValueError("account is needed for adl")
        return self

    def is_about(self, venue: str, method: str, path: str, asked: str) -> bool:
        """Whether a request is one that the rule may strike."""
        return (
            self.kind in REQUEST_KINDS
            and self.venue in (None, venue)
            and self.method in (None, method)
            and self.path in path
            and self.asked in asked
            and (self.kind != "silent_ack" or (method == "POST" and ORDER_ENTRY.get(venue, "-") in path))
        )


@dataclass
class Standing:
    """A rule at work: `seen` requests were about it, `hits` of them struck. `order_id`: what it has made."""

    fault_id: str
    rule: Rule
    seen: int = 0
    hits: int = 0
    order_id: int | None = None

    def strikes(self) -> bool:
        """Whether it strikes the request at hand; counts it."""
        self.seen += 1
        if self.rule.count is not None and self.hits >= self.rule.count:
            return False
        digest = blake2b(f"{self.rule.seed}|{self.seen}".encode(), digest_size=8).digest()
        is_hit = int.from_bytes(digest, "big") / 2**64 < self.rule.probability
        self.hits += is_hit
        return is_hit

    def shown(self) -> dict[str, Any]:
        """The rule as JSON values: what was set, and its hits."""
        told = self.rule.model_dump(mode="json", exclude_unset=True)
        return {"id": self.fault_id, **told, "seen": self.seen, "hits": self.hits}


@dataclass
class Fired:
    """What strikes one request."""

    rules: list[Rule] = field(default_factory=list)

    def _has(self, *kinds: str) -> bool:
        return any(rule.kind in kinds for rule in self.rules)

    @property
    def is_any(self) -> bool:
        """Whether anything strikes."""
        return bool(self.rules)

    @property
    def delay_ms(self) -> int:
        """How long to wait first."""
        return sum(rule.latency_ms for rule in self.rules if rule.kind == "latency")

    @property
    def is_dropped(self) -> bool:
        """Close the connection and process nothing."""
        return self._has("drop", "venue_gone")

    @property
    def status(self) -> int | None:
        """Answer with this status and process nothing."""
        return next((rule.status for rule in self.rules if rule.kind == "status"), None)

    @property
    def is_doubled(self) -> bool:
        """Process the request twice, answer once."""
        return self._has("duplicate")

    @property
    def is_lost(self) -> bool:
        """Process the request and close the connection."""
        return self._has("lost_answer")

    @property
    def is_truncated(self) -> bool:
        """Send half of the answer and close the connection."""
        return self._has("truncated")

    @property
    def garbage(self) -> bytes | None:
        """The body to send with status 200 instead of the answer."""
        found = next((rule for rule in self.rules if rule.kind == "garbage"), None)
        return None if found is None else (_GARBAGE if found.body is None else found.body).encode()

    @property
    def hides_order(self) -> bool:
        """The answer has lost what it was about."""
        return self._has("null_answer", "silent_ack")

    def reshaped(self, answer: Answer) -> Answer:
        """The answer in the shape that strikes, the first where there are several."""
        kind = next((rule.kind for rule in self.rules if rule.kind in SHAPES), None)
        return answer if kind is None else reshape(answer, kind)

    def answer(self) -> Answer:
        """The answer of a `status` fault."""
        rule = next(rule for rule in self.rules if rule.kind == "status")
        headers = {"Retry-After": str(rule.retry_after)} if rule.status in (418, 429, 503) else {}
        if rule.body is not None:
            return Answer(rule.status, rule.body.encode(), headers)
        text = {"fault": "injected", "status": rule.status}
        return Answer(rule.status, orjson.dumps(text), headers)


class FaultDesk:
    """The rules of a testnet, in the order in which they were made."""

    def __init__(self, testnet: Testnet) -> None:
        self._testnet = testnet
        self._standing: dict[str, Standing] = {}
        self._made = 0

    def add(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make a rule; one about a venue takes effect at once. Raises TestnetError naming the field."""
        try:
            rule = Rule.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or "fault"
            raise TestnetError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error
        if rule.venue is not None:
            self._testnet.seat(rule.venue)
        self._made += 1
        standing = Standing(f"fault-{self._made}", rule)
        if rule.kind in VENUE_KINDS:
            self._begin(standing)
            standing.seen = standing.hits = 1
        self._standing[standing.fault_id] = standing
        return standing.shown()

    def list(self) -> list[dict[str, Any]]:
        """Every rule with its hits."""
        return [standing.shown() for standing in self._standing.values()]

    def remove(self, fault_id: str | None = None) -> int:
        """End a rule, or all; how many. What can be undone is. Raises TestnetError: no such rule."""
        if fault_id is not None and fault_id not in self._standing:
            raise TestnetError(f"fault {fault_id!r} is none of {', '.join(self._standing) or '(none)'}")
        ended = [fault_id] if fault_id is not None else [*self._standing]
        for name in ended:
            self._end(self._standing.pop(name))
        return len(ended)

    def fire(self, venue: str, method: str, path: str, asked: str = "") -> Fired:
        """What strikes this request. `asked`: its query and body."""
        about = [s for s in self._standing.values() if s.rule.is_about(venue, method, path, asked)]
        return Fired([standing.rule for standing in about if standing.strikes()])

    def dump(self) -> dict[str, Any]:
        """Rules and counters as JSON values."""
        rules = [
            {**asdict(s), "rule": s.rule.model_dump(mode="json", exclude_unset=True)}
            for s in self._standing.values()
        ]
        return {"made": self._made, "rules": rules, "skews": dict(self._testnet.skews)}

    def load(self, values: Mapping[str, Any]) -> None:
        """Put dumped rules back; what they did to a venue is in the venue's own state."""
        self._made = int(values["made"])
        self._testnet.skews.update({venue: int(ms) for venue, ms in values["skews"].items()})
        loaded = [Standing(**{**item, "rule": Rule.model_validate(item["rule"])}) for item in values["rules"]]
        self._standing = {standing.fault_id: standing for standing in loaded}

    def _begin(self, standing: Standing) -> None:
        rule = standing.rule
        seat = self._testnet.seat(str(rule.venue))
        try:
            seat.exchange.advance()
            if rule.symbol is not None:
                seat.exchange.instrument(rule.symbol)
            if rule.kind in ACCOUNT_KINDS:
                standing.order_id = begin(rule, seat)
            else:
                self._strike(rule, seat)
        except Rejected as error:
            raise TestnetError(f"{rule.kind}: {error.message}") from error

    def _strike(self, rule: Rule, seat: Seat) -> None:
        now, symbol = seat.exchange.now(), rule.symbol or ""
        if rule.kind == "stale_prices":
            seat.quotes.freeze(now, now + round(rule.seconds * 1000))
        elif rule.kind == "clock_skew":
            self._testnet.skews[seat.venue] = rule.skew_ms
        elif rule.kind == "interval_change":
            seat.quotes.change_interval(symbol, now, hours=rule.hours, rate=rule.rate)
        elif rule.kind == "delist":
            seat.exchange.delist(symbol)
        elif rule.kind == "halt":
            seat.exchange.halt(symbol)
        elif rule.kind == "partial_then_halt":
            seat.exchange.halt_after_partial(symbol, rule.fraction)
        else:
            self._deleverage(rule, seat, symbol)

    def _deleverage(self, rule: Rule, seat: Seat, symbol: str) -> None:
        seat.exchange.deleverage(
            account_of(seat, rule.account), symbol, quantity=rule.quantity, price=rule.price
        )

    def _end(self, standing: Standing) -> None:
        rule = standing.rule
        if rule.kind not in VENUE_KINDS:
            return
        seat = self._testnet.seat(str(rule.venue))
        if rule.kind in ACCOUNT_KINDS:
            end(rule, seat, standing.order_id)
            return
        now = seat.exchange.now()
        if rule.kind == "stale_prices":
            seat.quotes.end_freezes(now)
        elif rule.kind == "clock_skew":
            self._testnet.skews.pop(seat.venue, None)
        elif rule.kind == "interval_change":
            seat.quotes.end_changes(now, str(rule.symbol))
        elif rule.kind in ("halt", "partial_then_halt"):
            seat.exchange.resume(str(rule.symbol))
