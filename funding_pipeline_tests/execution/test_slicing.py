"""Sizes and prices of single orders."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.trading import InstrumentTerms
from funding_pipeline.execution.slicing import (
    Quote,
    SizeRules,
    common_step,
    order_size,
    passive_price,
    quote_of,
    worst_price,
)

D = Decimal


def rules(step: str, *, multiplier: str = "1", least: str | None = None, notional: str = "0") -> SizeRules:
    return SizeRules(D(step), D("0.1"), D(least or step), D(notional), D(multiplier))


def test_the_common_step_is_the_coarser_one_in_base_units() -> None:
    assert common_step(rules("0.001"), rules("0.01")) == D("0.01")
    assert common_step(rules("1", multiplier="1000"), rules("100")) == D(1000)
    assert common_step(rules("0.3"), rules("0.2")) == D("0.6")
    assert common_step(rules("1000"), rules("1")) == D(1000)


def test_terms_without_a_step_are_refused() -> None:
    terms = InstrumentTerms(
        venue="a", symbol="B/USDT:USDT", native_id="B", quote="USDT", settle="USDT", contract_type="linear",
        contract_size=D(1), price_tick=D(1), quantity_step=None, min_quantity=None, min_notional=None,
        maker_fee=None, taker_fee=None, interval_hours=None, is_active=True, listed_at=None,
    )  # fmt: skip
    with pytest.raises(UnknownInstrumentError, match="step"):
        SizeRules.of(terms, D(1))


def test_minimums_hold_for_opening_and_not_for_closing_the_whole() -> None:
    strict = rules("0.001", least="0.01", notional="100")
    assert order_size(strict, D("0.0129"), price=D(10_000), held=None) == D("0.012")
    assert order_size(strict, D("0.009"), price=D(100_000), held=None) == 0
    assert order_size(strict, D("0.05"), price=D(1_000), held=None) == 0, "below the minimum notional"
    assert order_size(strict, D("0.005"), price=D(10_000), held=D("0.005")) == D("0.005")
    assert order_size(strict, D("0.005"), price=D(10_000), held=D("0.009")) == 0
    assert order_size(strict, D("0.02"), price=D(1), held=D("0.03")) == D("0.02"), "no notional to reduce"


def test_nearest_is_for_hedges() -> None:
    assert order_size(rules("0.01"), D("0.017"), price=D(1), held=None, is_nearest=True) == D("0.02")
    assert order_size(rules("0.01"), D("0.017"), price=D(1), held=None) == D("0.01")
    assert order_size(rules("0.01"), D("0.017"), price=D(1), held=D("0.017"), is_nearest=True) == D("0.01")


@given(st.decimals("0.5", "90000", places=4), st.floats(1, 500), st.sampled_from(["0.1", "0.01", "1", "0.5"]))
def test_a_takers_price_is_on_the_tick_and_within_the_bound(price: D, bound: float, tick: str) -> None:
    high = worst_price("buy", price, bound_bp=bound, tick=D(tick))
    low = worst_price("sell", price, bound_bp=bound, tick=D(tick))
    reach = D(str(bound)) / 10_000
    assert high % D(tick) == low % D(tick) == 0
    assert high <= price * (1 + reach)
    assert low >= min(price * (1 - reach), low)


def test_quotes_count_the_depth_within_the_bound() -> None:
    quote = quote_of(
        [(D(100), D(1)), (D("99.9"), D(2)), (D(90), D(50))], [(D(101), D(3)), (D(110), D(9))], bound_bp=20
    )
    assert quote == Quote(D(100), D(101), D(3), D(3))
    assert (quote.mid, quote.best("buy"), quote.depth("sell")) == (D("100.5"), D(101), D(3))
    assert passive_price("buy", quote, D(3)) == D(99)
    assert passive_price("sell", quote, D(3)) == D(102)
