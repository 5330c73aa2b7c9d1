"""A likelihood that outliers cannot wreck.

Standardised prediction errors ``z`` count as those of a normal distribution up to ``LIMIT``, and
beyond it as those of one whose tails fall like ``|z|^(-LIMIT^2)``::

    rho(z) = z^2/2                                  |z| <= LIMIT
             LIMIT^2 (1/2 + log(|z| / LIMIT))       beyond

so a telegraph jump pulls a mean ever less the farther it is (psi = LIMIT^2 / z), and a variance
never more than LIMIT^2 times as much as an ordinary error does. ``CONSISTENCY = E[z psi(z)]`` of
normal errors goes with the logarithm of the variance, so that normal noise is estimated without
bias (Huber, Robust Statistics, 1981, chapter 6, for any rho).
"""

from __future__ import annotations

from math import erf, exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray

LIMIT = 3.0
_density = exp(-(LIMIT**2) / 2) / sqrt(2 * pi)
_tails = 1 - erf(LIMIT / sqrt(2))
CONSISTENCY = (1 - _tails) - 2 * LIMIT * _density + LIMIT**2 * _tails


def weight(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """``psi(z) / z``: 1 for an ordinary error, next to 0 for an outlier."""
    weights: NDArray[np.float64] = np.minimum(LIMIT**2 / np.maximum(z**2, 1e-300), 1.0)
    return weights


def log_density(z: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the density of errors, but for its constant, which is the same for all."""
    size = np.maximum(np.abs(z), LIMIT)
    far = LIMIT**2 * (0.5 + np.log(size / LIMIT))
    rho = np.where(np.abs(z) <= LIMIT, 0.5 * z**2, far)
    density: NDArray[np.float64] = -(rho + 0.5 * CONSISTENCY * np.log(variance))
    return density
