"""`explain`: reasons at one moment of a folder, from what was known then alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.commands.explain import explain
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.market.simulated import SimulatedMarket

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC)
AT = END - timedelta(days=5, minutes=30)


@pytest.fixture(scope="module")
def funding() -> pl.DataFrame:
    market = SimulatedMarket(start=START, end=END)
    venues = market.span().venues[:3]
    rows = market.read("funding_rates", venues=venues, start=START, end=END)
    settled = pl.col("kind") == "settled"  # an estimate is known before the settlement that dates it
    return rows.filter(settled & pl.col("symbol").str.contains("^(BTC|ETH|SOL)/"))


def _folder(path: Path, rows: pl.DataFrame) -> Path:
    path.mkdir()
    rows.write_parquet(path / "funding_rates.parquet")
    return path


def _said(capsys: pytest.CaptureFixture[str], data: Path, at: datetime, base: str | None) -> str:
    explain(data=data, at=at, base=base, horizon_hours=24)
    return capsys.readouterr().out.split("training on", 1)[1]


def test_each_instrument_has_a_reason_that_later_rows_do_not_change(
    funding: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _said(capsys, _folder(tmp_path / "whole", funding), AT, "eth")
    cut = funding.filter(pl.col("settled_at") < AT)
    assert whole == _said(capsys, _folder(tmp_path / "cut", cut), AT, "eth")
    assert whole.count("(pulls") == 3
    assert "BTC" not in whole


def test_with_little_history_the_baseline_tells_its_formula(
    funding: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "baseline: half of" in _said(capsys, _folder(tmp_path / "d", funding), START + timedelta(40), None)


def test_a_moment_without_funding_is_named(funding: pl.DataFrame, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "d", funding)
    with pytest.raises(InsufficientHistoryError, match="no instrument of DOGE has settled"):
        explain(data=folder, at=AT, base="doge", horizon_hours=24)
    with pytest.raises(InsufficientHistoryError, match="no instrument has settled"):
        explain(data=folder, at=END + timedelta(days=30), base=None, horizon_hours=24)
