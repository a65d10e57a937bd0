"""A testnet per test process; each test has accounts and a journal of its own."""

import logging

import pytest

from funding_pipeline_tests.trading.conftest import new_rig, trading_testnet

__all__ = ["new_rig", "trading_testnet"]


@pytest.fixture(autouse=True)
def logs_are_heard() -> None:
    """Libraries and commands that earlier tests ran in this process may have set up logging their own way."""
    logging.disable(logging.NOTSET)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.split(".")[0] == "funding_pipeline" and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
            logger.setLevel(logging.NOTSET)
