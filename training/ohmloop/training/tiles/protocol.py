"""What layers and optimizers ask of a tile, whatever its weights are kept in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from ohmloop.training.update.rule import UpdateReport, UpdateRule

from .mapping import Map


class Tile(Protocol):
    """A weight matrix ``(out, in)`` that computes, and that changes by updates.

    Attributes:
        pulses: applied through this tile.
        programs: applied through this tile.
        doubts: programs of which nobody could tell how much was applied.
    """

    pulses: int
    programs: int
    doubts: int

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
        self, x: Map, d: Map, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, sample by sample, as the cells respond."""

    def refresh(self) -> None:
        """Base the products from now on on a new reading."""
