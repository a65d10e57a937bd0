"""A testnet per test process; each test has accounts and a journal of its own."""

from funding_pipeline_tests.trading.conftest import new_rig, trading_testnet

__all__ = ["new_rig", "trading_testnet"]
