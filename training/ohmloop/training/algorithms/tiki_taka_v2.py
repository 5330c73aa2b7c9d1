"""Tiki-Taka, second version: a digital hidden matrix between the arrays."""

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
from .auto_scale import AutoScale
from .hidden_buffer import HiddenBuffer, granularity_of
from .transfer_optimizer import TransferOptimizer
from .transfer_schedule import TransferSchedule


class TikiTakaV2(TransferOptimizer):
    """Tiki-Taka, second version (Gokmen, Front. Artif. Intell. 4:699148, 2021).

    As ``TikiTaka``, but a column that is read is added to a digital matrix H, in pulses of C:

        A <- A - fast_lr d x^T                              pulsed, sample by sample
        H <- H + lr transfer_lr (A e_k) / (threshold dw_min)
        where |H| >= 1:  n = trunc(H) pulses on C, at most transfer_bl;  H <- H - n

    H averages: noise of single readings never reaches C, and C moves by whole pulses that are
    certain. ``forget`` and ``momentum`` change what stays of H after it fired: with ``forget``,
    ``H <- momentum H``; without, ``H <- H - (1 - momentum) n``.

    With ``auto_granularity`` the pulses that C gets do not depend on the size of a layer:
    H gains ``lr transfer_lr A e_k T / (auto_granularity dw_min)`` instead, T the steps from one
    reading of a column to the next (Rasch et al., Nat. Commun. 15:7133, 2024, gamma_0).

    With ``auto_scale``, ``fast_lr`` is the share of a train that a typical sample's strongest cell
    gets, and the rate of A follows the sizes of inputs and errors: see ``AutoScale``.

    A must be referenced to its symmetric point, within about 5 % of its range.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws the pulse trains.
        fast_lr: learning rate of A; or, with ``auto_scale``, a share.
        transfer_lr: rate of the transfer, multiplied by ``lr``.
        transfer_every: steps from one transfer to the next.
        transfer_columns: columns a transfer; None for all.
        gamma: share of A in the weight.
        threshold: what H must gather for a pulse, in ``dw_min``.
        auto_granularity: see above; None takes ``threshold``.
        forget: see above.
        momentum: see above.
        transfer_bl: most pulses that a cell of C gets at a transfer.
        auto_scale: see above.
        auto_momentum: of the means behind ``auto_scale``, a sample.
        desired_bl: most slots a sample.

    Raises:
        BadInputError: a value is out of range, or a layer has not two arrays.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        fast_lr: float = 0.15,
        transfer_lr: float = 2.0,
        transfer_every: int = 1,
        transfer_columns: int | None = 1,
        gamma: float = 0.0,
        threshold: float = 1.0,
        auto_granularity: float | None = None,
        forget: bool = False,
        momentum: float = 0.0,
        transfer_bl: int = 1,
        auto_scale: bool = False,
        auto_momentum: float = 0.99,
        desired_bl: int = 31,
    ) -> None:
        self.threshold, self.auto_granularity = threshold, auto_granularity
        if not (threshold > 0 and (auto_granularity is None or auto_granularity > 0)):
            raise BadInputError("threshold and auto_granularity must be above 0")
        self.buffer = HiddenBuffer(forget, momentum, transfer_bl)
        super().__init__(
            params,
            {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr},
            rng,
            PulseSettings(desired_bl),
            TransferSchedule(transfer_every, transfer_columns),
            gamma,
            AutoScale(desired_bl, auto_momentum) if auto_scale else None,
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
        counts = self.buffer.add(hidden, columns, rate * signal / self.per_pulse(parameter))
        return self.pulse_counts(parameter.main, columns, counts)

    def per_pulse(self, parameter: AnalogParameter) -> float:
        """What must be gathered for one pulse of the main array, in weight units."""
        granularity = granularity_of(parameter.main)
        if self.auto_granularity is None:
            return self.threshold * granularity
        between = self.schedule.steps_between(parameter.matrix_shape[1])
        return self.auto_granularity * granularity / between
