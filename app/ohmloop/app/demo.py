"""``ohmloop demo``: the whole thread, on emulated instruments, with no hardware and no network.

Every step goes through what the other commands use: a bench file, a calibration file, experiment
files, run folders. Only the instruments are started here.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, Crossbar, load_bench, open_crossbar

from .calibrate import calibrate_chip, finish
from .check import check
from .console import Screen
from .crossbars import open_crossbars
from .demo_report import write_demo_report
from .examples_folder import example
from .experiments import Experiment, load_experiment
from .experiments.algorithm import DigitalSgd
from .measurement_file import open_measurement
from .run_folder import RunFolder
from .signals import orderly_interrupts
from .train import run_experiment

if TYPE_CHECKING:
    from ohmloop.sim_backend.instruments import EmulatedBench

BENCH = "bench-tsp.yaml"
RECIPE = {
    "routines": [
        "continuity",
        {"pulse_response": {"reads": 4, "cycles": 1, "pulses_per_read": 8}},
        {"symmetric_point": {"pulses_per_read": 1}},
        {"held_out": {"length": 4, "repeats": 2}},
    ]
}
"""What a twin and the check of it need: the standard recipe with fewer repetitions."""
SHORTER: dict[str, tuple[float, dict[str, Any]]] = {
    "digits.yaml": (0.5, {"epochs": 8, "batch": 40, "schedule": {"every": 3, "factor": 0.3}}),
    "digits-tiki-taka.yaml": (0.1, {"epochs": 8, "schedule": {"every": 3, "factor": 0.4}}),
}
"""Learning rate and training in place of the files' own, to end in a minute and a half.

