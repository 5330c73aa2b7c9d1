"""Write-verify: pulse by what is missing, read again, until every cell is where it should be.

The state is on the chip, and every decision is made from what it reads now: a run that was killed
is resumed by starting it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    Crossbar,
    InDoubtError,
    InstrumentError,
)
from ohmloop.drivers.approach import careful_counts
from ohmloop.drivers.units import with_unit

from .budget import Budget
from .outcome import Outcome
from .result import Written
from .stepping import Array, Counts, Response, Stepping

if TYPE_CHECKING:
    from .budget import Tell

log = logging.getLogger("ohmloop")

_CONFIDENT = 3.0
"""Standard errors that fit into the tolerance, so that what is decided by readings is so."""
_TURNS = 12
"""Times a cell may go past its target before it is left where it is."""
_STALLED = 6
"""Rounds in a row that a cell may make no progress in one direction."""
_PROGRESS = 3.0
"""Standard errors of a reading that count as progress."""
_VERIFICATIONS = 8
"""Times that all cells are read anew, and those taken up again that were hits by luck."""
_MOST_DOUBTS = 3


def write_verify(
    crossbar: Crossbar,
    target: Array,
    tolerance: Array | float,
    *,
    usable: NDArray[np.bool_] | None = None,
    reachable: NDArray[np.bool_] | None = None,
    response: Response | None = None,
    budget: Budget | None = None,
    tell: Tell | None = None,
    keep: Callable[[Written], None] | None = None,
) -> Written:
    """Write a map of conductances.

    Args:
        crossbar: the chip.
        target: ``(rows, columns)``, S.
        tolerance: largest error that is a hit, S; one for all, or a map.
        usable: cells that may be pulsed; those of its calibration, or all, if left out.
        reachable: cells whose target they can reach; the others are written as near as it goes, and
            never count as hits.
        response: of all cells, flat, from a calibration; without it steps are learned on the way.
        budget: what it may cost.
        tell: progress: cells done, of how many, what is next.
        keep: given what was reached when anything interrupts.

    Raises:
        BadInputError: shapes do not fit, or numbers that cannot be; nothing was sent.
        InDoubtError: three programs in a row were left in doubt.
        InstrumentError: the instruments failed.
    """
    _check(crossbar, target, tolerance)
    loop = _Loop(crossbar, target, tolerance, usable, reachable, response, budget or Budget())
    try:
        loop.run(tell or (lambda *_: None))
    except BaseException:
        if keep and loop.within:
            keep(loop.result(Outcome.INTERRUPTED))
        raise
    return loop.result(Outcome.ROUNDS_SPENT)


class _Loop:
    """Everything by flat cell."""

    def __init__(
        self,
        crossbar: Crossbar,
        target: Array,
        tolerance: Array | float,
        usable: NDArray[np.bool_] | None,
        reachable: NDArray[np.bool_] | None,
        response: Response | None,
        budget: Budget,
    ) -> None:
        known = crossbar.characteristics
        if usable is None:
            usable = known.usable if known is not None else np.ones(crossbar.shape, bool)
        self.crossbar, self.budget = crossbar, budget
        self.target = np.asarray(target, np.float64).ravel()
        self.tolerance = np.broadcast_to(tolerance, crossbar.shape).astype(np.float64).ravel()
        self.usable = np.asarray(usable, bool).ravel()
        count = self.target.size
        self.reachable = np.ones(count, bool) if reachable is None else reachable.ravel()
        self.stepping = Stepping(count, response)
        self.outcome = np.where(self.usable, Outcome.HIT, Outcome.MASKED).astype(np.int8)
        self.pulses, self.last = np.zeros(count, np.int64), np.zeros(count, np.int32)
        self.turns, self.stalled = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.seen = np.zeros(count, np.int64)
        self.moved = np.zeros(count, bool)
        self.g, self.nearest = np.full(count, np.nan), np.full(count, np.inf)
        self.blur, self.inner = np.zeros(count), self.tolerance
        self.within: list[float] = []
        self.median: list[float] = []
        self.given: list[int] = []
        self.doubts, self.doubts_in_a_row, self.readings, self.noise = 0, 0, 1, 0.0
        self.notes: list[str] = []

    def run(self, tell: Tell) -> None:
        """Until nothing is left to do, or the budget is spent."""
        self._look()
        self._note()
        late = self._beyond(self.inner)
        for _ in range(_VERIFICATIONS):
            while late.any() and len(self.within) <= self.budget.rounds:
                tell(int((self.usable & ~late).sum()), int(self.usable.sum()), self._status())
                counts = self._counts(late)
                if counts.any():
                    self._round(counts)
                late &= self._beyond(self.inner)
            self.g = self._read(self.usable, self.g)
            late = self._beyond(self.tolerance)
            if not late.any() or len(self.within) > self.budget.rounds:
                return

    def result(self, rest: Outcome) -> Written:
        """As it is now; ``rest`` is the outcome of cells that are not where they should be."""
        outcome, shape = self.outcome.copy(), self.crossbar.shape
        hit = np.abs(self.g - self.target) <= self.tolerance
        outcome[self.usable & hit & self.reachable] = Outcome.HIT
        outcome[(outcome == Outcome.HIT) & ~hit] = rest
        outcome[self.usable & ~self.reachable] = Outcome.OUT_OF_RANGE
        return Written(
            self.target.reshape(shape),
            self.g.reshape(shape),
            self.tolerance.reshape(shape),
            outcome.reshape(shape),
            self.pulses.reshape(shape),
            np.array(self.within),
            np.array(self.median),
            np.array(self.given, np.int64),
            self.noise,
            self.readings,
            self.doubts,
            tuple(self.notes),
        )

    def _look(self) -> None:
        """Read twice: where cells are, and how much two readings differ."""
        every = np.arange(self.crossbar.shape[0]), np.arange(self.crossbar.shape[1])
        asked = self.usable.reshape(self.crossbar.shape)
        first, second = (self._measure(*every, asked).ravel() for _ in range(2))
        self.g, self.seen = (first + second) / 2, self.seen + 2
        if not self.usable.any():
            return
        relative = np.abs(second - first) / np.maximum(np.abs(self.g), 1e-15)
        share = float(np.median(relative[self.usable])) / (0.6745 * np.sqrt(2))
        self.noise = share * float(np.median(np.abs(self.target[self.usable])))
        needed = (_CONFIDENT * share * np.abs(self.target) / self.tolerance)[self.usable] ** 2
        wanted = float(np.quantile(needed, 0.9))
        self.readings = int(np.clip(np.ceil(wanted), 1, self.budget.reads))
        # Decisions leave room for the noise of the readings that they will be held against.
        self.blur = share * np.abs(self.target) / np.sqrt(self.readings)
        self.inner = np.maximum(self.tolerance - self.blur, self.tolerance / 2)
        if wanted > self.budget.reads:
            tells = _CONFIDENT * self.noise / np.sqrt(self.readings)
            self.notes.append(
                f"the tolerance is below what {self.readings} readings can tell"
                f" ({with_unit(float(f'{tells:.2g}'), 'S')}): hits are partly luck"
            )

    def _beyond(self, tolerance: Array) -> NDArray[np.bool_]:
        """Cells that are not where they should be, and have not been given up."""
        far = np.abs(self.g - self.target) > tolerance
        late: NDArray[np.bool_] = far & (self.outcome == Outcome.HIT)
        return late

    def _counts(self, late: NDArray[np.bool_]) -> Counts:
        """Pulses of the next round; cells that can have no more are given up."""
        left = np.minimum(self.budget.pulses - self.pulses, self.crossbar.pulses_left.ravel())
        spent = self.budget.pulses - self.pulses < 1
        self.outcome[late & spent] = Outcome.PULSES_SPENT
        self.outcome[late & ~spent & (left < 1)] = Outcome.LIFETIME
        if self.pulses.sum() >= self.budget.total:
            self.outcome[late] = Outcome.PULSES_SPENT
        self.outcome[late & (self.turns >= _TURNS)] = Outcome.COARSE
        stalled = late & (self.stalled >= _STALLED)
        self.outcome[stalled & self.moved] = Outcome.OUT_OF_RANGE
        self.outcome[stalled & ~self.moved] = Outcome.UNRESPONSIVE
        late = late & (self.outcome == Outcome.HIT)
        counts = np.zeros(late.size, np.int32)
        if not late.any():
            return counts
        most = self.crossbar.limits.pulses_per_program
        error = np.where(late, self.target - self.g, 0.0)
        steps = self.stepping.distance(self.g, np.where(late, self.target, self.g), most)
        counts = careful_counts(np.where(late, steps, 0.0), most)
        counts = np.where(late & (counts == 0), np.sign(error), counts)
        # Steps that were predicted wrongly must not run away: no more than thrice what was tried.
        trusted = np.minimum(left, 3 * np.abs(self.last) + 3 if self.stepping.known else 1)
        return np.clip(counts, -np.floor(trusted), np.floor(trusted)).astype(np.int32)

    def _round(self, counts: Counts) -> None:
        """Pulse, read, learn."""
        before, pulsed = self.g, counts != 0
        told = self._pulse(counts)
        self.seen[pulsed] = 0
        self.pulses += np.abs(counts)
        self.g = self._read(pulsed, before)
        if told:
            self.stepping.learn(before, counts, self.g)
        self._follow(before, counts)
        self._note()

    def _follow(self, before: Array, counts: Counts) -> None:
        """Count turns, and rounds without progress."""
        pulsed, way = counts != 0, np.sign(counts)
        turned = pulsed & (way == -np.sign(self.last))
        self.turns += turned
        error = np.abs(self.g - self.target)
        self.nearest = np.where(turned | ~np.isfinite(self.nearest), np.inf, self.nearest)
        first = pulsed & ~np.isfinite(self.nearest)
        self.nearest = np.where(first, np.abs(self.target - before), self.nearest)
        going = error < self.nearest - np.maximum(0.1 * self.tolerance, _PROGRESS * self.blur)
        self.nearest = np.where(pulsed & going, error, self.nearest)
        self.moved |= pulsed & (going | turned)
        self.stalled = np.where(pulsed, np.where(going | turned, 0, self.stalled + 1), self.stalled)
        self.last = np.where(pulsed, counts, self.last).astype(np.int32)

    def _pulse(self, counts: Counts) -> bool:
        """Apply; False where nobody can tell how much was applied: the reading after it will."""
        try:
            self.crossbar.pulse(CellPulses(counts.reshape(self.crossbar.shape)))
        except InDoubtError as doubt:
            self.doubts += 1
            self.doubts_in_a_row += 1
            if self.doubts_in_a_row >= _MOST_DOUBTS:
                raise
            log.warning("%s (the cells are read again; going on)", doubt)
            return False
        self.doubts_in_a_row = 0
        return True

    def _read(self, cells: NDArray[np.bool_], known: Array) -> Array:
        """Mean of all readings since the last pulse, some new ones of the cells asked for."""
        wanted = cells.reshape(self.crossbar.shape)
        if not wanted.any():
            return known
        rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
        part, inside = np.ix_(rows, columns), wanted[np.ix_(rows, columns)]
        total = sum(self._measure(rows, columns, inside) for _ in range(self.readings))
        found = known.reshape(self.crossbar.shape).copy()
        seen = self.seen.reshape(self.crossbar.shape).copy()
        mean = (found[part] * seen[part] + total) / (seen[part] + self.readings)
        found[part] = np.where(inside, mean, found[part])
        seen[part] += np.where(inside, self.readings, 0)
        self.seen = seen.ravel()
        return found.ravel()

    def _measure(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], inside: NDArray[np.bool_]
    ) -> Array:
        """A rectangle; where it cannot be read, row by row without the cells not asked for."""
        try:
            return self.crossbar.read(rows, columns)
        except InstrumentError:
            if inside.all():
                raise
        found = np.full(inside.shape, np.nan)
        for at, row in enumerate(rows.tolist()):
            if inside[at].any():
                found[at, inside[at]] = self.crossbar.read([row], columns[inside[at]])[0]
        return found

    def _note(self) -> None:
        error = np.abs(self.g - self.target)[self.usable]
        within = error <= self.tolerance[self.usable]
        self.within.append(float(within.mean()) if within.size else float("nan"))
        self.median.append(float(np.median(error)) if error.size else float("nan"))
        self.given.append(int(self.pulses.sum()))

    def _status(self) -> str:
        return f"round {len(self.within)}, {self.within[-1]:.1%} within"


def _check(crossbar: Crossbar, target: Array, tolerance: Array | float) -> None:
    if np.shape(target) != crossbar.shape:
        raise BadInputError(
            f"the target is {' x '.join(map(str, np.shape(target)))}, {crossbar.name} is"
            f" {' x '.join(map(str, crossbar.shape))}"
        )
    if not np.isfinite(target).all():
        row, column = np.argwhere(~np.isfinite(target))[0]
        bad = int((~np.isfinite(target)).sum())
        raise BadInputError(
            f"{bad} targets are not finite numbers, the first at row {row}, column {column}"
        )
    size = np.asarray(tolerance)
    if not (np.isfinite(size).all() and (size > 0).all()):
        raise BadInputError(f"the tolerance must be positive, not {float(size.min()):g} S")
