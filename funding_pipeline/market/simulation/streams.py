"""Named streams of noise and the filters that turn noise into processes.

What lives here: randomness that runs forward in time. A stream depends on the seed and its own name
only, and a longer draw begins with the shorter one, so that neither another stream nor a later end
changes an earlier value. What does not: any quantity of a market.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Part of every stream's name: another edition draws other markets from the same seeds. This one was chosen
# (of 200) so that the default seed's two years are ordinary: see docs/simulation.md.
EDITION = "178"

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TimeScale:
    """One component of a mixture: its relaxation time and its share of the variance."""

    hours: float
    share: float


@dataclass(frozen=True)
class Noise:
    """Source of named streams, `hours` values each (one per hour), for one seed."""

    seed: int
    hours: int

    def generator(self, *name: str) -> np.random.Generator:
        """The stream of this name, from its beginning."""
        digest = hashlib.sha256("/".join((EDITION, *name)).encode()).digest()
        return np.random.default_rng(np.random.SeedSequence([self.seed, int.from_bytes(digest[:8], "big")]))

    def normal(self, *name: str) -> Floats:
        """Standard normal, one per hour."""
        return self.generator(*name).standard_normal(self.hours)

    def uniform(self, *name: str) -> Floats:
        """Uniform on [0, 1), one per hour."""
        return self.generator(*name).random(self.hours)

    def mixture(self, scales: Iterable[TimeScale], *name: str) -> Floats:
        """Unit-variance Gaussian process: independent AR(1) components, shares summing to one."""
        parts = [
            math.sqrt(scale.share) * ar1(self.normal(*name, f"{scale.hours:g}h"), hours=scale.hours)
            for scale in scales
        ]
        return plus(parts)


def plus(parts: Iterable[Floats]) -> Floats:
    """Sum in the order given; elementwise, so that the length does not change the rounding."""
    first, *others = parts
    total = first.copy()
    for part in others:
        total += part
    return total


def ar1(shocks: Floats, *, hours: float) -> Floats:
    """Stationary AR(1) of unit variance with relaxation time `hours`, from unit-variance shocks.

    x(0) = e(0); x(t) = a x(t-1) + sqrt(1 - a^2) e(t), a = exp(-1 / hours).
    """
    decay = math.exp(-1.0 / hours)
    scaled = shocks * math.sqrt(1.0 - decay * decay)
    scaled[:1] = shocks[:1]
    return _recursive(scaled, decay)


def decaying(shots: Floats, *, hours: float) -> Floats:
    """Sum of past `shots` (mostly zero), each fading by 1/e every `hours`."""
    return _recursive(shots, math.exp(-1.0 / hours))


def _recursive(values: Floats, decay: float) -> Floats:
    from scipy.signal import lfilter

    filtered: Floats = lfilter([1.0], [1.0, -decay], values)
    return filtered


def weighted_mean_sd(scales: Iterable[TimeScale], weights: Floats) -> float:
    """Standard deviation of the weighted mean of a unit mixture over consecutive hours.

    `weights` sum to one. Var = sum over components of share x w' R w, R(i, j) = exp(-|i - j| / hours).
    """
    lags = np.abs(np.subtract.outer(np.arange(len(weights)), np.arange(len(weights))))
    variance = sum(s.share * float(weights @ np.exp(-lags / s.hours) @ weights) for s in scales)
    return math.sqrt(variance)
