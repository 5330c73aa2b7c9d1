"""The parameter that stands for weights on a chip, so that an optimizer finds its tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.tiles.protocol import Tile


class AnalogParameter(torch.nn.Parameter):
    """A parameter without values: its weights are conductances of its tiles.

    The effective weight is ``sum_k gamma^(n-1-k) W_k`` over its n tiles, from the fastest to the
    main one, which comes last (Gokmen and Haensch 2020; aihwkit's ``TransferCompound``). With
    ``gamma = 0`` it is the main tile alone.

    Attributes:
        tiles: from the fastest array to the main one, all of one shape.
        gamma: share of each faster array, 0 or more.
        records: inputs and output gradients of the products since the last step.

    Raises:
        BadInputError: no tile, tiles of different shapes, or a negative gamma.
    """

    tiles: tuple[Tile, ...]
    gamma: float
    records: list[tuple[Tensor, Tensor]]

    def __new__(cls, tiles: Sequence[Tile], gamma: float = 0.0) -> AnalogParameter:  # noqa: D102 - the class says it
        if not tiles or len({tile.shape for tile in tiles}) != 1:
            raise BadInputError("an analog parameter needs tiles, all of one shape")
        if not gamma >= 0:
            raise BadInputError(f"gamma must be 0 or more, not {gamma}")
        made: AnalogParameter = super().__new__(cls, torch.empty(0), True)
        made.tiles, made.gamma, made.records = tuple(tiles), gamma, []
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
        y = self.main.forward(x)
        for share, tile in self._faster():
            y = y + share * tile.forward(x)
        return y

    def backward_product(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``."""
        y = self.main.backward(d)
        for share, tile in self._faster():
            y = y + share * tile.backward(d)
        return y

    def record(self, x: Tensor, d: Tensor) -> None:
        """Keep what an update needs: ``(batch, in)`` and ``(batch, out)``."""
        self.records.append((x.detach(), d.detach()))

    def forget(self) -> None:
        """Drop the records: what ``zero_grad`` is to a digital parameter."""
        self.records.clear()

    def check_records(self) -> None:
        """Raise before anything is pulsed.

        Raises:
            BadInputError: a record is not finite.
        """
        if not all(_finite(part) for pair in self.records for part in pair):
            raise BadInputError("inputs or gradients are not finite; no pulse was sent for them")

    def take_records(self) -> tuple[Tensor, Tensor] | None:
        """All records since the last time, in order, and forget them; None where there are none.

        Returns:
            ``x (samples, in)`` and ``d (samples, out)``, both float64 and on the host.
        """
        if not self.records:
            return None
        x, d = (_joined(parts).double().cpu() for parts in zip(*self.records, strict=True))
        self.forget()
        return x, d

    def _faster(self) -> list[tuple[float, Tile]]:
        if self.gamma == 0:
            return []
        count = len(self.tiles)
        return [(self.gamma ** (count - 1 - k), tile) for k, tile in enumerate(self.tiles[:-1])]

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise BadInputError("an analog layer cannot be copied: its weights are on a chip")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise BadInputError(
            "an analog layer cannot be pickled: its weights are on a chip; save its state_dict"
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        out, inputs = self.matrix_shape
        return f"AnalogParameter({len(self.tiles)} x {out}x{inputs}, gamma={self.gamma:g})"


def _finite(values: Tensor) -> bool:
    # A sum is finite only if everything in it is, and quicker; one that overflows proves nothing.
    return math.isfinite(values.sum().item()) or bool(torch.isfinite(values).all())


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
