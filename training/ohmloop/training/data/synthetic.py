"""Problems with a known answer: least squares and separable quadratics, many weights at once.

Weights are ``(runs, dimensions)``: independent runs of one problem side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

Array = NDArray[np.float64]


class Problem(Protocol):
    """A smooth, strongly convex function of some weights."""

    @property
    def minimiser(self) -> Array:
        """Where it is smallest ``(dimensions,)``."""

    @property
    def smoothness(self) -> float:
        """Largest curvature."""

    def loss(self, weights: Array) -> Array:
        """``(runs,)``; 0 at the minimiser."""

    def gradient(self, weights: Array) -> Array:
        """``(runs, dimensions)``."""


@dataclass(frozen=True, eq=False)
class Quadratic:
    """``f(w) = sum_j h_j (w_j - w*_j)^2 / 2``.

    Attributes:
        curvature: h ``(dimensions,)``, positive.
        minimiser: w* ``(dimensions,)``.

    Raises:
        BadInputError: the shapes differ, or a curvature is not positive.
    """

    curvature: Array
    minimiser: Array

    def __post_init__(self) -> None:
        if np.shape(self.curvature) != np.shape(self.minimiser):
            raise BadInputError("a quadratic needs a curvature for each dimension")
        if not (np.asarray(self.curvature) > 0).all():
            raise BadInputError("curvatures of a quadratic must be positive")

    @property
    def smoothness(self) -> float:
        """Largest curvature."""
        return float(np.max(self.curvature))

    def loss(self, weights: Array) -> Array:
        """``(runs,)``."""
        losses: Array = (self.curvature * (weights - self.minimiser) ** 2).sum(axis=-1) / 2
        return losses

    def gradient(self, weights: Array) -> Array:
        """``(runs, dimensions)``."""
        return self.curvature * (weights - self.minimiser)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """``f(w) = mean_i (a_i . w - b_i)^2 / 2`` with ``b_i = a_i . w*``: every sample can be fitted.

    Attributes:
        features: a ``(samples, dimensions)``.
        minimiser: w* ``(dimensions,)``.
    """

    features: Array
    minimiser: Array

    @classmethod
    def random(
        cls,
        samples: int,
        dimensions: int,
        weight_std: float,
        rng: np.random.Generator,
        feature_std: float = 1.0,
    ) -> Self:
        """Normal features and weights, as in arXiv:2406.12774 and arXiv:2502.06309.

        Raises:
            BadInputError: fewer samples than dimensions, which leaves the answer open.
        """
        if not 1 <= dimensions <= samples:
            raise BadInputError(f"{dimensions} dimensions need as many samples, not {samples}")
        features = rng.normal(0, feature_std, (samples, dimensions))
        return cls(features, rng.normal(0, weight_std, dimensions))

    @property
    def targets(self) -> Array:
        """B ``(samples,)``."""
        return self.features @ self.minimiser

    @property
    def hessian(self) -> Array:
        """``(dimensions, dimensions)``."""
        return self.features.T @ self.features / len(self.features)

    @property
    def smoothness(self) -> float:
        """Largest curvature."""
        return float(np.linalg.eigvalsh(self.hessian)[-1])

    def loss(self, weights: Array) -> Array:
        """``(runs,)``."""
        residuals = (weights - self.minimiser) @ self.features.T
        losses: Array = (residuals**2).mean(axis=-1) / 2
        return losses

    def gradient(self, weights: Array) -> Array:
        """``(runs, dimensions)``."""
        return (weights - self.minimiser) @ self.hessian
