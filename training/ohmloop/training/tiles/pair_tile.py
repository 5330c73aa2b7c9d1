"""Two crossbars, one weight: ``w = (g_plus - g_minus) / siemens_per_weight``, both measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError, Characteristics, Crossbar
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map, Mapping, known_cells
from .protocol import TileState
from .report import WriteReport
from .tile import AnalogTile


class PairTile(ABC):
    """A ``Tile`` whose weights are differences of the conductances of two crossbars.

    Each side is an ``AnalogTile`` of the same scale without a reference of its own: a side's
    weight is its conductance, in weight units. A pair of which either cell is not usable is not
    pulsed, and both its sides are referenced to what they read now: it stands for weight 0.

    Attributes:
        plus: the side that counts up.
        minus: the side that is subtracted.

    Args:
        plus: as large as the matrix, and calibrated.
        minus: likewise.
        siemens_per_weight: conductance of one unit of weight, S.

    Raises:
        BadInputError: shapes differ, a crossbar is not calibrated, or no pair is usable.
    """

    def __init__(self, plus: Crossbar, minus: Crossbar, siemens_per_weight: float) -> None:
        usable = known_cells(plus).usable & known_cells(minus).usable
        self.plus, self.minus = (
            AnalogTile(side, mapping=_unreferenced(side, usable, siemens_per_weight))
            for side in (plus, minus)
        )

    @property
    def parts(self) -> tuple[AnalogTile, AnalogTile]:
        """Both sides."""
        return self.plus, self.minus

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.plus.shape

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Pairs of which both cells may be pulsed."""
        return self.plus.mapping.usable

    @property
    def pulses(self) -> int:
        """Applied through both sides."""
        return self.plus.pulses + self.minus.pulses

    @property
    def programs(self) -> int:
        """Applied through both sides."""
        return self.plus.programs + self.minus.programs

    @property
    def doubts(self) -> int:
        """Of both sides."""
        return self.plus.doubts + self.minus.doubts

    @property
    def pulses_per_program(self) -> float:
        """Most pulses a cell of either side may get in one program."""
        return min(side.pulses_per_program for side in self.parts)

    def forward(self, x: Tensor) -> Tensor:
        """``y = W x``: ``(batch, in)`` to ``(batch, out)``."""
        return self.plus.forward(x) - self.minus.forward(x)

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""
        return self.plus.backward(d) - self.minus.backward(d)

    def weights(self) -> Map:
        """Read both sides: weights ``(out, in)``."""
        weights: Map = self.plus.weights() - self.minus.weights()
        return weights

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """Read some inputs' pairs: weights ``(out, columns)``."""
        weights: Map = self.plus.read_columns(columns) - self.minus.read_columns(columns)
        return weights

    def refresh(self) -> None:
        """Base the products from now on on new readings."""
        for side in self.parts:
            side.refresh()

    def state(self) -> TileState:
        """What both sides keep."""
        sides = {"plus": self.plus, "minus": self.minus}
        return {f"{at}.{k}": v for at, side in sides.items() for k, v in side.state().items()}

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over the ``state`` of a pair of the same kind.

        Raises:
            BadInputError: it is of another tile.
        """
        for at, side in (("plus", self.plus), ("minus", self.minus)):
            start = f"{at}."
            own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            side.adopt(own)

    @property
    @abstractmethod
    def dw_min(self) -> float:
        """Granularity, in weight units."""

    @abstractmethod
    def program(
        self, weights: Map, tolerance: float | None = None, rounds: int = 20
    ) -> WriteReport:
        """Write weights, closed loop; see ``AnalogTile.program``."""

    @abstractmethod
    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``; see ``Tile``."""

    def _checked(self, weights: Map) -> Map:
        if np.shape(weights) != self.shape or not np.isfinite(weights).all():
            raise BadInputError(f"a tile of {self.shape} takes as many finite weights, no others")
        return np.asarray(weights, np.float64)

    def _report(self, weights: Map, tolerance: float, *sides: WriteReport) -> WriteReport:
        """What the pairs came to, from one more reading."""
        return WriteReport.of(
            self.weights() - weights,
            self.usable,
            tolerance,
            out_of_reach=sum(side.out_of_reach for side in sides),
            rounds=max(side.rounds for side in sides),
            pulses=sum(side.pulses for side in sides),
        )


def both_known(plus: Crossbar, minus: Crossbar) -> tuple[Characteristics, Characteristics]:
    """What is known of two crossbars that are to be a pair.

    Raises:
        BadInputError: shapes differ, one is not calibrated, or no pair is usable.
    """
    if plus.shape != minus.shape:
        raise BadInputError(f"a pair of crossbars of {plus.shape} and {minus.shape} cells")
    known = known_cells(plus), known_cells(minus)
    if not (known[0].usable & known[1].usable).any():
        raise BadInputError(f"{plus.name}, {minus.name}: no pair of two usable cells")
    return known


def _unreferenced(side: Crossbar, usable: NDArray[np.bool_], siemens_per_weight: float) -> Mapping:
    mapping = replace(
        Mapping.from_characteristics(known_cells(side), 1.0, side.name),
        reference=np.zeros(side.shape),
        siemens_per_weight=siemens_per_weight,
        usable=usable,
    )
    if not usable.all():
        mapping.reference[~usable] = side.read()[~usable]
    return mapping
