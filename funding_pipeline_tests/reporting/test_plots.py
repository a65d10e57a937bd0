"""Every PNG plot: an image of sane size, the same for the same data, and no crash without data."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import ORDER_BOOK_DEPTH
from funding_pipeline.reporting import plots
from funding_pipeline.validation.profit_flows import SOURCES
from funding_pipeline_tests.reporting import report_frames as frames

MADE, OUTCOME = frames.forecasts_and_outcomes()
NOISE = np.random.default_rng(9)
FEATURES = pl.DataFrame({f"rate_{i}h_per_hour": NOISE.normal(size=100) for i in range(6)})
IMPORTANCE = pl.DataFrame({"feature": FEATURES.columns, "importance": [0.4, 0.3, 0.1, 0.1, 0.05, None]})
PRICE = frames.equity().select("time", pl.col("equity").alias("price"), pl.lit(0.1).alias("funding"))


def depth() -> pl.DataFrame:
    at = frames.moments(50, hours=0.01)
    values = {name: 5.0 for name, kind in ORDER_BOOK_DEPTH.columns.items() if kind == pl.Float64}
    frame = pl.DataFrame({"observed_at": at, "known_at": at}).with_columns(
        venue=pl.lit("okx"), symbol=pl.lit("BTC/USDT:USDT"), **{n: pl.lit(v) for n, v in values.items()}
    )
    return ORDER_BOOK_DEPTH.conform(frame)


def curve(equity: pl.DataFrame, *, suffix: str = "") -> bytes:
    baselines = {"cash": equity.with_columns(equity=pl.lit(1e6))}
    return plots.equity_curve(equity, capital_usd=1e6, baselines=baselines, suffix=suffix)


def against_outcome(made: pl.DataFrame, *, suffix: str = "") -> bytes:
    return plots.forecast_against_realised(made, OUTCOME, horizon_hours=168, suffix=suffix)


def shaded(series: pl.DataFrame, *, suffix: str = "") -> bytes:
    return plots.regimes_over(series, frames.regimes(), suffix=suffix)


def unusual(severities: pl.DataFrame, *, suffix: str = "") -> bytes:
    return plots.unusual_market(severities, severities.head(1).select("as_of"), suffix=suffix)


def coverage() -> pl.DataFrame:
    groups = [("overall", "all"), ("regime", "stress"), ("regime", "calm carry"), ("venue", "okx")]
    rows = [
        (h, "level", "all", g, v, 100, 0.62 + 0.06 * i) for h in (24, 168) for i, (g, v) in enumerate(groups)
    ]
    names = ["horizon_hours", "quantity", "plateau", "group", "value", "rows", "coverage_80"]
    return pl.DataFrame(rows, schema=names, orient="row")


def severities() -> pl.DataFrame:
    found = pl.DataFrame({"as_of": frames.moments(40, hours=24), "strongest": NOISE.gamma(1.0, 2.0, 40)})
    level = pl.when(pl.col("strongest") > 3.5).then(pl.lit("alarm")).otherwise(pl.lit("none"))
    return found.with_columns(level.alias("severity"))


def curve_in_regimes(equity: pl.DataFrame, *, suffix: str = "") -> bytes:
    return plots.equity_in_regimes(equity, frames.regimes(), capital_usd=1e6, suffix=suffix)


def sources_with_book(equity: pl.DataFrame, *, suffix: str = "") -> bytes:
    book = {f"{source}_usd": 100.0 * i for i, source in enumerate(SOURCES)}
    split = pl.DataFrame([{"level": "book", "name": "book", "year": None, **book, "total_usd": 2100.0}])
    return plots.pnl_by_source(equity, attribution=split, suffix=suffix)


def exposure_and_margin(neutrality: pl.DataFrame, *, suffix: str = "") -> bytes:
    return plots.exposure(neutrality, frames.margin(), suffix=suffix)


def planned_losses(stress: pl.DataFrame, *, suffix: str = "") -> bytes:
    losses = dict(stress.filter(book="at the end").select("scenario", "loss_usd").iter_rows())
    return plots.scenario_losses(losses, cvar_usd=100.0, limit_usd=1000.0, suffix=suffix)


def rivals(rules: pl.DataFrame, *, suffix: str = "") -> bytes:
    found = {name: frames.comparisons()[name] for name in rules["rule"]}
    return plots.forest({"comparisons": found}, suffix=suffix)


CASES: list[tuple[Callable[..., bytes], pl.DataFrame]] = [
    (plots.settled_funding_by_venue, frames.settled()),
    (plots.price_basis, frames.prices()),
    (plots.funding_distribution, frames.settled()),
    (plots.spread_heatmap, frames.settled()),
    (plots.book_depth, depth()),
    (plots.feature_correlation, FEATURES),
    (plots.feature_importance, IMPORTANCE),
    (plots.plan_legs, frames.plan_legs()),
    (plots.pnl_by_source, frames.equity()),
    (curve, frames.equity()),
    (against_outcome, MADE),
    (plots.interval_coverage, coverage()),
    (shaded, PRICE),
    (shaded, PRICE.with_columns(pl.lit(None, pl.Float64).alias("price"))),
    (unusual, severities()),
    (curve_in_regimes, frames.equity()),
    (sources_with_book, frames.equity()),
    (plots.neutrality, frames.neutrality()),
    (exposure_and_margin, frames.neutrality()),
    (plots.stress_losses, frames.stress()),
    (planned_losses, frames.stress()),
    (rivals, pl.DataFrame({"rule": list(frames.comparisons())})),
    (plots.studies, frames.studies_runs()),
    (plots.regime_profit, frames.studies_regimes()),
]


@pytest.mark.parametrize(("plot", "frame"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_plot_is_a_small_image_and_deterministic(plot: Callable[..., bytes], frame: pl.DataFrame) -> None:
    image = plot(frame)
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert width >= 600
    assert height >= 250
    assert len(image) <= 120 * 1024
    assert image == plot(frame)


@pytest.mark.parametrize(("plot", "frame"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_without_rows_the_image_says_so(plot: Callable[..., bytes], frame: pl.DataFrame) -> None:
    assert plot(frame.clear()).startswith(b"\x89PNG")


@pytest.mark.parametrize(("plot", "frame"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_simulated_market_is_in_every_title(
    plot: Callable[..., bytes], frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    titles: list[str] = []
    write = Figure.suptitle

    def remember(self: Figure, text: str, **more: object) -> object:
        titles.append(text)
        return write(self, text, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "suptitle", remember)
    suffix = plots.simulated_suffix(is_simulated=True)
    plot(frame, suffix=suffix)
    plot(frame.clear(), suffix=suffix)
    assert len(titles) == 2
    assert all("SIMULATED" in title for title in titles)


def test_a_real_market_has_no_suffix_and_markdown_needs_no_file() -> None:
    assert plots.simulated_suffix(is_simulated=False) == ""
    text = plots.markdown_image(b"\x89PNG", alternative="equity")
    assert text == "![equity](data:image/png;base64,iVBORw==)"


def test_multiplied_contracts_are_compared_per_base_unit() -> None:
    """Drawn without the multiplier, 1000PEPE would stand 10 million bp above PEPE."""
    one = frames.prices().filter(pl.col("symbol").str.contains("PEPE"))
    mixed = one.with_columns(
        pl.when(pl.col("venue") == "okx").then(pl.col("close") / 1000).otherwise("close").alias("close"),
        pl.when(pl.col("venue") == "okx").then(pl.lit("PEPE/USDT:USDT")).otherwise("symbol").alias("symbol"),
    )
    assert plots.price_basis(mixed) == plots.price_basis(one)


def test_the_busiest_plot_of_recorded_history_stays_small(recorded_dir: Path) -> None:
    from funding_pipeline.market.recorded import RecordedMarket
    from funding_pipeline.market_data.normalization import normalize

    market = RecordedMarket(recorded_dir)
    span = market.span()
    raw = market.read("funding_rates", venues=span.venues, start=span.start, end=span.end)
    settled, _ = normalize("settled_funding", raw)
    assert len(plots.settled_funding_by_venue(settled)) <= 120 * 1024
