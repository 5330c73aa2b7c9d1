"""Study ``implicit-penalty``: gradient noise pulls weights to the symmetric point."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.app.console import Report
from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from .study import Count, NotNegative, Positive, Response, Summary
from .table import Table


class ImplicitPenalty(Record):
    """A quadratic of two weights: where Analog SGD rests, against the penalised objective.

    Attributes:
        response: of the cells.
        curvature: of the quadratic in both directions.
        minimiser: of the quadratic.
        sigma: standard deviations of the noise of gradients.
        learning_rate: of Analog SGD.
        repeats: runs a point.
        time: steps times the learning rate; means are over the second half.
    """

    type: Literal["implicit-penalty"]
    response: Response
    curvature: list[Positive] = Field([1.0, 3.0], min_length=2, max_length=2)
    minimiser: list[float] = Field([0.6, -0.5], min_length=2, max_length=2)
    sigma: list[NotNegative] = Field(min_length=2)
    learning_rate: Positive = 0.01
    repeats: Count = 100
    time: Positive = 40

    def run(self, seed: int, progress: Report) -> Table:
        """Simulated, predicted by the mean drift, and minimised numerically, for every noise."""
        from ohmloop.training import AnalogSGD
        from ohmloop.training.theory.ensemble import Ensemble, normal_noise
        from ohmloop.training.theory.mean_field import resting_weights

        pair, problem = self.response.pair(), self._problem()
        names = ("simulated", "mean drift", "penalised objective")
        table = Table(("sigma", "how", "first", "second"))
        for number, sigma in enumerate(self.sigma):
            progress(number, len(self.sigma), f"noise {sigma:g}")
            rng = np.random.default_rng([seed, number])
            runs = Ensemble(problem, self.repeats, [pair], start=pair.symmetric_point)
            optimizer = AnalogSGD([runs.parameter], self.learning_rate, rng=rng)
            steps = int(np.ceil(self.time / self.learning_rate))
            trace = runs.run(optimizer, steps, normal_noise(sigma, rng))
            rest = resting_weights(problem, pair, sigma)
            ends = trace.mean_weights.mean(axis=0), rest, self._minimised(sigma)
            for name, (first, second) in zip(names, ends, strict=True):
                table.add(sigma, name, first, second)
        return table

    def _problem(self) -> Any:
        from ohmloop.training.data.synthetic import Quadratic

        tau = self.response.tau
        if max(map(abs, self.minimiser)) >= tau:
            raise BadInputError(
                f"study.minimiser: must lie within -{tau:g} and {tau:g}, the bounds"
            )
        if min(self.curvature) <= 0:
            raise BadInputError("study.curvature: both must be positive")
        return Quadratic(np.array(self.curvature), np.array(self.minimiser))

    def _minimised(self, sigma: float) -> NDArray[np.float64]:
        """Of the penalised objective, by its values."""
        from scipy.optimize import minimize

        pair, problem = self.response.pair(), self._problem()

        def objective(w: NDArray[np.float64]) -> float:
            return float(_penalised(problem, pair, sigma, w[None])[0])

        inside = 0.999 * self.response.tau
        start = np.full(2, pair.symmetric_point)
        bounds = [(-inside, inside)] * 2
        found: NDArray[np.float64] = minimize(objective, start, tol=1e-12, bounds=bounds).x
        return found

    def summary(self, table: Table) -> Summary:
        """Ends by noise."""
        rows = []
        for sigma in table.names("sigma"):
            ends = [table.of(sigma=sigma, how=how) for how in table.names("how")]
            texts = [f"{e.numbers('first')[0]:.3f}, {e.numbers('second')[0]:.3f}" for e in ends]
            rows.append((f"{sigma:g}", *texts))
        return ("noise", *map(str, table.names("how"))), rows

    def figures(self, table: Table) -> list[tuple[str, str]]:
        """The plane with both objectives, and distances from the symmetric point."""
        from ohmloop.calibration.drawing import GREEN, GREY, ORANGE, drawing
        from ohmloop.calibration.reporting import figure

        pair, problem = self.response.pair(), self._problem()
        at = pair.symmetric_point
        with drawing(1, 2, (7.2, 3.6)) as (fig, (plane, distance)):
            reach = 1.2 * max(abs(v - at) for v in self.minimiser)
            line = at + np.linspace(-reach, reach, 60)
            line = line[np.abs(line) < 0.98 * self.response.tau]
            grid = np.stack(np.meshgrid(line, line), axis=-1)
            sigma = max(self.sigma)
            plane.contour(line, line, problem.loss(grid), 8, colors="#cccccc", linewidths=0.7)
            values = _penalised(problem, pair, sigma, grid)
            plane.contour(line, line, values, 8, colors=ORANGE, linewidths=0.5, alpha=0.6)
            for how, style in zip(table.names("how"), ("o", "-", "--"), strict=True):
                some = table.of(how=how)
                x, y = some.numbers("first"), some.numbers("second")
                plane.plot(x, y, style, ms=4, label=str(how))
                away = np.hypot(x - at, y - at)
                distance.plot(some.numbers("sigma"), away, style, ms=4, label=str(how))
            plane.plot([at], [at], "+", color=GREY, ms=9, label="symmetric point")
            plane.plot(*self.minimiser, "x", color=GREEN, ms=7, label="minimiser")
            plane.set(xlabel="first weight", ylabel="second weight", aspect="equal")
            distance.set(xlabel="gradient noise", ylabel="distance from the symmetric point")
            fig.legend(*plane.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        caption = (
            f"Where Analog SGD rests, from no noise (at the minimiser) to noise {sigma:g}. Grey"
            " contours: the objective; orange: with the penalty E|noise| R_c that the cells add at"
            " that noise. Solid: where the mean drift is 0; dashed: minimiser of the penalised"
            " objective, which holds where noise is much larger than gradients."
        )
        return [("The implicit penalty", figure(fig, caption))]


def _penalised(problem: Any, pair: Any, sigma: float, weights: Any) -> NDArray[np.float64]:
    from ohmloop.training.theory.mean_field import penalised_loss

    return penalised_loss(problem, pair, sigma, weights)
