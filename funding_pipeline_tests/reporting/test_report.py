"""The report of a whole back-test: complete, self-contained, truthful about what it is."""

import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.core.tables import SETTLED_FUNDING
from funding_pipeline.market_data.quarantine import quarantine_rows
from funding_pipeline.reporting.report import ReportInputs, render_report
from funding_pipeline.reporting.report_tables import MINUS, header_text, percent, table, text_of
from funding_pipeline.reporting.report_verdict import headlines, verdict
from funding_pipeline.validation.backtest import BacktestResult
from funding_pipeline.validation.deflated_sharpe import deflated_sharpe
from funding_pipeline_tests.reporting import report_frames as frames

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SECTIONS = ("result", "sources", "neutrality", "plan", "market", "forecasts", "data", "limits")


@pytest.fixture(scope="module")
def bare(result: BacktestResult) -> ReportInputs:
    return ReportInputs(
        market_label="recorded (tests)",
        is_simulated=False,
        generated_at=NOW,
        summary=result.summary,
        equity=result.equity,
        trades=result.trades,
        positions=result.positions,
        funding_payments=result.funding_payments,
        neutrality=result.neutrality,
    )


@pytest.fixture(scope="module")
def full(bare: ReportInputs) -> ReportInputs:
    made, outcome = frames.forecasts_and_outcomes()
    bad = frames.settled(10).with_columns(rate=pl.lit(9.0))
    return replace(
        bare,
        baseline_equity={"cash": bare.equity.with_columns(equity=pl.lit(bare.capital_usd))},
        settled_funding=frames.settled(),
        gaps=pl.DataFrame({"venue": ["okx"], "symbol": ["BTC/USDT:USDT"], "missing_settlements": [3]}),
        quarantine=quarantine_rows(SETTLED_FUNDING, bad).refused,
        regimes=frames.regimes(),
        anomalies=pl.DataFrame(
            {"as_of": [frames.START], "venue": ["okx"], "symbol": ["X"], "reason": ["odd"], "robust_z": [9.1]}
        ),
        forecast_skill=pl.DataFrame({"scope": ["all"], "horizon_hours": [168], "r2": [0.25], "mae": [None]}),
        forecasts=made,
        realised=outcome,
        plan_legs=frames.plan_legs(),
        provenance={"model": "v3"},
    )


@pytest.fixture(scope="module")
def page(full: ReportInputs) -> str:
    return render_report(full)


