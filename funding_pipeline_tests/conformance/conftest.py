"""A testnet per test process, and one case per trading venue."""

from collections.abc import Iterator

import pytest

from funding_pipeline.venues.registry import VENUES_FOR_TRADING, dialect_of
from funding_pipeline_tests.conformance.rig import VenueRig
from funding_pipeline_tests.testnet.running import RunningTestnet, running_testnet


@pytest.fixture(scope="session")
def conformance_testnet() -> Iterator[RunningTestnet]:
    """Shared by all cases: each has accounts of its own, and the clock only goes forward."""
    with running_testnet() as testnet:
        yield testnet


@pytest.fixture(params=VENUES_FOR_TRADING)
def venue(request: pytest.FixtureRequest, conformance_testnet: RunningTestnet) -> Iterator[VenueRig]:
    """One of the five trading venues on the testnet, without faults before and after."""
    name: str = request.param
    if name not in conformance_testnet.exchanges:
        pytest.fail(f"the testnet does not serve {name}")
    rig = VenueRig(name, dialect_of(name), conformance_testnet)
    rig.end_faults()
    yield rig
    rig.end_faults()
