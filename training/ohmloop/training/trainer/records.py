"""What is kept of every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch came to.

    Attributes:
        epoch: from 1.
        loss: mean over the samples, while training.
        accuracy: on the held-out split, 0 to 1; nan where it was not evaluated.
        samples: trained on in this epoch.
        pulses: applied in this epoch, over all tiles.
        seconds: on the host's clock.
        doubts: programs left in doubt in this epoch, over all tiles.
        held_out_loss: mean loss on the held-out split; nan where it was not evaluated.
        learning_rate: of the first parameter group, in the last batch.
        clipped: share of the updates that could not be pulsed, mean over tiles and batches, 0 to 1.
        products: forward and backward products of one sample, over all tiles.
        cells_read: cells that were measured one at a time.
        chip_seconds: estimated time on a chip with its own periphery, s; see ``accounting``.
        chip_joules: estimated energy of its cells there, J.
        bench_seconds: estimated time of pulses and readings on the bench, s.
        bench_joules: estimated energy of its cells there, J.
    """

    epoch: int
    loss: float
    accuracy: float
    samples: int
    pulses: int
    seconds: float
    doubts: int = 0
    held_out_loss: float = nan
    learning_rate: float = nan
    clipped: float = 0.0
    products: int = 0
    cells_read: int = 0
    chip_seconds: float = 0.0
    chip_joules: float = 0.0
    bench_seconds: float = 0.0
    bench_joules: float = 0.0

    @property
    def evaluated(self) -> bool:
        """Whether the model was judged after this epoch."""
        return not isnan(self.accuracy)
