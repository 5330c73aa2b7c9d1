"""Analog SGD: the gradient goes straight into the array that holds the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import AnalogOptimizer, Group


class AnalogSGD(AnalogOptimizer):
    """Stochastic gradient descent by pulses.

    For every sample of the mini-batch, in order,

        W <- W - lr d x^T . F(W) - lr |d x^T| . G(W)

    with the symmetric and asymmetric parts F and G of the cells' response: what a pulsed update of
    ``-lr d x^T`` does to cells (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016; Wu et al.,
    arXiv:2406.12774, eq. 3). With gradients that are noise around 0, the last term pulls weights
    to the symmetric point: the algorithm's known error floor, which no ``lr`` takes away.

    One program for each tile and step. ``lr`` means what it means to ``torch.optim.SGD``. It should
    not be so small that ``lr |d x|`` of most cells is far below the granularity ``dw_min``: pulses
    then still have the right mean, but noise of one whole step each. The default suits cells of
    about 100 states with ``convert_to_analog(..., omega=0.1)``: a wide range keeps weights where
    the response is nearly symmetric.

    Args:
        params: ``model.parameters()``; digital ones get plain SGD.
        lr: learning rate.
        rng: draws the pulse trains.
        desired_bl: most slots a sample.
        update_management: see ``PulseSettings``.
        bl_management: see ``PulseSettings``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.05,
        *,
        rng: np.random.Generator,
        desired_bl: int = 31,
        update_management: bool = True,
        bl_management: bool = True,
    ) -> None:
        pulses = PulseSettings(desired_bl, update_management, bl_management)
        super().__init__(params, {"lr": lr}, rng, pulses)

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Pulse the gradient into the main array."""
        self.pulse_gradient(parameter.main, parameter.take_records(exact=False), group["lr"])
