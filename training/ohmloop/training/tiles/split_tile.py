"""A matrix larger than any crossbar: a grid of tiles whose products are added digitally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ohmloop.drivers import BadInputError

from .block_tile import BlockTile, Placed, slices
from .protocol import Tile

T = TypeVar("T", bound=Tile)


class SplitTile(BlockTile[T]):
    """A ``Tile`` of tiles; block ``(i, j)`` has the outputs of row i and the inputs of column j.

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
        rows = slices([sizes.pop() for sizes in heights])
        columns = slices([sizes.pop() for sizes in widths])
        super().__init__(
            [
                Placed(f"{i}.{j}", rows[i], columns[j], tile)
                for i, row in enumerate(self.blocks)
                for j, tile in enumerate(row)
            ]
        )


def block_sizes(lines: int, most: int) -> list[int]:
    """Whole blocks first, and what is left: a block as large as its crossbar is best left to it.

    Its own products are used then, see ``CrossbarPool``.
    """
    return [min(most, lines - start) for start in range(0, lines, most)]
