"""The noises of a cell: their coordinates, and what the chip as a whole tells of them.

Noises of one cell are poorly known from some dozens of readings. So their logarithms get a normal
prior whose centre and width are those of the chip (empirical Bayes; Efron and Morris, JASA 70:311,
1975). The centre is where the restricted scores of all cells balance: each cell's own estimate,
one scoring step from where it stands, counts by its precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ohmloop.calibration.spread import robust_std

from .likelihood import Problem
from .reference import Noise
from .scoring import Optimum
from .start import Frame
from .trajectories import Array, Trajectories

NARROWEST = 0.1
"""Least width of the noises' prior: cells are never taken to be exactly alike."""
WEAK = 2.0
"""Width of the prior of a cell that stands alone: a factor e^2 either way."""
FEWEST = 8
"""Cells that make a chip."""
_WIDTH_ROUNDS = 5
_LOW, _HIGH = 1e-4, 10.0


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Which noises are fitted, each by its logarithm.

    Attributes:
        steps: of ``dg_std`` and ``dg_add`` those that are fitted; without any, steps have no noise.
        additive_read: whether the noise of readings is the same at all states, not a share of them.
    """

    steps: tuple[str, ...] = ("dg_std",)
    additive_read: bool = False

    @classmethod
    def of(cls, traj: Trajectories, steps: tuple[str, ...] = ("dg_std",)) -> NoiseModel:
        """Where states may be negative, a share of them is no noise."""
        return cls(steps, traj.signed)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the coordinates."""
        return (*self.steps, "read_add" if self.additive_read else "read_std")

    @property
    def size(self) -> int:
        """How many."""
        return len(self.names)

    def start(self, frame: Frame) -> Array:
        """Coordinates ``(size, cells)``."""
        step = np.log(np.clip(frame.step, 2 * _LOW, _HIGH / 2))
        shared = [step - 0.35, step - 1.0] if len(self.steps) > 1 else [step]
        steps = shared[: len(self.steps)]
        return np.stack([*steps, np.log(frame.read / self._read_unit(frame))])

    def natural(self, x: Array, frame: Frame) -> Noise:
        """Of coordinates ``(size, ..., cells)``."""
        none, typical = np.zeros_like(x[0]), np.sqrt(frame.up * frame.down)
        found = dict(zip(self.steps, np.exp(x), strict=False))
        add = found["dg_add"] * typical if "dg_add" in found else none
        read = np.exp(x[-1])
        relative, absolute = (none, read * frame.span) if self.additive_read else (read, none)
        return Noise(found.get("dg_std", none), add, relative, absolute)

    def box(self, frame: Frame) -> tuple[Array, Array]:
        """Lowest and highest coordinates."""
        shape = (self.size, frame.low.size)
        low, high = np.full(shape, np.log(_LOW)), np.full(shape, np.log(_HIGH))
        low[-1] = np.log(1e-6 if self.additive_read else 1e-5)
        high[-1] = 0.0
        return low, high

    def _read_unit(self, frame: Frame) -> Array:
        return frame.span if self.additive_read else frame.level


def population(problem: Problem, best: Optimum, means: int) -> tuple[Array, Array]:
    """Centre and width of the noises over the chip, each ``(noises,)``.

    Args:
        problem: what was maximised.
        best: its maximum.
        means: so many coordinates come before the noises.
    """
    good = best.converged
    x, info = best.x[means:, good].T, best.information[good]
    precision = problem.precision[means:, means:]
    # information on the noises, means fitted as well, and prior taken off
    own = np.linalg.pinv(info, hermitian=True)[:, means:, means:]
    own = np.linalg.pinv(own, hermitian=True) - precision
    own += 1e-3 * np.eye(own.shape[1])
    variance = np.linalg.inv(own)
    score = (x - problem.prior[means:, good].T) @ precision  # balances the prior at the optimum
    estimate = x + np.clip(np.einsum("cij,cj->ci", variance, score), -1.0, 1.0)
    alone = np.einsum("cii->ci", variance)
    middle = np.median(estimate, axis=0)
    spread = robust_std(estimate, axis=0)
    width = np.sqrt(np.maximum(spread**2 - np.median(alone, axis=0), NARROWEST**2))
    near = (np.abs(estimate - middle) < 4 * np.sqrt(width**2 + alone)).all(axis=1)
    for _ in range(_WIDTH_ROUNDS):  # the likeliest width: of more cells than a median looks at
        weight = 1 / (width**2 + alone[near]) ** 2
        centre = np.average(estimate[near], axis=0, weights=np.sqrt(weight))
        excess = (estimate[near] - centre) ** 2 - alone[near]
        total = weight.sum(axis=0)
        # and one standard error: a prior that is too narrow is the worse mistake
        square = (weight * excess).sum(axis=0) / total + np.sqrt(2 / total)
        width = np.sqrt(np.maximum(square, NARROWEST**2))
    trust = np.linalg.inv(variance[near] + np.diag(width**2))
    weighed = np.einsum("cij,cj->i", trust, estimate[near])
    return np.linalg.solve(trust.sum(axis=0), weighed), width
