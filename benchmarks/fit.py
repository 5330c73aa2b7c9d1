"""How long fitting takes: an array of 200 pulses a cell, beside simulating the same array.

``python -m benchmarks.fit`` prints seconds, of the clock and of all processors together, and their
ratio to so many simulations of the same programs, and ends with 1 where a fit of 128 x 128 cells
took over a minute of the clock.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from ohmloop.calibration.fitting import Trajectories, fit_trajectories
from ohmloop.calibration.fitting.families import FAMILIES
from ohmloop.drivers import CellPulses
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

MINUTE, CELLS = 60.0, 128 * 128
PULSES, PER_READ, TRAIN = 200, 5, 50


def measured(side: int, seed: int) -> tuple[Trajectories, float]:
    """Trains of a twin of soft bounds, and how long they took, s."""
    twin = TwinCrossbar(sample(PopulationSpec(), (side, side), np.random.default_rng(seed)), seed=1)
    twin.pulse(CellPulses(np.zeros(twin.shape, np.int32)))
    readings, pulses = [twin.read().ravel() for _ in range(8)], [0] * 8
    start = time.perf_counter()
    for k in range(0, PULSES, PER_READ):
        count = PER_READ if k // TRAIN % 2 == 0 else -PER_READ
        twin.pulse(CellPulses(np.full(twin.shape, count, np.int32)))
        readings.append(twin.read().ravel())
        pulses.append(count)
    took = time.perf_counter() - start
    counts = np.repeat(np.array(pulses, np.int32)[:, None], side * side, axis=1)
    return Trajectories(np.array(readings), counts), took


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=128, help="rows and columns")
    parser.add_argument("--families", default=",".join(FAMILIES), help="names, by commas")
    options = parser.parse_args()
    small, _ = measured(8, 1)
    traj, simulated = measured(options.side, 2)
    late = False
    print(f"{traj.cells} cells, {PULSES} pulses and {traj.steps} readings each")
    print(f"simulated once: {simulated:.3f} s")
    for family in options.families.split(","):
        fit_trajectories(small, family)  # compiles
        start, cpu = time.perf_counter(), time.process_time()
        fit = fit_trajectories(traj, family)
        took, busy = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{family}: {took:.1f} s, {busy:.1f} s of processor,"
            f" {took / simulated:.0f} times the simulation; {fit.usable.mean():.1%} usable"
        )
        late |= took * CELLS / traj.cells > MINUTE
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
