"""Study ``symmetric-point``: least squares by pulses on twins whose symmetric point is not 0."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from ohmloop.app.console import Report
from ohmloop.drivers.validation import Record

from .study import Count, LeastSquaresConfig, Positive, Shift, Summary
from .table import Table

Algorithm = Literal[
    "analog-sgd",
    "tiki-taka",
    "zero-shifted tiki-taka",
    "residual-learning",
    "zero-shifted residual-learning",
]


Slots = Annotated[int, Field(ge=1, le=64)]


class SymmetricPoint(Record):
    """The setting of arXiv:2502.06309, Fig. 2: generic linear cells, samples one after the other.

    ``zero-shifted`` algorithms have their fast array referenced to the symmetric point; in all
    others, and in every main array, weight 0 is the middle of the range.

    Attributes:
        problem: least squares; every step sees all samples, one rank-one update each.
        tau: bound of the weights.
        dw_min: granularity.
        c: asymmetries; the symmetric point is ``c tau``.
        learning_rate: of Analog SGD and of the transfer.
        fast_learning_rate: of the fast array.
        gamma: share of the fast array under residual learning.
        start: of all weights.
        desired_bl: slots of a sample.
        transfer_bl: slots of a transferred column.
        iterations: passes over all samples.
        algorithms: what is compared.
    """

    type: Literal["symmetric-point"]
    problem: LeastSquaresConfig = LeastSquaresConfig(dimensions=50, weight_std=0.5)
    tau: Positive = 3.5
    dw_min: Positive = 1e-4
    c: list[Shift] = Field([0.0, 0.1, 0.2, 0.3], min_length=1)
    learning_rate: Positive = 0.8
    fast_learning_rate: Positive = 0.8
    gamma: Positive = 0.4
    start: float = 1.0
    desired_bl: Slots = 8
    transfer_bl: Slots = 31
    iterations: Count = 1000
    algorithms: list[Algorithm] = Field(list(get_args(Algorithm)), min_length=1)

    def run(self, seed: int, progress: Report) -> Table:
        """Every algorithm at every asymmetry, on twins with the same seed."""
        from .pulsed_least_squares import PulsedLeastSquares

        problem = self.problem.problem(seed)
        table = Table(("algorithm", "c", "iteration", "loss"))
        points = [(a, c) for a in self.algorithms for c in self.c]
        for number, (algorithm, c) in enumerate(points):
            run = PulsedLeastSquares(self, problem, algorithm, c, seed)
            for iteration in range(self.iterations + 1):
                if iteration % max(1, self.iterations // 100) == 0:
                    done = number * self.iterations + iteration
                    total = len(points) * self.iterations
                    progress(done, total, f"{algorithm}, c = {c:g}")
                    table.add(algorithm, c, iteration, run.loss())
                run.step()
        return table

    def summary(self, table: Table) -> Summary:
        """Mean losses over the last tenth."""
        rows = []
        for algorithm in table.names("algorithm"):
            ends = [final_loss(table.of(algorithm=algorithm, c=c)) for c in table.names("c")]
            rows.append((str(algorithm), *(f"{end:.3g}" for end in ends)))
        return ("final loss", *(f"c = {c:g}" for c in table.names("c"))), rows

    def figures(self, table: Table) -> list[tuple[str, str]]:
        """A panel an asymmetry."""
        from ohmloop.calibration.drawing import drawing
        from ohmloop.calibration.reporting import figure

        values = table.names("c")
        with drawing(1, len(values), (2.6 * len(values), 3.2), sharey=True) as (fig, axes):
            for ax, c in zip(np.atleast_1d(axes), values, strict=True):
                for algorithm in table.names("algorithm"):
                    some = table.of(algorithm=algorithm, c=c)
                    ax.plot(some.numbers("iteration"), some.numbers("loss"), label=str(algorithm))
                ax.set(yscale="log", xlabel="iteration", title=f"c = {c:g}")
            np.atleast_1d(axes)[0].set_ylabel("loss")
            lines, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
            fig.legend(lines, labels, loc="outside lower center", ncols=3)
        caption = (
            "Least squares on generic linear cells, whose symmetric point is c tau: loss after"
            " passes over all samples, one pulsed rank-one update each."
        )
        return [("Where the symmetric point is off zero", figure(fig, caption))]


def final_loss(table: Table) -> float:
    """Mean over the last tenth of a curve."""
    losses = table.numbers("loss")
    return float(losses[-max(1, losses.size // 10) :].mean())
