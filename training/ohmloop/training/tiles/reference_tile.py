"""Weight 0 is a second crossbar: written once to the symmetric points, and measured ever after.

So both products of a weight go through cells and periphery alike, and nothing digital has to be
subtracted ("zero-shifting", Kim et al., arXiv:1907.10228).
"""

from __future__ import annotations

from collections.abc import Mapping as Named
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import Crossbar
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map, Mapping
from .pair_tile import PairTile, both_known
from .protocol import TileState
from .report import WriteReport


class ReferenceTile(PairTile):
    """A ``Tile`` on a crossbar, ``plus``, and on its reference, ``minus``.

    Attributes:
        referenced: whether the reference has been written.

    Args:
        main: the cells that learn.
        reference: the cells that stand for weight 0; nobody pulses them after they are written.
        w_max: the largest weight to be kept.

    Raises:
        BadInputError: see ``PairTile``; ``w_max`` is not positive.
    """

    def __init__(self, main: Crossbar, reference: Crossbar, w_max: float = 1.0) -> None:
        known, _ = both_known(main, reference)
        scale = Mapping.from_characteristics(known, w_max, main.name).siemens_per_weight
        super().__init__(main, reference, scale)
        self._zero: Map = np.where(self.usable, known.symmetric_point, 0.0) / scale
        self.referenced = False

    @property
    def dw_min(self) -> float:
        """Granularity of the cells that learn."""
        return self.plus.dw_min

    def program(
        self, weights: Map, tolerance: float | None = None, rounds: int = 20
    ) -> WriteReport:
        """Write weights, closed loop, and before the first of all the reference.

        Raises:
            BadInputError: a shape that does not fit, or weights that are not finite.
        """
        wanted = self._checked(weights)
        enough = self.dw_min if tolerance is None else tolerance
        sides = [] if self.referenced else [self.minus.program(self._zero, rounds=rounds)]
        self.referenced = True
        sides.append(self.plus.program(wanted + self.minus.weights(), enough, rounds))
        return self._report(wanted, enough, *sides)

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, in the cells that learn alone."""
        return self.plus.update(x, d, lr, rng, rule)

    def state(self) -> TileState:
        """Of both sides, and whether the reference has been written."""
        return {**super().state(), "referenced": np.array(self.referenced)}

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over a ``state``; see ``PairTile``."""
        super().adopt(state)
        self.referenced = bool(state["referenced"])
