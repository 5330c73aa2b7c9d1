"""AGAD: a chopped fast array whose reference is estimated on the fly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.mapping import Map

from .analog_optimizer import Group
from .chopped_tiki_taka import ChoppedTikiTaka
from .tracked_reference import TrackedReference


class AGAD(ChoppedTikiTaka):
    """Analog gradient accumulation with dynamic reference.

    (Rasch et al., Nat. Commun. 15:7133, 2024.) As ``ChoppedTikiTaka``, but what counts of a reading
    is its distance from a reference that is renewed whenever the column's chopper turns:

        v = A e_k
        H_k <- H_k + lr transfer_lr c_k (v - r_k) / (threshold dw_min),  pulses as there
        m_k <- (1 - reference_rate) m_k + reference_rate v
        when c_k turns:  r_k <- m_k

    The reference is where the column was at the end of the last chopper period, so any offset of
    its symmetric point drops out: A needs no calibration. Nothing is transferred from a column
    before its first turn, as there is no reference yet (as aihwkit does it).

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws pulse trains and choppers.
        reference_rate: weight of a new reading in the mean; 1 takes the last one.
        chopper_probability: of a turn at each reading of a column.
        chopper_random: draw turns; else every ``1 / chopper_probability`` readings.
        options: the other arguments of ``TikiTakaV2``.

    Raises:
        BadInputError: a value is out of range, or a layer has not two arrays.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        reference_rate: float = 0.5,
        chopper_probability: float = 0.1,
        chopper_random: bool = False,
        **options: Any,
    ) -> None:
        self.reference = TrackedReference(reference_rate)
        super().__init__(
            params,
            lr,
            rng=rng,
            chopper_probability=chopper_probability,
            chopper_random=chopper_random,
            **options,
        )

    def begin(self, parameter: AnalogParameter) -> Group:
        """Mean and reference, which is not a number while there is none."""
        tracked = self.reference.begin(parameter.matrix_shape, reference=np.nan)
        return super().begin(parameter) | tracked

    def signal(self, state: Group, columns: NDArray[np.intp], read: Map) -> Map:
        """Distance from the reference, in the signs of the gradient."""
        distance = read - state["reference"].numpy()[:, columns]
        return super().signal(state, columns, np.nan_to_num(distance, nan=0.0))

    def after_reading(self, state: Group, columns: NDArray[np.intp], read: Map) -> None:
        """Follow, and renew the reference of columns whose chopper turns."""
        self.reference.follow(state, columns, read)
        self.reference.renew(state, self.chopper.turn(state, columns, self.rng))
