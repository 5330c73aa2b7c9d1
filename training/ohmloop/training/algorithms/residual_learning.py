"""Residual learning: a fast array learns what the main one is still short of, and hands it over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ohmloop.training.update.stochastic import PulseSettings

from .transfer_optimizer import TransferOptimizer
from .transfer_schedule import TransferSchedule


class ResidualLearning(TransferOptimizer):
    """Residual learning, first version (Wu et al., arXiv:2502.06309).

    A bilevel problem: the residual array P minimises the loss at ``W + gamma P`` for the W there
    is, and the main array W makes that P as small as it can. Forward and backward passes are made
    at ``W + gamma P``, both arrays on the chip. Every step does

        P <- P - fast_lr d x^T            pulsed, sample by sample

    and every ``transfer_every`` steps, for the next ``transfer_columns`` columns k in turn,

        W <- W + lr transfer_lr (P e_k) e_k^T     read on the chip, pulsed

    P comes to rest where the gradient is 0, ``gamma P = W* - W``, without a bias if that is its
    symmetric point, which therefore is its weight 0: ``convert_to_analog`` takes it from the
    calibration (zero-shifting) and starts P there. With gamma = 0 this is ``TikiTaka``.

    Digital parameters get plain SGD with ``lr``. In the paper's symbols ``fast_lr`` is alpha and
    ``lr transfer_lr`` beta, which is to be of the order of ``fast_lr gamma^1.5`` or less.

    Args:
        params: ``model.parameters()`` of a model converted with ``arrays=2``.
        lr: learning rate of digital parameters, and scale of the transfer.
        rng: draws the pulse trains.
        gamma: share of P in the weight, above 0; it is set on the parameters.
        fast_lr: learning rate of P.
        transfer_lr: rate of the transfer, multiplied by ``lr``.
        transfer_every: steps from one transfer to the next.
        transfer_columns: columns a transfer; None for all.
        desired_bl: most slots a sample.

    Raises:
        BadInputError: a rate or gamma is negative, a count below 1, or a layer has not two arrays.
    """

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
        super().__init__(
            params,
            {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr},
            rng,
            PulseSettings(desired_bl),
            TransferSchedule(transfer_every, transfer_columns),
            gamma,
        )
