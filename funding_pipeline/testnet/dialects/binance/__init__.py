"""Binance's USDT-M futures API over the testnet's exchange."""

from funding_pipeline.testnet.dialects.binance.dialect import BinanceDialect

__all__ = ["BinanceDialect"]
