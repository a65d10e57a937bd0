"""A small market for episodes, made once."""

import pytest

from funding_pipeline.chaos.campaign import Campaign
from funding_pipeline.commands.chaos import make_campaign


@pytest.fixture(scope="session")
def campaign() -> Campaign:
    """The campaign of the command, with the executor as it is."""
    return make_campaign()
