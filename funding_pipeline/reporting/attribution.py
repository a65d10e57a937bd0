"""Profit and loss by venue, by base and by instrument, recomputed from trades, payments and marks.

What lives here: the split. What does not: the ledger that made the numbers (`accounting`), which
this must agree with.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.reporting.series import with_base

SOURCES = ("funding_usd", "basis_usd", "fees_usd", "slippage_usd")


def pnl_attribution(
    *,
    trades: pl.DataFrame,
    positions: pl.DataFrame,
    funding_payments: pl.DataFrame,
    by: Sequence[str] = ("venue", "base"),
) -> pl.DataFrame:
    """One row per `by` (of venue, symbol, base): funding, basis, fees, slippage and their sum, in USD.

    basis = quantity left open * last mark - sum(traded quantity * mark at the trade): what marks moved
    while held, which over the legs of a hedged book is the basis and on a single leg mostly the
    price. Costs are negative. Null never arises: a group without payments has received 0.
    """
    parts = [_funding(funding_payments), _trading(trades), _open_value(trades, positions)]
    columns = ["venue", "symbol", *SOURCES]
    empty = {name: pl.String if name in ("venue", "symbol") else pl.Float64 for name in columns}
    stacked = pl.concat([pl.DataFrame(schema=empty), *parts], how="diagonal")
    by_group = with_base(stacked).group_by(list(by)).agg(pl.col(name).sum() for name in SOURCES)
    return by_group.with_columns(pl.sum_horizontal(SOURCES).alias("total_usd")).sort(
        pl.col("total_usd").round(6), *by, descending=[True, *[False] * len(by)]
    )


def _funding(payments: pl.DataFrame) -> pl.DataFrame:
    return payments.group_by("venue", "symbol").agg(pl.col("cash_usd").sum().alias("funding_usd"))


def _trading(trades: pl.DataFrame) -> pl.DataFrame:
    at_mark = pl.col("quantity") * pl.col("mark_price")
    return trades.group_by("venue", "symbol").agg(
        (-at_mark.sum()).alias("basis_usd"),
        (-pl.col("fee_usd").sum()).alias("fees_usd"),
        (-pl.col("slippage_usd").sum()).alias("slippage_usd"),
    )


def _open_value(trades: pl.DataFrame, positions: pl.DataFrame) -> pl.DataFrame:
    """What the trades have left open, at the last mark of each leg."""
    legs = ["venue", "symbol"]
    marks = positions.sort("time").group_by(legs).agg(pl.col("mark_price").drop_nulls().last().alias("mark"))
    left = trades.group_by(legs).agg(pl.col("quantity").sum())
    return left.join(marks, on=legs).select(*legs, (pl.col("quantity") * pl.col("mark")).alias("basis_usd"))


def unattributed_usd(
    attribution: pl.DataFrame,
    *,
    equity: pl.DataFrame,
    trades: pl.DataFrame,
    positions: pl.DataFrame,
) -> float:
    """What the last marks added after the last decision: no position row carries those marks.

    Up to the last decision the basis must agree with `equity` (time, pnl_basis, ...), and the other
    sources at the end; raises AccountingError with the gap where they do not.
    """
    end = equity.sort("time").row(-1, named=True)
    for source in ("funding", "fees", "slippage"):
        _agree(source, float(attribution[f"{source}_usd"].sum()), float(end[f"pnl_{source}"]), equity)
    decided = _last_decision(trades, positions)
    if decided is None:
        return 0.0
    then = equity.filter(pl.col("time") <= decided).sort("time").row(-1, named=True)
    _agree("basis", float(attribution["basis_usd"].sum()), float(then["pnl_basis"]), equity)
    return float(end["pnl_basis"]) - float(then["pnl_basis"])


def _last_decision(trades: pl.DataFrame, positions: pl.DataFrame) -> datetime | None:
    times = pl.concat([trades["time"], positions["time"]])
    return times.max() if times.len() else None  # type: ignore[return-value]


def _agree(source: str, split: float, ledger: float, equity: pl.DataFrame) -> None:
    """A cent in a million dollars: float sums over many trades, nothing more."""
    if abs(split - ledger) > 1e-8 * float(equity["equity"].abs().max() or 0.0) + 1e-6:  # type: ignore[arg-type]
        raise AccountingError(
            f"{source} by leg is {split:,.4f} USD but {ledger:,.4f} USD in the equity: the frames are not "
            "of one back-test, or rows are missing"
        )
