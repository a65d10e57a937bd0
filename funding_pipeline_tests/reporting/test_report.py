"""The report of a whole back-test: complete, self-contained, truthful about what it is."""

import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.reporting.differences import differences
from funding_pipeline.reporting.report import ReportInputs, render_report
from funding_pipeline.reporting.report_charts import drawdown_chart, equity_chart
from funding_pipeline.reporting.report_tables import MINUS, header_text, percent, table, text_of
from funding_pipeline.reporting.report_verdict import headlines, verdict
from funding_pipeline.validation.deflated_sharpe import deflated_sharpe
from funding_pipeline_tests.reporting import report_frames as frames

SECTIONS = (
    "result", "rivals", "sources", "studies", "regimes", "neutrality", "stress", "plan", "market",
    "forecasts", "data", "limits",
)  # fmt: skip


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
    assert len(charts) == 20


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
    assert "Deflated Sharpe ratio: " not in read(render_report(unknown)).text


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
    assert "Profit and loss by venue, USD" in text
    assert "No market frames were given" in text
    assert text.count("not asked for") >= 3  # studies, regimes, replays


def test_a_book_that_never_traded_still_reports(bare: ReportInputs) -> None:
    flat = bare.equity.with_columns(pl.col("^pnl_.*$") * 0.0, equity=pl.lit(bare.capital_usd))
    nothing = dict.fromkeys(("fees", "slippage", "funding", "basis"), 0.0)
    inputs = replace(
        bare,
        equity=flat,
        attribution=bare.attribution.clear(),
        margin=bare.margin.with_columns(maintenance_usd=pl.lit(0.0)),
        summary={**bare.summary, "sharpe": None, "sharpe_interval": None, "pnl": nothing, "comparisons": {}},
    )
    assert "nothing can be told from luck" in read(render_report(inputs)).text


def test_frames_of_two_back_tests_are_refused(bare: ReportInputs) -> None:
    with pytest.raises(AccountingError, match="not of one back-test"):
        render_report(replace(bare, equity=bare.equity.head(bare.equity.height // 2)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
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
        (
            {
                "net_return_annual": 0.01,
                "baselines": {
                    "rule": {"net_return_annual": 0.005},
                    "oracle_168h": {"net_return_annual": 0.09, "venue_neutral": {"net_return_annual": 0.09}},
                },
            },
            "more than 1 of 1 baselines hedged on each venue as it is, and more than the best",
        ),
    ],
)
def test_rivals_in_words_follow_from_the_summary(
    bare: ReportInputs, changes: dict[str, Any], said: str
) -> None:
    told = verdict(replace(bare, summary={**bare.summary, **changes}))
    assert said in " ".join(told.sentences)


def test_the_first_screen_is_the_verdict_with_evidence_and_what_would_kill_it(
    full: ReportInputs, page: str
) -> None:
    told = full.summary["verdict"]
    before_charts = read(page[: page.index("<nav>")]).text
    assert told["word"] in before_charts
    for check in told["checks"]:
        assert check["text"] in before_charts
    for sentence in (told["sentences"][0], *told["kills"]):
        assert sentence in before_charts
    marks = {one.mark for one in verdict(full).evidence}
    assert marks <= {"\u2713", "\u2717", "?"}


def test_studies_are_drawn_and_told(full: ReportInputs, page: str) -> None:
    text = read(page).text
    assert "Price of neutrality: 1.00% of capital a year is given up" in text
    assert "within 10 % of its budget (2.00% instead of 3.00%)" in text
    assert "Probability of over-fitting: 12.0%" in text
    assert "half of the return is kept up to 3,000,000 USD" in text
    assert "2022-11 FTX" in text
    assert "not in this history" in text
    assert "what venue_failure" not in text  # the back-test's own stress table, not another's
    assert f"{full.stress['loss_usd'].max():,.0f}" in text


def test_what_knows_the_future_is_a_dotted_ceiling_and_no_rival(full: ReportInputs) -> None:
    drawn = {trace.name: trace for trace in equity_chart(full).data}
    assert drawn["oracle 168h (knows the future)"].line.dash == "dot"
    assert not any(trace.name.startswith("oracle") for trace in drawdown_chart(full).data)
    found = {**full.summary["comparisons"], "oracle_168h": full.summary["comparisons"]["cash"]}
    assert "oracle 168h" not in {one.name for one in differences({"comparisons": found}, "net")}


def test_differences_are_read_in_the_order_of_the_lead() -> None:
    net = differences({"comparisons": frames.comparisons()}, "net")
    assert [(one.name, one.hedged) for one in net] == [
        ("threshold 24h", True), ("threshold 24h", False), ("threshold 72h", True), ("threshold 72h", False),
        ("cash", True),
    ]  # fmt: skip
    assert [one.alone for one in net] == [False, False, False, False, True]
    assert differences({"comparisons": frames.comparisons()}, "drawdown")[0].name == "threshold 24h"
    assert differences({}, "net") == ()


def test_regimes_are_shaded_behind_the_equity(bare: ReportInputs) -> None:
    inside = frames.regimes().with_columns(as_of=pl.col("as_of") - frames.START + bare.equity["time"].min())
    shaded = equity_chart(replace(bare, regimes=inside))
    assert len(shaded.layout.shapes) == 2  # calm carry, then stress; the third began after the end
    assert {"calm carry", "stress"} <= {trace.name for trace in shaded.data}


def test_skill_in_the_headline_is_that_of_differentials(bare: ReportInputs) -> None:
    row = {"horizon_hours": 168, "quantity": "differential", "plateau": "all", "group": "overall"}
    row |= {"r2": 0.26, "baseline_r2": 0.2, "mae_improvement": -0.05}
    skill = pl.DataFrame([row, row | {"quantity": "level", "r2": 0.9}])
    found = headlines(replace(bare, forecast_skill=skill))[-1]
    assert found.value == "0.26"
    assert found.sign == 1
    assert "baseline 0.20" in found.detail
    assert "5.0% larger" in found.detail


@pytest.mark.parametrize(("low", "sign"), [(0.001, 1), (-0.001, 0)])
def test_the_part_of_the_model_is_coloured_only_where_the_interval_tells(
    bare: ReportInputs, low: float, sign: int
) -> None:
    added = {"net_annual": 0.005, "low": low, "high": 0.009}
    found = headlines(replace(bare, summary={**bare.summary, "value_added_by_ai": added}))[-2]
    assert (found.name, found.value, found.sign) == ("Added by the model", "+0.50%", sign)
    assert f"{percent(low, decimals=2, signed=True)} to +0.90%" in found.detail
    unknown = headlines(replace(bare, summary={**bare.summary, "value_added_by_ai": None}))[-2]
    assert "not run without it" in unknown.detail


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
