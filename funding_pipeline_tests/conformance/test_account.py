"""Balance, positions, statements and settings of an account on every trading venue."""

from datetime import timedelta
from decimal import Decimal

import pytest

from funding_pipeline.core.errors import OrderRejectedError
from funding_pipeline.core.trading import Balance, Fill, FundingPayment, MarginMode, PositionState
from funding_pipeline_tests.conformance.rig import Keys, VenueRig, run

CENT = Decimal("0.01")


def balance_of(venue: VenueRig, keys: Keys) -> Balance:
    async def case() -> tuple[Balance, ...]:
        async with venue.private(keys) as gateway:
            return await gateway.balance()

    balances = run(case())
    assert [balance.currency for balance in balances] == [venue.instrument().settle]
    return balances[0]


def test_a_new_account_has_its_deposit(venue: VenueRig) -> None:
    balance = balance_of(venue, venue.new_keys(balance="12345"))
    assert balance.venue == venue.name
    assert balance.free == balance.wallet == 12345
    assert balance.equity in (None, 12345)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_position_and_balance_after_a_trade(venue: VenueRig, side: str) -> None:
    keys, quantity = venue.new_keys(), venue.lots(3)

    async def case() -> tuple[PositionState, ...]:
        async with venue.private(keys) as gateway:
            await gateway.create_order(venue.order("buy" if side == "buy" else "sell", quantity=quantity))
            return await gateway.positions()

    positions = run(case())
    account = venue.account(keys)
    held = venue.exchange.position(account, venue.symbol)
    assert [position.symbol for position in positions] == [venue.symbol]
    assert positions[0].quantity == held.quantity == (quantity if side == "buy" else -quantity)
    assert positions[0].entry_price is not None
    assert float(positions[0].entry_price) == pytest.approx(float(held.entry), rel=1e-6)
    assert positions[0].unrealised_pnl is not None
    assert abs(positions[0].unrealised_pnl - venue.exchange.unrealised(account)) <= CENT
    balance = balance_of(venue, keys)
    assert balance.wallet is not None
    assert balance.free is not None
    assert abs(balance.wallet - account.wallet) <= CENT
    assert abs(balance.free - venue.exchange.available(account)) <= 1
    if balance.equity is not None:
        assert abs(balance.equity - venue.exchange.equity(account)) <= CENT


def test_fills_have_fee_and_side_of_the_book(venue: VenueRig) -> None:
    keys = venue.new_keys()
    taking = venue.order("buy", quantity=venue.lots(2))
    start = venue.now

    async def case() -> tuple[Fill, ...]:
        async with venue.private(keys) as gateway:
            await gateway.create_order(taking)
            return await gateway.fills(venue.symbol, start)

    fills = run(case())
    truth = venue.exchange.fills(venue.account(keys))
    assert sum(fill.quantity for fill in fills) == taking.quantity
    assert len(fills) == len(truth)
    for fill, engine in zip(fills, truth, strict=True):
        assert (fill.quantity, fill.price, fill.side) == (engine.quantity, engine.price, engine.side)
        assert fill.is_maker is False
        assert fill.fee is not None
        assert fill.fee == pytest.approx(engine.fee, rel=Decimal("0.001"))
        assert fill.fee > 0
        assert fill.fee_currency == venue.instrument().settle
        assert fill.traded_at == start


def test_a_resting_order_fills_as_maker(venue: VenueRig) -> None:
    keys = venue.new_keys(balance="1000000")
    book = venue.exchange.quotes.book(venue.symbol, venue.now_ms)
    price = book.bids[0].price.quantize(Decimal(10), rounding="ROUND_DOWN")
    request = venue.order("buy", "limit", price=price, time_in_force="post_only")
    start = venue.now

    async def case() -> tuple[Fill, ...]:
        async with venue.private(keys) as gateway:
            await gateway.create_order(request)
            for _ in range(48):
                venue.advance(hours=1)
                if venue.exchange.fills(venue.account(keys)):
                    break
            return await gateway.fills(venue.symbol, start)

    fills = run(case())
    assert fills, "the market never came down to the order"
    assert all(fill.is_maker for fill in fills)
    assert all(fill.price == price for fill in fills)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_funding_payments_have_our_sign_and_the_ledgers_amount(venue: VenueRig, side: str) -> None:
    keys, start = venue.new_keys(), venue.now

    async def case() -> tuple[FundingPayment, ...]:
        async with venue.private(keys) as gateway:
            await gateway.create_order(
                venue.order("buy" if side == "buy" else "sell", quantity=venue.lots(20))
            )
            venue.advance(hours=17)
            return await gateway.funding_payments(venue.symbol, start)

    payments = run(case())
    truth = venue.exchange.payments(venue.account(keys), symbol=venue.symbol)
    assert len(payments) == len(truth) >= 2
    for payment, engine in zip(payments, truth, strict=True):
        assert abs(payment.amount - engine.amount) <= Decimal("0.000001")
        assert abs(payment.settled_at.timestamp() * 1000 - engine.time) <= 60_000
        assert payment.currency == venue.instrument().settle
        is_long = side == "buy"
        if abs(payment.amount) > Decimal("0.000001"):
            assert (payment.amount < 0) == ((engine.rate > 0) == is_long), "a long pays a positive rate"


