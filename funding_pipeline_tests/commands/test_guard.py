"""The guard's command: betas of the newest plan."""

from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.commands.guard import PlannedBetas
from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.lake import Lake


def test_betas_are_those_of_the_newest_plan(tmp_path: Path) -> None:
    lake, seconds = Lake(str(tmp_path)), [0.0]
    betas = PlannedBetas(lake, lambda: seconds[0])
    assert betas() == {}, "before a plan none is known, and none is taken"
    rows = {"base": ["BTC", "BTC", "ETH", "SOL", "XRP"], "beta": [1.0, 1.0, 1.3, None, float("nan")]}
    lake.replace("portfolio_plan", pl.DataFrame(rows))
    assert betas() == {}, "read again after a minute"
    seconds[0] = 61
    assert betas() == {"BTC": 1.0, "ETH": 1.3}


def test_a_plan_without_betas_is_said(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace("portfolio_plan", pl.DataFrame({"base": ["BTC"]}))
    with pytest.raises(StorageError, match="no columns base and beta"):
        PlannedBetas(lake)()
