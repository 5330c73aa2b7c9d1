"""Pulse conditions: which amplitudes and widths switch gradually and symmetrically, within limits.

Too weak a pulse does nothing, too strong a one takes a cell from bound to bound, and pulses up and
down that differ drive cells to a bound in training. The search tries pairs on a few cells, from
weak to strong, and recommends the pair with the best score among those that are gradual.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Plan, Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    Crossbar,
    Limits,
    PulseConditions,
    PulseShape,
)
from ohmloop.drivers.units import Seconds, Volts

from .condition_table import figure, recommended_in, table
from .pulse_search import Aim, Ladder, Search, pairs_of_widths, rungs
from .pulse_trial import Outcome, Range, Trial, outcome
from .shapes import with_duty

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

QUIET = "quiet"
_QUIET_READINGS = 5
_SMALLEST = 0.3  # of the largest amplitude: where the ladder begins


class PulseConditionSearch(Routine):
    """Find amplitudes and widths of pulses that switch gradually and symmetrically, within limits.

    Attributes:
        states: number of states aimed at: range over step.
        symmetric_within: largest asymmetry of mean steps up and down over the range.
        abrupt: largest share of the range that one pulse may take.
        largest: largest amplitude to try, V; ``limits.voltage`` by default.
        smallest: smallest, V; 0.3 times the largest by default.
        amplitudes: how many amplitudes the first round climbs by.
        widths: widths to try, of both pulses, s; those of the bench's pulses by default.
        refinements: trials that approach the aim, for each width.
        short_train: pulses of each direction in a trial of the first round.
        long_train: pulses of each direction in a trial of the second.
        rows: how many rows the sample of cells has.
        columns: how many columns it has.
        pulses_per_cell: most pulses that a cell of the sample may get.
    """

    name: ClassVar[str] = "pulse_conditions"

    states: Annotated[float, Field(ge=4, le=1e5)] = 100
    symmetric_within: Annotated[float, Field(gt=0, lt=1)] = 0.15
    abrupt: Annotated[float, Field(gt=0, le=1)] = 0.2
    largest: Annotated[Volts, Field(gt=0)] | None = None
    smallest: Annotated[Volts, Field(gt=0)] | None = None
    amplitudes: Annotated[int, Field(ge=2, le=100)] = 10
    widths: tuple[Annotated[Seconds, Field(gt=0)], ...] = ()
    refinements: Annotated[int, Field(ge=1, le=50)] = 6
    short_train: Annotated[int, Field(ge=2, le=1000)] = 8
    long_train: Annotated[int, Field(ge=4, le=10_000)] = 50
    rows: Annotated[int, Field(ge=1)] = 3
    columns: Annotated[int, Field(ge=1)] = 3
    pulses_per_cell: Annotated[int, Field(ge=10)] = 5000

    def cost(self, crossbar: Crossbar) -> Cost:
        """All trials of both rounds, as far as the budget goes.

        Raises:
            LimitError: amplitudes or widths are beyond the limits.
            BadInputError: neither an amplitude nor a limit is given.
        """
        ladder = self._ladder(crossbar.limits)
        for own in pairs_of_widths(crossbar.conditions, self.widths):
            # Never sent as it is, but nothing that is sent is stronger or wider.
            strongest = PulseConditions(
                PulseShape(ladder.up[-1], own.up.width),
                PulseShape(ladder.down[-1], own.down.width),
                own.rest,
            )
            crossbar.limits.check_conditions(with_duty(strongest, crossbar.limits))
        # Each round of the ladder raises at least one direction.
        climb = 2 * self.amplitudes - 1
        long = self.refinements * self.long_train + math.ceil(self.states)
        pulses = 2 * (climb * self.short_train + long)
        widths = max(1, len(self.widths))
        most = min(pulses * widths, self.pulses_per_cell)
        rows, columns = crossbar.shape
        share = min(self.rows, rows) * min(self.columns, columns) / (rows * columns)
        maps = most + widths * (climb + self.refinements + 1) + _QUIET_READINGS
        return Cost(
            programs=most, maps=maps, pulses=most * share, reads=maps * share,
            most_pulses=most, most_per_program=1, key="pulses_per_cell",
        )  # fmt: skip

    def acquire(self, session: Session) -> None:
        """Read without pulses, then trial after trial; each begins with a reading."""
        lab = _Laboratory(self, session)
        aim, ladder = self._aim, self._ladder(session.limits)
        for own in pairs_of_widths(session.conditions, self.widths):
            search = Search(own, ladder, session.limits, aim, lab.try_)
            search.run(self.short_train, self.long_train, self.refinements)

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Steps by amplitude, and every pair tried with its score."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """A table of everything tried, and what is recommended."""
        trials = trials_of(measured)
        quiet = _cells(measured.readings(QUIET))
        within = Range.of(trials, quiet)
        found = [outcome(trial, within) for trial in trials]
        return table(trials, found, self._aim)

    def apply(self, found: xr.Dataset, plan: Plan) -> Plan:
        """The recommended pulses, for all routines after this one; nothing where there are none."""
        recommended = recommended_in(found)
        return plan if recommended is None else plan.with_conditions(recommended)

    @property
    def _aim(self) -> Aim:
        return Aim(self.states, self.symmetric_within, self.abrupt)

    def _ladder(self, limits: Limits) -> Ladder:
        largest = self.largest or limits.voltage
        if not np.isfinite(largest):
            raise BadInputError(
                "pulse_conditions: largest: say how strong a pulse may be: this crossbar has no"
                " limits.voltage"
            )
        smallest = self.smallest or _SMALLEST * largest
        if not smallest < largest:
            raise BadInputError(
                f"pulse_conditions: smallest: {smallest:g} V must be below largest, {largest:g} V"
            )
        sizes = rungs(smallest, largest, self.amplitudes)
        return Ladder(sizes, sizes)


class _Laboratory:
    """Makes trials on a sample of cells, as long as their pulses last."""

    def __init__(self, routine: PulseConditionSearch, session: Session) -> None:
        self._session = session
        self.rows, self.columns = (
            np.sort(session.rng.choice(count, min(wanted, count), replace=False)).tolist()
            for wanted, count in zip((routine.rows, routine.columns), session.shape, strict=True)
        )
        self._one = np.zeros(session.shape, np.int32)
        self._one[np.ix_(self.rows, self.columns)] = 1
        self._left = routine.pulses_per_cell
        self._trials: list[Trial] = []
        self._quiet = np.stack([self._read(QUIET) for _ in range(_QUIET_READINGS)])

    def try_(self, conditions: PulseConditions, pulses: int) -> Outcome | None:
        """Up and down, a reading after each pulse; None where the budget does not reach."""
        if self._left < 2 * pulses:
            return None
        label = f"trial {len(self._trials)}"
        readings, given = [self._read(label)], [0]
        for sign in (1, -1):
            for _ in range(pulses):
                program = CellPulses(sign * self._one, conditions=conditions)
                self._session.pulse(program, label=label)
                readings.append(self._read(label))
                given.append(sign)
        self._left -= 2 * pulses
        self._trials.append(Trial(conditions, np.stack(readings), np.array(given)))
        return outcome(self._trials[-1], Range.of(self._trials, self._quiet))

    def _read(self, label: str) -> Array:
        found: Array = self._session.read(self.rows, self.columns, label=label).ravel()
        return found


def trials_of(measured: Measured) -> list[Trial]:
    """Trials as they were measured; one that was not finished is left out.

    A program in doubt counts as a pulse: of a train of many, one more or less makes no difference.
    """
    labels: dict[str, list[Any]] = {}
    for step in measured.steps("pulse"):
        labels.setdefault(step.label, []).append(step.program)
    trials = []
    for label, programs in labels.items():
        readings = _cells(measured.readings(label))
        if len(readings) != len(programs) + 1:
            continue
        signs = [0, *(int(np.sign(p.counts().sum())) for p in programs)]
        trials.append(Trial(programs[0].conditions, readings, np.array(signs)))
    if not trials:
        raise BadInputError(
            "pulse_conditions: no trial was finished: allow more pulses_per_cell, or shorter trains"
        )
    return trials


def _cells(maps: Array) -> Array:
    """Those cells that were read, ``(readings, cells)``."""
    flat = maps.reshape(len(maps), -1)
    found: Array = flat[:, np.isfinite(flat).all(axis=0)]
    return found
