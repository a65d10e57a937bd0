"""A robust ridge through the origin: pseudo-Huber loss by reweighted least squares.

Without intercept, because an instrument that paid nothing is forecast to pay nothing. The loss is
quadratic for errors below the width and linear above, so that squeezes do not own the coefficients.
Source: Holland and Welsch 1977, Robust regression using iteratively reweighted least-squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ITERATIONS = 12


@dataclass(frozen=True)
class Equations:
    """Rows x features `matrix` for `target`, both in units of a scale; `width` is in these units too."""

    matrix: "NDArray[np.float64]"
    target: "NDArray[np.float64]"
    weight: "NDArray[np.float64]"
    width: float = 1.0


def robust_ridge(systems: Sequence[Equations], *, l2: float) -> "NDArray[np.float64]":
    """Coefficients that solve all systems at once, each with its own weights and width of the loss.

    `l2` is the penalty as a share of the mean eigenvalue of the weighted Gram matrix.
    """
    import numpy as np

    solution = np.zeros(systems[0].matrix.shape[1])
    for iteration in range(_ITERATIONS):
        gram, moment = np.zeros((len(solution), len(solution))), np.zeros(len(solution))
        for rows in systems:
            residual = (rows.target - rows.matrix @ solution) / rows.width
            robust = 1 / np.sqrt(1 + residual**2) if iteration else 1.0
            weighted = rows.matrix * (rows.weight * robust)[:, None]
            gram += rows.matrix.T @ weighted
            moment += weighted.T @ rows.target
        ridge = l2 * np.trace(gram) / len(gram) + np.finfo(float).tiny
        solution = np.linalg.solve(gram + ridge * np.eye(len(gram)), moment)
    return solution


def row_sums(terms: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Sum of each row, added from left to right.

    A matrix product adds in an order that depends on how many rows there are, so that an instrument
    forecast alone and among others would differ in the last bit.
    """
    import numpy as np

    total: NDArray[np.float64] = np.cumsum(terms, axis=1)[:, -1]
    return total
