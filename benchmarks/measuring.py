"""What it costs to keep every step of a measurement: ``python -m benchmarks.measuring``.

The standard recipe's steps on a 64 x 64 twin and over the wire on the emulated TSP bench of the
examples, through a session whose store is a file, and straight to the crossbar; each in turns, so
that both see the same machine.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from ohmloop.calibration import MeasurementStore
from ohmloop.calibration.measuring import Session
from ohmloop.drivers import CellPulses, Crossbar, load_bench, open_crossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench


def bare(crossbar: Crossbar, program: CellPulses, steps: int) -> float:
    """Seconds a step: one program and one reading."""
    started = time.perf_counter()
    for _ in range(steps):
        crossbar.pulse(program)
        crossbar.read()
    return (time.perf_counter() - started) / steps


def kept(session: Session, program: CellPulses, steps: int) -> float:
    """The same, kept."""
    started = time.perf_counter()
    for _ in range(steps):
        session.pulse(program)
        session.read()
    return (time.perf_counter() - started) / steps


def compare(crossbar: Crossbar, turns: int, steps: int, what: str) -> None:
    """Both in turns; the medians."""
    program = CellPulses(np.full(crossbar.shape, 5, np.int32))
    bare(crossbar, program, steps)
    with tempfile.TemporaryDirectory() as folder:
        store = MeasurementStore(Path(folder) / "m.sqlite")
        session = Session(crossbar, store, "benchmark")
        pairs = [
            (bare(crossbar, program, steps), kept(session, program, steps)) for _ in range(turns)
        ]
        store.close()
    without, with_store = np.median(pairs, axis=0)
    print(
        f"{what}: {1e3 * without:.2f} ms a step, {1e3 * with_store:.2f} ms kept in a store:"
        f" {1e3 * (with_store - without):+.2f} ms, ratio {with_store / without:.3f}"
    )


if __name__ == "__main__":
    with open_crossbar("sim:soft-bounds?shape=64x64") as twin:
        compare(twin, 9, 20, "twin")
    file = Path(__file__).parents[1] / "examples" / "bench-tsp.yaml"
    with (
        EmulatedBench(load_bench(file), any_port=True) as emulated,
        open_on_bench(emulated.bench) as chip,
    ):
        compare(chip, 3, 5, "emulated TSP bench")
