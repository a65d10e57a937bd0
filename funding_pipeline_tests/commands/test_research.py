"""`forecast` and `backtest` on a slice of real history: their files, and P&L recomputed from them alone."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.commands.research import backtest, forecast
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.portfolio.config import PortfolioConfig

VENUES = ["binance", "gate", "hyperliquid"]
BASES = ["BTC", "ETH", "SOL", "DOGE"]
FIRST, TRADE_FROM, LAST = (
    datetime(2023, 7, 1, tzinfo=UTC),
    datetime(2024, 3, 1, tzinfo=UTC),
    datetime(2024, 4, 10, tzinfo=UTC),
)


@pytest.fixture(scope="module")
def folder(recorded_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("slice")
    mine = pl.col("venue").is_in(VENUES) & pl.col("symbol").str.extract(r"^(\w+)/", 1).is_in(BASES)
    for name, time in (("funding_rates", "settled_at"), *((f"candles_{v}", "open_time") for v in VENUES)):
        rows = pl.scan_parquet(recorded_dir / f"{name}.parquet")
        rows.filter(mine & pl.col(time).is_between(FIRST, LAST, closed="left")).sink_parquet(
            out / f"{name}.parquet"
        )
    return out


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("backtest")
    portfolio = PortfolioConfig(rebalance_every_hours=24)
    backtest(
        data=folder,
        start=TRADE_FROM,
        end=LAST,
        out=out,
        portfolio=portfolio,
        horizon_hours=72,
        with_baselines=True,
        trials=200,
        with_studies=True,
    )
    return out


def test_forecast_writes_what_it_promises(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.parquet"
    forecast(
        data=folder,
        train_end=TRADE_FROM,
        start=TRADE_FROM,
        end=LAST,
        every_hours=24,
        horizon_hours=72,
        out=out,
    )
    frame = FORECASTS.conform(pl.read_parquet(out))
    assert frame.height == frame.unique(["as_of", "venue", "symbol"]).height
    inverse = 2  # Binance's coin-margined BTC and ETH
    assert frame.filter(pl.col("as_of") == TRADE_FROM).height == len(VENUES) * len(BASES) + inverse
    assert frame.filter((pl.col("q10") > pl.col("q50")) | (pl.col("q50") > pl.col("q90"))).is_empty()
    assert "baseline" not in set(frame["model"])


def test_a_forecast_of_what_was_learnt_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InsufficientHistoryError, match="lies before --train-end"):
        forecast(
            data=folder, train_end=LAST, start=TRADE_FROM, end=LAST, every_hours=24, horizon_hours=72,
            out=tmp_path / "f.parquet",
        )  # fmt: skip


def test_a_period_without_data_says_what_there_is(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InsufficientHistoryError, match=r"outside of the data.*2023-07-01 to 2024-04"):
        forecast(
            data=folder, train_end=TRADE_FROM, start=datetime(2026, 1, 1, tzinfo=UTC),
            end=datetime(2026, 2, 1, tzinfo=UTC), every_hours=24, horizon_hours=72,
            out=tmp_path / "f.parquet",
        )  # fmt: skip


def test_the_summary_has_every_figure_beside_its_baselines(written: Path) -> None:
    summary = json.loads((written / "summary.json").read_text("utf-8"))
    figures = {"net_return_annual", "sharpe", "max_drawdown", "turnover", "costs", "pnl"}
    assert figures <= set(summary)
    assert {"cash", "optimiser_no_model", "threshold_168h"} <= set(summary["baselines"])
    for baseline in summary["baselines"].values():
        assert figures <= set(baseline)
    assert "conventions" in summary


def test_studies_and_report_are_written_beside_the_summary(written: Path) -> None:
    summary = json.loads((written / "summary.json").read_text("utf-8"))
    studies = json.loads((written / "studies.json").read_text("utf-8"))
    assert {run["study"] for run in studies["runs"]} == {"band", "costs", "capacity"}
    assert {row["note"] for row in studies["replays"]} == {"not in this history"}
    assert summary["verdict"] == studies["verdict"]
    assert summary["capacity"]["points"]
    page = (written / "report.html").read_text("utf-8")
    assert f'<div class="word">{summary["verdict"]["word"]}' in page
    assert "chart-capacity" in page


def test_profit_by_leg_adds_up_to_the_equity(written: Path) -> None:
    split, equity = (pl.read_parquet(written / f"{name}.parquet") for name in ("attribution", "equity"))
    legs = split.filter(pl.col("level") == "leg", pl.col("year").is_null())
    net = equity.sort("time")["equity"][-1] - 1_000_000
    assert legs["total_usd"].sum() == pytest.approx(net, abs=1e-6)
    margin, stress = (pl.read_parquet(written / f"{name}.parquet") for name in ("margin", "stress"))
    assert set(margin["venue"]) == set(VENUES)
    assert stress["loss_usd"].is_not_null().all()


def test_trades_happened_and_positions_follow_from_them(written: Path) -> None:
    trades, positions = (pl.read_parquet(written / f"{name}.parquet") for name in ("trades", "positions"))
    assert trades.height > 10
    last = positions["time"].max()
    held = (
        positions.filter(pl.col("time") == last).select("venue", "symbol", "quantity").sort("venue", "symbol")
    )
    bought = trades.filter(pl.col("time") <= last).group_by("venue", "symbol").agg(pl.col("quantity").sum())
    left = bought.filter(pl.col("quantity").abs() > 1e-9).sort("venue", "symbol")
    assert left.select("venue", "symbol").equals(held.select("venue", "symbol"))
    assert (left["quantity"] - held["quantity"]).abs().max() < 1e-9


def test_profit_recomputed_from_the_files_and_the_candles_alone(written: Path, folder: Path) -> None:
    trades, equity = (pl.read_parquet(written / f"{name}.parquet") for name in ("trades", "equity"))
    funding = pl.read_parquet(written / "funding.parquet")
    end = equity["time"].max()
    candles = pl.concat([pl.read_parquet(folder / f"candles_{v}.parquet") for v in VENUES])
    hours = pl.col("timeframe").str.strip_suffix("h").cast(pl.Int64)
    closes = (
        candles.filter(pl.col("kind") == "trade")
        .with_columns(closed=pl.col("open_time") + pl.duration(hours=hours))
        .filter(pl.col("closed") <= end)
        .sort("closed")
        .group_by("venue", "symbol")
        .agg(pl.col("close").last())
    )
    left = (
        trades.group_by("venue", "symbol").agg(pl.col("quantity").sum()).join(closes, on=["venue", "symbol"])
    )
    cash = -(trades["quantity"] * trades["price"]).sum() - trades["fee_usd"].sum() + funding["cash_usd"].sum()
    recomputed = 1_000_000 + cash + (left["quantity"] * left["close"]).sum()
    assert recomputed == pytest.approx(equity.sort("time")["equity"][-1], abs=1e-6)


def test_funding_follows_from_positions_and_recorded_rates(written: Path, folder: Path) -> None:
    funding = pl.read_parquet(written / "funding.parquet")
    rates = pl.read_parquet(folder / "funding_rates.parquet").filter(pl.col("kind") == "settled")
    joined = funding.join(
        rates.select("venue", "symbol", pl.col("settled_at").alias("time"), pl.col("rate").alias("recorded")),
        on=["venue", "symbol", "time"],
        how="left",
    )
    assert joined["recorded"].null_count() == 0
    assert (joined["rate"] == joined["recorded"]).all()
    expected = -joined["quantity"] * joined["reference_price"] * joined["recorded"]
    assert (joined["cash_usd"] - expected).abs().max() < 1e-9
