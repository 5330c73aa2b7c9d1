"""A matrix of several tiles: each has some of its outputs and some of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Named
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map
from .protocol import Tile, TileState, WritableTile
from .report import WriteReport

T = TypeVar("T", bound=Tile)


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A tile, and where in the matrix it is.

    Attributes:
        name: of the block, in states that are kept.
        rows: outputs.
        columns: inputs.
        tile: of just that shape.
    """

    name: str
    rows: slice
    columns: slice
    tile: T


class BlockTile(Generic[T]):
    """A ``Tile`` of tiles, whose products are added digitally.

    Every block gets its slices of the same x and d. All draw from the one generator, in order.

    Attributes:
        placed: blocks, in order of their rows, and in a row of their columns.
    """

    def __init__(self, placed: Sequence[Placed[T]]) -> None:
        self.placed = tuple(placed)

    @property
    def parts(self) -> tuple[T, ...]:
        """All blocks, row by row."""
        return tuple(block.tile for block in self.placed)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.placed[-1].rows.stop, self.placed[-1].columns.stop

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
        products = ((p.rows, p.tile.forward(x[:, p.columns])) for p in self.placed)
        return _together(products)

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""
        products = ((p.columns, p.tile.backward(d[:, p.rows])) for p in self.placed)
        return _together(products)

    def weights(self) -> Map:
        """Read all blocks: weights ``(out, in)``, 0 where there is no block."""
        read = np.zeros(self.shape)
        for block in self.placed:
            read[block.rows, block.columns] = block.tile.weights()
        return read

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """Read some inputs' cells: weights ``(out, columns)``."""
        picked = np.atleast_1d(np.asarray(columns, np.intp))
        read = np.zeros((self.shape[0], picked.size))
        for block in self.placed:
            own = block.columns
            here = (picked >= own.start) & (picked < own.stop)
            if here.any():
                found = block.tile.read_columns((picked[here] - own.start).tolist())
                read[block.rows, here] = found
        return read

    def program(
        self: BlockTile[WritableTile],
        weights: Map,
        tolerance: float | None = None,
        rounds: int = 20,
    ) -> WriteReport:
        """Write weights, block by block; see ``AnalogTile.program``.

        What is in no block is not kept.

        Raises:
            BadInputError: a shape that does not fit, or weights that are not finite.
        """
        if np.shape(weights) != self.shape or not np.isfinite(weights).all():
            raise BadInputError(f"a tile of {self.shape} takes as many finite weights, no others")
        return WriteReport.together(
            [
                block.tile.program(weights[block.rows, block.columns], tolerance, rounds)
                for block in self.placed
            ]
        )

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, block by block.

        Raises:
            BadInputError: not finite; no pulse was sent to any block.
        """
        if not (np.isfinite(x).all() and np.isfinite(d).all()):
            raise BadInputError("inputs or gradients are not finite; no pulse was sent for them")
        pulses, lost, wanted, strongest = 0, 0.0, 0.0, 0.0
        for block in self.placed:
            part_x, part_d = x[:, block.columns], d[:, block.rows]
            report = block.tile.update(part_x, part_d, lr, rng, rule)
            pulses, wanted = pulses + report.pulses, wanted + report.wanted
            lost += report.clipped * report.wanted
            strongest = max(strongest, report.strongest)
        return UpdateReport(pulses, lost / wanted if wanted > 0 else 0.0, wanted, strongest)

    def refresh(self) -> None:
        """Base the products from now on on new readings."""
        for tile in self.parts:
            tile.refresh()

    def state(self) -> TileState:
        """Of all blocks, by their names."""
        return {
            f"{block.name}.{name}": value
            for block in self.placed
            for name, value in block.tile.state().items()
        }

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over the ``state`` of a tile of the same blocks.

        Raises:
            BadInputError: it is of another tile.
        """
        for block in self.placed:
            start = f"{block.name}."
            own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            block.tile.adopt(own)


def slices(sizes: Sequence[int]) -> list[slice]:
    """One after the other."""
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _together(products: Iterable[tuple[slice, Tensor]]) -> Tensor:
    """Sums of those of the same lines, side by side."""
    sums: dict[int, Tensor] = {}
    for lines, product in products:
        known = sums.get(lines.start)
        sums[lines.start] = product if known is None else known + product
    return torch.cat([sums[start] for start in sorted(sums)], dim=1)