class Reader(HTMLParser):
    """Addresses that a browser would load, anchors, and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.identities: list[str] = []
        self.text = ""
        self._code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._code = tag in ("script", "style")
        self.identities += [values["id"]] if values.get("id") else []
        if tag != "a":
            self.loaded += [str(values[name]) for name in ("src", "href", "srcset", "data") if name in values]

    def handle_endtag(self, tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._code else data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def own_part(page: str) -> str:
    """The page without plotly.js, which names addresses of maps that no figure here uses."""
    from plotly.offline import get_plotlyjs

    assert page.count(get_plotlyjs()) == 1
    return page.replace(get_plotlyjs(), "")


def test_the_page_has_every_section_and_chart_under_its_own_name(page: str) -> None:
    reader = read(page)
    assert set(SECTIONS) <= set(reader.identities)
    assert len(reader.identities) == len(set(reader.identities))
    charts = [name for name in reader.identities if name.startswith("chart-")]
    assert len(charts) == 11


def test_the_page_loads_nothing_and_stays_small(page: str) -> None:
    assert read(page).loaded == []
    own = own_part(page)
    assert not re.search(r"@import|url\(|import\(|fetch\(", own)
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", own)
    assert len(page.encode()) < 8_000_000
    assert len(own.encode()) < 2_000_000


def test_the_same_inputs_make_the_same_page(full: ReportInputs, page: str) -> None:
    assert render_report(full) == page


def test_numbers_are_those_of_the_summary(full: ReportInputs, page: str) -> None:
    text = read(page).text
    assert percent(full.summary["net_return_annual"], decimals=2, signed=True) in text
    assert percent(full.summary["max_drawdown"], decimals=2) in text
    for name in full.summary["baselines"]:
        assert name.replace("_", " ") in text
    for note in full.summary["notes"]:
        assert note in text
    assert "|rate| above 16% per 8 h" in text
    assert "model: v3" in text


def test_the_deflated_sharpe_ratio_is_told_with_its_trials_and_rule(bare: ReportInputs) -> None:
    found = deflated_sharpe(np.random.default_rng(1).normal(0.1, 1.0, size=300) * 1e-3, trials=193)
    assert found is not None
    deflated = {**asdict(found), "rule": "By this rule."}
    text = read(render_report(replace(bare, summary={**bare.summary, "deflated_sharpe": deflated}))).text
    assert f"Deflated Sharpe ratio: {percent(found.value)}" in text
    assert "the best to expect of 193 trials" in text
    assert "By this rule." in text
    unknown = replace(bare, summary={**bare.summary, "deflated_sharpe": None})
    assert "Deflated Sharpe" not in read(render_report(unknown)).text


def test_text_from_data_is_escaped(page: str) -> None:
    assert "<b>hedge</b>" not in page
    assert "<b>hedge</b>" in read(page).text


def test_a_real_market_is_not_called_simulated(page: str) -> None:
    assert "SIMULATED" not in own_part(page)


def test_a_simulated_market_is_called_so_everywhere(full: ReportInputs) -> None:
    page = render_report(replace(full, is_simulated=True, market_label="SIMULATED, seed 7"))
    reader = read(page)
    assert reader.text.strip().startswith("SIMULATED: Funding differentials")
    assert "every price and rate on this page is made up" in reader.text
    titles = re.findall(r'"title":\{[^{}]*(?:\{[^{}]*\}[^{}]*)*"text":"([^"]*)"', own_part(page))
    drawn = [title for title in titles if "SIMULATED" in title]
    assert len(drawn) == len([name for name in reader.identities if name.startswith("chart-")])


def test_a_back_test_alone_is_enough(bare: ReportInputs) -> None:
    text = read(render_report(bare)).text
    assert "No plan was given" in text
    assert "No forecasts were given" in text
    assert "basis and price, USD" in text
    assert "No market frames were given" in text


def test_a_book_that_never_traded_still_reports(bare: ReportInputs) -> None:
    flat = bare.equity.with_columns(pl.col("^pnl_.*$") * 0.0, equity=pl.lit(bare.capital_usd))
    nothing = dict.fromkeys(("fees", "slippage", "funding", "basis"), 0.0)
    inputs = replace(
        bare,
        equity=flat,
        trades=bare.trades.clear(),
        positions=bare.positions.clear(),
        funding_payments=bare.funding_payments.clear(),
        summary={**bare.summary, "sharpe": None, "sharpe_interval": None, "pnl": nothing},
    )
    assert "too few days" in read(render_report(inputs)).text


def test_frames_of_two_back_tests_are_refused(bare: ReportInputs) -> None:
    with pytest.raises(AccountingError, match="not of one back-test"):
        render_report(replace(bare, trades=bare.trades.head(3)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sharpe": 1.0, "sharpe_interval": {"low": -0.5, "high": 2.5}}, "cannot be told from luck"),
        ({"sharpe": 8.0, "sharpe_interval": {"low": 6.0, "high": 9.0}}, "has to be explained"),
        ({"sharpe": 2.0, "sharpe_interval": {"low": 1.0, "high": 3.0}}, "excludes zero."),
        ({"sharpe": -3.0, "sharpe_interval": {"low": -4.0, "high": -2.0}}, "larger than chance"),
        ({"sharpe_interval": None}, "too few days"),
        ({"baselines": {}}, "No baseline was run"),
        (
            {"net_return_annual": 0.01, "baselines": {"a_rule": {"net_return_annual": 0.02}}},
            "more than 0 of 1 baselines hedged on each venue as it is, and no more than the best",
        ),
        (
            {
                "net_return_annual": 0.01,
                "baselines": {
                    "rule": {"net_return_annual": 0.03, "venue_neutral": {"net_return_annual": -0.01}},
                    "same": {"net_return_annual": 0.02, "venue_neutral": {"net_return_annual": 0.02}},
                },
            },
            "carrying a net position on each venue, 1 earned more (rule +3.0% a year)",
        ),
    ],
)
def test_the_verdict_follows_from_the_summary(bare: ReportInputs, changes: dict[str, Any], said: str) -> None:
    assert said in " ".join(verdict(replace(bare, summary={**bare.summary, **changes})))


def test_skill_in_the_headline_is_that_of_differentials(bare: ReportInputs) -> None:
    row = {"horizon_hours": 168, "quantity": "differential", "plateau": "all", "group": "overall"}
    row |= {"r2": 0.26, "baseline_r2": 0.2, "mae_improvement": -0.05}
    skill = pl.DataFrame([row, row | {"quantity": "level", "r2": 0.9}])
    found = headlines(replace(bare, forecast_skill=skill))[-1]
    assert found.value == "0.26"
    assert found.sign == 1
    assert "baseline 0.20" in found.detail
    assert "5.0% larger" in found.detail


def test_numbers_are_written_by_the_unit_in_their_name() -> None:
    assert text_of("cost_usd", -1234.4) == f"{MINUS}1,234"
    assert text_of("rate_per_hour", 1e-5) == "8.76%"
    assert text_of("net_annual", 0.1234) == "12.3%"
    assert text_of("r2", float("nan")) == text_of("r2", None)
    assert text_of("year", 2024) == "2024"
    unknown = table(pl.DataFrame({"x": [None]}, schema={"x": pl.Float64})).rows[0][0]
    assert unknown.numeric
    assert header_text("mae_per_hour") == "mae, per year"
    short = table(pl.DataFrame({"x_usd": [1.0, -2.0, None]}), bars=("x_usd",), signed=("x_usd",), limit=2)
    assert short.left_out == 1
    assert [row[0].bar for row in short.rows] == [0.5, 1.0]
    assert [row[0].sign for row in short.rows] == [1, -1]
