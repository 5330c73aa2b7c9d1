"""Random faults into running programs, on every family of instruments, over the wire.

    python -m benchmarks.faults [--trials 2000] [--families tsp pulse-board ...] [--seed 0]

Each trial arms a fault that strikes one of the next messages of one instrument (drop, delay,
garble, truncate, duplicate, a link that breaks at any byte, power that fails before, in and after a
program, an error in the queue, compliance, a stuck output, an instrument that hangs) and sends a
random program. The chip behind the instruments says what really arrived. A violation is:

- ``pulses``: a program that is reported done and was not applied exactly once, cell by cell; a cell
  that moved without being reported in doubt; a cell in doubt that got more than it was to get; a
  count of the instrument's that is not the chip's; a journal that says otherwise.
- ``limits``: more volts on a cell, or for longer, than the limits allow; relays under voltage.
- ``output``: an output that is on after ``make_safe`` and was not reported.
- ``dead``: a bench that does not read again once the fault is over.
- ``hang``: a trial without an end.
- ``other``: an error that is none of ohmloop's own.

The table goes to standard output; the exit status is 1 where there was any violation.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    Crossbar,
    InDoubtError,
    OhmloopError,
    PulseProgram,
    SqliteJournal,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.faults import Fault, Strike

from .benches import families, small_bench

LONGEST = 120.0  # a trial, s
ATTEMPTS = 3  # to read once a fault is over


class Reported(logging.Handler):
    """Whether something could not be made safe, as the library said."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count."""
        self.count += "could not be made safe" in record.getMessage()


@dataclass
class Tally:
    """What came of the trials on one family."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    longest: float = 0.0


def random_program(rng: np.random.Generator, shape: tuple[int, int]) -> PulseProgram:
    """Of either kind, with up to some hundred pulses, sometimes one cell's only."""
    if rng.random() < 0.5:
        counts = rng.integers(-4, 5, shape) * (rng.random(shape) < rng.choice([0.1, 0.5, 1.0]))
        return CellPulses(counts)
    batch, length = int(rng.integers(1, 4)), int(rng.integers(1, 13))
    rows, columns = shape
    return CoincidencePulses(
        rng.integers(0, 2**length, (batch, rows)),
        rng.integers(0, 2**length, (batch, columns)),
        rng.choice([-1, 1], (batch, rows)),
        rng.choice([-1, 1], (batch, columns)),
        length,
    )


def random_strike(rng: np.random.Generator) -> Strike:
    """Any fault, anywhere."""
    fault = list(Fault)[rng.integers(len(Fault))]
    return Strike(
        fault,
        at=float(rng.random()),
        pulses=int(rng.integers(1, 40)),
        seconds=float(rng.uniform(0.05, 0.5)),
    )


