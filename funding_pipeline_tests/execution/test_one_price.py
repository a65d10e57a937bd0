"""Where mark and mid differ, verdict, measures and guard value a position by the same number."""

from dataclasses import replace
from decimal import Decimal

import pytest

from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.exposure import exposure, mark_price
from funding_pipeline.execution.judged_base import judged_bases
from funding_pipeline_tests.execution.books import HELD, PRICES, book, facts, market, plan, symbol

MID = Decimal(47_000)


def _without_marks(held: BookState) -> BookState:
    def rest(name: str) -> object:
        venue = held.venues[name]
        positions = tuple(replace(p, mark_price=None) for p in venue.positions)
        return replace(venue, marks={}, positions=positions)

    return replace(held, venues={name: rest(name) for name in held.venues})


@pytest.mark.parametrize(
    ("has_mark", "mid", "price"),
    [(True, MID, PRICES["BTC"]), (True, None, PRICES["BTC"]), (False, MID, MID), (False, None, None)],
)
def test_one_order_of_preference(has_mark: bool, mid: Decimal | None, price: Decimal | None) -> None:
    held = book(HELD) if has_mark else _without_marks(book(HELD))
    seen = market(facts("a", "BTC", price=mid), facts("b", "BTC", price=mid))
    (base,) = judged_bases(plan(HELD), book=held, market=seen, halted=False)
    assert {leg.price for leg in base.legs} == {price}
    assert {leg.price for leg in exposure(held, market=seen).legs} == {price}
    assert {mark_price(held, (venue, symbol("BTC")), seen) for venue in ("a", "b")} == {price}
