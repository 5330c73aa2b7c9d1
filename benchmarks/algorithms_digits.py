"""Every algorithm on handwritten digits, as its example file has it, on a twin.

    python -m benchmarks.algorithms_digits [--seeds 3] [--only agad e-rider] [--set epochs=4]
        [--offset 0.2] [--json]

Accuracy on the held-out fifth after training, mean over the last three epochs, and its spread over
seeds, which fix data, first weights, order of samples, trains and cells alike. Pulses are those of
training, over all arrays of all layers. `--offset` leaves training in the belief that the symmetric
points are elsewhere: references are off by so much of the range of cells, the same for all.

Target: every algorithm within 3 percentage points of Analog SGD, or better; the exit status is 1
where one is not. With an offset there is no target.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ohmloop.app.examples_folder import example
from ohmloop.app.experiments import Experiment, load_experiment
from ohmloop.app.train import make_trainer
from ohmloop.drivers import Crossbar, open_crossbar

BELOW = 0.03  # of Analog SGD, at the most
LAST = 3  # epochs
YARDSTICK = "analog-sgd"


@dataclass(frozen=True)
class Found:
    """One run.

    Attributes:
        accuracy: 0 to 1.
        pulses: while training.
        seconds: of training.
    """

    accuracy: float
    pulses: int
    seconds: float


def names() -> list[str]:
    """Of the example files, the yardsticks first."""
    found = sorted(file.stem for file in example("algorithms/agad.yaml").parent.glob("*.yaml"))
    first = ["digital-sgd", YARDSTICK]
    return first + [name for name in found if name not in first]


def run(experiment: Experiment, seed: int, offset: float) -> Found:
    """Train once."""
    experiment = experiment.model_copy(update={"seed": seed})
    digital = experiment.algorithm.arrays == 0
    chips = [] if digital else [mistaken(opened(experiment, seed), offset)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental")
        trainer = make_trainer(experiment, chips, programmed=False)
    trainer.run(experiment.training.epochs)
    return Found(
        float(np.mean([record.accuracy for record in trainer.history[-LAST:]])),
        trainer.pulses,
        sum(record.seconds for record in trainer.history),
    )


def opened(experiment: Experiment, seed: int) -> Crossbar:
    """The twin of an experiment, its cells drawn anew for every seed."""
    name = str(experiment.crossbar).replace("seed=1", f"seed={seed}")
    return open_crossbar(name, seed=seed, periphery=experiment.periphery)


def mistaken(chip: Crossbar, offset: float) -> Crossbar:
    """The crossbar with symmetric points believed to be lower, by a share of the range."""
    known = chip.characteristics
    if offset and known is not None:
        shift = offset * (known.g_max - known.g_min)
        chip.characteristics = replace(known, symmetric_point=known.symmetric_point - shift)
    return chip


def changed(experiment: Experiment, settings: list[str]) -> Experiment:
    """Values set on the command line: of ``training``, or else of ``algorithm``."""
    for setting in settings:
        key, _, text = setting.partition("=")
        value = json.loads(text)
        section = "training" if key in type(experiment.training).model_fields else "algorithm"
        part = getattr(experiment, section)
        part = type(part).model_validate(part.model_dump() | {key: value})
        experiment = experiment.model_copy(update={section: part})
    return experiment


def main() -> int:
    """Train, print a table, judge."""
    options = _options()
    found: dict[str, list[Found]] = {}
    if not options.json:
        print("| algorithm | accuracy, % | over seeds | pulses, million | seconds |")
        print("|---|---|---|---|---|")
    for name in options.only or names():
        experiment = changed(load_experiment(example(f"algorithms/{name}.yaml")), options.set)
        found[name] = [run(experiment, s, options.offset) for s in range(1, options.seeds + 1)]
        if not options.json:
            print(_line(name, found[name]), flush=True)
    if options.json:
        print(json.dumps({name: [vars_of(f) for f in runs] for name, runs in found.items()}))
    if options.offset or YARDSTICK not in found:
        return 0
    least = _mean(found[YARDSTICK]) - BELOW
    short = [name for name, runs in found.items() if _mean(runs) < least]
    if short:
        print(f"more than {100 * BELOW:g} points below {YARDSTICK}: {', '.join(short)}")
    return 1 if short else 0


def vars_of(found: Found) -> dict[str, Any]:
    """A run as plain values."""
    return {"accuracy": found.accuracy, "pulses": found.pulses, "seconds": found.seconds}


def _line(name: str, runs: list[Found]) -> str:
    accuracies = [100 * f.accuracy for f in runs]
    return (
        f"| `{name}` | {np.mean(accuracies):.1f} | {min(accuracies):.1f} to {max(accuracies):.1f}"
        f" | {np.mean([f.pulses for f in runs]) / 1e6:.2f}"
        f" | {np.mean([f.seconds for f in runs]):.0f} |"
    )


def _mean(runs: list[Found]) -> float:
    return float(np.mean([f.accuracy for f in runs]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=names())
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
