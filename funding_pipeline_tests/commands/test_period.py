"""Durations and horizons on the command line."""

import pytest

from funding_pipeline.commands.period import parse_horizon, parse_hours
from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.horizons import NEXT_SETTLEMENT


@pytest.mark.parametrize(("text", "hours"), [("8h", 8), ("7d", 168), ("24", 24), (" 72H ", 72)])
def test_durations_are_whole_hours(text: str, hours: int) -> None:
    assert parse_hours(text, option="--every") == hours
    assert parse_horizon(text, option="--horizon") == hours


def test_the_next_settlement_is_a_horizon_and_no_duration() -> None:
    assert parse_horizon("next", option="--horizon") == NEXT_SETTLEMENT
    with pytest.raises(SettingsError, match="--every 'next' is no duration"):
        parse_hours("next", option="--every")


@pytest.mark.parametrize("text", ["", "0h", "-8h", "1.5h", "soon", "9999999"])
def test_what_is_no_duration_names_the_option(text: str) -> None:
    with pytest.raises(SettingsError, match="--horizon"):
        parse_horizon(text, option="--horizon")
