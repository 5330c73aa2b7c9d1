"""Residual learning over a chain of arrays, each finer than the one it feeds. Experimental."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import AnalogOptimizer, Group, wrong_arrays
from .transfer_schedule import TransferSchedule
from .warm_start import WarmStart


class MultiTileResidualLearning(AnalogOptimizer):
    """Multi-tile residual learning, for cells of few states (Li et al., arXiv:2510.02516).

    **Experimental**: its outcome hangs on schedule and rates, and more arrays do not always help.

    N + 1 arrays make one weight, ``W = sum_n gamma^n W_n``: W_0 the main one, W_N the finest.
    Every step does

        W_N <- W_N - fast_lr d x^T                         pulsed, sample by sample

    and every ``transfer_every transfer_ratio^j`` steps, j = 0 at the finest, columns in turn,

        W_n <- W_n + lr transfer_lr transfer_growth^j (W_n+1 e_k) e_k^T     read, pulsed

    without resetting what was read. In ``tiles`` the finest comes first.

    Warm start: at first W_N feeds W_0 directly; whenever the loss has stopped falling, it feeds the
    next finer array instead, until each feeds its neighbour and all transfers run. The trainer
    tells the losses by ``epoch_ended``; see ``WarmStart``.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays`` of 2 or more.
        lr: learning rate of digital parameters, and scale of transfers.
        rng: draws the pulse trains.
        gamma: share of an array relative to the one it feeds: a little above one over the number
            of states of a cell; it is set on the parameters.
        fast_lr: learning rate of the finest array.
        transfer_lr: rate of the finest transfer, multiplied by ``lr``.
        transfer_growth: factor of the rate from one transfer to the next coarser one.
        transfer_every: steps from one finest transfer to the next.
        transfer_ratio: factor of these steps from one transfer to the next coarser one.
        transfer_columns: columns a transfer; None for all.
        warm_start: whether there is one.
        desired_bl: most slots a sample.

    Raises:
        BadInputError: a value is out of range, or a layer has a single array.
    """

    arrays: ClassVar[int] = 2
    """At the least."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        gamma: float = 0.2,
        fast_lr: float = 0.15,
        transfer_lr: float = 2.0,
        transfer_growth: float = 1.2,
        transfer_every: int = 1,
        transfer_ratio: int = 2,
        transfer_columns: int | None = 1,
        warm_start: bool = True,
        desired_bl: int = 31,
    ) -> None:
        warnings.warn(
            "MultiTileResidualLearning is experimental: its outcome hangs on its schedule",
            stacklevel=2,
        )
        if not (gamma > 0 and transfer_growth > 0 and transfer_ratio >= 1):
            raise BadInputError(
                "gamma and transfer_growth must be above 0, transfer_ratio 1 or more"
            )
        rates = {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr}
        self.transfer_growth = transfer_growth
        self._every, self._ratio = transfer_every, transfer_ratio
        self._columns = transfer_columns
        TransferSchedule(transfer_every, transfer_columns)  # says at once what is out of range
        super().__init__(params, rates, rng, PulseSettings(desired_bl))
        most = max((len(parameter.tiles) for _, parameter in self.analog()), default=2)
        self.warm_start = WarmStart(stages=most - 1, done=not warm_start)
        for _, parameter in self.analog():
            parameter.gamma = gamma

    def check_arrays(self, parameter: AnalogParameter) -> None:
        """Two arrays or more.

        Raises:
            BadInputError: there is a single one.
        """
        if len(parameter.tiles) < self.arrays:
            raise wrong_arrays(self, parameter, "2 or more")

    def begin(self, parameter: AnalogParameter) -> Group:
        """Where the schedule of each transfer stands, the finest first."""
        return {"transfers": [self._schedule(j).begin() for j in range(len(parameter.tiles) - 1)]}

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Pulse the gradient into the finest array; make the transfers that are due."""
        records = parameter.take_records()
        if records is None:
            return
        self.pulse_gradient(parameter.tiles[0], records, group["fast_lr"])
        state, width = self.memory(parameter), parameter.matrix_shape[1]
        for j, target in enumerate(self.targets(len(parameter.tiles))):
            columns = self._schedule(j).due(state["transfers"][j], width)
            if columns is not None:
                read = parameter.tiles[j].read_columns(columns.tolist())
                rate = group["lr"] * group["transfer_lr"] * self.transfer_growth**j
                self.pulse_columns(parameter.tiles[target], columns, read, rate)

    def targets(self, arrays: int) -> list[int]:
        """Which array each of the finest ones feeds now, as places in ``tiles``."""
        finest_feeds = arrays - 1 - self.warm_start.stage
        if not self.warm_start.done and finest_feeds > 1:
            return [finest_feeds]
        return list(range(1, arrays))

    def epoch_ended(self, loss: float) -> None:
        """Let the warm start go on if the loss has stopped falling."""
        self.warm_start.tell(loss)

    def state_dict(self) -> Group:
        """As of any analog optimizer, and how far the warm start is."""
        return {**super().state_dict(), "warm_start": self.warm_start.state()}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take back a ``state_dict``."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "warm_start"})
        self.warm_start.restore(state_dict["warm_start"])

    def _schedule(self, j: int) -> TransferSchedule:
        return TransferSchedule(self._every * self._ratio**j, self._columns)