class Campaign:
    """Trials on one family.

    Args:
        family: which.
        seed: of programs, faults and the chip.
        folder: for the journal.
    """

    def __init__(self, family: str, seed: int, folder: Path) -> None:
        self.family, self.tally = family, Tally()
        self.rng = np.random.default_rng(seed)
        self.emulated = EmulatedBench(small_bench(family), any_port=True)
        self.cells = self.emulated.cells
        self.journal = SqliteJournal(folder / f"{family}.sqlite")
        self.reported = Reported()
        logging.getLogger("ohmloop").addHandler(self.reported)
        self.done = self.unknown = 0
        self.crossbar = self._open()

    def run(self, trials: int) -> Tally:
        """All trials; stops where one has no end."""
        for number in range(trials):
            worker = threading.Thread(target=self._guarded, args=(number,), daemon=True)
            start = time.monotonic()
            worker.start()
            worker.join(LONGEST)
            self.tally.longest = max(self.tally.longest, time.monotonic() - start)
            if worker.is_alive():
                self._violation(number, "hang", f"no end within {LONGEST:g} s")
                return self.tally
        self._end()
        return self.tally

    def _open(self) -> Crossbar:
        crossbar = open_on_bench(self.emulated.bench)
        crossbar.journal = self.journal
        return crossbar

    def _violation(self, number: int, kind: str, text: str) -> None:
        self.tally.violations.append(f"{self.family}, trial {number}: {kind}: {text}")

    def _guarded(self, number: int) -> None:
        try:
            self._trial(number)
        except Exception:
            self._violation(number, "other", traceback.format_exc(limit=-6))
            self._renew()

    def _trial(self, number: int) -> None:
        names = list(self.emulated.servers)
        name, strike = names[self.rng.integers(len(names))], random_strike(self.rng)
        server = self.emulated.servers[name]
        server.faults.extend([*[None] * int(self.rng.integers(0, 4)), strike])
        program = random_program(self.rng, self.crossbar.shape)
        self.tally.faults[strike.fault.name] += 1
        before = self.cells.pulses.copy()
        what = f"{strike} on {name}"
        try:
            receipt = self.crossbar.pulse(program)
        except OhmloopError as error:
            self._judge_error(number, program, before, error, what)
        else:
            self._judge_done(number, program, before, receipt.pulses_applied, what)
        self._judge_limits(number, what)
        self._recover(number, what)

    def _judge_done(
        self, number: int, program: PulseProgram, before: np.ndarray, applied: int, what: str
    ) -> None:
        self.tally.outcomes["once"] += 1
        self.done += applied
        moved = self.cells.pulses - before
        wanted = per_cell(program)
        if not np.array_equal(moved, wanted):
            text = f"done, but {moved.sum()} pulses arrived instead of {wanted.sum()}; {what}"
            self._violation(number, "pulses", text)

    def _judge_error(
        self,
        number: int,
        program: PulseProgram,
        before: np.ndarray,
        error: OhmloopError,
        what: str,
    ) -> None:
        moved = self.cells.pulses - before
        if not isinstance(error, InDoubtError):
            self.tally.outcomes["nothing"] += 1
            if moved.any():
                text = f"{moved.sum()} pulses arrived, but {type(error).__name__}: {error}; {what}"
                self._violation(number, "pulses", text)
            return
        self.tally.outcomes["counted" if error.applied is not None else "in doubt"] += 1
        if (moved > per_cell(program)).any():
            self._violation(number, "pulses", f"a cell got more than it was to get; {what}")
        if error.applied is None:
            self.unknown += int(moved.sum())
        else:
            self.done += error.applied
            if error.applied != moved.sum():
                text = f"{moved.sum()} pulses arrived, the instrument counted {error.applied}"
                self._violation(number, "pulses", f"{text}; {what}")
        sure = np.setdiff1d(np.flatnonzero(moved), error.cells)
        if sure.size:
            self._violation(number, "pulses", f"cell {sure[0]} moved without a word; {what}")

    def _judge_limits(self, number: int, what: str) -> None:
        limits = self.crossbar.limits
        for chip in self.emulated.chips.values():
            seen = chip.witness
            if seen.voltage > limits.voltage or seen.width > limits.width * (1 + 1e-9):
                text = f"{seen.voltage:g} V, {seen.width:g} s on a cell; {what}"
                self._violation(number, "limits", text)
                seen.voltage = seen.width = 0.0
        if self.emulated.hot_switches:
            self._violation(number, "limits", f"relays moved under voltage; {what}")
            self._renew()

    def _recover(self, number: int, what: str) -> None:
        """Make safe, end the fault, and see that the bench reads."""
        said = self.reported.count
        self.crossbar.make_safe()
        if self.emulated.outputs_on and self.reported.count == said:
            self._violation(number, "output", f"on after make_safe, and nothing said; {what}")
        for server in self.emulated.servers.values():
            server.faults.clear()
            server.power_cycle() if self.emulated.outputs_on or server._hung else None
        for _ in range(ATTEMPTS):
            try:
                self.crossbar.read()
            except OhmloopError as error:
                trouble = str(error)
                continue
            return
        self._renew()
        try:
            self.crossbar.read()
        except OhmloopError as error:
            trouble = f"{trouble}; opened anew: {error}"
        self._violation(number, "dead", f"does not read again: {trouble}; {what}")

    def _renew(self) -> None:
        self.crossbar.close()
        for server in self.emulated.servers.values():
            server.faults.clear()
            server.power_cycle()
        self.crossbar = self._open()

    def _end(self) -> None:
        self.crossbar.close()
        if self.emulated.outputs_on:
            self._violation(-1, "output", "on after close")
        totals = self.journal.totals()["pulses_applied"]
        arrived = self.emulated.pulses_applied
        if not totals == self.done == arrived - self.unknown:
            text = f"journal {totals}, receipts {self.done}, chip {arrived} of which {self.unknown}"
            self._violation(-1, "pulses", f"{text} in doubt")
        self.journal.close()
        self.emulated.close()
        logging.getLogger("ohmloop").removeHandler(self.reported)


def per_cell(program: PulseProgram) -> np.ndarray:
    """Pulses that a program has for each cell, flat."""
    found: np.ndarray = np.abs(program.counts().astype(np.int64)).sum(axis=0).ravel()
    return found


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=2000, help="over all families")
    parser.add_argument("--families", nargs="+", default=families(), choices=families())
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("ohmloop").propagate = False
    each = -(-given.trials // len(given.families))
    head = ("trials", "once", "counted", "in doubt", "nothing", "violations", "longest, s")
    print(f"{'family':14}" + "".join(f"{name:>12}" for name in head))
    violations: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for family in given.families:
            tally = Campaign(family, given.seed, Path(folder)).run(each)
            counts = [tally.outcomes[name] for name in head[1:5]]
            figures = [each, *counts, len(tally.violations), f"{tally.longest:.1f}"]
            print(f"{family:14}" + "".join(f"{figure:>12}" for figure in figures), flush=True)
            violations += tally.violations
    for violation in violations:
        print(violation)
    print("no violation" if not violations else f"{len(violations)} violations")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
