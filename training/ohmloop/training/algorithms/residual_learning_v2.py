"""Residual learning, second version: a decaying mean of the residual, and whole pulses from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import Group
from .hidden_buffer import HiddenBuffer, granularity_of
from .transfer_optimizer import TransferOptimizer
from .transfer_schedule import TransferSchedule


class ResidualLearningV2(TransferOptimizer):
    """Residual learning, second version (Wu et al., arXiv:2502.06309).

    As ``ResidualLearning``, forward and backward passes at ``W + gamma P``, but a column that is
    read goes through a digital buffer H of its own, with ``beta = lr transfer_lr``:

        H <- (1 - beta) H + beta P e_k
        where |H| >= dw_min:  one pulse sign(H) on W,  H <- H - sign(H) dw_min

    H is a decaying mean, so the noise of readings and of P averages out before W sees it; unlike
    Tiki-Taka version 2 it forgets, and a residual whose mean is below ``dw_min`` never fires.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of beta.
        rng: draws the pulse trains.
        gamma: share of P in the weight; it is set on the parameters.
        fast_lr: learning rate of P.
        transfer_lr: beta, divided by ``lr``.
        transfer_every: steps from one transfer to the next.
        transfer_columns: columns a transfer; None for all.
        desired_bl: most slots a sample.

    Raises:
        BadInputError: a rate is negative, ``lr transfer_lr`` is above 1, or a layer has not two
            arrays.
    """

    _buffer = HiddenBuffer()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        gamma: float = 0.4,
        fast_lr: float = 0.15,
        transfer_lr: float = 2.0,
        transfer_every: int = 1,
        transfer_columns: int | None = 1,
        desired_bl: int = 31,
    ) -> None:
        if lr * transfer_lr > 1:
            raise BadInputError(
                f"lr * transfer_lr is the weight of a reading in a mean: at most 1, not"
                f" {lr * transfer_lr:g}"
            )
        super().__init__(
            params,
            {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr},
            rng,
            PulseSettings(desired_bl),
            TransferSchedule(transfer_every, transfer_columns),
            gamma,
        )

    def begin(self, parameter: AnalogParameter) -> Group:
        """H, in pulses, besides what the schedule keeps."""
        hidden = torch.zeros(parameter.matrix_shape, dtype=torch.float64)
        return super().begin(parameter) | {"hidden": hidden}

    def write(
        self, parameter: AnalogParameter, columns: NDArray[np.intp], signal: Map, rate: float
    ) -> int:
        """Through H, into whole pulses."""
        hidden = self.memory(parameter)["hidden"].numpy()
        gained = rate * signal / granularity_of(parameter.main)
        counts = self._buffer.add(hidden, columns, gained, kept=1 - rate)
        return self.pulse_counts(parameter.main, columns, counts)
