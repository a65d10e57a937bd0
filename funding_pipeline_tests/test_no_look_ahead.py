"""The whole chain, from raw rows to trades: later rows change nothing before them, order changes nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.market import RAW_EVENT_TIME, Market, MarketSpan
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.anomalies import anomalies
from funding_pipeline.models.regimes import market_regime
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.live import plan_at
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.research import ResearchPanel, research_panel, walk_forward_forecasts

START, CUT, END = (
    datetime(2023, 7, 1, tzinfo=UTC),
    datetime(2024, 3, 20, tzinfo=UTC),
    datetime(2024, 4, 20, tzinfo=UTC),
)
TRADE_FROM = datetime(2024, 2, 1, tzinfo=UTC)
HORIZON_HOURS = 72
LISTED_LATE, FUNDED_LATE = ["XRP/USDT:USDT"], ["BTC/USDT:USDT"]
PORTFOLIO = PortfolioConfig(rebalance_every_hours=24)


@dataclass(frozen=True)
class Tampered:
    """Another market, cut at a moment and perhaps with its rows in another order.

    Two instruments come late: one is listed after the cut, one has prices from the start and funding
    only after the cut. Neither may change what was decided before.
    """

    market: Market
    cut: datetime
    shuffled: bool = False

    @property
    def label(self) -> str:
        return "tampered"

    @property
    def is_simulated(self) -> bool:
        return True

    def span(self) -> MarketSpan:
        span = self.market.span()
        return MarketSpan(span.start, min(span.end, self.cut), span.venues)

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        rows = self.market.read(table, venues=venues, start=start, end=end)
        time = pl.col(RAW_EVENT_TIME[table])
        late = pl.col("symbol").is_in(LISTED_LATE if table == "candles" else LISTED_LATE + FUNDED_LATE)
        rows = rows.filter((time < self.cut) & ~(late & (pl.col("venue") == "bybit") & (time < CUT)))
        return rows.sample(fraction=1.0, shuffle=True, seed=3) if self.shuffled else rows


@dataclass(frozen=True)
class Outcome:
    """Everything that the chain makes of a market."""

    panel: ResearchPanel
    forecasts: pl.DataFrame
    backtest: BacktestResult
    plan: pl.DataFrame


def _outcome(market: Market, *, end: datetime) -> Outcome:
    tables = market_tables(market)
    panel = research_panel(tables, start=START, end=end, every_hours=24, horizons_hours=(HORIZON_HOURS,))
    forecasts = walk_forward_forecasts(
        panel, start=TRADE_FROM, end=end, horizon_hours=HORIZON_HOURS
    ).forecasts
    config = BacktestConfig(start=TRADE_FROM, end=end, portfolio=PORTFOLIO, with_baselines=False)
    terms = load_venue_terms()
    result = run_backtest(tables=tables, forecasts=forecasts, terms=terms, config=config)
    plan = plan_at(
        tables=tables,
        forecasts=forecasts,
        positions={},
        as_of=CUT - timedelta(days=5),
        terms=terms,
        config=PORTFOLIO,
    )
    return Outcome(panel, forecasts, result, plan.legs)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(seed=5, start=START, end=END)


@pytest.fixture(scope="module")
def whole(market: SimulatedMarket) -> Outcome:
    return _outcome(Tampered(market, cut=END), end=END)


@pytest.fixture(scope="module")
def shortened(market: SimulatedMarket) -> Outcome:
    return _outcome(Tampered(market, cut=CUT), end=CUT)


def _before_cut(frame: pl.DataFrame, column: str = "as_of") -> pl.DataFrame:
    return frame.filter(pl.col(column) < CUT)


def test_there_is_something_to_compare(whole: Outcome) -> None:
    assert whole.backtest.trades.filter(pl.col("time") < CUT).height > 20
    assert set(whole.forecasts["model"]) != {"baseline"}
    assert whole.plan.height > 0
    late = whole.backtest.trades.filter(pl.col("venue") == "bybit", pl.col("time") >= CUT)
    assert {*LISTED_LATE, *FUNDED_LATE} & set(late["symbol"])


def test_later_rows_change_no_earlier_feature(whole: Outcome, shortened: Outcome) -> None:
    assert_frame_equal(
        _before_cut(whole.panel.features), _before_cut(shortened.panel.features), check_exact=True
    )


def test_later_rows_change_no_earlier_forecast(whole: Outcome, shortened: Outcome) -> None:
    assert_frame_equal(_before_cut(whole.forecasts), _before_cut(shortened.forecasts), check_exact=True)


def test_later_rows_change_no_earlier_plan(whole: Outcome, shortened: Outcome) -> None:
    assert_frame_equal(whole.plan, shortened.plan, check_exact=True)


@pytest.mark.parametrize("frame", ["trades", "positions", "funding_payments"])
def test_later_rows_change_no_earlier_trade(whole: Outcome, shortened: Outcome, frame: str) -> None:
    one, other = (_before_cut(getattr(o.backtest, frame), "time") for o in (whole, shortened))
    assert_frame_equal(one, other, check_exact=True)


def test_later_rows_change_no_earlier_regime_or_anomaly(whole: Outcome, shortened: Outcome) -> None:
    for judge in (market_regime, anomalies):
        one, other = (_before_cut(judge(o.panel.features)) for o in (whole, shortened))
        assert_frame_equal(one, other, check_exact=True)


def test_the_order_of_rows_changes_nothing(market: SimulatedMarket, shortened: Outcome) -> None:
    mixed = _outcome(Tampered(market, cut=CUT, shuffled=True), end=CUT)
    assert_frame_equal(mixed.panel.features, shortened.panel.features, check_exact=True)
    assert_frame_equal(mixed.forecasts, shortened.forecasts, check_exact=True)
    assert_frame_equal(mixed.plan, shortened.plan, check_exact=True)
    assert_frame_equal(mixed.backtest.trades, shortened.backtest.trades, check_exact=True)
    assert_frame_equal(mixed.backtest.equity, shortened.backtest.equity, check_exact=True)
