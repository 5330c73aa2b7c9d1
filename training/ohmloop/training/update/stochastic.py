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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, CoincidencePulses, PulseProgram, RunPulses

from .packing import Lines, largest, packed
from .rule import PulsedUpdate

Rows = NDArray[np.float64]

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
        rng: draws the trains; column trains first.
        settings: lengths and management.

    Raises:
        BadInputError: x, d or lr is not finite, lr is negative, or the batch sizes differ.
    """
    how = settings or PulseSettings()
    x, d = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(d, np.float64)
    _check(x, d, lr)
    x_max, d_max = np.empty((2, len(x)))
    if not (largest(x, x_max) and largest(d, d_max)):
        raise BadInputError("inputs or gradients are not finite; no pulse was sent for them")
    strongest = lr * x_max * d_max
    keep = strongest > 0
    if not keep.all():
        if not keep.any():
            return PulsedUpdate(None, 0.0)
        x, d, x_max, d_max = x[keep], d[keep], x_max[keep], d_max[keep]
        strongest = strongest[keep]
    slots = train_lengths(strongest / dw_min, how)
    gain = np.sqrt(lr / (dw_min * slots))
    balance = np.sqrt(d_max / x_max) if how.update_management else np.ones_like(gain)
    x_gain, d_gain = gain * balance, gain / balance
    length = int(slots.max())
    columns = _drawn(x, x_gain, slots, length, rng)
    rows = _drawn(d, -d_gain, slots, length, rng)  # against the gradient
    program = CoincidencePulses(rows.trains, columns.trains, rows.signs, columns.signs, length)
    if not (rows.cut or columns.cut):
        return PulsedUpdate(program, 0.0)
    x_odds, d_odds = np.abs(x) * x_gain[:, None], np.abs(d) * d_gain[:, None]
    return PulsedUpdate(program, _clipped(x_odds, d_odds, slots))


def train_lengths(pulses: Rows, settings: PulseSettings) -> NDArray[np.int64]:
    """Slots for each sample, BL.

    Args:
        pulses: ``lr max|x| max|d| / dw_min`` ``(batch,)``: what the strongest cell should get.
        settings: how long they may be, and whether they are managed.
    """
    if not settings.bl_management:
        return np.full(pulses.shape, settings.desired_bl, np.int64)
    # Before the cast: an absurd learning rate must not overflow it.
    most = np.float64(settings.desired_bl)
    return np.minimum(np.maximum(np.ceil(pulses), 1.0), most).astype(np.int64)


def _drawn(
    values: Rows, gains: Rows, slots: NDArray[np.int64], length: int, rng: np.random.Generator
) -> Lines:
    """What lines do of which the odds are ``values`` times the gain of their sample."""
    chances = rng.random((*values.shape, length), dtype=np.float32)
    return packed(chances, values, gains, slots)


def split(program: CoincidencePulses, most: float) -> Iterator[CoincidencePulses]:
    """Cut a program, between samples, so that no cell gets more than ``most`` pulses in a part.

    A single sample is never cut; ``desired_bl`` at or below ``most`` keeps each one within it.

    Yields:
        Programs that have the same effect one after the other.
    """
    if program.batch == 1 or program.length * program.batch <= most:
        yield program
        return
    if np.abs(program.counts()).sum(axis=0).max() <= most:
        yield program
        return
    half = program.batch // 2
    for part in (slice(0, half), slice(half, None)):
        yield from split(_samples(program, part), most)


def spared(program: PulseProgram, usable: NDArray[np.bool_]) -> RunPulses | None:
    """The same update without the cells that must not be pulsed, for one cell at a time.

    Args:
        program: trains, which know of lines alone.
        usable: cells that may be pulsed, ``(rows, columns)``.

    Returns:
        The runs of the others, in their order; None where nothing is left.
    """
    runs = program.runs
    kept = usable.ravel()[runs.cells]
    if not kept.any():
        return None
    cells, counts = runs.cells[kept].astype(np.int32), runs.counts[kept]
    return RunPulses(cells, counts, *usable.shape, conditions=program.conditions)


def _samples(program: CoincidencePulses, part: slice) -> CoincidencePulses:
    return CoincidencePulses(
        program.row_trains[part],
        program.column_trains[part],
        program.row_signs[part],
        program.column_signs[part],
        program.length,
        conditions=program.conditions,
    )


def _clipped(x_odds: Rows, d_odds: Rows, slots: NDArray[np.int64]) -> float:
    """Sums over cells are products of sums over lines, so no ``(batch, out, in)`` is made."""
    wanted = (slots * x_odds.sum(axis=1) * d_odds.sum(axis=1)).sum()
    x_cut, d_cut = np.minimum(x_odds, 1), np.minimum(d_odds, 1)
    return float(1 - (slots * x_cut.sum(axis=1) * d_cut.sum(axis=1)).sum() / wanted)


def _check(x: Rows, d: Rows, lr: float) -> None:
    if x.ndim != 2 or d.ndim != 2 or x.shape[0] != d.shape[0]:
        raise BadInputError(f"an update needs (batch, in) and (batch, out): {x.shape}, {d.shape}")
    if not 0 <= lr < np.inf:
        raise BadInputError(f"the learning rate must be 0 or more, not {lr}")
