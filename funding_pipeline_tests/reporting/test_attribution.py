"""Profit by venue and base against the ledger of a whole back-test."""

import polars as pl
import pytest

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.reporting.attribution import SOURCES, pnl_attribution, unattributed_usd
from funding_pipeline.validation.backtest import BacktestResult


def split(result: BacktestResult, *by: str) -> pl.DataFrame:
    return pnl_attribution(
        trades=result.trades, positions=result.positions, funding_payments=result.funding_payments, by=by
    )


@pytest.mark.parametrize("by", [("venue",), ("base",), ("venue", "symbol")])
def test_every_split_adds_up_to_the_ledger(result: BacktestResult, by: tuple[str, ...]) -> None:
    parts = split(result, *by)
    later = unattributed_usd(parts, equity=result.equity, trades=result.trades, positions=result.positions)
    net = result.equity["equity"][-1] - result.summary["capital_usd"]
    assert parts["total_usd"].sum() + later == pytest.approx(net, abs=1e-4)
    assert parts["funding_usd"].sum() == pytest.approx(result.equity["pnl_funding"][-1], abs=1e-6)


def test_missing_rows_are_an_error_and_not_a_smaller_profit(result: BacktestResult) -> None:
    fewer = result.funding_payments.head(result.funding_payments.height // 2)
    parts = pnl_attribution(trades=result.trades, positions=result.positions, funding_payments=fewer)
    with pytest.raises(AccountingError, match="funding by leg is"):
        unattributed_usd(parts, equity=result.equity, trades=result.trades, positions=result.positions)


def test_a_book_that_never_traded_has_no_rows(result: BacktestResult) -> None:
    nothing = pnl_attribution(
        trades=result.trades.clear(),
        positions=result.positions.clear(),
        funding_payments=result.funding_payments.clear(),
    )
    assert nothing.is_empty()
    assert set(SOURCES) < set(nothing.columns)
    flat = result.equity.with_columns(pl.col("^pnl_.*$") * 0.0)
    left = unattributed_usd(
        nothing, equity=flat, trades=result.trades.clear(), positions=result.positions.clear()
    )
    assert left == 0.0
