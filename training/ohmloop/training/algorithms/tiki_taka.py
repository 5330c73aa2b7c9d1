"""Tiki-Taka: gradients go into a fast array, and what gathers there into the main array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ohmloop.training.update.stochastic import PulseSettings

from .transfer_optimizer import TransferOptimizer
from .transfer_schedule import TransferSchedule


class TikiTaka(TransferOptimizer):
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
        transfer_columns: columns a transfer; None for all.
        gamma: share of A in the weight; None leaves what the model was converted with.
        desired_bl: most slots a sample.
        update_management: see ``PulseSettings``.
        bl_management: see ``PulseSettings``.

    Raises:
        BadInputError: a rate is negative, a count below 1, or a layer has not two arrays.
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
        gamma: float | None = None,
        desired_bl: int = 31,
        update_management: bool = True,
        bl_management: bool = True,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "fast_lr": fast_lr, "transfer_lr": transfer_lr},
            rng,
            PulseSettings(desired_bl, update_management, bl_management),
            TransferSchedule(transfer_every, transfer_columns),
            gamma,
        )
