"""An epoch cut into mini-batches, and those into micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.data.data_set import Split


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """The samples of an epoch, in order, in portions that go through the pipeline.

    Attributes:
        split: the samples.
        parts: which samples each micro-batch has.
        batches: micro-batches of each mini-batch.
        shares: of each micro-batch in what its update is of: its mini-batch, or itself.
        factors: what learning rates are multiplied by in the update that each micro-batch is of;
            empty where they stay as they are.
    """

    split: Split
    parts: tuple[Tensor, ...]
    batches: tuple[int, ...]
    shares: tuple[float, ...]
    factors: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, split: Split, order: Tensor, batch_size: int, micro_batches: int, whole: bool
    ) -> MicroBatches:
        """Cut.

        Args:
            split: the samples.
            order: which, in which order.
            batch_size: samples a mini-batch; the last may have fewer.
            micro_batches: micro-batches a mini-batch, of equal size; the last may have fewer.
            whole: an update is of a whole mini-batch, not of a micro-batch.

        Raises:
            BadInputError: a mini-batch has fewer samples than micro-batches.
        """
        size = micro_size(batch_size, micro_batches)
        parts: list[Tensor] = []
        batches: list[int] = []
        shares: list[float] = []
        for batch in torch.split(order, batch_size):
            cut = torch.split(batch, size)
            parts += cut
            batches.append(len(cut))
            shares += [len(part) / len(batch) if whole else 1.0 for part in cut]
        return cls(split, tuple(parts), tuple(batches), tuple(shares))

    def __len__(self) -> int:
        return len(self.parts)

    def x(self, micro_batch: int) -> Tensor:
        """Inputs."""
        return self.split.x[self.parts[micro_batch]]

    def y(self, micro_batch: int) -> Tensor:
        """Targets."""
        return self.split.y[self.parts[micro_batch]]

    def begins(self) -> list[int]:
        """For each micro-batch the samples before the update that it is of.

        That is the mini-batch that it is in, or itself where it has an update of its own.
        """
        ends = [0, *accumulate(self.sizes())]
        if all(share == 1.0 for share in self.shares):
            return ends[:-1]
        firsts = [0, *accumulate(self.batches)]
        return [
            ends[first]
            for first, count in zip(firsts, self.batches, strict=False)
            for _ in range(count)
        ]

    def sizes(self) -> Iterator[int]:
        """Samples of each."""
        return (len(part) for part in self.parts)


def micro_size(batch_size: int, micro_batches: int) -> int:
    """Samples a micro-batch.

    Raises:
        BadInputError: not a whole number of 1 or more.
    """
    if micro_batches < 1 or batch_size < micro_batches or batch_size % micro_batches:
        raise BadInputError(
            f"a mini-batch of {batch_size} cannot be cut into {micro_batches} equal micro-batches"
        )
    return batch_size // micro_batches
