"""When the finest of several arrays stops feeding one array and goes on to the next."""

from __future__ import annotations

from typing import Any

_EARLY = 3  # the last stage at which a single rise of the loss is enough
_WINDOW = 5  # epochs that are looked back on at later stages
_RISES = 2


class WarmStart:
    """Stages 0, 1, ..., as the loss has stopped falling (Li et al., arXiv:2510.02516).

    Up to stage 3 one rise of the epoch's loss ends a stage; later, two within the last five epochs
    of the stage do.

    Attributes:
        stage: the array that the finest one feeds, counted from the main one.
        done: no more stages; every array feeds its neighbour.
        losses: of the epochs of this stage.

    Args:
        stages: arrays that can be fed.
        done: there is no warm start.
    """

    def __init__(self, stages: int, done: bool = False) -> None:
        self.stages, self.stage, self.done = stages, 0, done or stages <= 1
        self.losses: list[float] = []

    def tell(self, loss: float) -> None:
        """Take in the loss of an epoch."""
        if self.done:
            return
        self.losses = [*self.losses, loss][-_WINDOW:]
        rises = sum(b > a for a, b in zip(self.losses, self.losses[1:], strict=False))
        if rises >= (1 if self.stage <= _EARLY else _RISES):
            self.stage, self.losses = self.stage + 1, []
            self.done = self.stage >= self.stages - 1

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {"stage": self.stage, "done": self.done, "losses": list(self.losses)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a ``state``."""
        self.stage, self.done = int(state["stage"]), bool(state["done"])
        self.losses = [float(loss) for loss in state["losses"]]
