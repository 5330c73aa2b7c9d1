"""Response functions in weight units, as the papers write them: steps relative to ``dw_min``.

The two normalisations of power and exponential responses that are in use differ by a constant
factor. These have ``F(0) = 1`` (arXiv:2502.06309, eqs. 148 and 149); aihwkit's ``PowStepDevice``
steps by ``((1 - w/tau) / 2)^gamma``, which is ``2^-gamma`` of it, and its ``ExpStepDevice`` is
another function. Those are in ``ohmloop.sim_backend.responses``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ResponsePair:
    """Up and down response of cells, both positive between the bounds.

    Attributes:
        q_up: step of a positive change at weights of any shape.
        q_down: step of a negative change.
        symmetric_point: where both are equal.
    """

    q_up: Callable[[Array], Array]
    q_down: Callable[[Array], Array]
    symmetric_point: float = 0.0

    def symmetric(self, weights: Array) -> Array:
        """``F = (q_down + q_up) / 2``."""
        return (self.q_down(weights) + self.q_up(weights)) / 2

    def asymmetric(self, weights: Array) -> Array:
        """``G = (q_down - q_up) / 2``, 0 at the symmetric point."""
        return (self.q_down(weights) - self.q_up(weights)) / 2

    def zero_shifted(self) -> ResponsePair:
        """The same cells referenced to their symmetric point (Kim et al., arXiv:1907.10228)."""
        by, up, down = self.symmetric_point, self.q_up, self.q_down
        return ResponsePair(lambda w: up(w + by), lambda w: down(w + by))


def ideal() -> ResponsePair:
    """Every step is 1 everywhere: digital updates."""
    return ResponsePair(np.ones_like, np.ones_like)


def linear(tau: float, c: float = 0.0) -> ResponsePair:
    """``q_up = (1 + c)(1 - w/tau)``, ``q_down = (1 - c)(1 + w/tau)``; symmetric at ``c tau``.

    With c = 0 these are soft bounds, the "asymmetric linear device" of arXiv:2406.12774; with
    another c the generic linear response of arXiv:2502.06309, Fig. 2.

    Raises:
        BadInputError: tau is not positive, or c not between -1 and 1.
    """
    _check_tau(tau)
    if not -1 < c < 1:
        raise BadInputError(f"c must be between -1 and 1, not {c}")
    return ResponsePair(
        lambda w: (1 + c) * (1 - w / tau), lambda w: (1 - c) * (1 + w / tau), c * tau
    )


def power(tau: float, gamma: float) -> ResponsePair:
    """``(1 -+ w/tau)^gamma`` (arXiv:2502.06309, eq. 148).

    Raises:
        BadInputError: tau or gamma is not positive.
    """
    _check_tau(tau, gamma)

    def step(w: Array) -> Array:
        stepped: Array = np.maximum(1 - w / tau, 0) ** gamma
        return stepped

    return ResponsePair(step, lambda w: step(-w))


def exponential(tau: float, gamma: float) -> ResponsePair:
    """``(e^(gamma (1 -+ w/tau)) - 1) / (e^gamma - 1)`` (arXiv:2502.06309, eq. 149).

    Raises:
        BadInputError: tau or gamma is not positive.
    """
    _check_tau(tau, gamma)

    def step(w: Array) -> Array:
        stepped: Array = np.expm1(gamma * (1 - w / tau)) / np.expm1(gamma)
        return stepped

    return ResponsePair(step, lambda w: step(-w))


def _check_tau(tau: float, gamma: float = 1.0) -> None:
    if not (tau > 0 and gamma > 0):
        raise BadInputError(f"tau and gamma must be positive, not {tau} and {gamma}")
