"""Symbols: multipliers, currencies, and what is refused."""

from datetime import UTC, datetime

import polars as pl
import pytest

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.market_data.instruments import instruments, parse_symbol


@pytest.mark.parametrize(
    ("symbol", "base", "multiplier", "contract_type"),
    [
        ("BTC/USDT:USDT", "BTC", 1.0, "linear"),
        ("1000PEPE/USDT:USDT", "PEPE", 1000.0, "linear"),
        ("kPEPE/USDC:USDC", "PEPE", 1000.0, "linear"),
        ("1000000MOG/USDT:USDT", "MOG", 1e6, "linear"),
        ("1MBABYDOGE/USDT:USDT", "BABYDOGE", 1e6, "linear"),
        ("10000000AIDOGE/USDT:USDT", "AIDOGE", 1e7, "linear"),
        ("1000000000X/USDT:USDT", "X", 1e9, "linear"),
        ("MBABYDOGE/USDT:USDT", "BABYDOGE", 1e6, "linear"),
        ("SHIB1000/USDT:USDT", "SHIB", 1000.0, "linear"),
        ("币安人生/USDT:USDT", "币安人生", 1.0, "linear"),
        ("MOG/USDT:USDT", "MOG", 1.0, "linear"),
        ("1INCH/USDT:USDT", "1INCH", 1.0, "linear"),
        ("MKR/USDT:USDT", "MKR", 1.0, "linear"),
        ("BTC/USD:BTC", "BTC", 1.0, "inverse"),
    ],
)
def test_what_a_symbol_says(symbol: str, base: str, multiplier: float, contract_type: str) -> None:
    parsed = parse_symbol(symbol)
    assert (parsed.base, parsed.multiplier, parsed.contract_type) == (base, multiplier, contract_type)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT-250328", "BTC-PERP", "", "BTC/EUR:USDT"])
def test_what_is_no_perpetual_is_refused_by_name(symbol: str) -> None:
    with pytest.raises(UnknownInstrumentError, match="symbol"):
        parse_symbol(symbol)


def test_unknown_contract_size_stays_null_and_refusals_are_listed() -> None:
    seen = datetime(2025, 1, 1, tzinfo=UTC)
    listed = pl.DataFrame(
        {
            "venue": ["binance", "okx", "binance", "okx"],
            "symbol": ["BTC/USD:BTC", "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT:USDT-250328"],
            "effective_from": [seen] * 4,
        },
        schema_overrides={"effective_from": pl.Datetime("us", "UTC")},
    )
    frame, refused = instruments(listed)
    sizes = dict(frame.select(pl.concat_str("venue", "symbol", separator=" "), "contract_size").iter_rows())
    assert sizes == {"binance BTC/USD:BTC": 100.0, "okx BTC/USDT:USDT": None, "binance ETH/USDT:USDT": 1.0}
    assert list(refused) == ["okx BTC/USDT:USDT-250328"]
    assert frame["price_tick"].null_count() == frame.height
