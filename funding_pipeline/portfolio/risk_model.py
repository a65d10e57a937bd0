"""Trailing beta to BTC per base, and basis risk, from prices on a fixed 8-hour grid.

Basis risk is a factor model: what moves the basis of all legs of a venue alike (its premium as a whole,
or the dollar that it quotes in), loading one, and what is each leg's own.

Short histories are pulled to a prior instead of failing: beta to 1, basis risk to 20 bp a day (common to a
venue: 5 bp), price risk to 1.5 % per 8 hours. All arrays are grid times x columns; NaN is "unknown" and is
left out.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Universe

GRID_HOURS = 8
_PRIOR_ROWS = 30.0
_PRIOR_BETA = 1.0
_PRIOR_BASIS_SD = 20e-4
_PRIOR_VENUE_BASIS_SD = 5e-4
_PRIOR_PRICE_SD = 0.015
_BETA_RANGE = (0.2, 3.0)


@dataclass(frozen=True)
class RiskPanel:
    """Grid times x legs: `beta` to BTC, `basis_sd` of a day's own basis change, `price_sd` of 8 hours.

    `venue_basis_sd`: grid times x venues, of the day's change that the legs of a venue have in common.
    """

    beta: Floats
    basis_sd: Floats
    price_sd: Floats
    venue_basis_sd: Floats


def risk_panel(
    own_price: Floats, *, reference_price: Floats, universe: Universe, window_days: int
) -> RiskPanel:
    """Risk of every leg at every grid time from rows up to and including that time.

    `own_price` and `reference_price` are grid times x legs (8 h apart). Basis is log(own/reference);
    its one-day changes are used, because the basis reverts and does not grow with the holding time.
    """
    window = window_days * 24 // GRID_HOURS
    returns = _log_changes(reference_price, lag=1)
    basis = _log(own_price) - _log(reference_price)
    daily = np.full_like(basis, np.nan)
    daily[3:] = basis[3:] - basis[:-3]
    common = _common_change(daily, universe=universe)
    return RiskPanel(
        beta=_betas(returns, universe=universe, window=window),
        basis_sd=_shrunk_sd(daily - common[:, universe.venue_index], window=window, prior=_PRIOR_BASIS_SD),
        price_sd=_shrunk_sd(returns, window=window, prior=_PRIOR_PRICE_SD),
        venue_basis_sd=_shrunk_sd(common, window=window, prior=_PRIOR_VENUE_BASIS_SD),
    )


def _common_change(daily: Floats, *, universe: Universe) -> Floats:
    """Median change over the legs of each venue, grid times x venues; zero where a single leg is known."""
    out = np.zeros((len(daily), len(universe.venues)))
    for venue in range(len(universe.venues)):
        mine = daily[:, universe.venue_index == venue]
        some = np.isfinite(mine).sum(axis=1) > 1
        out[some, venue] = np.nanmedian(mine[some], axis=1)
    return out


def _log(values: Floats) -> Floats:
    positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    return np.log(positive)


def _log_changes(values: Floats, *, lag: int) -> Floats:
    logs = _log(values)
    out = np.full_like(logs, np.nan)
    out[lag:] = logs[lag:] - logs[:-lag]
    return out


def _betas(returns: Floats, *, universe: Universe, window: int) -> Floats:
    """Regression on BTC's returns, shrunk to 1 by 30 rows (10 days), within 0.2 and 3."""
    bitcoin = [i for i, leg in enumerate(universe.legs) if leg.base == "BTC"]
    if not bitcoin:
        return np.full_like(returns, _PRIOR_BETA)
    market = np.broadcast_to(returns[:, bitcoin[0]][:, None], returns.shape)
    seen = np.isfinite(returns) & np.isfinite(market)
    x, y = np.where(seen, market, 0.0), np.where(seen, returns, 0.0)
    count = _rolling_sum(seen.astype(np.float64), window)
    n = np.maximum(count, 1.0)
    mean_x, mean_y = _rolling_sum(x, window) / n, _rolling_sum(y, window) / n
    covariance = _rolling_sum(x * y, window) / n - mean_x * mean_y
    variance = _rolling_sum(x * x, window) / n - mean_x**2
    raw = np.divide(covariance, variance, out=np.ones_like(covariance), where=variance > 1e-10)
    weight = count / (count + _PRIOR_ROWS)
    beta = np.clip(_PRIOR_BETA + weight * (raw - _PRIOR_BETA), *_BETA_RANGE)
    beta[:, bitcoin] = 1.0
    return beta


def _shrunk_sd(changes: Floats, *, window: int, prior: float) -> Floats:
    seen = np.isfinite(changes)
    count = _rolling_sum(seen.astype(np.float64), window)
    squares = _rolling_sum(np.where(seen, changes, 0.0) ** 2, window)
    return np.sqrt((np.maximum(squares, 0.0) + _PRIOR_ROWS * prior**2) / (count + _PRIOR_ROWS))


def _rolling_sum(values: Floats, window: int) -> Floats:
    """Sum of the last `window` rows, fewer at the start."""
    total = np.cumsum(values, axis=0)
    out = total.copy()
    out[window:] -= total[:-window]
    return out
