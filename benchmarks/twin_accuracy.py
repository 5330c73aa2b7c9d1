"""A network trained on a twin against one trained on its chip, and on twins wrong on purpose.

    python -m benchmarks.twin_accuracy [--seeds 6] [--epochs 6] [--wire] [--json]

The chip of the TSP example is calibrated; digits are then trained by Analog SGD and by Tiki-Taka on
chip and twin, paired by seed (see ``ohmloop.app.twin_accuracy`` for the test and its false alarms),
and on two wrong twins: steps three times as large, and up steps twice as large against
down steps. With
``--wire`` one run more is made over the emulated instruments: it must reach the same accuracy as
the chip in this process to the last bit, which is why all the others are made here. The exit status
is 1 where the twin is rejected, or no wrong twin is.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ohmloop.app.examples_folder import example
from ohmloop.app.twin_accuracy import (
    ALGORITHMS,
    Paired,
    accuracies,
    calibrated,
    experiment_of,
    fresh,
    wrong_twin,
)
from ohmloop.drivers import load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.chip_file import characteristics_of, population_of
from ohmloop.sim_backend.instruments import EmulatedBench

WRONG = {"granularity x 3": {"granularity": 3.0}, "up steps x 2": {"skew": 2.0}}
CHIP, TWIN = 1000, 5000  # seeds of device noise start here


def main() -> int:
    """Run all, say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--wire", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with EmulatedBench(load_bench(example("bench-tsp.yaml")), any_port=True) as emulated:
        chip_cells = emulated.cells.population
        with open_on_bench(emulated.bench) as bench:
            like = bench
    unknown = chip_cells.characteristics()
    record = calibrated(fresh(chip_cells, unknown, CHIP, like)(0), seed=7)
    known, twin_cells = characteristics_of(record), population_of(record)
    found: dict[str, Any] = {"rmse_over_noise": float(record.attrs["rmse_over_noise"])}
    fine = True
    for algorithm in ALGORITHMS:
        experiment = experiment_of(algorithm, options.epochs)

        def reached(cells: Population, first: int, experiment: Any = experiment) -> Any:
            return accuracies(experiment, fresh(cells, known, first, like), range(options.seeds))

        chip = reached(chip_cells, CHIP)
        twin = Paired(chip, reached(twin_cells, TWIN))
        found[algorithm] = {"twin": _figures(twin)}
        for name, how in WRONG.items():
            wrong = Paired(chip, reached(wrong_twin(twin_cells, **how), TWIN))
            found[algorithm][name] = _figures(wrong)
        caught = any(not found[algorithm][name]["alike"] for name in WRONG)
        fine &= twin.alike and caught
        if not options.json:
            _show(algorithm, found[algorithm])
    if options.wire:
        fine &= _wire(found, known, options)
    if options.json:
        print(json.dumps(found | {"fine": fine}))
    return 0 if fine else 1


def _wire(found: dict[str, Any], known: Any, options: Any) -> bool:
    """One run over the emulated instruments, beside the same in this process."""
    experiment = experiment_of("Analog SGD", options.epochs)
    with (
        EmulatedBench(load_bench(example("bench-tsp.yaml")), any_port=True) as emulated,
        open_on_bench(emulated.bench) as chip,
    ):
        chip.characteristics = known
        here = fresh(emulated.cells.population, known, emulated.cells.seed, chip)
        over = accuracies(experiment, lambda _: chip, [0])
    inside = accuracies(experiment, here, [0])
    found["wire"] = {"over the wire": float(over[0]), "in process": float(inside[0])}
    if not options.json:
        print(f"one run over the wire: {over[0]:.4f}, in this process: {inside[0]:.4f}")
    return bool(over[0] == inside[0])


def _figures(pair: Paired) -> dict[str, Any]:
    return {
        "chip": pair.first.tolist(),
        "other": pair.second.tolist(),
        "difference": pair.difference,
        "stderr": pair.stderr,
        "p": pair.p_value,
        "alike": pair.alike,
    }


def _show(algorithm: str, found: dict[str, Any]) -> None:
    chip = found["twin"]["chip"]
    print(f"{algorithm}: chip {100 * sum(chip) / len(chip):.1f} % over {len(chip)} seeds")
    for name, f in found.items():
        mean = 100 * sum(f["other"]) / len(f["other"])
        print(
            f"  {name:16} {mean:5.1f} %, {100 * f['difference']:+5.1f} +-"
            f" {100 * f['stderr']:.1f} %, p = {f['p']:.2g}:"
            f" {'alike' if f['alike'] else 'different'}"
        )


if __name__ == "__main__":
    sys.exit(main())
