"""A small market for episodes, made once."""

import pytest

from funding_pipeline.commands.chaos import make_campaign
from funding_pipeline.trading.chaos.campaign import Campaign


@pytest.fixture(scope="session")
def campaign() -> Campaign:
    """The campaign of the command, with the executor as it is."""
    return make_campaign()