def test_statements_begin_where_asked_and_reach_back_weeks(venue: VenueRig) -> None:
    keys, start = venue.new_keys(), venue.now

    async def case() -> tuple[list[FundingPayment], list[FundingPayment], list[Fill], list[Fill]]:
        async with venue.private(keys) as gateway:
            await gateway.create_order(venue.order("buy", quantity=venue.lots(20)))
            venue.advance(hours=17)
            middle = venue.now
            await gateway.create_order(venue.order("sell", quantity=venue.lots(1)))
            venue.advance(hours=8)
            weeks_ago = start - timedelta(days=25)
            return (
                list(await gateway.funding_payments(venue.symbol, weeks_ago)),
                list(await gateway.funding_payments(venue.symbol, middle)),
                list(await gateway.fills(venue.symbol, weeks_ago)),
                list(await gateway.fills(venue.symbol, middle)),
            )

    payments, later_payments, fills, later_fills = run(case())
    account = venue.account(keys)
    assert len(payments) == len(venue.exchange.payments(account, symbol=venue.symbol))
    assert 0 < len(later_payments) < len(payments)
    assert payments[-len(later_payments) :] == later_payments
    assert len(fills) == len(venue.exchange.fills(account))
    assert {fill.side for fill in later_fills} == {"sell"}
    assert [fill.traded_at for fill in fills] == sorted(fill.traded_at for fill in fills)


def test_leverage_is_set_and_setting_it_again_is_no_error(venue: VenueRig) -> None:
    keys, leverage = venue.new_keys(), 3

    async def case() -> None:
        async with venue.private(keys) as gateway:
            await gateway.set_leverage(venue.symbol, leverage)
            await gateway.set_leverage(venue.symbol, leverage)

    run(case())
    assert venue.exchange.position(venue.account(keys), venue.symbol).leverage == leverage


@pytest.mark.parametrize("is_absurd", [False, True])
def test_leverage_above_the_maximum_is_refused(venue: VenueRig, is_absurd: bool) -> None:
    leverage = 1000 if is_absurd else venue.instrument().tiers[0].max_leverage + 1

    async def case() -> None:
        async with venue.private(venue.new_keys()) as gateway:
            await gateway.set_leverage(venue.symbol, leverage)

    with pytest.raises(OrderRejectedError) as caught:
        run(case())
    assert caught.value.reason == "leverage"


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_margin_mode_holds_for_the_next_position(venue: VenueRig, mode: MarginMode) -> None:
    keys = venue.new_keys()

    async def case() -> tuple[PositionState, ...]:
        async with venue.private(keys) as gateway:
            await gateway.prepare([venue.symbol])
            await gateway.set_margin_mode(venue.symbol, mode)
            await gateway.set_margin_mode(venue.symbol, mode)
            await gateway.create_order(venue.order("buy"))
            return await gateway.positions()

    positions = run(case())
    assert venue.exchange.position(venue.account(keys), venue.symbol).margin_mode == mode
    assert positions[0].margin_mode in (None, mode)


def test_preparing_the_account_twice_is_no_error(venue: VenueRig) -> None:
    async def case() -> None:
        async with venue.private(venue.new_keys()) as gateway:
            await gateway.prepare([venue.symbol])
            await gateway.prepare([venue.symbol])

    run(case())


def test_leverage_tiers_are_the_engines(venue: VenueRig) -> None:
    async def case() -> None:
        async with venue.private(venue.new_keys()) as gateway:
            tiers = await gateway.leverage_tiers([venue.symbol])
        truth = venue.instrument().tiers
        assert [tier.max_leverage for tier in tiers] == [tier.max_leverage for tier in truth]
        for tier, engine in zip(tiers, truth, strict=True):
            assert float(tier.maintenance_rate) == pytest.approx(float(engine.maintenance_rate), rel=1e-3)
            assert float(tier.deduction) == pytest.approx(float(engine.deduction), rel=1e-2, abs=1)

    run(case())
