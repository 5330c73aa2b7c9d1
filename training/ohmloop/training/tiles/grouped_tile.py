"""Products that have nothing to do with each other, such as the groups of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ohmloop.drivers import BadInputError

from .block_tile import BlockTile, Placed, slices
from .protocol import Tile

T = TypeVar("T", bound=Tile)


class GroupedTile(BlockTile[T]):
    """A ``Tile`` of tiles along the diagonal: each has outputs and inputs of its own.

    Elsewhere the matrix is 0 and has no cells: it reads 0, and stays 0 whatever it is updated by.

    Args:
        groups: one after the other.

    Raises:
        BadInputError: there is none.
    """

    def __init__(self, groups: Sequence[T]) -> None:
        if not groups:
            raise BadInputError("a grouped tile needs a group")
        rows = slices([tile.shape[0] for tile in groups])
        columns = slices([tile.shape[1] for tile in groups])
        super().__init__(
            [
                Placed(f"{g}", *block)
                for g, block in enumerate(zip(rows, columns, groups, strict=True))
            ]
        )
