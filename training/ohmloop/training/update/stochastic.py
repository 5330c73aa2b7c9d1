"""The stochastic pulsed update: a rank-one gradient as coincidences of random pulse trains.

For inputs x (columns), back-propagated errors d (rows) and learning rate lr, in BL slots a column
fires with probability ``min(1, A |x| K)`` and a row with ``min(1, A |d| / K)``, where
``A = sqrt(lr / (dw_min BL))``. A slot in which both fire is one pulse of mean size dw_min, so

    E[dw] = -lr d x,     Var[n] = BL p (1 - p)  with  p = lr |d x| / (dw_min BL)

for the number n of pulses, as long as nothing is clipped. Update management balances the two
probabilities, ``K = sqrt(max|d| / max|x|)``; BL management uses no more slots than a sample needs,
``BL = min(desired_bl, ceil(lr max|x| max|d| / dw_min))``. (Gokmen and Vlasov, Front. Neurosci.
10:333, 2016; managed as in Gokmen et al., Front. Neurosci. 11:538, 2017.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ohmloop.drivers import BadInputError, CoincidencePulses

from .packing import Gains, drawn, gains
from .rule import PulsedUpdate, Rows
from .samples import Samples, checked, fitting, not_finite

MAX_BL = 64
"""Slots that a pulse train can hold."""


@dataclass(frozen=True, slots=True)
class PulseSettings:
    """How trains are drawn.

    Attributes:
        desired_bl: most slots a sample may use, 1 to 64.
        update_management: balance the probabilities of rows and columns.
        bl_management: use fewer slots for small updates.

    Raises:
        BadInputError: ``desired_bl`` is out of range.
    """

    desired_bl: int = 31
    update_management: bool = True
    bl_management: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.desired_bl <= MAX_BL:
            raise BadInputError(f"desired_bl must be 1 to {MAX_BL}, not {self.desired_bl}")

    def draw(
        self, x: Rows, d: Rows, lr: float, dw_min: float, rng: np.random.Generator, most: float
    ) -> PulsedUpdate:
        """``pulsed_update``, with at most ``most`` slots: see ``UpdateRule``."""
        bl = min(self.desired_bl, int(min(most, MAX_BL)))
        how = self if bl == self.desired_bl else replace(self, desired_bl=bl)
        return pulsed_update(x, d, lr, dw_min, rng, how)


def pulsed_update(
    x: Rows,
    d: Rows,
    lr: float,
    dw_min: float,
    rng: np.random.Generator,
    settings: PulseSettings | None = None,
) -> PulsedUpdate:
    """Draw the trains that change the weights by ``-lr * d.T @ x`` in the mean.

    Args:
        x: inputs ``(batch, in)``.
        d: gradients of the loss by the outputs ``(batch, out)``.
        lr: learning rate, not negative.
        dw_min: mean weight step of one pulse.
        rng: gives the number that all trains are drawn from.
        settings: lengths and management.

    Raises:
        BadInputError: x, d or lr is not finite, lr is negative, or the batch sizes differ.
    """
    how, (x, d) = settings or PulseSettings(), fitting(x, d, lr)
    key = _key(rng)
    management = how.desired_bl, how.update_management, how.bl_management
    found = drawn(key, x, d, (lr, dw_min), management)
    if found.finite and not found.all_count:
        samples = checked(x, d, lr, dw_min)
        if samples is None:
            return PulsedUpdate(None, 0.0)
        found = drawn(key, samples.x, samples.d, (lr, dw_min), management)
    if not found.finite:
        raise not_finite()
    program = CoincidencePulses(*found[:4], found.length)
    return PulsedUpdate(program, found.lost, found.wanted, found.strongest)


def _key(rng: np.random.Generator) -> np.uint64:
    """The next 64 bits; of numpy's usual generator, whose words have as many, without detours."""
    if type(rng.bit_generator) is np.random.PCG64:
        return np.uint64(rng.bit_generator.random_raw())
    return rng.integers(1 << 64, dtype=np.uint64)


def line_gains(samples: Samples, lr: float, dw_min: float, settings: PulseSettings) -> Gains:
    """Slots of each sample, and what turns the sizes of x and of d into shares of them."""
    s, how = samples, settings
    return gains(
        s.x_max,
        s.d_max,
        s.pulses,
        (lr, dw_min),
        (how.desired_bl, how.update_management, how.bl_management),
    )
