"""What layers and optimizers ask of a tile, whatever its weights are kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map
from .report import WriteReport

TileState = dict[str, NDArray[Any]]
"""What a tile has to keep beside its cells, by name."""


class Tile(Protocol):
    """A weight matrix ``(out, in)`` that computes, and that changes by updates."""

    @property
    def pulses(self) -> int:
        """Applied through this tile."""

    @property
    def programs(self) -> int:
        """Applied through this tile."""

    @property
    def doubts(self) -> int:
        """Programs of which nobody could tell how much was applied."""

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""

    @property
    def dw_min(self) -> float:
        """Granularity, in weight units: the mean step of one pulse at weight 0."""

    def forward(self, x: Tensor) -> Tensor:
        """``y = W x``: ``(batch, in)`` to ``(batch, out)``."""

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""

    def weights(self) -> Map:
        """Read all weights ``(out, in)``."""

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """Read some inputs' weights ``(out, columns)``."""

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, sample by sample, as the cells respond."""

    def refresh(self) -> None:
        """Base the products from now on on a new reading."""

    def state(self) -> TileState:
        """What its weights mean without the chip: all that a run that goes on has to be told."""

    def adopt(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over the ``state`` of a tile made alike.

        Raises:
            BadInputError: it is of another tile.
        """


class WritableTile(Tile, Protocol):
    """A tile whose weights can be written."""

    def program(
        self, weights: Map, tolerance: float | None = None, rounds: int = 20
    ) -> WriteReport:
        """Write weights ``(out, in)``, closed loop; see ``AnalogTile.program``."""
