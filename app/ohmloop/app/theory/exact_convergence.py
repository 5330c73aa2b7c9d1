"""Study ``exact-convergence``: errors that fall with the step size, and one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pydantic import Field

from ohmloop.app.console import Report
from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from .study import Count, Positive, Positives, Response, Summary
from .table import Table

if TYPE_CHECKING:
    from ohmloop.training import AnalogOptimizer
    from ohmloop.training.theory.ensemble import Ensemble

Algorithm = Literal["analog-sgd", "tiki-taka", "residual-learning"]


class ExactConvergence(Record):
    """A noisy quadratic: the mean squared error by step size, for one array and for two.

    Attributes:
        response: of all cells.
        minimiser: of the quadratic, whose curvature is 1.
        sigma: standard deviation of the noise of gradients.
        algorithms: what is compared.
        learning_rate: of Analog SGD at scale 1.
        fast_learning_rate: of the fast array at scale 1.
        transfer_learning_rate: of the transfer at scale 1.
        gamma: share of the fast array under residual learning.
        scales: what all rates are multiplied by.
        repeats: runs a point.
        time: steps times the scale; means are over the second half.
    """

    type: Literal["exact-convergence"]
    response: Response
    minimiser: list[float] = Field([0.5, -0.4], min_length=1)
    sigma: Positive = 1.0
    algorithms: list[Algorithm] = Field(list(get_args(Algorithm)), min_length=1)
    learning_rate: Positive = 0.02
    fast_learning_rate: Positive = 0.03
    transfer_learning_rate: Positive = 0.015
    gamma: Positive = 0.4
    scales: Positives
    repeats: Count = 50
    time: Positive = 800

    def run(self, seed: int, progress: Report) -> Table:
        """Every algorithm at every scale."""
        from ohmloop.training.theory.ensemble import normal_noise

        table = Table(("algorithm", "scale", "step", "squared_error"))
        points = [(a, s) for a in self.algorithms for s in sorted(self.scales, reverse=True)]
        for number, (algorithm, scale) in enumerate(points):
            progress(number, len(points), f"{algorithm}, scale {scale:g}")
            rng = np.random.default_rng([seed, number])
            runs, optimizer = self._made(algorithm, scale, rng)
            steps = int(np.ceil(self.time / scale))
            trace = runs.run(
                optimizer, steps, normal_noise(self.sigma, rng), every=max(1, steps // 200)
            )
            for step, losses in zip(trace.steps, trace.losses, strict=True):
                table.add(algorithm, scale, step, 2 * losses.mean())
            table.add(algorithm, scale, -1.0, 2 * trace.loss.mean())  # -1: mean over the tail
        return table

    def _made(
        self, algorithm: str, scale: float, rng: np.random.Generator
    ) -> tuple[Ensemble, AnalogOptimizer]:
        from ohmloop.training import AnalogSGD, TikiTaka
        from ohmloop.training.data.synthetic import Quadratic
        from ohmloop.training.theory.ensemble import Ensemble

        goal, pair = np.array(self.minimiser), self.response.pair()
        if np.abs(goal).max() >= self.response.tau:
            bound = self.response.tau
            raise BadInputError(f"study.minimiser: must lie within -{bound:g} and {bound:g}")
        problem = Quadratic(np.ones_like(goal), goal)
        if algorithm == "analog-sgd":
            one = Ensemble(problem, self.repeats, [pair])
            return one, AnalogSGD([one.parameter], self.learning_rate * scale, rng=rng)
        gamma = self.gamma if algorithm == "residual-learning" else 0.0
        two = Ensemble(problem, self.repeats, [pair.zero_shifted(), pair], gamma=gamma)
        # Gradients at W + gamma P into P, and P into W: with gamma 0 that is Tiki-Taka.
        optimizer = TikiTaka(
            [two.parameter],
            scale,
            rng=rng,
            fast_lr=self.fast_learning_rate * scale,
            transfer_lr=self.transfer_learning_rate,
        )
        return two, optimizer

    def summary(self, table: Table) -> Summary:
        """Errors by scale."""
        scales = table.names("scale")
        rows = []
        for algorithm in table.names("algorithm"):
            ends = table.of(algorithm=algorithm, step=-1.0)
            errors = [f"{e:.3g}" for e in ends.numbers("squared_error")]
            slope = np.polyfit(
                np.log(ends.numbers("scale")), np.log(ends.numbers("squared_error")), 1
            )[0]
            rows.append((str(algorithm), *errors, f"{slope:.2f}"))
        return ("algorithm", *(f"rates x {s:g}" for s in scales), "slope"), rows

    def figures(self, table: Table) -> list[tuple[str, str]]:
        """Curves of the smallest rates, and errors by scale."""
        from ohmloop.calibration.drawing import drawing
        from ohmloop.calibration.reporting import figure

        with drawing(1, 2, (7.2, 2.9)) as (fig, (curve, by_scale)):
            smallest = min(self.scales)
            for algorithm in table.names("algorithm"):
                some = table.of(algorithm=algorithm, scale=smallest)
                steps, errors = some.numbers("step"), some.numbers("squared_error")
                curve.plot(steps[:-1], errors[:-1], label=str(algorithm))
                ends = table.of(algorithm=algorithm, step=-1.0)
                x, y = ends.numbers("scale"), ends.numbers("squared_error")
                by_scale.plot(x, y, "o-", ms=3, label=str(algorithm))
            curve.set(yscale="log", xlabel="step", ylabel="mean squared error of the weights")
            curve.set_title(f"rates x {smallest:g}")
            by_scale.set(xscale="log", yscale="log", xlabel="scale of all rates")
            by_scale.legend()
        caption = (
            "Mean squared error of the weights; right, over the second half of the steps. With two"
            " arrays it falls with the rates, as in digital training; Analog SGD keeps its bias."
        )
        return [("Exact convergence", figure(fig, caption))]
