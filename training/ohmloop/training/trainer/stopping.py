"""When to stop: what is held out has not become better for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from ohmloop.drivers import BadInputError

from .records import EpochRecord

Monitor = Literal["accuracy", "loss"]


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop after ``patience`` evaluations in a row that were no better than the best before them.

    A function of the history alone, so a run that is resumed stops where it would have.

    Attributes:
        patience: evaluations, 1 or more.
        min_delta: by how much one must be better to count, 0 or more.
        monitor: ``accuracy`` or ``loss``, both of what is held out.

    Raises:
        BadInputError: patience, min_delta or monitor is out of range.
    """

    patience: int
    min_delta: float = 0.0
    monitor: Monitor = "accuracy"

    def __post_init__(self) -> None:
        if self.patience < 1 or not 0 <= self.min_delta < inf:
            raise BadInputError("early stopping needs patience of 1 or more and min_delta of 0 up")
        if self.monitor not in ("accuracy", "loss"):
            raise BadInputError(f"early stopping goes by accuracy or loss, not {self.monitor!r}")

    def best(self, history: Sequence[EpochRecord]) -> EpochRecord | None:
        """The best evaluated epoch: the first, of those that differ by less than ``min_delta``."""
        return self._follow(history)[0]

    def reached(self, history: Sequence[EpochRecord]) -> bool:
        """Whether it is time to stop."""
        return self._follow(history)[1] >= self.patience

    def _follow(self, history: Sequence[EpochRecord]) -> tuple[EpochRecord | None, int]:
        """The best epoch, and evaluations since."""
        best, merit, since = None, -inf, 0
        for record in history:
            if not record.evaluated:
                continue
            now = record.accuracy if self.monitor == "accuracy" else -record.held_out_loss
            if best is None or (isfinite(now) and now > merit + self.min_delta):
                best, merit, since = record, now if isfinite(now) else -inf, 0
            else:
                since += 1
        return best, since
