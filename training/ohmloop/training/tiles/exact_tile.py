"""A tile without a crossbar, for theory: weights are numbers, and an update is exact.

The general analog update (Wu et al., arXiv:2406.12774, eq. 3; arXiv:2502.06309, eq. 4),

    W <- W + dW . F(W) - |dW| . G(W) + noise,    F = (q_down + q_up) / 2,  G = (q_down - q_up) / 2,

which is ``W + dW q_up(W)`` where dW is positive and ``W + dW q_down(W)`` where it is negative. It
is what pulsed updates come to in the limit of a granularity of 0, and any algorithm runs on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map
from .protocol import TileState

Response = Callable[[Map], Map]
"""Step of one unit pulse at weights of any shape; positive."""


class ExactTile:
    """See the module; a ``Tile``.

    Attributes:
        pulses: 0, there are none.
        programs: updates so far.
        doubts: 0.

    Args:
        weights: to start from, ``(out, in)``.
        q_up: response to a positive change.
        q_down: response to a negative change.
        dw_min: granularity, for the noise of stochastic pulses and for thresholds; 0 has neither.
        rng: draws the noise of updates; None for none. For one update of size ``|dW|`` its
            variance is ``|dW| dw_min`` times the response squared: that of a number of pulses
            which is binomial with small odds (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016).

    Raises:
        BadInputError: weights are no finite matrix, or ``dw_min`` is negative.
    """

    def __init__(
        self,
        weights: Map,
        q_up: Response,
        q_down: Response,
        *,
        dw_min: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._weights = np.array(weights, np.float64)
        if self._weights.ndim != 2 or not np.isfinite(self._weights).all() or not dw_min >= 0:
            raise BadInputError("an exact tile needs a finite matrix, and dw_min of 0 or more")
        self._q_up, self._q_down, self._dw_min, self._rng = q_up, q_down, dw_min, rng
        self.pulses = self.programs = self.doubts = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        rows, columns = self._weights.shape
        return rows, columns

    @property
    def dw_min(self) -> float:
        """Granularity."""
        return self._dw_min

    def forward(self, x: Tensor) -> Tensor:
        """``y = W x``."""
        return x @ torch.from_numpy(self._weights).to(x).T

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``."""
        return d @ torch.from_numpy(self._weights).to(d)

    def weights(self) -> Map:
        """A copy of the weights."""
        return self._weights.copy()

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """A copy of some columns, ``(out, columns)``."""
        return self._weights[:, np.atleast_1d(np.asarray(columns, np.intp))]

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """One sample after the other, each from the weights that the one before left.

        ``rng`` and ``rule`` are for pulses; there are none here.

        Raises:
            BadInputError: not finite; nothing was changed.
        """
        del rng, rule
        if not (np.isfinite(x).all() and np.isfinite(d).all()):
            raise BadInputError("inputs or gradients are not finite; no update was made for them")
        for inputs, errors in zip(x.astype(np.float64), d.astype(np.float64), strict=True):
            self.change(-lr * np.outer(errors, inputs))
        self.programs += 1
        return UpdateReport(0, 0.0)

    def change(self, dw: Map) -> None:
        """One general analog update by ``dw (out, in)``."""
        response = np.where(dw >= 0, self._q_up(self._weights), self._q_down(self._weights))
        change = dw * response
        if self._rng is not None and self._dw_min > 0:
            spread = np.sqrt(np.abs(dw) * self._dw_min) * response
            change += spread * self._rng.standard_normal(dw.shape)
        self._weights += change

    def refresh(self) -> None:
        """Nothing to read again."""

    def state(self) -> TileState:
        """Its weights, which are nowhere else, and its generator's state as JSON in bytes."""
        drawn = None if self._rng is None else self._rng.bit_generator.state
        text = json.dumps(drawn, default=lambda array: array.tolist())
        return {"weights": self.weights(), "rng": np.frombuffer(text.encode(), np.uint8).copy()}

    def adopt(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a ``state``.

        Raises:
            BadInputError: it is of a tile of another shape, or one has noise and the other none.
        """
        weights, drawn = state["weights"], json.loads(state["rng"].tobytes())
        if weights.shape != self.shape or (drawn is None) != (self._rng is None):
            raise BadInputError("the state is of an exact tile of another shape or without noise")
        self._weights = np.array(weights, np.float64)
        if self._rng is not None:
            self._rng.bit_generator.state = drawn
