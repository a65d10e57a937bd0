"""Statistics of a market that the simulation is calibrated to, from raw frames of any `Market`.

What lives here: the measures, one function per subject, each giving {name: value}. What does not: the
comparison and its table (`calibrate_simulation`).
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import UTC

Array = npt.NDArray[np.float64]
VENUES = ("binance", "bybit", "gate", "hyperliquid", "deribit")
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "AVAX")
CENTRALISED = (0, 1, 2)
_PER_DAY, _PER_WEEK, _PER_YEAR = 3, 21, 3 * 365.25
GROUPS = {
    "centralised": tuple(combinations(CENTRALISED, 2)),
    "Hyperliquid": tuple((a, 3) for a in CENTRALISED),
    "Deribit": tuple((a, 4) for a in (*CENTRALISED, 3)),
}


def base_symbols(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the perpetuals compared, with `base`: linear ones, and Deribit's inverse BTC and ETH."""
    linear = pl.col("symbol").str.contains(r":USD[TC]$")
    inverse = (pl.col("venue") == "deribit") & pl.col("symbol").is_in(["BTC/USD:BTC", "ETH/USD:ETH"])
    return frame.filter(linear | inverse).with_columns(base=pl.col("symbol").str.extract(r"^(\w+)/"))


def funding_panel(market: Market, start: datetime, end: datetime) -> Array:
    """Funding in bp per 8 h, array of 8 h windows x venues x coins; null as NaN."""
    raw = market.read("funding_rates", venues=VENUES, start=start, end=end)
    window = (pl.col("settled_at") - pl.duration(microseconds=1)).dt.truncate("8h")
    sums = (
        base_symbols(raw.filter(pl.col("kind") == "settled"))
        .group_by("venue", "base", window.alias("window"))
        .agg(pl.col("rate").sum() * 1e4, pl.col("interval_hours").sum().alias("hours"))
        .filter(pl.col("hours") >= 4)
        .with_columns(rate=pl.col("rate") * 8 / pl.col("hours"))
    )
    windows = pl.DataFrame({"window": _every("8h", start, end)})
    columns = [
        windows.join(sums.filter((pl.col("venue") == v) & (pl.col("base") == c)), on="window", how="left")[
            "rate"
        ]
        for v in VENUES
        for c in COINS
    ]
    panel = np.column_stack([column.to_numpy() for column in columns])
    return panel.reshape(-1, len(VENUES), len(COINS))


def close_panel(market: Market, start: datetime, end: datetime) -> Array:
    """Log closes of trades at each hour's end, array of hours x venues x coins; missing as NaN."""
    raw = market.read("candles", venues=VENUES, start=start, end=end).filter(pl.col("kind") == "trade")
    hours = pl.col("timeframe").str.strip_suffix("h").cast(pl.Int64)
    closes = base_symbols(raw).select(
        "venue",
        "base",
        (pl.col("open_time") + pl.duration(hours=hours - 1)).alias("hour"),
        pl.col("close").log(),
    )
    grid = pl.DataFrame({"hour": _every("1h", start, end)})
    columns = [
        grid.join(
            closes.filter((pl.col("venue") == v) & (pl.col("base") == c)).unique("hour"),
            on="hour",
            how="left",
        ).sort("hour")["close"]
        for v in VENUES
        for c in COINS
    ]
    panel = np.column_stack([column.to_numpy() for column in columns])
    return panel.reshape(-1, len(VENUES), len(COINS))


def _every(step: str, start: datetime, end: datetime) -> pl.Series:
    return pl.datetime_range(start, end, step, closed="left", eager=True).cast(UTC)


def correlation(x: Array, y: Array) -> float:
    """Pearson correlation over the pairs that both have; NaN under 50 of them."""
    both = np.isfinite(x) & np.isfinite(y)
    return float(np.corrcoef(x[both], y[both])[0, 1]) if both.sum() >= 50 else float("nan")


