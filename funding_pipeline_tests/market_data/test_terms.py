"""What venues state of their instruments, effective-dated; intervals that they do not state."""

from datetime import UTC, datetime, timedelta

import polars as pl

from funding_pipeline.core.market import RAW_INSTRUMENT_TERMS, RAW_LEVERAGE_TIERS
from funding_pipeline.market_data.instruments import instruments
from funding_pipeline.market_data.leverage_tiers import leverage_tiers

SYMBOL = "BTC/USDT:USDT"
DAY = datetime(2025, 3, 1, tzinfo=UTC)
LISTED = pl.DataFrame({"venue": ["okx"], "symbol": [SYMBOL], "effective_from": [DAY]})


def stated(day: int, *, tick: float = 0.1, size: float = 0.01) -> dict[str, object]:
    row = dict.fromkeys(RAW_INSTRUMENT_TERMS)
    return {
        **row, "venue": "okx", "symbol": SYMBOL, "observed_at": DAY + timedelta(days=day), "price_tick": tick,
        "contract_size": size,
    }  # fmt: skip


def terms(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(RAW_INSTRUMENT_TERMS))


def test_terms_hold_from_the_moment_they_were_observed() -> None:
    frame, refused = instruments(LISTED, terms(stated(10), stated(11), stated(12, tick=0.5)))
    assert not refused
    assert frame["contract_size"].to_list() == [None, 0.01, 0.01]
    assert frame["price_tick"].to_list() == [None, 0.1, 0.5]
    assert frame["effective_from"].to_list() == [DAY + timedelta(days=d) for d in (0, 10, 12)]
    assert frame["effective_to"].to_list() == [DAY + timedelta(days=10), DAY + timedelta(days=12), None]
    assert (frame["known_at"] == frame["effective_from"]).all()


def test_an_instrument_that_is_only_stated_is_listed_too() -> None:
    frame, _ = instruments(LISTED.clear(), terms(stated(3)))
    assert frame.select("symbol", "base", "price_tick", "effective_from").rows() == [
        (SYMBOL, "BTC", 0.1, DAY + timedelta(days=3))
    ]


def test_without_terms_nothing_changes() -> None:
    frame, _ = instruments(LISTED, terms())
    assert frame.equals(instruments(LISTED)[0])


def test_a_tier_that_disappears_dates_all_tiers_anew() -> None:
    def tier(day: int, floor: float, cap: float | None) -> dict[str, object]:
        return {
            "venue": "okx", "symbol": SYMBOL, "observed_at": DAY + timedelta(days=day),
            "floor_notional": floor,
            "cap_notional": cap, "maintenance_rate": 0.004, "deduction": 0.0, "max_leverage": 100.0,
        }  # fmt: skip

    rows = [tier(0, 0.0, 5e4), tier(0, 5e4, None), tier(1, 0.0, 5e4), tier(1, 5e4, None), tier(2, 0.0, None)]
    frame = leverage_tiers(pl.DataFrame(rows, schema=dict(RAW_LEVERAGE_TIERS)))
    assert frame.select("effective_from", "floor_notional", "effective_to").rows() == [
        (DAY, 0.0, DAY + timedelta(days=2)),
        (DAY, 5e4, DAY + timedelta(days=2)),
        (DAY + timedelta(days=2), 0.0, None),
    ]
