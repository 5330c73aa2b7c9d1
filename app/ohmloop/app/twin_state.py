"""What a checkpoint keeps of a twin; a chip keeps its own state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ohmloop.drivers import BadInputError, Crossbar

if TYPE_CHECKING:
    from torch import Tensor


def twin_tensors(chip: Crossbar | None, root: str) -> dict[str, Tensor]:
    """The state of a twin, each array named below ``root``; nothing of a chip."""
    import torch

    from ohmloop.sim_backend import TwinCrossbar

    if not isinstance(chip, TwinCrossbar):
        return {}
    return {f"{root}/{name}": torch.from_numpy(array) for name, array in chip.state().items()}


def restore_twin(chip: Crossbar | None, tensors: Mapping[str, Tensor], root: str, who: str) -> None:
    """Give a twin back what ``twin_tensors`` kept below ``root``; leaves a chip alone.

    Raises:
        BadInputError: nothing was kept, as ``who`` was on a chip.
    """
    from ohmloop.sim_backend import TwinCrossbar

    if not isinstance(chip, TwinCrossbar):
        return
    start = f"{root}/"
    state = {k.removeprefix(start): t.numpy() for k, t in tensors.items() if k.startswith(start)}
    if not state:
        raise BadInputError(
            f"{who} was on a chip, whose weights are on the chip; it cannot go on on a twin"
        )
    chip.restore(state)


def twins_tensors(crossbars: Sequence[Crossbar]) -> dict[str, Tensor]:
    """The state of every twin of a run; a run on one crossbar has no number in its names."""
    return {
        name: tensor
        for root, crossbar in zip(_roots(crossbars), crossbars, strict=True)
        for name, tensor in twin_tensors(crossbar, root).items()
    }


def restore_twins(crossbars: Sequence[Crossbar], tensors: Mapping[str, Tensor]) -> None:
    """Give twins back what ``twins_tensors`` kept.

    Raises:
        BadInputError: nothing was kept of one.
    """
    for root, crossbar in zip(_roots(crossbars), crossbars, strict=True):
        restore_twin(crossbar, tensors, root, "the run")


def _roots(crossbars: Sequence[Crossbar]) -> list[str]:
    return ["twin"] if len(crossbars) == 1 else [f"twin{k + 1}" for k in range(len(crossbars))]
