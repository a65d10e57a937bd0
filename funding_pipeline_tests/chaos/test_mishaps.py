"""Mishaps: each leaves the engine's books as such a thing would, and says what it did."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from funding_pipeline.chaos.campaign import Campaign
from funding_pipeline.chaos.engines import EpisodeTestnet
from funding_pipeline.chaos.mishaps import Mishap, MishapKind, strike
from funding_pipeline.chaos.virtual_time import VirtualClock, VirtualLoop
from funding_pipeline.testnet.engine.values import Account, Ticket

SYMBOL = "BTC/USDT:USDT"
NOW_MS = 1_704_873_600_000


class _Short:
    """One account with a short of half a coin."""

    def __init__(self, campaign: Campaign, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop, NOW_MS)
        self.testnet = EpisodeTestnet(campaign.market, ("binance",), self.clock)
        account, _ = self.testnet.open("binance", Decimal(50_000), seed="test")
        self.accounts: dict[str, Account] = {"binance": account}
        self.exchange = self.testnet.seat("binance").exchange
        self.exchange.place(account, Ticket(SYMBOL, "sell", "market", Decimal("0.5")))

    def after(self, kind: MishapKind, fraction: str) -> tuple[str, Decimal, list[str]]:
        """What is said, what is held two seconds later, and the kinds of the fills that did it."""
        account = self.accounts["binance"]
        first = len(account.fills)
        said = strike(Mishap(kind, 0, Decimal(fraction)), self.testnet, self.accounts, gone=frozenset())
        self.clock.advance(seconds=2)
        self.exchange.advance()
        kinds = sorted({fill.kind for fill in account.fills[first:]})
        return said, self.exchange.position(account, SYMBOL).quantity, list(kinds)


@pytest.fixture
def short(campaign: Campaign) -> Iterator[_Short]:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    yield _Short(campaign, loop)
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.parametrize(
    ("kind", "fraction", "left", "how"),
    [
        ("adl", "1", "0", "adl"),
        ("adl", "0.3", "-0.35", "adl"),
        ("person", "0.6", "-0.2", "trade"),
        ("liquidation", "1", "0", "liquidation"),
        ("person_adds", "1", "-0.521", "trade"),
    ],
)
def test_what_a_mishap_leaves(short: _Short, kind: MishapKind, fraction: str, left: str, how: str) -> None:
    said, held, kinds = short.after(kind, fraction)
    assert (held, kinds) == (Decimal(left), [how])
    assert f"{kind}: binance {SYMBOL}" in said


def test_a_person_opens_a_leg_of_what_is_not_held(short: _Short) -> None:
    account = short.accounts["binance"]
    said = strike(Mishap("person_opens", 1, Decimal(1)), short.testnet, short.accounts, gone=frozenset())
    held = {position.symbol: position.quantity for position in short.exchange.positions(account)}
    assert held.pop(SYMBOL) == Decimal("-0.5")
    ((symbol, quantity),) = held.items()
    assert quantity > 0
    assert symbol in said


def test_nothing_is_done_where_nothing_is_held_or_the_venue_is_gone(short: _Short) -> None:
    mishap = Mishap("adl", 0, Decimal(1))
    assert strike(mishap, short.testnet, short.accounts, gone=frozenset({"binance"})) == ""
    short.after("adl", "1")
    assert strike(mishap, short.testnet, short.accounts, gone=frozenset()) == ""
