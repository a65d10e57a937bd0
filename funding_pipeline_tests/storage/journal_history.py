"""A seeded history of orders, fills and payments, and its totals added up from the journal's rows."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import (
    NOON,
    SYMBOLS,
    fill,
    intent,
    order_of,
    payment,
    verdict,
)


class KilledError(Exception):
    """The process ends here."""


class History:
    """Steps drawn from a seed: orders that fill bit by bit, fills stated before or after them, fees stated
    late, fills of others, statements read twice.

    `kills`: share of the writes that end just before or after their commit.
    """

    def __init__(self, seed: int, kills: float = 0.0) -> None:
        self.random, self.kills = Random(seed), kills
        self.attempt = 0
        self.orders: list[Any] = []
        self.fills: list[Any] = []

    def hook(self, name: str) -> None:
        """For `Journal(commit_hook=...)`."""
        if self.random.random() < self.kills:
            raise KilledError(name)

    def step(self, journal: Journal) -> None:
        """One write or a few; what is refused or killed is left as it is."""
        act = self.random.choice([self._order, self._fill, self._fill, self._complete, self._pay, self._mark])
        try:
            act(journal)
        except (KilledError, FundingPipelineError):
            return

    def _order(self, journal: Journal) -> None:
        random = self.random
        self.attempt += 1
        if journal.verdict("v1") is None:
            journal.save_verdict(verdict())
        written = NOON + timedelta(seconds=self.attempt)
        side = random.choice(["buy", "sell"])
        sent = intent(self.attempt, random.choice(SYMBOLS[:3]), side=side, written_at=written)
        journal.write_intent(sent)
        order = order_of(sent, order_id=str(random.randrange(30)))
        for filled in sorted(random.sample(range(11), 2)):
            order = order_of(sent, order_id=order.order_id, filled=self._digits(filled))
            if random.random() < 0.1:  # never seen in the field; the totals must hold all the same
                order = order_of(sent, order_id=str(random.randrange(30)), filled=order.filled)
            journal.record_outcome(sent.client_order_id, "accepted", order=order)

    def _fill(self, journal: Journal) -> None:
        random = self.random
        has_fee = random.random() < 0.5
        new = fill(
            str(random.randrange(200)),
            symbol=random.choice(SYMBOLS[:3]),
            order_id=str(random.randrange(30)),
            side=random.choice(["buy", "sell"]),
            quantity=self._digits(random.randrange(1, 99)),
            fee=self._digits(random.randrange(-9, 9)) if has_fee else None,
            fee_currency=random.choice(["USDT", "BNB", None]) if has_fee else None,
        )
        self.fills.append(new)
        journal.record_fills([new, new])

    def _complete(self, journal: Journal) -> None:
        late = [one for one in journal.fills() if one.fee is None or one.fee_currency is None]
        if late:
            one = self.random.choice(late)
            values = vars(one) | {"fee": one.fee or self._digits(3), "fee_currency": "USDT"}
            journal.record_fills([type(one)(**values)])

    def _pay(self, journal: Journal) -> None:
        random = self.random
        settled = NOON + timedelta(hours=random.randrange(20))
        currency = random.choice(["USDC", "USDT"])
        journal.record_payments(
            [payment(settled_at=settled, amount=self._digits(random.randrange(-50, 50)), currency=currency)]
        )

    def _mark(self, journal: Journal) -> None:
        equity = self._digits(self.random.randrange(1, 1000))
        if self.random.random() < 0.1:
            journal.rebase_equity(NOON, equity, by="anna", reason="deposit")
        else:
            journal.note_equity(NOON, equity)

    def _digits(self, number: int) -> Decimal:
        """Of sizes so different that a sum in 28 digits would lose the small ones."""
        return Decimal(number).scaleb(self.random.choice([-18, -3, 0, 15]))


def instruments_from_rows(journal: Journal) -> dict[tuple[str, str], tuple[Any, ...]]:
    """intents, first written, filled, others, fills, fees unknown by instrument."""
    records, fills = journal.intents(), journal.fills()
    own = {(r.order.venue, r.order.symbol, r.order.order_id) for r in records if r.order is not None}
    keys = {(r.intent.request.venue, r.intent.request.symbol) for r in records}
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for key in keys | {(f.venue, f.symbol) for f in fills}:
        mine = [r for r in records if (r.intent.request.venue, r.intent.request.symbol) == key]
        here = [f for f in fills if (f.venue, f.symbol) == key]
        orders = [r.order for r in mine if r.order is not None]
        found[key] = (
            len(mine),
            min((r.intent.written_at for r in mine), default=None),
            _sum([o.filled if o.side == "buy" else o.filled.copy_negate() for o in orders]),
            _sum(
                [
                    f.quantity if f.side == "buy" else f.quantity.copy_negate()
                    for f in here
                    if (*key, f.order_id) not in own
                ]
            ),
            len(here),
            sum(f.fee is None for f in here),
        )
    return found


def instruments_kept(journal: Journal) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The same as the journal keeps it."""
    return {
        key: (t.intents, t.first_written_at, t.filled, t.others, t.fills, t.fees_unknown)
        for key, t in journal.instrument_totals().items()
    }


def money_from_rows(journal: Journal) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """fees, fills, funding, payments by venue, symbol and currency, where there are any."""
    fees: dict[Any, list[Decimal]] = defaultdict(list)
    funding: dict[Any, list[Decimal]] = defaultdict(list)
    for one in journal.fills():
        if one.fee is not None:
            fees[one.venue, one.symbol, one.fee_currency or ""].append(one.fee)
    for paid in journal.payments():
        funding[paid.venue, paid.symbol, paid.currency].append(paid.amount)
    counts = dict.fromkeys([*fees, *funding])
    return {key: (_sum(fees[key]), len(fees[key]), _sum(funding[key]), len(funding[key])) for key in counts}


def money_kept(journal: Journal) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """The same as the journal keeps it."""
    totals = journal.currency_totals()
    return {
        (t.venue, t.symbol, t.currency): (t.fees, t.fills, t.funding, t.payments)
        for t in totals
        if t.fills or t.payments
    }


def _sum(values: list[Decimal]) -> Fraction:
    """Another way to add exactly."""
    return sum((Fraction(value) for value in values), Fraction(0))
