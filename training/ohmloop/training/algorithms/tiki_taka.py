"""Tiki-Taka: gradients go into a fast array, and what gathers there into the main array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import AnalogOptimizer, Group


class TikiTaka(AnalogOptimizer):
    """Tiki-Taka, first version (Gokmen and Haensch, Front. Neurosci. 14:103, 2020).

    With the fast array A, the main array C, and the weight of forward and backward passes
    ``W = C + gamma A``, every step does

        A <- A - fast_lr d x^T            pulsed, sample by sample

    and every ``transfer_every`` steps, for the next ``transfer_columns`` columns k in turn,

        v  = A e_k                        read on the chip
        C <- C + lr transfer_lr v e_k^T   pulsed

    A is referenced to its symmetric point, to which noise pulls it: it holds a decaying mean of
    the gradient, and C gets fewer and better pulses than under Analog SGD. With gamma = 0 this is
    equations (5) and (6) of Wu et al., arXiv:2406.12774.

    Digital parameters get plain SGD with ``lr``. ``lr`` also scales the transfer, so that a
    schedule that lowers ``lr`` calms the whole model; ``fast_lr`` stays (a lower one would drown
    the gradient in the granularity of A).

    The defaults suit cells of about 100 states, batches of 10 and features from 0 to 1, with
    ``convert_to_analog(..., arrays=2, omega=0.2)`` and ``lr`` lowered to 0.4 of itself every 7 of
    20 epochs. What counts is ``fast_lr / dw_min``: with coarser cells or a wider range of weights,
    raise ``fast_lr`` in proportion.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws the pulse trains.
        fast_lr: learning rate of A.
        transfer_lr: rate of the transfer, multiplied by ``lr``.
        transfer_every: steps from one transfer to the next.
        transfer_columns: columns a transfer.
        desired_bl: most slots a sample.
        update_management: see ``PulseSettings``.
        bl_management: see ``PulseSettings``.

    Raises:
        BadInputError: a rate is negative, a count below 1, or a parameter has only one array.
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
        transfer_columns: int = 1,
        desired_bl: int = 31,
        update_management: bool = True,
        bl_management: bool = True,
    ) -> None:
        if transfer_every < 1 or transfer_columns < 1:
            raise BadInputError("transfer_every and transfer_columns must be 1 or more")
        defaults = {
            "lr": lr,
            "fast_lr": fast_lr,
            "transfer_lr": transfer_lr,
            "transfer_every": transfer_every,
            "transfer_columns": transfer_columns,
        }
        pulses = PulseSettings(desired_bl, update_management, bl_management)
        super().__init__(params, defaults, rng, pulses)
        if any(len(parameter.tiles) < 2 for _, parameter in self.analog()):
            raise BadInputError("Tiki-Taka needs two arrays a layer: convert with arrays=2")

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Pulse the gradient into A; when it is time, transfer to C."""
        records = parameter.take_records()
        if records is None:
            return
        self.pulse_gradient(parameter.tiles[0], records, group["fast_lr"])
        state = self.state[parameter]
        state["steps"] = state.get("steps", 0) + 1
        if state["steps"] % group["transfer_every"] == 0:
            first = state.get("next_column", 0)
            columns = (first + np.arange(group["transfer_columns"])) % parameter.matrix_shape[1]
            self.transfer(parameter, columns, group["lr"] * group["transfer_lr"])
            state["next_column"] = int(columns[-1] + 1) % parameter.matrix_shape[1]

    def transfer(self, parameter: AnalogParameter, columns: NDArray[np.intp], rate: float) -> int:
        """``C <- C + rate * A`` on some columns, one after the other; return the pulses applied."""
        fast, main = parameter.tiles[0], parameter.main
        read = fast.read_columns(columns.tolist())
        one_hot = np.zeros((columns.size, parameter.matrix_shape[1]))
        one_hot[np.arange(columns.size), columns] = 1.0
        return self.pulse_outer(main, one_hot, -read.T, rate)
