"""A matrix larger than any crossbar: a grid of tiles whose products are added digitally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Named
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.update.rule import UpdateReport, UpdateRule

from .mapping import Map
from .protocol import Tile, TileState, WritableTile
from .report import WriteReport

T = TypeVar("T", bound=Tile)


class SplitTile(Generic[T]):
    """A ``Tile`` of tiles; block ``(i, j)`` has the outputs of row i and the inputs of column j.

    Every block gets its slices of the same x and d. All draw from the one generator, row by row.

    Attributes:
        blocks: rows of tiles.

    Args:
        blocks: rows of tiles, all rows as long; a row's tiles of one height, a column's of one
            width.

    Raises:
        BadInputError: the blocks make no rectangle.
    """

    def __init__(self, blocks: Sequence[Sequence[T]]) -> None:
        self.blocks = tuple(tuple(row) for row in blocks)
        heights = [{tile.shape[0] for tile in row} for row in self.blocks]
        widths = [{tile.shape[1] for tile in column} for column in zip(*self.blocks, strict=False)]
        if (
            not self.blocks
            or len({len(row) for row in self.blocks}) != 1
            or any(len(sizes) != 1 for sizes in heights + widths)
        ):
            raise BadInputError("the blocks of a split tile make no rectangle of equal rows")
        self._rows = _slices([sizes.pop() for sizes in heights])
        self._columns = _slices([sizes.pop() for sizes in widths])

    @property
    def parts(self) -> tuple[T, ...]:
        """All blocks, row by row."""
        return tuple(tile for row in self.blocks for tile in row)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self._rows[-1].stop, self._columns[-1].stop

    @property
    def pulses(self) -> int:
        """Applied through all blocks."""
        return sum(tile.pulses for tile in self.parts)

    @property
    def programs(self) -> int:
        """Applied through all blocks."""
        return sum(tile.programs for tile in self.parts)

    @property
    def doubts(self) -> int:
        """Of all blocks."""
        return sum(tile.doubts for tile in self.parts)

    @property
    def dw_min(self) -> float:
        """Granularity: the mean over all cells."""
        sizes = [tile.shape[0] * tile.shape[1] for tile in self.parts]
        return float(np.average([tile.dw_min for tile in self.parts], weights=sizes))

    def forward(self, x: Tensor) -> Tensor:
        """``y = W x``: ``(batch, in)`` to ``(batch, out)``."""
        slices = [x[:, columns] for columns in self._columns]
        return torch.cat(
            [
                _sum(tile.forward(part) for tile, part in zip(row, slices, strict=True))
                for row in self.blocks
            ],
            dim=1,
        )

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""
        slices = [d[:, rows] for rows in self._rows]
        return torch.cat(
            [
                _sum(tile.backward(part) for tile, part in zip(column, slices, strict=True))
                for column in zip(*self.blocks, strict=True)
            ],
            dim=1,
        )

    def weights(self) -> Map:
        """Read all blocks: weights ``(out, in)``."""
        return np.block([[tile.weights() for tile in row] for row in self.blocks])

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """Read some inputs' cells: weights ``(out, columns)``."""
        picked = np.atleast_1d(np.asarray(columns, np.intp))
        read = np.empty((self.shape[0], picked.size))
        for rows, own, tile in self._placed():
            here = (picked >= own.start) & (picked < own.stop)
            if here.any():
                read[rows, here] = tile.read_columns((picked[here] - own.start).tolist())
        return read

    def program(
        self: SplitTile[WritableTile],
        weights: Map,
        tolerance: float | None = None,
        rounds: int = 20,
    ) -> WriteReport:
        """Write weights, block by block; see ``AnalogTile.program``.

        Raises:
            BadInputError: a shape that does not fit, or weights that are not finite.
        """
        if np.shape(weights) != self.shape or not np.isfinite(weights).all():
            raise BadInputError(f"a tile of {self.shape} takes as many finite weights, no others")
        return WriteReport.together(
            [
                tile.program(weights[rows, columns], tolerance, rounds)
                for rows, columns, tile in self._placed()
            ]
        )

    def update(
        self, x: Map, d: Map, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, block by block.

        Raises:
            BadInputError: not finite; no pulse was sent to any block.
        """
        if not (np.isfinite(x).all() and np.isfinite(d).all()):
            raise BadInputError("inputs or gradients are not finite; no pulse was sent for them")
        pulses, lost, wanted, strongest = 0, 0.0, 0.0, 0.0
        for rows, columns, tile in self._placed():
            part_x, part_d = x[:, columns], d[:, rows]
            report = tile.update(part_x, part_d, lr, rng, rule)
            pulses, wanted = pulses + report.pulses, wanted + report.wanted
            lost += report.clipped * report.wanted
            strongest = max(strongest, report.strongest)
        return UpdateReport(pulses, lost / wanted if wanted > 0 else 0.0, wanted, strongest)

    def refresh(self) -> None:
        """Base the products from now on on new readings."""
        for tile in self.parts:
            tile.refresh()

    def state(self) -> TileState:
        """Of all blocks, by ``row.column``."""
        return {
            f"{i}.{j}.{name}": value
            for i, row in enumerate(self.blocks)
            for j, tile in enumerate(row)
            for name, value in tile.state().items()
        }

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over the ``state`` of a tile split alike.

        Raises:
            BadInputError: it is of another tile.
        """
        for i, row in enumerate(self.blocks):
            for j, tile in enumerate(row):
                start = f"{i}.{j}."
                tile.adopt(
                    {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
                )

    def _placed(self) -> Iterator[tuple[slice, slice, T]]:
        for rows, row in zip(self._rows, self.blocks, strict=True):
            for columns, tile in zip(self._columns, row, strict=True):
                yield rows, columns, tile


def block_sizes(lines: int, most: int) -> list[int]:
    """Whole blocks first, and what is left: a block as large as its crossbar is best left to it.

    Its own products are used then, see ``CrossbarPool``.
    """
    return [min(most, lines - start) for start in range(0, lines, most)]


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _sum(products: Iterator[Tensor]) -> Tensor:
    total = next(products)
    for product in products:
        total = total + product
    return total
