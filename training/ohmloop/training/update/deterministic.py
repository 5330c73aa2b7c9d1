"""Deterministic pulses: trains whose coincidences are the rounded product of two whole numbers.

With gains and lengths as of stochastic trains (``stochastic``), a column fires in
``m = round(BL min(1, A |x| K))`` and a row in ``n = round(BL min(1, A |d| / K))`` of BL slots.
Which slots is not left to chance: columns fire in the first m, and rows in n slots as even as can
be, so that the first m slots of a row hold ``round(m n / BL)`` of its pulses, for every m and n
(as a digital line is drawn: Bresenham, IBM Syst. J. 4:25, 1965). So every cell gets

    |n_cell - |dw| / dw_min| <= 1/2 + (p_row + p_column) / 2 + 1 / (4 BL)

pulses, no noise at all, where nothing is clipped. It is ``DETERMINISTIC_IMPLICIT`` of aihwkit,
which counts ``BL x_q d_q`` of quantised inputs, with the bit lines that it leaves implicit. What is
too small for half a pulse is lost each time: small gradients do not add up, unlike stochastic ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CoincidencePulses

from .packing import lost
from .rule import PulsedUpdate, Rows
from .samples import checked
from .stochastic import MAX_BL, PulseSettings, line_gains


@dataclass(frozen=True, slots=True)
class DeterministicPulses(PulseSettings):
    """An ``UpdateRule``: see the module.

    BL management is off by default: amplitudes have as many levels as a line has slots to fire in,
    ``sqrt(BL lr max|x| max|d| / dw_min)``, which with it is only the pulses of the strongest cell.

    Attributes:
        desired_bl: slots of a sample, 1 to 64.
        update_management: balance how often rows and columns fire.
        bl_management: use fewer slots for small updates.
    """

    bl_management: bool = False

    def draw(
        self, x: Rows, d: Rows, lr: float, dw_min: float, rng: np.random.Generator, most: float
    ) -> PulsedUpdate:
        """Trains for a mini-batch; ``rng`` is not used. See ``UpdateRule``."""
        del rng
        how = replace(self, desired_bl=min(self.desired_bl, int(min(most, MAX_BL))))
        samples = checked(x, d, lr, dw_min)
        if samples is None:
            return PulsedUpdate(None, 0.0)
        found = line_gains(samples, lr, dw_min, how)
        length, strongest, slots, x_gain, d_gain = found
        x_share = np.abs(samples.x) * x_gain[:, None]
        d_share = np.abs(samples.d) * d_gain[:, None]
        first, even = (np.stack([kind(int(bl)) for bl in slots]) for kind in (_first, _even))
        columns = np.take_along_axis(first, _fired(x_share, slots), axis=1)
        rows = np.take_along_axis(even, _fired(d_share, slots), axis=1)
        program = CoincidencePulses(rows, columns, -_signs(samples.d), _signs(samples.x), length)
        cut = max(x_share.max(), d_share.max()) > 1
        clipped = lost(samples.x, samples.d, found) if cut else 0.0
        return PulsedUpdate(program, clipped, samples.wanted, strongest)


def _fired(share: Rows, slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slots in which each line fires."""
    fired: NDArray[np.int64] = (slots[:, None] * np.minimum(share, 1) + 0.5).astype(np.int64)
    return fired


def _signs(values: Rows) -> NDArray[np.int8]:
    return np.where(values < 0, -1, 1).astype(np.int8)


@cache
def _first(bl: int) -> NDArray[np.uint64]:
    """Trains that fire in the first 0, 1, ... ``bl`` slots; filled up to 65 entries."""
    return _words(np.arange(MAX_BL)[None, :] < np.minimum(np.arange(MAX_BL + 1), bl)[:, None])


@cache
def _even(bl: int) -> NDArray[np.uint64]:
    """Trains that fire in 0, 1, ... ``bl`` of ``bl`` slots: round(k n / bl) of n in the first k."""
    n, k = np.minimum(np.arange(MAX_BL + 1), bl)[:, None], np.arange(MAX_BL + 1)[None, :]
    passed = (2 * k * n + bl) // (2 * bl)  # rounded half up
    return _words((np.diff(passed, axis=1) > 0) & (k[:, :-1] < bl))


def _words(fires: NDArray[np.bool_]) -> NDArray[np.uint64]:
    bits = fires.astype(np.uint64) << np.arange(MAX_BL, dtype=np.uint64)
    words: NDArray[np.uint64] = np.bitwise_or.reduce(bits, axis=1)
    words.setflags(write=False)
    return words
