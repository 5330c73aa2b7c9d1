"""Where tiles go: rectangles packed onto a pool of crossbars, shelf by shelf.

The rule is next-fit-decreasing-height with a look at every open shelf (Coffman et al., SIAM J.
Comput. 9:808, 1980): tall tiles first, each on the first shelf with room, else on a new shelf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ohmloop.drivers import BadInputError, Crossbar, Region

Shape = tuple[int, int]


@dataclass(slots=True)
class _Shelf:
    top: int
    height: int
    used: int = 0


@dataclass(slots=True)
class _Floor:
    """One crossbar and the shelves on it; ``used`` counts the rows they take."""

    crossbar: Crossbar
    shelves: list[_Shelf] = field(default_factory=list)
    used: int = 0

    @property
    def rows_left(self) -> int:
        return self.crossbar.shape[0] - self.used

    def fit(self, shape: Shape) -> Shape | None:
        """Take room for ``shape`` and return its origin, or None where there is no room."""
        height, width = shape
        if width > self.crossbar.shape[1]:
            return None
        for shelf in self.shelves:
            if height <= shelf.height and shelf.used + width <= self.crossbar.shape[1]:
                shelf.used += width
                return shelf.top, shelf.used - width
        if height > self.rows_left:
            return None
        self.shelves.append(_Shelf(self.used, height, width))
        self.used += height
        return self.shelves[-1].top, 0

    def room(self) -> str:
        """What is left, for a message."""
        rows, columns = self.crossbar.shape
        parts = [f"{self.rows_left}x{columns}"] if self.rows_left else []
        parts += [f"{s.height}x{columns - s.used}" for s in self.shelves if s.used < columns]
        return f"{self.crossbar.name} ({rows}x{columns}): {', '.join(parts) or 'full'}"


class NoRoomError(BadInputError):
    """A tile fits nowhere.

    Attributes:
        tile: its name.
        shape: outputs and inputs.
    """

    def __init__(self, tile: str, shape: Shape, room: str) -> None:
        self.tile, self.shape = tile, shape
        super().__init__(
            f"{tile}: no room for its {shape[0]} outputs x {shape[1]} inputs; left on {room}:"
            " it takes more crossbars, larger ones, or smaller blocks"
        )


class CrossbarPool:
    """The crossbars that a model may use, and what is still free on them.

    Args:
        crossbars: opened crossbars; the pool does not close them.

    Raises:
        BadInputError: there is none.
    """

    def __init__(self, crossbars: Crossbar | Sequence[Crossbar]) -> None:
        given = [crossbars] if isinstance(crossbars, Crossbar) else list(crossbars)
        if not given:
            raise BadInputError("a pool needs at least one crossbar")
        self.crossbars = tuple(given)
        self._floors = [_Floor(crossbar) for crossbar in given]

    @property
    def largest(self) -> Shape:
        """Rows and columns of the crossbar with most cells."""
        shapes = [crossbar.shape for crossbar in self.crossbars]
        return max(shapes, key=lambda shape: shape[0] * shape[1])

    def holds(self, shape: Shape) -> bool:
        """Whether a crossbar, empty, is large enough."""
        shapes = [crossbar.shape for crossbar in self.crossbars]
        return any(shape[0] <= rows and shape[1] <= columns for rows, columns in shapes)

    def place(self, wanted: Mapping[str, Shape]) -> dict[str, Crossbar]:
        """Find room for all tiles; or take none.

        Args:
            wanted: name of each tile, for messages, and its rows and columns.

        Returns:
            A crossbar of exactly that shape for every name: a whole one where it has just that
            shape, else a region of one.

        Raises:
            NoRoomError: says which tile does not fit and what room is left.
        """
        before = [(floor.used, [_copy(s) for s in floor.shelves]) for floor in self._floors]
        try:
            tall_first = sorted(wanted, key=lambda name: wanted[name], reverse=True)
            placed = {name: self._place(name, wanted[name]) for name in tall_first}
        except BadInputError:
            for floor, (used, shelves) in zip(self._floors, before, strict=True):
                floor.used, floor.shelves = used, shelves
            raise
        return {name: placed[name] for name in wanted}

    def _place(self, name: str, shape: Shape) -> Crossbar:
        # A crossbar of just this shape is best left to it: its own products are used then.
        exact_first = sorted(self._floors, key=lambda floor: floor.crossbar.shape != shape)
        for floor in exact_first:
            origin = floor.fit(shape)
            if origin is not None:
                return _part(floor.crossbar, origin, shape)
        room = "; ".join(floor.room() for floor in self._floors)
        raise NoRoomError(name, shape, room)


def _part(crossbar: Crossbar, origin: Shape, shape: Shape) -> Crossbar:
    if shape == crossbar.shape:
        return crossbar
    return Region(crossbar, origin, shape)


def _copy(shelf: _Shelf) -> _Shelf:
    return _Shelf(shelf.top, shelf.height, shelf.used)
