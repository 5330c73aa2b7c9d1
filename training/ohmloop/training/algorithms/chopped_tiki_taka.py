"""Chopped Tiki-Taka (c-TTv2): choppers on the inputs of the fast array cancel its offset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.update.rule import Rows

from .analog_optimizer import Group
from .chopper import Chopper
from .tiki_taka_v2 import TikiTakaV2


class ChoppedTikiTaka(TikiTakaV2):
    """Tiki-Taka version 2 with choppers (c-TTv2: Rasch et al., Nat. Commun. 15:7133, 2024).

    Every input k has a sign c_k:

        A <- A - fast_lr d (c x)^T                          pulsed, sample by sample
        H <- H + lr transfer_lr c_k (A e_k) / (threshold dw_min)
        where |H| >= 1:  n = trunc(H) pulses on C, at most transfer_bl;  H <- H - n
        c_k <- -c_k with probability chopper_probability, after every reading of column k

    What A holds because its symmetric point is not at its weight 0 enters H with changing sign and
    cancels, up to about 25 % of the range; what it gathers of the gradient does not change sign.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws pulse trains and choppers.
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
        chopper_probability: float = 0.1,
        chopper_random: bool = True,
        **options: Any,
    ) -> None:
        self.chopper = Chopper(chopper_probability, chopper_random)
        super().__init__(params, lr, rng=rng, **options)

    def begin(self, parameter: AnalogParameter) -> Group:
        """The choppers, besides H."""
        return super().begin(parameter) | self.chopper.begin(parameter.matrix_shape[1])

    def attach(self, parameter: AnalogParameter, state: Group) -> None:
        """Products with a share of A go through the choppers too."""
        parameter.signs = state["chopper"]

    def chopped(self, state: Group, x: Rows) -> Rows:
        """Each input by its sign."""
        return self.chopper.chop(state, x)

    def signal(self, state: Group, columns: NDArray[np.intp], read: Map) -> Map:
        """Back to the signs of the gradient."""
        return self.chopper.unchop(state, columns, read)

    def after_reading(self, state: Group, columns: NDArray[np.intp], read: Map) -> None:
        """Turn choppers."""
        del read
        self.chopper.turn(state, columns, self.rng)
