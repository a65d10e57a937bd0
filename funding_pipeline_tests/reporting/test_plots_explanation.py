"""Plots of why: images of sane size, the same for the same data, and no crash without data."""

import struct

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models.contribution_summary import ContributionSummary
from funding_pipeline.reporting import plots
from funding_pipeline_tests.reporting import report_frames as frames

MADE, _ = frames.forecasts_and_outcomes()
NEWEST = MADE.filter(pl.col("as_of") == MADE["as_of"].max())


def summary(*, rows: int = 300, features: int = 30) -> ContributionSummary:
    noise = np.random.default_rng(4)
    names = [f"rate_{i + 1}h_per_hour" for i in range(features)]
    points = pl.DataFrame(
        {
            "feature": np.repeat(names, rows),
            "contribution_pct_yr": noise.normal(size=rows * features),
            "value_rank": noise.uniform(size=rows * features),
        }
    ).with_columns(pl.when(pl.col("value_rank") > 0.05).then("value_rank"))
    table = points.group_by("feature", maintain_order=True).agg(
        family=pl.lit("own funding, recent"),
        mean_absolute_pct_yr=pl.col("contribution_pct_yr").abs().mean(),
        correlation=pl.lit(0.5),
    )
    return ContributionSummary(
        168, rows, table, table.select("family", "mean_absolute_pct_yr").head(1), points
    )


def _sane(image: bytes) -> None:
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert width >= 600
    assert height >= 250
    assert len(image) <= 120 * 1024


def test_contributions_are_a_small_image_and_deterministic() -> None:
    image = plots.contribution_plot(summary())
    _sane(image)
    assert image == plots.contribution_plot(summary())


def test_contributions_that_never_vary_are_drawn() -> None:
    one = summary(rows=1, features=1)
    still = one.points.with_columns(contribution_pct_yr=pl.lit(0.0), value_rank=pl.lit(None, pl.Float64))
    _sane(plots.contribution_plot(ContributionSummary(0, 1, one.table, one.families, still)))


def test_forecasts_are_a_small_image_and_deterministic() -> None:
    image = plots.forecasts_at_decision(NEWEST)
    _sane(image)
    assert image == plots.forecasts_at_decision(NEWEST.sample(fraction=1.0, shuffle=True, seed=2))


@pytest.mark.parametrize("bases", [1, 40])
def test_one_base_and_very_many_can_be_read(bases: int) -> None:
    one = NEWEST.filter(pl.col("symbol") == NEWEST["symbol"][0])
    many = pl.concat(
        one.with_columns(symbol=pl.lit(f"C{i:02}/USDT:USDT"), rate_per_hour=pl.col("rate_per_hour") * i)
        for i in range(bases)
    )
    _sane(plots.forecasts_at_decision(FORECASTS.conform(many)))


def test_two_contracts_of_a_venue_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    said: list[str] = []
    write = Axes.set_yticks

    def remember(self: Axes, ticks: object, labels: list[str], **more: object) -> object:
        said.extend(labels)
        return write(self, ticks, labels, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "set_yticks", remember)
    row = NEWEST.head(1).with_columns(venue=pl.lit("okx"))
    both = [row.with_columns(symbol=pl.lit(s)) for s in ("BTC/USDT:USDT", "BTC/USD:BTC")]
    other = row.with_columns(venue=pl.lit("gate"), symbol=pl.lit("BTC/USDT:USDT"))
    plots.forecasts_at_decision(pl.concat([*both, other]))
    assert said == ["okx USDT", "okx BTC", "gate"]


def test_without_rows_the_image_says_so_and_a_simulation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    titles: list[str] = []
    write = Figure.suptitle

    def remember(self: Figure, text: str, **more: object) -> object:
        titles.append(text)
        return write(self, text, **more)

    monkeypatch.setattr(Figure, "suptitle", remember)
    suffix = plots.simulated_suffix(is_simulated=True)
    one = summary()
    empty = ContributionSummary(0, 0, one.table.clear(), one.families.clear(), one.points.clear())
    for image in (
        plots.contribution_plot(one, suffix=suffix),
        plots.contribution_plot(empty, suffix=suffix),
        plots.forecasts_at_decision(NEWEST, suffix=suffix),
        plots.forecasts_at_decision(NEWEST.clear(), suffix=suffix),
    ):
        assert image.startswith(b"\x89PNG")
    assert len(titles) == 4
    assert all("SIMULATED" in title for title in titles)
