"""Whatever is asked, the books agree: properties over random orders, prices, time and interventions.

Two ways of asking: long walks of mostly sensible actions from a seed (positions, liquidations and
deleveraging happen often), and hypothesis with tickets of every odd shape.
"""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.trading import OrderKind, Side
from funding_pipeline.testnet.engine import margin, snapshot
from funding_pipeline.testnet.engine.fills import closing_side
from funding_pipeline.testnet.engine.values import Account, Rejected, Ticket
from funding_pipeline_tests.testnet.engine.fake_quotes import (
    BTC,
    ETH,
    HOUR,
    START,
    Bench,
    D,
    FakeQuotes,
    market,
)

RATES: dict[str, list[tuple[int, float | None]]] = {
    BTC: [(START + n * HOUR, 0.003 * (-1) ** n) for n in range(1, 500)],
    ETH: [(START + 8 * n * HOUR, 0.001) for n in range(1, 60)],
}
ACTIONS = {
    "place": 60, "cancel": 4, "wait": 12, "move": 14, "leverage": 3, "mode": 4, "deleverage": 1,
    "halt": 1, "resume": 3, "partial": 1,
}  # fmt: skip


def act(bench: Bench, account: Account, rng: Random) -> None:
    """Do something; nothing but Rejected may come of it."""
    exchange, symbol = bench.exchange, rng.choice([BTC, ETH])
    kind = rng.choices([*ACTIONS], [*ACTIONS.values()])[0]
    try:
        if kind == "place":
            exchange.place(account, ticket(bench, account, symbol, rng))
        elif kind == "cancel":
            exchange.cancel(account, order_id=rng.choice([*account.orders, 1]))
        elif kind == "wait":
            bench.live(seconds=rng.choice([0.3, 1, 3600, 36_000]))
        elif kind == "move":
            price = bench.quotes.mark(symbol, bench.time) * D(str(1 + rng.gauss(0, 0.05)))
            bench.live_to(price.quantize(D("0.1")), symbol)
        elif kind == "leverage":
            exchange.set_leverage(account, symbol, rng.randint(0, 110))
        elif kind == "mode":
            exchange.set_margin_mode(account, symbol, rng.choice(["cross", "isolated"]))
        elif kind == "deleverage":
            exchange.deleverage(account, symbol)
        elif kind == "halt":
            exchange.halt(symbol)
        elif kind == "resume":
            exchange.resume()
        else:
            exchange.halt_after_partial(symbol)
    except Rejected:
        pass


def ticket(bench: Bench, account: Account, symbol: str, rng: Random) -> Ticket:
    """An order of up to some multiple of what the account has free, near the market."""
    mark = bench.quotes.mark(symbol, bench.time)
    share = D(str(rng.expovariate(1 / 3))) * max(bench.exchange.available(account), D(100)) / mark
    held, reduces = bench.exchange.position(account, symbol).quantity, rng.random() < 0.3
    side: Side = closing_side(held) if reduces and held else "buy" if rng.random() < 0.5 else "sell"
    kind: OrderKind = "market" if rng.random() < 0.33 else "limit"
    return Ticket(
        symbol,
        side,
        kind,
        max(share.quantize(D("0.001")), D("0.001")),
        (mark * D(str(1 + rng.gauss(0, 0.004)))).quantize(D("0.1")) if kind == "limit" else None,
        rng.choice(["gtc", "gtc", "ioc", "post_only"]) if kind == "limit" else "gtc",
        reduces,
        rng.choice([None, str(rng.randint(0, 30))]),
    )


def check_books(bench: Bench) -> None:
    """The wallet is its ledger, the position its fills, and no order went through its limit."""
    for account in bench.exchange.accounts():
        assert account.wallet == sum(entry.amount for entry in account.ledger)
        for symbol, position in account.positions.items():
            fills = [fill for fill in account.fills if fill.symbol == symbol]
            assert position.quantity == sum(f.quantity if f.side == "buy" else -f.quantity for f in fills)
            assert (position.entry == 0) == (position.quantity == 0)
            assert position.margin_mode == "isolated" or position.isolated_margin == 0
            resting = bench.exchange.orders(account, symbol=symbol, is_open=True)
            assert sum(order.left for order in resting if order.ticket.reduce_only) <= abs(position.quantity)
        check_fills(bench, account)
    assert bench.exchange.insurance_fund >= 0


def check_fills(bench: Bench, account: Account) -> None:
    """Each within its order's limit and quantity, and reduce-only ones reduce."""
    for order in account.orders.values():
        fills = bench.exchange.fills_of(order)
        assert order.filled == sum(fill.quantity for fill in fills) <= order.ticket.quantity
        assert order.fee == sum(fill.fee for fill in fills)
        assert (order.status == "filled") == (order.left == 0)
        for fill in fills:
            limit = order.ticket.price
            if limit is not None:
                assert fill.price <= limit if fill.side == "buy" else fill.price >= limit
            if order.ticket.reduce_only:
                assert fill.quantity <= abs(fill.position_before)
                assert (fill.side == "sell") == (fill.position_before > 0)