Over the wire a batch costs what its reads cost, whatever its size: so there are few and large ones.
"""


def demo(output: Path, screen: Screen, seed: int) -> dict[str, Any]:
    """Check, calibrate, train on the twin, train on the chip, compare, report.

    Args:
        output: folder for all that is made.
        screen: who is told.
        seed: of training and pulse trains; the chip has its own, in the bench file.

    Returns:
        The figures of ``ohmloop demo --json``.

    Raises:
        BadInputError: ``output`` cannot be made.
    """
    from ohmloop.sim_backend.instruments import EmulatedBench

    started = time.perf_counter()
    _make(output)
    with orderly_interrupts(), ExitStack() as stack:
        emulated = stack.enter_context(EmulatedBench(load_bench(example(BENCH)), any_port=True))
        show = Demo(output, screen, seed, emulated)
        show.check()
        show.calibrate()
        for title, key, experiment in show.experiments():
            show.train(title, key, experiment)
    figures = show.figures() | {"seconds": time.perf_counter() - started}
    figures["report"] = str(write_demo_report(output, show.runs, figures))
    _tell(screen, figures)
    return figures


class Demo:
    """What the steps of a demo share."""

    def __init__(self, output: Path, screen: Screen, seed: int, emulated: EmulatedBench) -> None:
        self.output, self.screen, self.seed, self.emulated = output, screen, seed, emulated
        self.bench, self.chip_file = output / "bench.yaml", output / "chip.nc"
        self.bench.write_text(_bench_text(emulated), encoding="utf-8")
        self.messages = self.pulses_sent = 0
        self.calibration: dict[str, Any] = {}
        self.accuracy: dict[str, float] = {}
        self.runs: dict[str, Path] = {}

    def check(self) -> None:
        """Who answers?"""
        self.screen.say("1. Two emulated instruments answer on loopback, a chip behind them.")
        found = check(self.bench, self.screen)
        self.messages += found["crossbar"]["messages"]

    def calibrate(self) -> None:
        """Measure and fit every cell, over the wire."""
        from ohmloop.calibration import Recipe

        self.screen.say("2. Calibrate every cell over the wire, and check the twin on new pulses.")
        recipe = Recipe.read(RECIPE, "demo")
        store = open_measurement(self.chip_file, resume=False, fresh=True)
        with closing(store), open_crossbar(str(self.bench)) as chip:
            with self.screen.progress("calibrate", time_left=False) as progress:
                calibrate_chip(chip, recipe, store, self.seed, progress)
            self._count(chip)
            found = finish(store, recipe, self.chip_file, self.screen, "soft-bounds")
        self.calibration = found["calibration"]

    def experiments(self) -> list[tuple[str, str, Experiment]]:
        """The four runs: title, key of the result, experiment."""
        sgd, tiki = (
            _shorter(name).model_copy(
                update={
                    "seed": self.seed,
                    "crossbar": str(self.chip_file),
                    "calibration": str(self.chip_file),
                }
            )
            for name in SHORTER
        )
        yardstick = DigitalSgd(name="digital-sgd", learning_rate=0.1)
        digital = sgd.model_copy(update={"algorithm": yardstick, "training": tiki.training})
        chip = sgd.model_copy(update={"crossbar": str(self.bench)})
        return [
            ("digital yardstick", "digital", digital),
            ("Analog SGD, twin", "twin_analog_sgd", sgd),
            ("Tiki-Taka, twin", "twin_tiki_taka", tiki),
            ("Analog SGD, chip over the wire", "chip_analog_sgd", chip),
        ]

    def train(self, title: str, key: str, experiment: Experiment) -> None:
        """One run, in a run folder of its own."""
        experiment = experiment.model_copy(update={"name": title})
        run = RunFolder.create(self.output / "runs", key, _frozen(experiment))
        with ExitStack() as stack:
            stack.callback(run.close)
            crossbars = open_crossbars(experiment, stack)
            figures = run_experiment(experiment, crossbars, run, self.screen, resumed=False)
            if key.startswith("chip"):
                for crossbar in crossbars:
                    self._count(crossbar)
        self.accuracy[key] = figures["accuracy"]
        self.runs[title] = run.path

    def figures(self) -> dict[str, Any]:
        """What was counted and reached."""
        return {
            "messages": self.messages,
            "pulses_sent": self.pulses_sent,
            "pulses_applied": self.emulated.pulses_applied,
            "hot_switches": self.emulated.hot_switches,
            "outputs_on": self.emulated.outputs_on,
            "chip_seconds": self.emulated.clock.now,
            "calibration": self.calibration,
            "accuracy": self.accuracy,
        }

    def _count(self, chip: Crossbar) -> None:
        self.messages += int(getattr(chip, "messages", 0))
        self.pulses_sent += chip.pulses_sent


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{output}: cannot be made: {error.strerror}") from error


def _shorter(name: str) -> Experiment:
    """An example file, in less time."""
    experiment, (rate, changes) = load_experiment(example(name)), SHORTER[name]
    training = experiment.training
    return experiment.model_copy(
        update={
            "algorithm": experiment.algorithm.model_copy(update={"learning_rate": rate}),
            "training": type(training).model_validate(training.model_dump() | changes),
        }
    )


def _bench_text(emulated: EmulatedBench) -> str:
    """The example bench file, at the ports that are served now."""
    text = example(BENCH).read_text(encoding="utf-8")
    original = load_bench(example(BENCH)).config.instruments
    for name, config in original.items():
        text = text.replace(config.resource, emulated.servers[name].resource)
    return text


def _frozen(experiment: Experiment) -> str:
    import yaml

    return yaml.safe_dump(experiment.model_dump(), sort_keys=False)


def _tell(screen: Screen, figures: dict[str, Any]) -> None:
    accuracy = figures["accuracy"]
    screen.table(
        "first light",
        ("network 64-16-10 on digits", "held-out accuracy"),
        [
            ("digital SGD (yardstick)", f"{100 * accuracy['digital']:.1f} %"),
            ("Analog SGD on the twin", f"{100 * accuracy['twin_analog_sgd']:.1f} %"),
            ("Analog SGD on the chip, over the wire", f"{100 * accuracy['chip_analog_sgd']:.1f} %"),
            ("Tiki-Taka on the twin", f"{100 * accuracy['twin_tiki_taka']:.1f} %"),
        ],
    )
    screen.table(
        "over the wire",
        ("messages", "pulses sent", "pulses counted by the chip", "rmse / noise", "time"),
        [
            (
                str(figures["messages"]),
                str(figures["pulses_sent"]),
                str(figures["pulses_applied"]),
                f"{figures['calibration']['rmse_over_noise']:.3f}",
                f"{figures['seconds']:.0f} s",
            )
        ],
    )
    screen.say(f"report: {figures['report']}")
