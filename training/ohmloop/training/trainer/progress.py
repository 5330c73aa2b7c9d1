"""How far an epoch has come: all that a run which goes on in the middle of it has to know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from ohmloop.training.tiles.usage import Usage

from .accounting import Account, Costs, total


@dataclass(slots=True)
class EpochProgress:
    """An epoch that has begun.

    Attributes:
        rng_state: of the generator that shuffles, before this epoch was shuffled.
        used_before: what the tiles had been used for when it began.
        batches: done.
        samples: done.
        loss: summed over them.
        seconds: that earlier processes spent on it, s.
    """

    rng_state: dict[str, Any]
    used_before: dict[str, Usage]
    batches: int = 0
    samples: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    _since: float = field(default_factory=time.perf_counter)

    def note(self, loss: float, samples: int) -> None:
        """Count in a batch of mean loss ``loss``."""
        self.batches += 1
        self.samples += samples
        self.loss += loss * samples

    def figures(self, account: Account) -> dict[str, Any]:
        """Of the whole epoch, by the names of ``EpochRecord``."""
        used = {name: now - self.used_before[name] for name, now in account.usage().items()}
        sums = total(used)
        return {
            "loss": self.loss / self.samples,
            "samples": self.samples,
            "pulses": sums.pulses,
            "doubts": sums.doubts,
            "clipped": sums.clipped_share,
            "products": sums.products,
            "cells_read": sums.cells_read,
            "seconds": self._elapsed(),
            **asdict(sum(account.costs(used).values(), Costs())),
        }

    def state(self) -> dict[str, Any]:
        """Plain values, without the generator's state; ``restored`` takes them back."""
        return {
            "used_before": {name: asdict(used) for name, used in self.used_before.items()},
            "batches": self.batches,
            "samples": self.samples,
            "loss": self.loss,
            "seconds": self._elapsed(),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], rng_state: dict[str, Any]) -> Self:
        """From a ``state``."""
        before = {name: Usage(**used) for name, used in state["used_before"].items()}
        return cls(rng_state, **{**state, "used_before": before})

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self._since