def autocorrelation(x: Array, lag: int) -> float:
    """Correlation of a series with itself `lag` steps later."""
    return correlation(x[:-lag], x[lag:])


def mean_of(values: Iterable[float]) -> float:
    """Mean of what is known."""
    return float(np.nanmean(list(values)))


def funding_levels(panel: Array) -> dict[str, float]:
    """Level, spread and tails of funding per venue, means over coins, bp per 8 h."""
    out: dict[str, float] = {}
    for i, venue in enumerate(VENUES):
        x = panel[:, i]
        out[f"{venue}: mean, bp per 8 h"] = mean_of(np.nanmean(x, axis=0))
        out[f"{venue}: standard deviation"] = mean_of(np.nanstd(x, axis=0))
        out[f"{venue}: 1 % quantile"] = mean_of(np.nanquantile(x, 0.01, axis=0))
        out[f"{venue}: 99 % quantile"] = mean_of(np.nanquantile(x, 0.99, axis=0))
        out[f"{venue}: share negative"] = mean_of(np.nanmean(np.where(np.isnan(x), np.nan, x < 0), axis=0))
        for lag, hours in ((1, 8), (_PER_DAY, 24), (_PER_WEEK, 168)):
            out[f"{venue}: autocorrelation {hours} h"] = mean_of(autocorrelation(c, lag) for c in x.T)
    return out


def plateau_shares(market: Market, start: datetime, end: datetime) -> dict[str, float]:
    """Share of settlements at exactly 0.01 % per 8 h, and shortened intervals, per venue."""
    raw = market.read("funding_rates", venues=VENUES[:4], start=start, end=end)
    settled = base_symbols(raw.filter(pl.col("kind") == "settled"))
    per_8h = pl.col("rate") * 8 / pl.col("interval_hours")
    shares = settled.group_by("venue").agg(((per_8h - 1e-4).abs() < 1e-9).mean().alias("share"))
    out = {f"{venue}: at 0.01 % per 8 h": share for venue, share in shares.sort("venue").iter_rows()}
    long = settled.filter(pl.col("venue").is_in(VENUES[:3]))
    out["settlements at 4 h or 2 h intervals"] = float((long["interval_hours"] < 8).mean())  # type: ignore[arg-type]
    return out


def common_movement(panel: Array) -> dict[str, float]:
    """Correlation of funding across venues and coins, and how often most coins pay negative together."""
    out = {
        f"{name}: same coin across venues": mean_of(
            correlation(panel[:, a, j], panel[:, b, j]) for a, b in pairs for j in range(len(COINS))
        )
        for name, pairs in GROUPS.items()
    }
    for name, members in (("centralised", CENTRALISED), ("Hyperliquid", (3,)), ("Deribit", (4,))):
        out[f"{name}: other coins on one venue"] = mean_of(
            correlation(panel[:, v, j], panel[:, v, k])
            for v in members
            for j, k in combinations(range(len(COINS)), 2)
        )
    negative = (panel[:, 0] < 0).sum(axis=1)
    out["five of seven coins negative on Binance"] = float((negative >= 5).mean())
    return out


