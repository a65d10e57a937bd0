"""A testnet per test process; each test has accounts and a journal of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from funding_pipeline_tests.testnet.running import RunningTestnet, running_testnet
from funding_pipeline_tests.trading.rig import TradingRig


@pytest.fixture(scope="session")
def trading_testnet() -> Iterator[RunningTestnet]:
    """Shared; the clock only goes forward."""
    with running_testnet() as testnet:
        testnet.clock.advance(hours=0.2)
        yield testnet


@pytest.fixture
def new_rig(trading_testnet: RunningTestnet, tmp_path: Path) -> Iterator[Callable[..., TradingRig]]:
    """Makes a rig on the venues named; faults end with the test. Starts well away from any settlement."""
    clock = trading_testnet.clock
    minute = clock.now() // 60_000 % 60
    if not 5 <= minute <= 35:
        clock.advance(seconds=((65 - minute) % 60) * 60)
    trading_testnet.admin("DELETE", "/admin/faults")
    yield lambda *venues: TradingRig(trading_testnet, tmp_path, venues)
    trading_testnet.admin("DELETE", "/admin/faults")
