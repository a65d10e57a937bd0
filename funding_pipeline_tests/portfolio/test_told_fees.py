"""Fees from the venues' own statements: only once known, the dearest counts, the rest keeps its default."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import INSTRUMENTS
from funding_pipeline.core.venue_terms import load_venue_terms, terms_of
from funding_pipeline.portfolio.told_fees import with_told_fees

DAY = datetime(2025, 3, 1, tzinfo=UTC)


def listed(
    venue: str, symbol: str, *, day: int, maker: float | None, taker: float | None
) -> dict[str, object]:
    known = DAY + timedelta(days=day)
    return {
        **dict.fromkeys(INSTRUMENTS.columns), "venue": venue, "symbol": symbol, "base": "BTC",
        "quote": "USDT",
        "settle": "USDT", "contract_type": "linear", "multiplier": 1.0, "maker_fee": maker,
        "taker_fee": taker,
        "effective_from": known, "known_at": known,
    }  # fmt: skip


ROWS = [
    listed("okx", "BTC/USDT:USDT", day=0, maker=None, taker=None),
    listed("okx", "BTC/USDT:USDT", day=1, maker=0.0001, taker=0.0004),
    listed("okx", "ETH/USDT:USDT", day=1, maker=0.0003, taker=0.0002),
    listed("gate", "BTC/USDT:USDT", day=1, maker=None, taker=0.0007),
    listed("newcomer", "BTC/USDT:USDT", day=1, maker=0.0002, taker=0.0006),
]
TABLE = INSTRUMENTS.conform(pl.DataFrame(ROWS, schema=dict(INSTRUMENTS.columns))).lazy()


def test_fees_count_from_the_moment_they_were_told() -> None:
    defaults = load_venue_terms()
    before = with_told_fees(defaults, TABLE, as_of=DAY + timedelta(hours=1))
    assert before == defaults
    after = with_told_fees(defaults, TABLE, as_of=DAY + timedelta(days=1))
    assert after["okx"].maker_fee_bp == pytest.approx(3.0)
    assert after["okx"].taker_fee_bp == pytest.approx(4.0)
    assert after["gate"].taker_fee_bp == pytest.approx(7.0)
    assert after["gate"].maker_fee_bp == defaults["gate"].maker_fee_bp
    assert after["binance"] == defaults["binance"]


def test_a_venue_without_defaults_keeps_what_is_assumed_of_it() -> None:
    after = with_told_fees(load_venue_terms(), TABLE, as_of=DAY + timedelta(days=1))
    assert terms_of("newcomer", after).taker_fee_bp == pytest.approx(6.0)
    assert terms_of("newcomer", after).assumed
