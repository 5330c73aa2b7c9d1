"""Random faults into running programs, on every family of instruments, over the wire.

    python -m benchmarks.faults [--trials 2000] [--families tsp pulse-board ...] [--seed 0]

Each trial arms a fault that strikes one of the next messages of one instrument (drop, delay,
garble, truncate, duplicate, a link that breaks at any byte, power that fails before, in and after a
program, an error in the queue, compliance, a stuck output, an instrument that hangs; sometimes two
in a row) and sends a random program. The chip behind the instruments says what really arrived; what
is a violation is told in ``ohmloop.sim_backend.instruments.fault_trials``. Besides, ``hang`` is a
trial without an end, ``other`` an error that is none of ohmloop's own, and at the end the journal
has to say what the chip says.

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
from pathlib import Path

import numpy as np

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram, SqliteJournal
from ohmloop.sim_backend.instruments.benches import families, small_bench
from ohmloop.sim_backend.instruments.fault_trials import FaultTrials
from ohmloop.sim_backend.instruments.faults import Fault, Strike

LONGEST = 120.0  # a trial, s
OUTCOMES = ("once", "counted", "in doubt", "nothing")


def random_program(rng: np.random.Generator, shape: tuple[int, int]) -> PulseProgram:
    """Of either kind, with up to some hundred pulses, sometimes a few cells' only."""
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


def random_faults(rng: np.random.Generator) -> list[Strike | None]:
    """One or two faults of any kind, anywhere in the next messages."""

    def strike() -> Strike:
        fault = list(Fault)[rng.integers(len(Fault))]
        late, pulses = float(rng.uniform(0.05, 0.5)), int(rng.integers(1, 40))
        return Strike(fault, at=float(rng.random()), pulses=pulses, seconds=late)

    faults: list[Strike | None] = [None] * int(rng.integers(0, 5))
    faults.append(strike())
    if rng.random() < 0.25:
        faults += [*[None] * int(rng.integers(0, 3)), strike()]
    return faults


class Campaign:
    """Trials on one family.

    Args:
        family: which.
        seed: of programs and faults.
        folder: for the journal.
    """

    def __init__(self, family: str, seed: int, folder: Path) -> None:
        self.family = family
        self.outcomes: Counter[str] = Counter()
        self.violations: list[str] = []
        self.longest = 0.0
        self._rng = np.random.default_rng(seed)
        self._journal = SqliteJournal(folder / f"{family}.sqlite")
        self._trials = FaultTrials(small_bench(family), self._journal)

    def run(self, trials: int) -> None:
        """All trials; stops where one has no end."""
        for number in range(trials):
            worker = threading.Thread(target=self._trial, args=(number,), daemon=True)
            start = time.monotonic()
            worker.start()
            worker.join(LONGEST)
            self.longest = max(self.longest, time.monotonic() - start)
            if worker.is_alive():
                self._violation(number, f"hang: no end within {LONGEST:g} s")
                return
        self._end()

    def _trial(self, number: int) -> None:
        names = list(self._trials.emulated.servers)
        name = names[self._rng.integers(len(names))]
        faults = random_faults(self._rng)
        program = random_program(self._rng, self._trials.crossbar.shape)
        try:
            judged = self._trials.run(program, name, faults)
        except Exception:
            self._violation(number, f"other: {traceback.format_exc(limit=-6)}; {faults} on {name}")
            self._trials.renew()
            return
        self.outcomes[judged.outcome] += 1
        for text in judged.violations:
            self._violation(number, f"{text}; {faults} on {name}")

    def _end(self) -> None:
        emulated, trials = self._trials.emulated, self._trials
        self._trials.close()
        if emulated.outputs_on:
            self._violation(-1, "output: on after close")
        told, arrived = self._journal.totals()["pulses_applied"], emulated.pulses_applied
        if not told == trials.counted == arrived - trials.unknown:
            text = f"pulses: journal {told}, receipts {trials.counted}, chip {arrived}"
            self._violation(-1, f"{text} of which {trials.unknown} in doubt")
        self._journal.close()

    def _violation(self, number: int, text: str) -> None:
        self.violations.append(f"{self.family}, trial {number}: {text}")


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
    head = ("trials", *OUTCOMES, "violations", "longest, s")
    print(f"{'family':14}" + "".join(f"{name:>12}" for name in head))
    violations: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for family in given.families:
            campaign = Campaign(family, given.seed, Path(folder))
            campaign.run(each)
            counts = [campaign.outcomes[outcome] for outcome in OUTCOMES]
            figures = [each, *counts, len(campaign.violations), f"{campaign.longest:.1f}"]
            print(f"{family:14}" + "".join(f"{figure:>12}" for figure in figures), flush=True)
            violations += campaign.violations
    print("\n".join(violations) if violations else "no violation")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
