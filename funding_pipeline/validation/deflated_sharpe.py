"""How much of a Sharpe ratio is left after the number of things tried and the shape of the returns.

What lives here: probabilistic and deflated Sharpe ratio. What does not: counting trials (`tracking`,
`documented_trials`), or over-fitting seen in the trials' own figures (`overfitting`).

Source: Bailey and Lopez de Prado 2014, The deflated Sharpe ratio, Journal of Portfolio Management 40(5).
"""

import math
from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.validation.statistics import DAYS_PER_YEAR, sharpe_ratio, sharpe_standard_error

_LEAST_DAYS = 28
_EULER_MASCHERONI = float(np.euler_gamma)
RULE = (
    "Models were chosen by forecast skill and few trials have a Sharpe ratio: no variance of the trials' "
    "Sharpe ratios is known. They are taken to vary as the estimate of a Sharpe ratio of zero does over "
    "this span, as if each trial had been an independent strategy worth nothing. Real trials trade nearly "
    "the same book: this deflates too much rather than too little."
)


@dataclass(frozen=True)
class DeflatedSharpe:
    """Sharpe ratios are annual. `value`: probability that the true one exceeds `expected_max_sharpe`.

    `probabilistic` is the same against zero, as if only one thing had been tried. `effective_days` counts
    autocorrelated days as fewer; `kurtosis` is 3 for a normal distribution.
    """

    value: float
    probabilistic: float
    trials: int
    expected_max_sharpe: float
    trial_sharpe_deviation: float
    days: int
    effective_days: float
    skewness: float
    kurtosis: float


def deflated_sharpe(
    returns: Floats, *, trials: int, trial_sharpe_variance: float | None = None
) -> DeflatedSharpe | None:
    """The deflated Sharpe ratio of daily `returns` after `trials` trials; null below 28 days or without risk.

    `trial_sharpe_variance`: variance of the trials' annual Sharpe ratios. Where they have none, that of
    the estimate of a Sharpe ratio of zero, 365 / (effective days - 1).
    """
    annual = sharpe_ratio(returns)
    if annual is None or len(returns) < _LEAST_DAYS:
        return None
    from scipy import stats

    daily = annual / math.sqrt(DAYS_PER_YEAR)
    skewness = float(stats.skew(returns))
    kurtosis = float(stats.kurtosis(returns, fisher=False))
    shape = {"skewness": skewness, "kurtosis": kurtosis}
    effective = effective_days(returns)
    variance = DAYS_PER_YEAR / (effective - 1) if trial_sharpe_variance is None else trial_sharpe_variance
    most = expected_max_sharpe(trials, variance=variance)
    bar = most / math.sqrt(DAYS_PER_YEAR)
    return DeflatedSharpe(
        value=probabilistic_sharpe(daily, benchmark=bar, observations=effective, **shape),
        probabilistic=probabilistic_sharpe(daily, benchmark=0.0, observations=effective, **shape),
        trials=trials,
        expected_max_sharpe=most,
        trial_sharpe_deviation=math.sqrt(variance),
        days=len(returns),
        effective_days=effective,
        skewness=skewness,
        kurtosis=kurtosis,
    )


def probabilistic_sharpe(
    sharpe: float, *, benchmark: float, observations: float, skewness: float, kurtosis: float
) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`; both per observation, not annual.

    PSR = Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1)/4 SR^2)), g3 the skewness and g4 the
    kurtosis (3 for a normal distribution) of the T returns.
    """
    from scipy.special import ndtr

    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return float(ndtr((sharpe - benchmark) * math.sqrt((observations - 1) / max(spread, 1e-12))))


def expected_max_sharpe(trials: int, *, variance: float) -> float:
    """Largest Sharpe ratio to expect of `trials` independent trials worth nothing; 0 for a single one.

    E[max] = sqrt(V) ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e))), Z the normal quantile and g the
    Euler-Mascheroni constant; in the unit of the root of `variance`.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")
    if trials == 1:
        return 0.0
    from scipy.special import ndtri

    first, second = float(ndtri(1 - 1 / trials)), float(ndtri(1 - 1 / (trials * math.e)))
    return math.sqrt(variance) * ((1 - _EULER_MASCHERONI) * first + _EULER_MASCHERONI * second)


def effective_days(returns: Floats) -> float:
    """Days that would tell as much if they were independent: at least 2, never more than there are.

    The sample, by the variance of the Sharpe ratio for independent days over that which allows for
    autocorrelation (`sharpe_standard_error`).
    """
    from scipy import stats

    n = len(returns)
    ratio = float(np.mean(returns) / np.std(returns))
    skewness, kurtosis = float(stats.skew(returns)), float(stats.kurtosis(returns, fisher=False))
    independent = (1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / n * DAYS_PER_YEAR
    allowed = sharpe_standard_error(returns) ** 2
    return float(np.clip(n * independent / allowed if allowed > 0 else n, 2.0, n))
