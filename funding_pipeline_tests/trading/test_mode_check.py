"""Modes changed by hand: put right before anything is opened, or nothing is."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from funding_pipeline.core.governance import RiskVerdict
from funding_pipeline_tests.trading.rig import QUICK, TradingRig, symbol

NewRig = Callable[..., TradingRig]
FIVE = ("binance", "bybit", "okx", "hyperliquid", "gate")
MODE_PATHS = {
    "binance": "/symbolConfig",
    "bybit": "/account/info",
    "okx": "/leverage-info",
    "gate": "/positions/BTC_USDT",
}


def a_rig(new_rig: NewRig, venue: str) -> TradingRig:
    return new_rig(venue, "okx" if venue != "okx" else "binance")


def pair(rig: TradingRig, name: str, quantity: str = "0.4") -> RiskVerdict:
    first, second = rig.venues
    return rig.verdict(name, {(first, "BTC"): quantity, (second, "BTC"): f"-{quantity}"})


def by_hand(rig: TradingRig, venue: str, **settings: object) -> None:
    rig.fault(
        "leverage_change",
        venue,
        symbol=symbol(venue, "BTC"),
        account=rig.account_id(venue),
        **settings,
    )


@pytest.mark.parametrize("venue", FIVE)
def test_what_was_changed_while_flat_is_put_right(new_rig: NewRig, venue: str) -> None:
    rig = a_rig(new_rig, venue)
    by_hand(rig, venue, leverage=3, margin_mode="isolated")
    if venue != "hyperliquid":
        by_hand(rig, venue, hedge_mode=True)
    assert rig.rebalance(pair(rig, "r1")).status == "done"
    position = rig.testnet.exchanges[venue].position(rig.account(venue), symbol(venue, "BTC"))
    assert (position.quantity, position.leverage, position.margin_mode) == (Decimal("0.4"), 10, "cross")


def test_leverage_is_the_most_that_the_venue_allows(new_rig: NewRig) -> None:
    rig = a_rig(new_rig, "hyperliquid")
    exchange = rig.testnet.exchanges["hyperliquid"]
    most = exchange.instrument(symbol("hyperliquid", "BTC")).tiers[0].max_leverage
    asked = QUICK.model_copy(update={"leverage": 125})
    assert rig.rebalance(pair(rig, "r1"), asked).status == "done"
    assert exchange.position(rig.account("hyperliquid"), symbol("hyperliquid", "BTC")).leverage == most


@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "gate"])
def test_nothing_is_added_to_an_isolated_position_and_it_may_be_closed(new_rig: NewRig, venue: str) -> None:
    rig = a_rig(new_rig, venue)
    by_hand(rig, venue, margin_mode="isolated")
    rig.fault(
        "hand_position",
        venue,
        symbol=symbol(venue, "BTC"),
        side="buy",
        quantity="0.1",
        account=rig.account_id(venue),
    )
    report = rig.rebalance(pair(rig, "r1"))
    (leg,) = [leg for leg in report.legs if leg.venue == venue]
    assert report.status == "incomplete"
    assert (rig.held(venue), rig.held(rig.venues[1])) == (Decimal("0.1"), Decimal("-0.1")), "hedged, no more"
    assert "modes cannot be set" in leg.note
    flat = rig.verdict("r2", {(name, "BTC"): "0" for name in rig.venues})
    assert (rig.rebalance(flat).status, rig.held(venue)) == ("done", 0)


@pytest.mark.parametrize("venue", sorted(MODE_PATHS))
def test_modes_that_cannot_be_read_are_not_right(new_rig: NewRig, venue: str) -> None:
    rig = a_rig(new_rig, venue)
    rig.fault("garbage", venue, method="GET", path=MODE_PATHS[venue])
    report = rig.rebalance(pair(rig, "r1"))
    assert report.orders_sent == 0
    rig.end_faults()
    assert rig.rebalance(pair(rig, "r2")).status == "done"
