"""Where Analog SGD comes to rest, from its mean drift; and the penalty that this amounts to.

With gradient noise of standard deviation sigma the mean change of a weight is

    -lr (grad f . F(W) + E|grad f + noise| . G(W)),

so it rests where ``grad f + E|grad f + noise| . G/F = 0``, not where ``grad f = 0``. Where the
noise is much larger than the gradient, ``E|grad f + noise|`` is nearly constant and this is the
gradient of

    f(W) + E|noise| R_c(W),    R_c(w) = integral of G/F from the symmetric point to w:

a penalty that nobody asked for, which pulls weights to the symmetric point (arXiv:2406.12774,
section 3; arXiv:2502.06309, section 3).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.training.data.synthetic import Problem

from .response_pair import ResponsePair

Array = NDArray[np.float64]

_NODES, _SHARES = np.polynomial.legendre.leggauss(40)


def mean_size(gradient: Array, sigma: float) -> Array:
    """``E|g + sigma xi|`` with xi standard normal (the mean of a folded normal)."""
    if sigma == 0:
        sizes: Array = np.abs(gradient)
    else:
        z = gradient / (sigma * np.sqrt(2))
        erf = torch.erf(torch.from_numpy(np.asarray(z, np.float64))).numpy()
        sizes = sigma * np.sqrt(2 / np.pi) * np.exp(-(z**2)) + gradient * erf
    return sizes


def drift(problem: Problem, response: ResponsePair, sigma: float, weights: Array) -> Array:
    """Mean change of the weights for a learning rate of 1, ``(runs, dimensions)``."""
    gradient = problem.gradient(weights)
    pull = mean_size(gradient, sigma) * response.asymmetric(weights)
    return -(gradient * response.symmetric(weights) + pull)


def resting_weights(problem: Problem, response: ResponsePair, sigma: float) -> Array:
    """Where the drift is 0, sought from the symmetric point, ``(dimensions,)``.

    Raises:
        ArithmeticError: it is not found.
    """
    from scipy.optimize import root

    if sigma == 0:
        return np.array(problem.minimiser)
    start = np.full(problem.minimiser.size, response.symmetric_point)
    found = root(lambda w: drift(problem, response, sigma, w[None])[0], start, tol=1e-12)
    if np.abs(found.fun).max() > 1e-8 * problem.smoothness:
        raise ArithmeticError(f"the mean drift comes to no rest: {found.message}")
    weights: Array = found.x
    return weights


def penalty(response: ResponsePair, weights: Array) -> Array:
    """``R_c`` of each weight, 0 at the symmetric point and positive elsewhere."""
    half = (weights - response.symmetric_point)[..., None] / 2
    at = response.symmetric_point + half * (1 + _NODES)
    ratio = response.asymmetric(at) / response.symmetric(at)
    integrals: Array = (ratio * _SHARES * half).sum(axis=-1)
    return integrals


def penalised_loss(problem: Problem, response: ResponsePair, sigma: float, weights: Array) -> Array:
    """``f(W) + E|noise| R_c(W)`` for normal noise, ``(runs,)``."""
    pull = penalty(response, weights).sum(axis=-1)
    losses: Array = problem.loss(weights) + sigma * np.sqrt(2 / np.pi) * pull
    return losses
