"""One program, one plan of faults, and a judgement: did the chip get what was reported?

The chip behind the emulated instruments says what really arrived. What is wrong comes as lines of
text, each beginning with its kind:

- ``pulses``: a program that is reported done and was not applied exactly once, cell by cell; a cell
  that moved without being reported in doubt; a cell in doubt that got more than it was to get; a
  count of the instrument's that is not the chip's; a journal that says otherwise.
- ``limits``: more volts on a cell, or for longer, than the limits allow; relays under voltage.
- ``output``: an output that is on after ``make_safe`` and was not reported.
- ``dead``: a bench that does not read again once the fault is over.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import Bench, Crossbar, InDoubtError, OhmloopError, PulseJournal, PulseProgram
from ohmloop.drivers.opening import open_on_bench

from .bench import EmulatedBench
from .faults import Fault, Strike

_ATTEMPTS = 3  # to read once a fault is over


@dataclass
class Judgement:
    """What came of a trial.

    Attributes:
        outcome: ``once`` (reported done), ``counted`` (in doubt, with the instrument's count),
            ``in doubt`` (nobody could tell), or ``nothing`` (refused; nothing was applied).
        violations: see the module; none is good.
    """

    outcome: str
    violations: list[str] = field(default_factory=list)


class FaultTrials:
    """Trials on one emulated bench; a context manager.

    Args:
        bench: the bench, of one crossbar.
        journal: told of every program, if given.

    Attributes:
        emulated: the emulated bench.
        crossbar: the crossbar that is open.
        counted: pulses that were reported applied, over all trials.
        unknown: pulses that arrived in programs of which nobody could tell.
    """

    def __init__(self, bench: Bench, journal: PulseJournal | None = None) -> None:
        self.emulated = EmulatedBench(bench, any_port=True)
        self._journal = journal
        self._said = _Said()
        logging.getLogger("ohmloop").addHandler(self._said)
        self.counted = self.unknown = 0
        self.crossbar = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End."""
        self.crossbar.close()
        self.emulated.close()
        logging.getLogger("ohmloop").removeHandler(self._said)

    def run(
        self, program: PulseProgram, instrument: str, faults: Sequence[Fault | Strike | None]
    ) -> Judgement:
        """Send ``program`` with ``faults`` ahead of ``instrument``; judge; bring the bench back."""
        self.emulated.servers[instrument].faults.extend(faults)
        before = self._pulses()
        try:
            receipt = self.crossbar.pulse(program)
        except InDoubtError as doubt:
            judged = self._judge_doubt(program, self._pulses() - before, doubt)
        except OhmloopError as error:
            judged = self._judge_refusal(self._pulses() - before, error)
        else:
            judged = self._judge_done(program, self._pulses() - before, receipt.pulses_applied)
        judged.violations += [*self._beyond_limits(), *self._still_on()]
        judged.violations += self._recover()
        return judged

    def renew(self) -> None:
        """All instruments off and on, and the crossbar opened anew."""
        self.crossbar.close()
        self._end_faults(everything=True)
        self.crossbar = self._open()

    def _open(self) -> Crossbar:
        crossbar = open_on_bench(self.emulated.bench)
        crossbar.journal = self._journal
        return crossbar

    def _pulses(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.emulated.cells.pulses.copy()
        return found

    def _judge_done(
        self, program: PulseProgram, moved: NDArray[np.int64], applied: int
    ) -> Judgement:
        self.counted += applied
        wanted = _per_cell(program)
        judged = Judgement("once")
        if not np.array_equal(moved, wanted):
            text = f"pulses: reported done, but {moved.sum()} arrived instead of {wanted.sum()}"
            judged.violations.append(text)
        return judged

    def _judge_refusal(self, moved: NDArray[np.int64], error: OhmloopError) -> Judgement:
        judged = Judgement("nothing")
        if moved.any():
            text = f"pulses: {moved.sum()} arrived, but {type(error).__name__}: {error}"
            judged.violations.append(text)
        return judged

    def _judge_doubt(
        self, program: PulseProgram, moved: NDArray[np.int64], doubt: InDoubtError
    ) -> Judgement:
        judged = Judgement("in doubt" if doubt.applied is None else "counted")
        if doubt.applied is None:
            self.unknown += int(moved.sum())
        else:
            self.counted += doubt.applied
            if doubt.applied != moved.sum():
                text = f"pulses: {moved.sum()} arrived, the instrument counted {doubt.applied}"
                judged.violations.append(f"{text}: {doubt}")
        if (moved > _per_cell(program)).any():
            judged.violations.append("pulses: a cell in doubt got more than it was to get")
        sure = np.setdiff1d(np.flatnonzero(moved), doubt.cells)
        if sure.size:
            judged.violations.append(f"pulses: cell {sure[0]} moved without a word")
        return judged

    def _beyond_limits(self) -> list[str]:
        limits, found = self.crossbar.limits, []
        for chip in self.emulated.chips.values():
            seen = chip.witness
            if seen.voltage > limits.voltage or seen.width > limits.width * (1 + 1e-9):
                found.append(f"limits: {seen.voltage:g} V, {seen.width:g} s on a cell")
                seen.voltage = seen.width = 0.0
        if self.emulated.hot_switches:
            found.append("limits: relays moved under voltage")
        return found

    def _still_on(self) -> list[str]:
        said = self._said.count
        self.crossbar.make_safe()
        silent = self.emulated.outputs_on and self._said.count == said
        return ["output: on after make_safe, and nothing was said"] if silent else []

    def _end_faults(self, everything: bool) -> None:
        for server in self.emulated.servers.values():
            server.faults.clear()
            if everything or server.hung or self.emulated.outputs_on:
                server.power_cycle()

    def _recover(self) -> list[str]:
        self._end_faults(everything=False)
        trouble = ""
        for _ in range(_ATTEMPTS):
            try:
                self.crossbar.read()
            except OhmloopError as error:
                trouble = str(error)
                continue
            return []
        self.renew()
        return [f"dead: does not read again: {trouble}"]


class _Said(logging.Handler):
    """Counts how often the library said that something could not be made safe."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count."""
        self.count += "could not be made safe" in record.getMessage()


def _per_cell(program: PulseProgram) -> NDArray[np.int64]:
    """Pulses that a program has for each cell, flat."""
    found: NDArray[np.int64] = np.abs(program.counts().astype(np.int64)).sum(axis=0).ravel()
    return found
