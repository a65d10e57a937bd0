"""What was earned in which market: days by trend, volatility and level of funding, as known when they began.

What lives here: the regimes of days and the results in each. What does not: the filtered regime itself
(`models.regimes`), or profit by venue and base (`attribution`).
"""

from datetime import timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC, MarketTables
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.regimes import STRESS, market_regime
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.panels import price_panels
from funding_pipeline.portfolio.reference import sane_prices
from funding_pipeline.portfolio.universe import quoted_universe
from funding_pipeline.validation.baseline_runs import trailing_rate_per_hour
from funding_pipeline.validation.statistics import DAYS_PER_YEAR, sharpe_ratio

TREND_DAYS, TREND_FRACTION = 30, 0.10
FUNDING_HOURS, HIGH_FUNDING_PER_YEAR = 168, 0.10
REGIMES_OF_KIND = {
    "trend": ("bull", "bear", "chop"),
    "volatility": ("calm", "stress"),
    "funding": ("high", "low", "negative"),
}
_HOURS_PER_YEAR = 24 * DAYS_PER_YEAR
_WARM_UP = timedelta(days=100)  # of the filtered regime: its typical values are medians of 90 days
_STALE = timedelta(days=3)
KNOWN_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": UTC, "trend": pl.String, "volatility": pl.String, "funding": pl.String,
}  # fmt: skip
RESULTS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "regime": pl.String,
    "days": pl.Int64,
    "net_usd": pl.Float64,
    "net_return_annual": pl.Float64,
    "sharpe": pl.Float64,
    "funding_usd": pl.Float64,
    "costs_usd": pl.Float64,
    "share_of_net": pl.Float64,
}


def known_regimes(
    tables: MarketTables, *, times: pl.Series, regimes: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row per time (UTC midnights, ascending): what was known of the market then; null: too little.

    - trend: bull or bear where the price of BTC moved more than 10 % over the 30 days before, else chop;
    - volatility: stress where `models.regimes` says so at the last decision up to the time, else calm;
    - funding: median over all perpetuals of what each paid over the 7 days before, per year: high above 10 %,
      negative below 0, else low.
    `regimes`: REGIMES_SCHEMA; made from the tables where it is not given.
    """
    frame = pl.DataFrame({"time": times.cast(UTC)})
    found = frame.with_columns(
        pl.Series("move", _bitcoin_move(tables, times), dtype=pl.Float64),
        pl.Series("paid", _median_funding(tables, times), dtype=pl.Float64),
    ).with_columns(pl.col("move", "paid").fill_nan(None))
    state = (_regimes(tables, times) if regimes is None else regimes).select("as_of", "regime").sort("as_of")
    joined = found.join_asof(
        state, left_on="time", right_on="as_of", strategy="backward", tolerance=_STALE, check_sortedness=False
    )
    move, paid, regime = pl.col("move"), pl.col("paid"), pl.col("regime")
    return joined.select(
        "time",
        trend=pl.when(move > TREND_FRACTION).then(pl.lit("bull")).when(move < -TREND_FRACTION)
        .then(pl.lit("bear")).when(move.is_not_null()).then(pl.lit("chop")),
        volatility=pl.when(regime == STRESS).then(pl.lit("stress"))
        .when(regime.is_not_null()).then(pl.lit("calm")),
        funding=pl.when(paid > HIGH_FUNDING_PER_YEAR).then(pl.lit("high")).when(paid < 0)
        .then(pl.lit("negative")).when(paid.is_not_null()).then(pl.lit("low")),
    ).cast(KNOWN_SCHEMA)  # type: ignore[arg-type]  # fmt: skip


def regime_results(equity: pl.DataFrame, *, known: pl.DataFrame, capital_usd: float) -> pl.DataFrame:
    """RESULTS_SCHEMA, one row per kind and regime: whole UTC days of `equity` by what was known before.

    Money in USD, `costs_usd` (fees and slippage) positive; `net_return_annual` as if every day were such a
    day; `sharpe` of those days, null without risk; `share_of_net` of the profit of all days, null where that
    is not above zero. Regimes without a day have zeros and nulls; days of an unknown regime are in no row.
    """
    days = _days(equity, capital_usd=capital_usd).join(known, on="time", how="left", maintain_order="left")
    total = float(days["net_usd"].sum())
    rows = []
    for kind, names in REGIMES_OF_KIND.items():
        for name in names:
            some = days.filter(pl.col(kind) == name)
            net = float(some["net_usd"].sum())
            returns = some["net_usd"].to_numpy() / capital_usd
            rows.append((
                kind, name, some.height, net,
                float(returns.mean()) * DAYS_PER_YEAR if some.height else None,
                sharpe_ratio(returns), float(some["funding_usd"].sum()), float(some["costs_usd"].sum()),
                net / total if total > 0 else None,
            ))  # fmt: skip
    return pl.DataFrame(rows, schema=RESULTS_SCHEMA, orient="row")


def _days(equity: pl.DataFrame, *, capital_usd: float) -> pl.DataFrame:
    """Per whole UTC day its start (`time`), net profit, funding and costs; as `statistics.daily_returns`."""
    first = pl.col("time") == pl.col("time").min()
    start = [pl.when(first).then(0.0).otherwise(name).alias(name)
             for name in ("pnl_funding", "pnl_fees", "pnl_slippage")]  # fmt: skip
    midnights = (
        equity.with_columns(pl.when(first).then(capital_usd).otherwise("equity").alias("equity"), *start)
        .filter(pl.col("time") == pl.col("time").dt.truncate("1d"))
        .sort("time")
    )
    return midnights.select(
        time=pl.col("time").shift(1),
        net_usd=pl.col("equity").diff(),
        funding_usd=pl.col("pnl_funding").diff(),
        costs_usd=-(pl.col("pnl_fees") + pl.col("pnl_slippage")).diff(),
    ).slice(1)


def _bitcoin_move(tables: MarketTables, times: pl.Series) -> Floats:
    """Relative move of BTC over the 30 days before each time, median over venues; NaN: not known."""
    quoted = quoted_universe(tables.instruments)
    mine = [i for i, leg in enumerate(quoted.legs) if leg.base == "BTC"]
    if not mine:
        return np.full(len(times), np.nan)
    prices = sane_prices(tables.prices, quoted=quoted)
    at = times.to_list()
    now, _, _ = price_panels(prices, universe=quoted, times=at)
    then, age, _ = price_panels(
        prices, universe=quoted, times=[time - timedelta(days=TREND_DAYS) for time in at]
    )
    moves = np.where(age <= 24, now / then - 1, np.nan)[:, mine]
    return _row_median(moves)


def _median_funding(tables: MarketTables, times: pl.Series) -> Floats:
    rate = trailing_rate_per_hour(
        tables.settled_funding,
        universe=quoted_universe(tables.instruments),
        times=times.to_list(),
        window_hours=FUNDING_HOURS,
    )
    return _row_median(rate) * _HOURS_PER_YEAR


def _row_median(values: Floats) -> Floats:
    """Median of the known ones of each row; NaN without any."""
    some = np.isfinite(values).any(axis=1)
    out = np.full(len(values), np.nan)
    out[some] = np.nanmedian(values[some], axis=1)
    return out


def _regimes(tables: MarketTables, times: pl.Series) -> pl.DataFrame:
    """The filtered regime at every midnight, with enough of them before the first."""
    first, last = times.to_list()[0] - _WARM_UP, times.to_list()[-1]
    daily = pl.datetime_range(first, last, "1d", time_zone="UTC", eager=True).cast(UTC)
    return market_regime(build_features(tables, as_of=daily))
