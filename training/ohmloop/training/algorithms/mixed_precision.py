"""Mixed precision: gradients gather digitally, and the array gets only whole pulses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import AnalogOptimizer, Group
from .hidden_buffer import HiddenBuffer, granularity_of
from .transfer_schedule import TransferSchedule


class MixedPrecision(AnalogOptimizer):
    """Mixed-precision training (Nandakumar et al., Front. Neurosci. 14:406, 2020).

    Products are made on the chip; the gradient is gathered in a digital matrix chi, in pulses, and
    every ``transfer_every`` steps its whole part is pulsed:

        chi <- chi - lr d^T x / dw_min
        n = trunc(chi) pulses on W, at most transfer_bl;  chi <- chi - n

    No analog gradient is made, so no update asymmetry pulls at small gradients; the price is a
    digital outer product, and memory as large as the layer.

    Args:
        params: ``model.parameters()`` of a model with one array a layer.
        lr: learning rate.
        rng: for what is random; nothing here is, but an optimizer has one.
        transfer_every: steps from one transfer to the next.
        transfer_bl: most pulses that a cell gets at a transfer.

    Raises:
        BadInputError: a value is out of range, or a layer has more than one array.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        transfer_every: int = 1,
        transfer_bl: int = 31,
    ) -> None:
        self.schedule = TransferSchedule(transfer_every, None)
        self.buffer = HiddenBuffer(most=transfer_bl)
        super().__init__(params, {"lr": lr}, rng, PulseSettings())

    def begin(self, parameter: AnalogParameter) -> Group:
        """chi, in pulses, and where the schedule stands."""
        hidden = torch.zeros(parameter.matrix_shape, dtype=torch.float64)
        return self.schedule.begin() | {"hidden": hidden}

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Gather the gradient; when it is time, pulse the whole part of it."""
        records = parameter.take_records()
        if records is None:
            return
        x, d = records
        state, (_, inputs) = self.memory(parameter), parameter.matrix_shape
        hidden = state["hidden"].numpy()
        hidden -= group["lr"] * (d.T @ x) / granularity_of(parameter.main)
        columns = self.schedule.due(state, inputs)
        if columns is not None:
            counts = self.buffer.add(hidden, columns, np.zeros_like(hidden))
            self.pulse_counts(parameter.main, columns, counts)
