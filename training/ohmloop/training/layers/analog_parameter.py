"""The parameter that stands for weights on a chip, so that an optimizer finds its tiles."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.tiles.protocol import Tile
from ohmloop.training.update.rule import Rows

Values = Tensor | Rows
"""Of a mini-batch."""


class AnalogParameter(torch.nn.Parameter):
    """A parameter without values: its weights are conductances of its tiles.

    The effective weight is ``sum_k gamma^(n-1-k) W_k`` over its n tiles, from the fastest to the
    main one, which comes last (Gokmen and Haensch 2020; aihwkit's ``TransferCompound``). With
    ``gamma = 0`` it is the main tile alone. Where an algorithm has set them, the fastest array W_0
    counts as ``(W_0 - offset) diag(signs)``: less its symmetric point as it is known digitally, and
    by the signs that chop its inputs (Rasch et al., Nat. Commun. 15:7133, 2024).

    Attributes:
        tiles: from the fastest array to the main one, all of one shape.
        gamma: share of each faster array, 0 or more.
        offset: ``(out, in)``, subtracted from the fastest array; None for 0.
        signs: ``(in,)``, 1 or -1, of the fastest array's inputs; None for 1.
        records: inputs and output gradients of the products since the last step, on the host, in
            the order of the products.

    Raises:
        BadInputError: no tile, tiles of different shapes, or a negative gamma.
    """

    tiles: tuple[Tile, ...]
    gamma: float
    offset: Tensor | None
    signs: Tensor | None
    records: list[tuple[Rows, Rows]]
    _turns: list[int]

    def __new__(cls, tiles: Sequence[Tile], gamma: float = 0.0) -> AnalogParameter:  # noqa: D102 - the class says it
        if not tiles or len({tile.shape for tile in tiles}) != 1:
            raise BadInputError("an analog parameter needs tiles, all of one shape")
        if not gamma >= 0:
            raise BadInputError(f"gamma must be 0 or more, not {gamma}")
        made: AnalogParameter = super().__new__(cls, torch.empty(0), True)
        made.tiles, made.gamma, made.records = tuple(tiles), gamma, []
        made._turns = []
        made.offset = made.signs = None
        return made

    @property
    def main(self) -> Tile:
        """The tile that holds the weights."""
        return self.tiles[-1]

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.main.shape

    def forward(self, x: Tensor) -> Tensor:
        """``W x``: ``(batch, in)`` to ``(batch, out)``."""
        y = self.tiles[-1].forward(x)
        for share, tile in self.shares():
            y = y + share * (self._fastest(x) if tile is self.tiles[0] else tile.forward(x))
        return y

    def backward_product(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""
        y = self.tiles[-1].backward(d)
        for share, tile in self.shares():
            y = y + share * (self._fastest_back(d) if tile is self.tiles[0] else tile.backward(d))
        return y

    def product(self, way: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``forward`` or ``backward_product`` of an array, which takes less for few samples.

        Args:
            way: "forward" or "backward".
            values: ``(batch, lines)``.
        """
        if self.gamma == 0:
            at_once = getattr(self.tiles[-1], "weigh", None)
            if at_once is not None and (found := at_once(way, values)) is not None:
                return cast(NDArray[np.float32], found)
        tensor = torch.from_numpy(values)
        made = self.forward(tensor) if way == "forward" else self.backward_product(tensor)
        return cast(NDArray[np.float32], made.numpy())

    def record(self, x: Values, d: Values, turn: int | None = None) -> None:
        """Keep what an update needs: ``(batch, in)`` and ``(batch, out)``.

        Args:
            x: inputs of a product.
            d: gradients of the loss by its outputs.
            turn: number of the product, growing; gradients through time come last product first.
                Without one it is the last so far.
        """
        if turn is None:
            turn = self._turns[-1] if self._turns else 0
        at = bisect_right(self._turns, turn)
        self._turns.insert(at, turn)
        self.records.insert(at, (_on_host(x), _on_host(d)))

    def forget(self) -> None:
        """Drop the records: what ``zero_grad`` is to a digital parameter."""
        self.records.clear()
        self._turns.clear()

    def check_records(self) -> None:
        """Raise before anything is pulsed.

        Raises:
            BadInputError: a record is not finite.
        """
        if not all(_finite(part) for pair in self.records for part in pair):
            raise BadInputError("inputs or gradients are not finite; no pulse was sent for them")

    def take_records(self, exact: bool = True) -> tuple[Rows, Rows] | None:
        """All records since the last time, in order, and forget them; None where there are none.

        Args:
            exact: in double precision, for who computes with them; else as they were recorded.

        Returns:
            ``x (samples, in)`` and ``d (samples, out)``.
        """
        if not self.records:
            return None
        if len(self.records) == 1:
            x, d = self.records[0]
        else:
            x, d = (np.concatenate(parts) for parts in zip(*self.records, strict=True))
        self.forget()
        if exact or x.dtype != np.float32 or d.dtype != np.float32:
            return x.astype(np.float64, copy=False), d.astype(np.float64, copy=False)
        return x, d

    def shares(self) -> list[tuple[float, Tile]]:
        """The faster arrays that count in the weight, and by how much."""
        if self.gamma == 0:
            return []
        count = len(self.tiles)
        return [(self.gamma ** (count - 1 - k), tile) for k, tile in enumerate(self.tiles[:-1])]

    def weights(self) -> Map:
        """The weight that forward and backward products have, from a reading of all tiles."""
        total = self.main.weights()
        for share, tile in self.shares():
            part = tile.weights()
            if tile is self.tiles[0]:
                part = part if self.offset is None else part - self.offset.cpu().numpy()
                part = part if self.signs is None else part * self.signs.cpu().numpy()
            total = total + share * part
        return total

    def _fastest(self, x: Tensor) -> Tensor:
        chopped = x if self.signs is None else x * self.signs.to(x)
        y = self.tiles[0].forward(chopped)
        return y if self.offset is None else y - chopped @ self.offset.to(x).T

    def _fastest_back(self, d: Tensor) -> Tensor:
        y = self.tiles[0].backward(d)
        y = y if self.offset is None else y - d @ self.offset.to(d)
        return y if self.signs is None else y * self.signs.to(d)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise BadInputError("an analog layer cannot be copied: its weights are on a chip")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise BadInputError(
            "an analog layer cannot be pickled: its weights are on a chip; save its state_dict"
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        out, inputs = self.matrix_shape
        return f"AnalogParameter({len(self.tiles)} x {out}x{inputs}, gamma={self.gamma:g})"


def _finite(values: Rows) -> bool:
    # A sum of squares is finite only if all are, and quicker; one that overflows proves nothing.
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def _on_host(values: Values) -> Rows:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values
