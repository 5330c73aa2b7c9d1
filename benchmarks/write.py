"""What it takes to write a 64 x 64 twin to random targets: pulses, rounds, and what is reached.

``python -m benchmarks.write`` prints a table: with the response functions known and learned on the
way, for several tolerances; "truly" counts by the twin's true conductances, which no chip tells.
"""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.writing import write_verify
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

SHAPE = (64, 64)


def main() -> None:
    """Print the table."""
    cells = sample(PopulationSpec(), SHAPE, np.random.default_rng(0))
    known = cells.characteristics()
    share = np.random.default_rng(1).uniform(0.1, 0.9, SHAPE)
    target = known.g_min + share * (known.g_max - known.g_min)
    response = type(cells.response)(*(v.astype(float) for v in cells.flat_parameters()))
    print("steps    tolerance  hits     truly    rounds  pulses a cell  readings")
    for name, given in (("known", response), ("learned", None)):
        for steps in (2.0, 1.0, 0.5):
            chip = TwinCrossbar(cells, seed=3, capabilities=Capabilities())
            tolerance = steps * known.dg_min
            written = write_verify(chip, target, tolerance, response=given)
            truly = (np.abs(chip.conductance - target) <= tolerance).mean()
            print(
                f"{name:8} {steps:4.1f} steps {written.hit_rate:8.2%} {truly:8.2%}"
                f" {written.rounds:7} {written.pulses.mean():14.1f} {written.readings:9}"
            )


if __name__ == "__main__":
    main()
