"""How far fast approximations of wire resistance are off the exact solution, and what they cost.

    python -m benchmarks.wires [--sizes 16 32 64 128] [--ratios 1e-6 1e-5 1e-4 1e-3]

Square maps, conductances uniform between a tenth of the largest and the largest, 8 random samples
of voltages of one sign, lines driven and sensed at their first ends, without source or sense
resistance. The ratio is the resistance of one segment of wire to that of the most conducting cell.
``ideal`` takes the wires for ideal. Errors are root mean square (and largest), relative to the root
mean square of the exact currents. Times are of one map and 8 samples, in ms: ``exact`` factorises.
Prints the table of ``docs/reference/periphery.md``.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from ohmloop.sim_backend.periphery.ladders import relax
from ohmloop.sim_backend.periphery.wire_resistance import WiredMap, Wires

LARGEST = 100e-6  # S
SWEEPS = (1, 4, 16)


def row(size: int, ratio: float) -> str:
    """One line of the table."""
    rng = np.random.default_rng(0)
    g = rng.uniform(LARGEST / 10, LARGEST, (size, size))
    volts = rng.uniform(0, 0.2, (8, size))
    segment = f"{ratio / LARGEST:.9g} ohm"
    wires = Wires(row_segment=segment, column_segment=segment)
    start = time.perf_counter()
    exact = WiredMap(g, wires).forward(volts)
    times = [time.perf_counter() - start]
    found = [volts @ g.T]
    for sweeps in SWEEPS:
        start = time.perf_counter()
        found.append(relax(g, wires, volts, sweeps))
        times.append(time.perf_counter() - start)
    unit = np.sqrt(np.mean(exact**2))
    off = [f - exact for f in found]
    errors = [f"{np.sqrt(np.mean(o**2)) / unit:.1e} ({abs(o).max() / unit:.1e})" for o in off]
    cost = " / ".join(f"{1e3 * t:.3g}" for t in times)
    return f"| {size} | {ratio:g} | " + " | ".join(errors) + f" | {cost} |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wires")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--ratios", type=float, nargs="+", default=[1e-6, 1e-5, 1e-4, 1e-3])
    options = parser.parse_args()
    names = [f"{n} sweep" + "s" * (n > 1) for n in SWEEPS]
    print("| size | ratio | ideal | " + " | ".join(names) + " | ms: exact / sweeps |")
    print("|---" * (4 + len(names)) + "|")
    row(4, 1e-4)  # loads the solver
    for size in options.sizes:
        for ratio in options.ratios:
            print(row(size, ratio), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
