"""Limits that were tightened at run time hold until the next start, which says what it forgets."""

from pathlib import Path

import pytest

from funding_pipeline.commands.up import loosen
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal


def test_a_start_goes_back_to_the_configured_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = Settings(market="simulated", home=tmp_path).trading_setup()
    with Journal(setup.journal_url) as journal:
        journal.tighten("max_daily_loss_usd", 500.0, by="person anna", reason="a bad day")
        loosen(setup, None)
        assert journal.tightened() == {}
    assert "max_daily_loss_usd 500" in capsys.readouterr().out
    loosen(setup, None)
    assert capsys.readouterr().out == ""
