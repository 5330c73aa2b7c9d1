"""Does a network learn on a twin what it learns on the chip? Paired runs, seed by seed.

A seed fixes data, first weights, order of samples and pulse trains, so two crossbars that are
alike differ by their device noise alone. The hypothesis is that the mean difference of held-out
accuracies over seeds is zero; Student's paired t-test rejects it at ``ALPHA``, so an exact twin is
called different once in 100 comparisons. A test that nothing can fail shows nothing: a twin that is
wrong on purpose goes through the same, and must be rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import Capabilities, Characteristics, Crossbar
from ohmloop.sim_backend import Population, TwinCrossbar

from .examples_folder import example
from .experiments import Experiment, load_experiment
from .train import make_trainer

if TYPE_CHECKING:
    import xarray as xr

ALPHA = 0.01
ALGORITHMS = {"Analog SGD": "digits.yaml", "Tiki-Taka": "digits-tiki-taka.yaml"}
Open = Callable[[int], Crossbar]
"""Opens a fresh crossbar; the number seeds its device noise."""


@dataclass(frozen=True)
class Paired:
    """Accuracies of two crossbars, seed by seed.

    Attributes:
        first: of the chip, ``(seeds,)``, 0 to 1.
        second: of the twin.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @property
    def difference(self) -> float:
        """Mean of second less first."""
        return float((self.second - self.first).mean())

    @property
    def stderr(self) -> float:
        """Standard error of ``difference``."""
        apart = self.second - self.first
        return float(apart.std(ddof=1) / np.sqrt(apart.size))

    @property
    def p_value(self) -> float:
        """Of the hypothesis that both are alike; two-sided."""
        from scipy import stats

        if self.difference == 0:
            return 1.0
        if self.stderr == 0:
            return 0.0
        t = abs(self.difference) / self.stderr
        return float(2 * stats.t.sf(t, self.first.size - 1))

    @property
    def alike(self) -> bool:
        """Whether the hypothesis stands."""
        return self.p_value >= ALPHA


def experiment_of(algorithm: str, epochs: int) -> Experiment:
    """The example of an algorithm, cut to so many epochs."""
    found = load_experiment(example(ALGORITHMS[algorithm]))
    training = found.training.model_copy(update={"epochs": epochs})
    return found.model_copy(update={"training": training})


def accuracies(experiment: Experiment, make: Open, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Held-out accuracy after training, one run a seed, each on a fresh crossbar."""
    return np.array([_accuracy(experiment.model_copy(update={"seed": s}), make(s)) for s in seeds])


def _accuracy(experiment: Experiment, crossbar: Crossbar) -> float:
    trainer = make_trainer(experiment, [crossbar], programmed=False)
    return trainer.run(experiment.training.epochs)[-1].accuracy


def fresh(
    population: Population, known: Characteristics, first_seed: int, like: Crossbar | None = None
) -> Open:
    """Opens crossbars of some cells, of which training knows ``known``.

    Args:
        population: the cells.
        known: what a calibration found.
        first_seed: added to every seed; different ones give independent device noise.
        like: a crossbar whose conditions they have.
    """
    bench: dict[str, Any] = {"capabilities": Capabilities()}
    if like is not None:
        bench |= {"conditions": like.conditions, "reading": like.reading, "limits": like.limits}

    def make(seed: int) -> Crossbar:
        return TwinCrossbar(population, seed=first_seed + seed, characteristics=known, **bench)

    return make


def wrong_twin(population: Population, granularity: float = 1.0, skew: float = 1.0) -> Population:
    """A twin wrong on purpose: steps too large, or up steps larger than down steps.

    Args:
        population: a twin's cells, with slopes.
        granularity: factor of all steps.
        skew: ratio by which up steps grow against down steps; moves the symmetric point.
    """
    response = population.response
    by = {"slope_up": granularity * np.sqrt(skew), "slope_down": granularity / np.sqrt(skew)}
    changed = {n: np.minimum(getattr(response, n) * f, 1.0) for n, f in by.items()}
    return replace(population, response=replace(response, **changed))


def calibrated(chip: Crossbar, seed: int) -> xr.Dataset:
    """The chip record of a calibration with the standard recipe."""
    from ohmloop.calibration import calibrate

    return calibrate(chip, seed=seed, family="soft-bounds")
