"""Hyperliquid's REST dialect: POST /info for what anybody may read, POST /exchange for signed actions."""

from funding_pipeline.testnet.dialects.hyperliquid.dialect import HyperliquidDialect

__all__ = ["HyperliquidDialect"]
