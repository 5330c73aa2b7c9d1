"""Study ``error-floor``: where Analog SGD stops, by noise, learning rate, range and states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ohmloop.app.console import Report
from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from .study import Count, LeastSquaresConfig, Positive, Positives, Summary
from .table import Table

if TYPE_CHECKING:
    from ohmloop.training.data.synthetic import LeastSquares
    from ohmloop.training.theory.ensemble import Trace

_LABELS = {
    "sigma": "gradient noise",
    "learning_rate": "learning rate",
    "tau": "active range",
    "states": "number of states",
}


class Sweeps(Record):
    """Values that one setting takes while the others stay."""

    sigma: Positives | None = None
    learning_rate: Positives | None = None
    tau: Positives | None = None
    states: Positives | None = None


class ErrorFloor(Record):
    """Noisy least squares by Analog SGD on soft-bounds cells, and by digital SGD.

    Attributes:
        problem: least squares.
        sigma: standard deviation of the noise of every gradient.
        learning_rate: of both.
        tau: bound of the weights.
        states: ``2 tau / dw_min``, which adds the noise of whole pulses; none where it is left out.
        sweep: what varies.
        repeats: runs a point.
        time: steps times the learning rate; means are over the second half.
    """

    type: Literal["error-floor"]
    problem: LeastSquaresConfig = LeastSquaresConfig()
    sigma: Positive = 0.1
    learning_rate: Positive = 0.02
    tau: Positive = 3.0
    states: Positive | None = None
    sweep: Sweeps
    repeats: Count = 20
    time: Positive = 40

    def run(self, seed: int, progress: Report) -> Table:
        """Both algorithms at every point of every sweep."""
        problem = self.problem.problem(seed)
        table = Table(
            ("sweep", "value", "algorithm", "squared_gradient", "of_mean_weights", "predicted")
        )
        points = [(k, v) for k, values in self.sweep for v in values or []]
        if not points:
            raise BadInputError("study.sweep: is empty; give values of sigma, learning_rate, ...")
        for number, (name, value) in enumerate(points):
            progress(2 * number, 2 * len(points), f"{_LABELS[name]} {value:g}")
            here = self.model_copy(update={name: value})
            for algorithm in ("analog-sgd", "digital-sgd"):
                trace = here._one(problem, algorithm, [seed, number])
                mean = problem.gradient(trace.mean_weights.mean(axis=0, keepdims=True))
                told = here._told(problem) if algorithm == "analog-sgd" else 0.0
                measured = trace.squared_gradient.mean(), (mean**2).sum()
                table.add(name, value, algorithm, *measured, told)
        return table

    def _one(self, problem: LeastSquares, algorithm: str, seed: list[int]) -> Trace:
        from ohmloop.training import AnalogSGD
        from ohmloop.training.theory.ensemble import Ensemble, normal_noise
        from ohmloop.training.theory.response_pair import ideal, linear

        rng, analog = np.random.default_rng(seed), algorithm == "analog-sgd"
        cells = linear(self.tau) if analog else ideal()
        step = 2 * self.tau / self.states if analog and self.states else 0.0
        runs = Ensemble(problem, self.repeats, [cells], dw_min=step, rng=rng)
        optimizer = AnalogSGD([runs.parameter], self.learning_rate, rng=rng)
        steps = int(np.ceil(self.time / self.learning_rate))
        return runs.run(optimizer, steps, normal_noise(self.sigma, rng))

    def _told(self, problem: LeastSquares) -> float:
        from ohmloop.training.theory.mean_field import resting_weights
        from ohmloop.training.theory.response_pair import linear

        rest = resting_weights(problem, linear(self.tau), self.sigma)
        return float((problem.gradient(rest) ** 2).sum())

    def summary(self, table: Table) -> Summary:
        """Slopes on double logarithmic axes: of the floor, and of the part of it that is bias."""
        rows: list[tuple[str, ...]] = []
        for name in table.names("sweep"):
            for algorithm in ("analog-sgd", "digital-sgd"):
                some = table.of(sweep=name, algorithm=algorithm)
                columns = ("squared_gradient", "of_mean_weights", "predicted")
                slopes = [_slope(some, column) for column in columns]
                if algorithm == "digital-sgd":
                    slopes[1:] = ["-", "-"]  # it has none
                rows.append((_LABELS[str(name)], algorithm, *slopes))
        return ("against", "algorithm", "slope of the floor", "of its bias", "predicted"), rows

    def figures(self, table: Table) -> list[tuple[str, str]]:
        """A panel a sweep."""
        from matplotlib.ticker import NullLocator

        from ohmloop.calibration.drawing import GREEN, GREY, drawing
        from ohmloop.calibration.reporting import figure

        names = table.names("sweep")
        with drawing(1, len(names), (2.6 * len(names), 3.1)) as (fig, axes):
            for ax, name in zip(np.atleast_1d(axes), names, strict=True):
                for algorithm in table.names("algorithm"):
                    some = table.of(sweep=name, algorithm=algorithm)
                    x = some.numbers("value")
                    ax.plot(x, some.numbers("squared_gradient"), "o-", ms=3, label=algorithm)
                    if algorithm == "analog-sgd":
                        bias = some.numbers("of_mean_weights")
                        ax.plot(x, bias, "s", ms=3, color=GREEN, label="its bias")
                        told: dict[str, Any] = {"color": GREY, "label": "its bias, predicted"}
                        ax.plot(x, some.numbers("predicted"), "--", **told)
                ax.set(xscale="log", yscale="log", xlabel=_LABELS[str(name)])
                ax.set_xticks(x, labels=[f"{v:g}" for v in x])
                ax.xaxis.set_minor_locator(NullLocator())
            np.atleast_1d(axes)[0].set_ylabel("mean squared gradient")
            lines, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
            fig.legend(lines, labels, loc="outside lower center", ncols=3)
        caption = (
            "Error floors: the squared true gradient, mean over the second half of the steps."
            " Digital SGD's falls with the learning rate. Analog SGD's does not fall below its"
            " bias, the squared gradient of the mean weights, which grows with the noise and"
            " shrinks with the active range; dashed: where the mean drift is 0. Few states add the"
            " noise of whole pulses."
        )
        return [("Error floors", figure(fig, caption))]


def _slope(table: Table, column: str) -> str:
    values = table.numbers(column)
    if not (values > 0).all():
        return "-"
    return f"{np.polyfit(np.log(table.numbers('value')), np.log(values), 1)[0]:.2f}"