def check_margins(bench: Bench) -> None:
    """Once time has passed, whoever holds positions that trade can carry them."""
    bench.exchange.resume()
    bench.live(seconds=1)
    desk = bench.exchange.desk
    for account in bench.exchange.accounts():
        needed = margin.cross_maintenance(desk, account, bench.time)
        assert not needed or margin.cross_equity(desk, account, bench.time) >= needed
        for position in bench.exchange.positions(account):
            if position.margin_mode == "isolated":
                own = position.isolated_margin + bench.exchange.unrealised(account, position.symbol)
                assert own >= bench.exchange.maintenance_margin(account, position.symbol)


def walk(seed: int) -> Bench:
    """Three accounts, two instruments, a hundred actions."""
    rng = Random(seed)
    quotes = FakeQuotes(size=rng.choice([D("0.05"), D(1), D(20)]), rates=RATES)
    bench = Bench(quotes, insurance_fund=rng.choice([D(0), D(1_000_000)]))
    accounts = [bench.account(name, balance) for name, balance in (("a", 50_000), ("b", 9_000), ("c", 700))]
    for _ in range(100):
        act(bench, rng.choice(accounts), rng)
        check_books(bench)
    check_margins(bench)
    check_books(bench)
    return bench


@pytest.mark.parametrize("seed", range(25))
def test_the_books_agree_after_a_long_walk(seed: int) -> None:
    bench = walk(seed)
    other = Bench(bench.quotes, bench.time)
    snapshot.load(other.exchange, snapshot.dump(bench.exchange))
    assert other.exchange.desk.state == bench.exchange.desk.state


def test_the_walks_go_everywhere() -> None:
    accounts = [account for seed in range(25) for account in walk(seed).exchange.accounts()]
    kinds = {(fill.kind, fill.is_maker) for account in accounts for fill in account.fills}
    assert kinds >= {("trade", False), ("trade", True), ("liquidation", False), ("adl", False)}
    entries = {entry.kind for account in accounts for entry in account.ledger}
    assert entries == {"deposit", "realised_pnl", "fee", "funding", "insurance"}


def test_the_same_seed_is_the_same_walk() -> None:
    assert walk(3).exchange.desk.state == walk(3).exchange.desk.state


NUMBERS = st.one_of(
    st.integers(-5, 5).map(Decimal),
    st.integers(1, 5000).map(lambda n: D(n) / 1000),
    st.integers(390_000, 410_000).map(lambda n: D(n) / 10),
    st.decimals(allow_nan=True, allow_infinity=True),
)
TICKETS = st.builds(
    Ticket,
    symbol=st.sampled_from([BTC, ETH, "XYZ"]),
    side=st.sampled_from(["buy", "sell"]),
    kind=st.sampled_from(["market", "limit"]),
    quantity=NUMBERS,
    price=st.none() | NUMBERS,
    time_in_force=st.sampled_from(["gtc", "ioc", "post_only"]),
    reduce_only=st.booleans(),
    client_id=st.none() | st.sampled_from(["a", "b"]),
)


@settings(max_examples=100, deadline=None)
@given(tickets=st.lists(TICKETS, min_size=1, max_size=8), first=st.sampled_from(["buy", "sell"]))
def test_tickets_of_any_shape_are_taken_or_rejected(tickets: list[Ticket], first: str) -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market(first, "1"))
    for odd in tickets:
        held = len(account.orders)
        try:
            bench.exchange.place(account, odd)
        except Rejected:
            assert len(account.orders) == held
        check_books(bench)


@settings(max_examples=60, deadline=None)
@given(trades=st.lists(st.tuples(st.integers(-3000, 3000), st.integers(-40, 40)), min_size=1, max_size=12))
def test_flat_again_the_wallet_has_what_the_fills_paid(trades: list[tuple[int, int]]) -> None:
    bench = Bench(FakeQuotes(size=D(1000)))
    account = bench.account(balance=100_000_000)
    for thousandths, percent in trades:
        bench.live_to(D(40_000) + 100 * percent)
        if thousandths:
            bench.exchange.place(
                account, market("buy" if thousandths > 0 else "sell", str(D(abs(thousandths)) / 1000))
            )
    left = bench.exchange.position(account, BTC).quantity
    if left:
        bench.exchange.place(account, market(closing_side(left), str(abs(left)), reduce_only=True))
    cash = sum((-1 if f.side == "buy" else 1) * f.quantity * f.price - f.fee for f in account.fills)
    assert abs(account.wallet - 100_000_000 - cash) < D("1e-9")
