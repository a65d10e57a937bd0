"""A robust ridge through the origin: pseudo-Huber loss by reweighted least squares.

Without intercept, because an instrument that paid nothing is forecast to pay nothing. The loss is
quadratic for errors below one scale and linear above, so that squeezes do not own the coefficients.
Source: Holland and Welsch 1977, Robust regression using iteratively reweighted least-squares.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ITERATIONS = 12


def robust_ridge(
    matrix: "NDArray[np.float64]",
    target: "NDArray[np.float64]",
    *,
    weight: "NDArray[np.float64]",
    l2: float,
) -> "NDArray[np.float64]":
    """Coefficients of rows x features `matrix` for `target`, both in units of the scale.

    `l2` is the penalty as a share of the mean eigenvalue of the weighted Gram matrix.
    """
    import numpy as np

    robust = np.ones_like(target)
    solution = np.zeros(matrix.shape[1])
    for _ in range(_ITERATIONS):
        weighted = matrix * (weight * robust)[:, None]
        gram = matrix.T @ weighted
        ridge = l2 * np.trace(gram) / len(gram) + np.finfo(float).tiny
        solution = np.linalg.solve(gram + ridge * np.eye(len(gram)), weighted.T @ target)
        robust = 1 / np.sqrt(1 + (target - matrix @ solution) ** 2)
    return solution
