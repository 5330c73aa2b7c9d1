"""RIDER: residual learning on an array whose symmetric point is not known, and tracked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.update.rule import Rows
from ohmloop.training.update.stochastic import PulseSettings

from .analog_optimizer import Group
from .chopper import Chopper
from .tracked_reference import TrackedReference
from .transfer_optimizer import TransferOptimizer
from .transfer_schedule import TransferSchedule


class RIDER(TransferOptimizer):
    """Residual learning with dynamic symmetric point tracking (Xiao et al., arXiv:2602.21321).

    Forward and backward passes are made at ``W + gamma (P - Q)``, Q a digital estimate of the
    symmetric point of P. Every step does

        P <- P - fast_lr d x^T                     pulsed, sample by sample

    and every ``transfer_every`` steps, for each of the next ``transfer_columns`` columns k,

        v  = P e_k                                 read on the chip
        W <- W + lr transfer_lr (v - q_k) e_k^T    pulsed
        Q <- Q + reference_rate (v - q_k) e_k^T    digital

    W and Q both move by ``v - q``. So, but for the asymmetry of W's cells and a schedule of ``lr``,
    ``W - (lr transfer_lr / reference_rate) Q`` stays what it was, and Q ends where the weights that
    are learned tie it, which need not be the symmetric point; the chopper of ``ERIDER`` cuts that
    tie.

    The paper transfers all columns at every step: ``transfer_columns=None``. In its symbols
    ``fast_lr`` is alpha, ``lr transfer_lr`` beta, ``reference_rate`` eta.

    Digital parameters get plain SGD with ``lr``.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws the pulse trains.
        gamma: share of ``P - Q`` in the weight; it is set on the parameters.
        fast_lr: learning rate of P.
        transfer_lr: rate of the transfer, multiplied by ``lr``.
        reference_rate: weight of a new reading in Q, above 0 up to 1.
        transfer_every: steps from one transfer to the next.
        transfer_columns: columns a transfer; None for all.
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
        gamma: float = 0.1,
        fast_lr: float = 0.15,
        transfer_lr: float = 2.0,
        reference_rate: float = 0.05,
        transfer_every: int = 1,
        transfer_columns: int | None = 1,
        desired_bl: int = 31,
    ) -> None:
        self.reference = TrackedReference(reference_rate)
        super().__init__(
            params,
            {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr},
            rng,
            PulseSettings(desired_bl),
            TransferSchedule(transfer_every, transfer_columns),
            gamma,
        )

    def begin(self, parameter: AnalogParameter) -> Group:
        """Q, besides what the schedule keeps."""
        return super().begin(parameter) | self.reference.begin(parameter.matrix_shape)

    def attach(self, parameter: AnalogParameter, state: Group) -> None:
        """Products are made with ``P - Q``."""
        parameter.offset = state["reference"]

    def signal(self, state: Group, columns: NDArray[np.intp], read: Map) -> Map:
        """Distance from Q."""
        distance: Map = read - state["reference"].numpy()[:, columns]
        return distance

    def after_reading(self, state: Group, columns: NDArray[np.intp], read: Map) -> None:
        """Q follows."""
        self.reference.follow(state, columns, read)
        self.reference.renew(state, columns)


class ERIDER(RIDER):
    """E-RIDER: RIDER with a chopper, and a copy of Q that is renewed only when it turns.

    (Xiao et al., arXiv:2602.21321.) With one sign c for a layer, forward and backward
    passes are made at ``W + gamma c (P - Q~)``, and

        P  <- P - fast_lr c d x^T                      pulsed, sample by sample
        v   = P e_k
        W  <- W + lr transfer_lr c (v - q~_k) e_k^T    pulsed
        Q  <- Q + reference_rate (v - q_k) e_k^T       digital
        c  <- -c with probability chopper_probability at each transfer, and then Q~ <- Q

    The chopper moves what P gathers of the gradient to high frequencies, which the mean Q filters
    out: what is left there is the symmetric point. Q~ is the array that a chip would hold beside
    P for its products, reprogrammed seldom; it is kept digitally here, which is that without the
    errors of writing.

    The paper turns the chopper with odds of 0.05 and transfers all columns at every step. With
    columns in turn, each should be read a few times before the chopper turns, so lower its odds.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws pulse trains and chopper.
        chopper_probability: of a turn at each transfer.
        chopper_random: draw turns; else every ``1 / chopper_probability`` transfers.
        options: the other arguments of ``RIDER``.

    Raises:
        BadInputError: a value is out of range, or a layer has not two arrays.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        *,
        rng: np.random.Generator,
        chopper_probability: float = 0.05,
        chopper_random: bool = True,
        **options: Any,
    ) -> None:
        self.chopper = Chopper(chopper_probability, chopper_random, together=True)
        super().__init__(params, lr, rng=rng, **options)

    def begin(self, parameter: AnalogParameter) -> Group:
        """The chopper, besides Q."""
        return super().begin(parameter) | self.chopper.begin(parameter.matrix_shape[1])

    def attach(self, parameter: AnalogParameter, state: Group) -> None:
        """Products are made with ``c (P - Q~)``."""
        super().attach(parameter, state)
        parameter.signs = state["chopper"]

    def chopped(self, state: Group, x: Rows) -> Rows:
        """All inputs by the one sign."""
        return self.chopper.chop(state, x)

    def signal(self, state: Group, columns: NDArray[np.intp], read: Map) -> Map:
        """Distance from Q~, in the signs of the gradient."""
        return self.chopper.unchop(state, columns, super().signal(state, columns, read))

    def after_reading(self, state: Group, columns: NDArray[np.intp], read: Map) -> None:
        """Q follows; Q~ only when the chopper turns."""
        self.reference.follow(state, columns, read)
        self.reference.renew(state, self.chopper.turn(state, columns, self.rng))
