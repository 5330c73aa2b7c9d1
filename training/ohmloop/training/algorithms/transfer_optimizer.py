"""Algorithms of two arrays, as a recipe: gather, read columns, write what was read.

Subclasses change the parts: how inputs enter the fast array (``chopped``), what of a reading counts
(``signal``), how it gets into the main array (``write``), and what follows a reading
(``after_reading``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.update.rule import Rows, UpdateRule

from .analog_optimizer import AnalogOptimizer, Group
from .auto_scale import AutoScale
from .transfer_schedule import TransferSchedule


class TransferOptimizer(AnalogOptimizer):
    """See the module.

    Every step pulses the gradient into the fast array, ``tiles[0]``, sample by sample and in one
    program; when the schedule says so, some columns of it are read and written to the main array,
    in one more.

    Attributes:
        schedule: when, and which columns.
        auto_scale: finds the rate of the fast array; None where ``fast_lr`` is that rate.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        rates: ``lr``, ``fast_lr`` and ``transfer_lr``.
        rng: draws the pulse trains.
        rule: how an update becomes pulses.
        schedule: when to transfer.
        gamma: share of the fast array in forward and backward passes, set on the parameters; None
            leaves what they were converted with.
        auto_scale: see there.

    Raises:
        BadInputError: a rate or gamma is negative, or a layer has not two arrays.
    """

    arrays: ClassVar[int] = 2

    def __init__(
        self,
        params: Iterable[Any],
        rates: Group,
        rng: np.random.Generator,
        rule: UpdateRule,
        schedule: TransferSchedule,
        gamma: float | None = None,
        auto_scale: AutoScale | None = None,
    ) -> None:
        super().__init__(params, rates, rng, rule)
        self.schedule, self.auto_scale = schedule, auto_scale
        if gamma is not None:
            if not gamma >= 0:
                raise BadInputError(f"gamma must be 0 or more, not {gamma}")
            for _, parameter in self.analog():
                parameter.gamma = gamma

    def begin(self, parameter: AnalogParameter) -> Group:
        """Where the schedule stands, and the means of the automatic rate."""
        del parameter
        means = {} if self.auto_scale is None else self.auto_scale.begin()
        return self.schedule.begin() | means

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Pulse the gradient into the fast array; when it is time, transfer."""
        records = parameter.take_records(exact=self.auto_scale is not None)
        if records is None:
            return
        x, d = records
        state, fast = self.memory(parameter), parameter.tiles[0]
        rate = group["fast_lr"]
        if self.auto_scale is not None:
            rate = self.auto_scale.rate(state, x, d, rate, fast.dw_min)
        self.pulse_outer(fast, self.chopped(state, x), d, rate)
        columns = self.schedule.due(state, parameter.matrix_shape[1])
        if columns is not None:
            self.transfer(parameter, columns, group["lr"] * group["transfer_lr"])

    def transfer(self, parameter: AnalogParameter, columns: NDArray[np.intp], rate: float) -> int:
        """Read columns of the fast array and write them to the main one; return the pulses."""
        state = self.memory(parameter)
        read = parameter.tiles[0].read_columns(columns.tolist())
        pulses = self.write(parameter, columns, self.signal(state, columns, read), rate)
        self.after_reading(state, columns, read)
        return pulses

    def chopped(self, state: Group, x: Rows) -> Rows:
        """Inputs ``(batch, in)`` as they enter the fast array."""
        del state
        return x

    def signal(self, state: Group, columns: NDArray[np.intp], read: Map) -> Map:
        """What of a reading ``(out, columns)`` goes to the main array."""
        del state, columns
        return read

    def write(
        self, parameter: AnalogParameter, columns: NDArray[np.intp], signal: Map, rate: float
    ) -> int:
        """``C <- C + rate * signal`` by stochastic pulses; return how many."""
        return self.pulse_columns(parameter.main, columns, signal, rate)

    def after_reading(self, state: Group, columns: NDArray[np.intp], read: Map) -> None:
        """What follows a transfer."""
