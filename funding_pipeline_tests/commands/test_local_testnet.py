"""What a child process is told of the settings that its parent works with."""

import os
from pathlib import Path

import pytest

from funding_pipeline.commands.local_testnet import child_environment
from funding_pipeline.settings import load_settings


def test_a_child_has_the_settings_of_its_parent_also_those_given_in_code_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("FUNDING_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "funding.toml"
    file.write_text(
        'strategy = "other"\n[execution]\nslice_usd = 5000\n'
        "[[limits]]\nmax_adl_rank = 0.5\neffective_from = 2025-01-01T00:00:00Z\n"
    )
    monkeypatch.setenv("FUNDING_TOML", str(file))
    parents = load_settings(testnet_speed=60, simulated_from="2025-03-01", home=tmp_path / "state")

    environment = child_environment(parents)
    monkeypatch.setattr(os, "environ", environment)
    file.unlink()  # what it said is told all the same
    child = load_settings()
    assert child.testnet_speed == 60
    assert child.simulated_from == parents.simulated_from
    assert child.state_dir == parents.state_dir
    assert child.strategy == "other"
    assert child.trading_setup().limits == parents.trading_setup().limits
    assert child.trading_setup().execution == parents.trading_setup().execution