def differentials(panel: Array) -> dict[str, float]:
    """Size and persistence of pairwise differentials per group of venue pairs, bp per 8 h."""
    out: dict[str, float] = {}
    for name, pairs in GROUPS.items():
        series = [panel[:, a, j] - panel[:, b, j] for a, b in pairs for j in range(len(COINS))]
        weekly = [s[: len(s) // _PER_WEEK * _PER_WEEK].reshape(-1, _PER_WEEK).mean(axis=1) for s in series]
        out[f"{name}: standard deviation 8 h"] = mean_of(
            float(np.nanstd(s)) for s in series if np.isfinite(s).any()
        )
        out[f"{name}: standard deviation of 168 h means"] = mean_of(
            float(np.nanstd(w)) for w in weekly if np.isfinite(w).any()
        )
        for lag, hours in ((1, 8), (_PER_DAY, 24), (_PER_WEEK, 168)):
            out[f"{name}: autocorrelation {hours} h"] = mean_of(autocorrelation(s, lag) for s in series)
        out[f"{name}: next 168 h mean on last 168 h mean"] = mean_of(
            correlation(_trailing(s)[:-_PER_WEEK], _trailing(s)[_PER_WEEK:]) for s in series
        )
    return out


def _trailing(series: Array, windows: int = _PER_WEEK) -> Array:
    total = np.cumsum(np.concatenate([[0.0], np.nan_to_num(series)]))
    means: Array = (total[windows:] - total[:-windows]) / windows
    unknown = np.cumsum(np.concatenate([[0], np.isnan(series)]))
    return np.where(unknown[windows:] > unknown[:-windows], np.nan, means)


def forecast_r2(panel: Array, *, shrink: float, first: int = 0) -> float:
    """R2 of the trailing 336 h mean times `shrink` for the next 168 h mean, all pairs, from `first` on."""
    truth, guess = [], []
    trail = 2 * _PER_WEEK
    for a, b in combinations(range(len(VENUES)), 2):
        for j in range(len(COINS)):
            series = panel[:, a, j] - panel[:, b, j]
            begin = max(first - trail, 0)
            guess.append(shrink * _trailing(series, trail)[begin : len(series) - trail - _PER_WEEK + 1])
            truth.append(_trailing(series)[trail + begin :])
    y, forecast = np.concatenate(truth), np.concatenate(guess)
    known = np.isfinite(y) & np.isfinite(forecast)
    y, forecast = y[known], forecast[known]
    return float(1 - np.sum((y - forecast) ** 2) / np.sum((y - y.mean()) ** 2))


def plain_rule(
    panel: Array, *, trailing_hours: int, open_above: float = 0.10, fee_per_leg: float = 5e-4
) -> float:
    """Yearly profit of the plain rule, fraction of a pair's notional, mean over coins; funding less fees.

    Per coin: open the widest pair when its trailing spread exceeds `open_above` a year, close at zero.
    """
    return mean_of(
        _rule_of_coin(panel[:, :, j] * 1e-4 * _PER_YEAR, trailing_hours // 8, open_above, fee_per_leg)
        for j in range(len(COINS))
    )


def _rule_of_coin(yearly: Array, trailing: int, open_above: float, fee_per_leg: float) -> float:
    means = np.column_stack([_trailing(venue, trailing) for venue in yearly.T])
    profit, held = 0.0, None
    for t in range(trailing, len(yearly)):
        known = np.where(np.isnan(yearly[t]), np.nan, means[t - trailing])
        if held is not None and not known[held[1]] - known[held[0]] > 0:
            held, profit = None, profit - 2 * fee_per_leg
        if held is None:
            long, short = int(np.nanargmin(known)), int(np.nanargmax(known))
            if known[short] - known[long] > open_above:
                held, profit = (long, short), profit - 2 * fee_per_leg
        if held is not None:
            profit += (yearly[t, held[1]] - yearly[t, held[0]]) / _PER_YEAR
    return profit / (len(yearly) / _PER_YEAR)


def hourly_returns(closes: Array) -> dict[str, float]:
    """Volatility, tails, clustering and co-movement of Binance's hourly returns; altcoins: mean of six."""
    returns = np.diff(closes[:, 0], axis=0)
    btc, coins = returns[:, 0], returns.T
    betas = [correlation(btc, c) * np.nanstd(c) / np.nanstd(btc) for c in coins[1:]]
    out = {"BTC: hourly standard deviation, %": 100 * float(np.nanstd(btc)), "BTC: kurtosis": _kurtosis(btc)}
    out["altcoins: hourly standard deviation, %"] = 100 * mean_of(np.nanstd(c) for c in coins[1:])
    out["altcoins: kurtosis"] = mean_of(_kurtosis(c) for c in coins[1:])
    out["altcoins: 0.1 % quantile, %"] = 100 * mean_of(np.nanquantile(c, 0.001) for c in coins[1:])
    out["altcoins: beta to BTC"] = mean_of(betas)
    out["altcoins: correlation with BTC"] = mean_of(correlation(btc, c) for c in coins[1:])
    out["altcoins: correlation with one another"] = mean_of(
        correlation(x, y) for x, y in combinations(coins[1:], 2)
    )
    for lag in (1, 24, 168):
        out[f"absolute returns, autocorrelation {lag} h"] = mean_of(
            autocorrelation(np.abs(c), lag) for c in coins
        )
    return out


def _kurtosis(x: Array) -> float:
    centred = x - np.nanmean(x)
    return float(np.nanmean(centred**4) / np.nanmean(centred**2) ** 2)


def basis(closes: Array) -> dict[str, float]:
    """Closes at 8 h marks against the median of the centralised venues, bp; means over coins."""
    marks = closes[7::8]
    deviation = 1e4 * (marks - np.median(marks[:, list(CENTRALISED)], axis=1, keepdims=True))
    out: dict[str, float] = {}
    for name, coins in (("BTC and ETH", slice(0, 2)), ("other coins", slice(2, None))):
        for i, venue in enumerate(VENUES):
            x = deviation[:, i, coins]
            out[f"{venue}: {name}, mean, bp"] = mean_of(np.nanmean(x, axis=0))
            out[f"{venue}: {name}, standard deviation, bp"] = mean_of(np.nanstd(x, axis=0))
            out[f"{venue}: {name}, autocorrelation 8 h"] = mean_of(autocorrelation(c, 1) for c in x.T)
    return out


def turnover_and_interest(market: Market, start: datetime, end: datetime) -> dict[str, float]:
    """Spread and persistence of Binance's hourly volume, and of Bybit's open interest; means over coins."""
    bars = market.read("candles", venues=("binance",), start=start, end=end)
    traded = base_symbols(bars.filter((pl.col("kind") == "trade") & (pl.col("volume") > 0))).sort("open_time")
    volume = [traded.filter(pl.col("base") == c)["volume"].log().to_numpy() for c in COINS]
    held = base_symbols(market.read("open_interest", venues=("bybit",), start=start, end=end)).sort(
        "observed_at"
    )
    level = [held.filter(pl.col("base") == c)["open_interest_base"].log().to_numpy() for c in COINS]
    return {
        "log hourly volume, standard deviation": mean_of(v.std() for v in volume),
        "log hourly volume, autocorrelation 1 h": mean_of(autocorrelation(v, 1) for v in volume),
        "log hourly volume, autocorrelation 24 h": mean_of(autocorrelation(v, 24) for v in volume),
        "log open interest, standard deviation": mean_of(x.std() for x in level),
        "log open interest, hourly change": mean_of(np.diff(x).std() for x in level),
        "log open interest, autocorrelation 168 h": mean_of(autocorrelation(x, 168) for x in level),
    }


def order_book(market: Market, coin: str, start: datetime, end: datetime) -> dict[str, float]:
    """Medians over Binance's snapshots of one coin's linear perpetual."""
    books = market.read("order_books", venues=("binance",), start=start, end=end)
    books = books.filter(pl.col("symbol") == f"{coin}/USDT:USDT")
    bid, ask = np.array(books["bid_px"].to_list()), np.array(books["ask_px"].to_list())
    size = np.array(books["ask_qty"].to_list()) * ask
    mid = (bid[:, 0] + ask[:, 0]) / 2
    return {
        f"{coin}: spread, bp": float(np.median((ask[:, 0] - bid[:, 0]) / mid * 1e4)),
        f"{coin}: best ask, thousand USD": float(np.median(size[:, 0]) / 1e3),
        f"{coin}: twenty levels, thousand USD": float(np.median(size.sum(axis=1)) / 1e3),
        f"{coin}: twentieth level from mid, bp": float(np.median((ask[:, -1] / mid - 1) * 1e4)),
    }
