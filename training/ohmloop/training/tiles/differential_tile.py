"""A differential pair of cells that only ever learn upwards, as phase-change memory needs.

Positive changes of ``w = (g_plus - g_minus) / siemens_per_weight`` go up on the plus side, negative
ones up on the minus side (Suri et al., IEDM 2011; Burr et al., IEEE Trans. Electron Devices
62:3498, 2015). Both sides fill up, so now and then pairs of which both are high are read, brought
down and written again with the same difference.
"""

from __future__ import annotations

from collections.abc import Mapping as Named
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, CoincidencePulses, Crossbar, PulseProgram, RunPulses
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import REACH_QUANTILE, Map, check_range
from .pair_tile import PairTile, both_known
from .protocol import TileState
from .report import WriteReport

REST = 0.1
"""Where in its range a side of weight 0 rests; at the very bound a pulse hardly moves a cell."""


class DifferentialTile(PairTile):
    """A ``Tile`` on two crossbars that are both pulsed up.

    A pair is restored where one side is above ``upper`` of its range and the other above
    ``lower``: there is a difference to win then. That takes two readings, so it is looked for every
    ``check_every`` updates.

    Attributes:
        restored: pairs written again so far.

    Args:
        plus: pulsed for positive changes.
        minus: pulsed for negative ones.
        w_max: the largest weight to be kept; nine pairs in ten reach it.
        check_every: updates from one look for full pairs to the next.
        upper: share of the range, 0 to 1.
        lower: share of the range, 0 to ``upper``.

    Raises:
        BadInputError: see ``PairTile``; ``w_max`` is not positive, or a share is out of range.
    """

    def __init__(
        self,
        plus: Crossbar,
        minus: Crossbar,
        w_max: float = 1.0,
        *,
        check_every: int = 100,
        upper: float = 0.75,
        lower: float = 0.25,
    ) -> None:
        if not (REST < lower <= upper <= 1 and check_every >= 1):
            raise BadInputError(
                f"a pair is full above {lower} and {upper} of its range, looked for every"
                f" {check_every} updates: both must lie above {REST}, up to 1, the first not above"
                " the second, and updates be 1 or more"
            )
        check_range(w_max, plus.name)
        known = both_known(plus, minus)
        usable = known[0].usable & known[1].usable
        self._floor: Map = np.maximum(known[0].g_min, known[1].g_min)
        self._range: Map = np.minimum(known[0].g_max, known[1].g_max) - self._floor
        reach = float(np.quantile((1 - REST) * self._range[usable], REACH_QUANTILE))
        if not reach > 0:
            raise BadInputError(f"{plus.name}, {minus.name}: the cells of pairs share no range")
        super().__init__(plus, minus, reach / w_max)
        self.check_every, self.upper, self.lower = check_every, upper, lower
        self.restored, self._updates = 0, 0

    @property
    def dw_min(self) -> float:
        """Granularity: mean of both sides."""
        return (self.plus.dw_min + self.minus.dw_min) / 2

    def program(
        self, weights: Map, tolerance: float | None = None, rounds: int = 20
    ) -> WriteReport:
        """Write weights, closed loop: one side of every pair rests, the other is above it.

        Raises:
            BadInputError: a shape that does not fit, or weights that are not finite.
        """
        enough = self.dw_min if tolerance is None else tolerance
        return self._write(self._checked(weights), enough, rounds, None)

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Change the weights by ``-lr * d.T @ x``, upwards only; restore full pairs when due.

        Raises:
            BadInputError: not finite; no pulse was sent.
        """
        drawn = rule.draw(x, d, lr, self.dw_min, rng, self.pulses_per_program)
        up, down = one_sided(drawn.program, self.usable)
        pulses = self.plus.apply_trains(up) + self.minus.apply_trains(down)
        self.plus.usage.updates += 1
        self.plus.usage.clipped += drawn.clipped
        self._updates += 1
        if self._updates % self.check_every == 0:
            pulses += self.restore()
        return UpdateReport(pulses, drawn.clipped, drawn.wanted, drawn.strongest)

    def restore(self) -> int:
        """Write full pairs again, lower and with the same difference; return the pulses."""
        scale = self.plus.mapping.siemens_per_weight
        sides = self.plus.weights(), self.minus.weights()
        shares = [(side * scale - self._floor) / self._range for side in sides]
        high, low = np.maximum(*shares), np.minimum(*shares)
        full = self.usable & (high > self.upper) & (low > self.lower)
        if not full.any():
            return 0
        self.restored += int(full.sum())
        return self._write(sides[0] - sides[1], self.dw_min, 20, full).pulses

    def state(self) -> TileState:
        """Of both sides, and how many updates and restored pairs there were."""
        counts = {"updates": np.array(self._updates), "restored": np.array(self.restored)}
        return {**super().state(), **counts}

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over a ``state``; see ``PairTile``."""
        super().adopt(state)
        self._updates, self.restored = int(state["updates"]), int(state["restored"])

    def _write(
        self, weights: Map, tolerance: float, rounds: int, where: NDArray[np.bool_] | None
    ) -> WriteReport:
        rest = (self._floor + REST * self._range) / self.plus.mapping.siemens_per_weight
        rest = np.where(self.usable, rest, 0.0)
        minus = self.minus.program(rest + np.maximum(-weights, 0.0), tolerance, rounds, where)
        # The plus side makes up for what the minus side missed.
        plus = self.plus.program(self.minus.weights() + weights, tolerance, rounds, where)
        return self._report(weights, tolerance, minus, plus)


def one_sided(
    program: PulseProgram | None, usable: NDArray[np.bool_]
) -> tuple[PulseProgram | None, PulseProgram | None]:
    """What goes up on either side: all positive pulses on one, all negative on the other.

    Rows and columns of equal signs make a positive pulse, so every sample of trains becomes two on
    either side, one for each sign of the rows, in the order of the samples.
    """
    if program is None:
        return None, None
    if not isinstance(program, CoincidencePulses):
        return _upwards(program, usable, 1), _upwards(program, usable, -1)
    return _trains(program, 1), _trains(program, -1)


def _upwards(program: PulseProgram, usable: NDArray[np.bool_], sign: int) -> PulseProgram | None:
    runs = program.runs
    kept = usable.ravel()[runs.cells] & (runs.counts * sign > 0)
    if not kept.any():
        return None
    cells, first = np.unique(runs.cells[kept], return_index=True)
    counts = np.add.reduceat(np.abs(runs.counts[kept]), first)  # up and up again is one run
    return RunPulses(cells.astype(np.int32), counts, *usable.shape, conditions=program.conditions)


def _trains(program: CoincidencePulses, sign: int) -> CoincidencePulses | None:
    rows = _by_sign(program.row_trains, program.row_signs, (1, -1))
    columns = _by_sign(program.column_trains, program.column_signs, (sign, -sign))
    fires = rows.any(axis=1) & columns.any(axis=1)
    if not fires.any():
        return None
    rows, columns = rows[fires], columns[fires]
    return CoincidencePulses(
        rows,
        columns,
        np.ones(rows.shape, np.int8),
        np.ones(columns.shape, np.int8),
        program.length,
        conditions=program.conditions,
    )


def _by_sign(
    trains: NDArray[np.uint64], signs: NDArray[np.int8], order: tuple[int, int]
) -> NDArray[np.uint64]:
    """Two samples of every one: first lines of the one sign alone, then of the other."""
    both = [np.where(signs == sign, trains, np.uint64(0)) for sign in order]
    return np.stack(both, axis=1).reshape(-1, trains.shape[1])
