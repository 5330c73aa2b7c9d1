"""How a weight matrix becomes tiles: which crossbars it takes, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ohmloop.drivers import BadInputError, Crossbar

from .differential_tile import DifferentialTile
from .mapping import Mapping
from .placement import CrossbarPool, Shape
from .protocol import WritableTile
from .reference_tile import ReferenceTile
from .split_tile import SplitTile, block_sizes
from .tile import AnalogTile

Reference = Literal["map", "fixed", "crossbar", "differential"]
"""What stands for weight 0; see ``TilePlan``."""

_SIDES: dict[Reference, tuple[str, ...]] = {
    "map": ("",),
    "fixed": ("",),
    "crossbar": (", main", ", reference"),
    "differential": (", plus", ", minus"),
}


@dataclass(frozen=True, slots=True)
class TilePlan:
    """A matrix, in blocks no larger than a crossbar, each on one crossbar or on a pair.

    Attributes:
        name: for messages.
        heights: outputs of each row of blocks.
        widths: inputs of each column of blocks.
        reference: ``map``, the symmetric point of every cell, subtracted digitally; ``fixed``, one
            conductance for all cells; ``crossbar``, a second crossbar, written to the symmetric
            points and measured (``ReferenceTile``); ``differential``, a pair that learns upwards
            (``DifferentialTile``).
    """

    name: str
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    reference: Reference

    @classmethod
    def of(
        cls,
        name: str,
        shape: Shape,
        pool: CrossbarPool,
        reference: Reference = "map",
        block: Shape | None = None,
    ) -> TilePlan:
        """The fewest blocks.

        Args:
            name: for messages.
            shape: outputs and inputs.
            pool: where the matrix is to go.
            reference: what stands for weight 0.
            block: most outputs and inputs of a block; if None, those of the pool's largest
                crossbar, for a matrix that no single crossbar holds.

        Raises:
            BadInputError: no such reference, or an empty block.
        """
        if reference not in _SIDES:
            raise BadInputError(f"no reference {reference!r}; known are {', '.join(_SIDES)}")
        if block is None:
            block = shape if pool.holds(shape) else pool.largest
        if min(block) < 1:
            raise BadInputError(f"blocks of {block[0]} outputs x {block[1]} inputs cannot be")
        rows, columns = (block_sizes(*pair) for pair in zip(shape, block, strict=True))
        return cls(name, tuple(rows), tuple(columns), reference)

    @property
    def wanted(self) -> dict[str, Shape]:
        """Crossbars to take from a pool, by name, in the order in which ``make`` uses them."""
        return {
            f"{self.name}{block}{side}": (height, width)
            for (height, width), block in self._blocks()
            for side in _SIDES[self.reference]
        }

    def make(self, crossbars: Iterator[Crossbar], w_max: float) -> WritableTile:
        """A tile on the crossbars that were wanted; nothing is pulsed.

        Raises:
            BadInputError: see ``AnalogTile``, ``ReferenceTile`` and ``DifferentialTile``.
        """
        rows = [[self._block(crossbars, w_max) for _ in self.widths] for _ in self.heights]
        return rows[0][0] if len(rows) == len(rows[0]) == 1 else SplitTile(rows)

    def _block(self, crossbars: Iterator[Crossbar], w_max: float) -> WritableTile:
        first = next(crossbars)
        if self.reference == "crossbar":
            return ReferenceTile(first, next(crossbars), w_max)
        if self.reference == "differential":
            return DifferentialTile(first, next(crossbars), w_max)
        return AnalogTile(first, mapping=Mapping.of(first, w_max, self.reference))

    def _blocks(self) -> Iterator[tuple[Shape, str]]:
        """Shape of every block, row by row, and where it is for a message."""
        whole = len(self.heights) == len(self.widths) == 1
        top = 0
        for height in self.heights:
            left = 0
            for width in self.widths:
                where = (
                    f", outputs {top} to {top + height - 1}, inputs {left} to {left + width - 1}"
                )
                yield (height, width), "" if whole else where
                left += width
            top += height
