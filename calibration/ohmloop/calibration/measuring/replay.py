"""The currents of a measurement, given again: for an analysis that goes the way of its routine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import ALL, BadInputError, Limits, ReadCondition
from ohmloop.drivers.crossbar import Lines

from .measured import Measured
from .session import raised


class Replay:
    """Answers ``currents`` in the order in which they were measured, failures included.

    Args:
        measured: the routine's steps.
    """

    def __init__(self, measured: Measured) -> None:
        self._steps = iter(measured.steps("currents"))
        self.shape: tuple[int, int] = measured.shape
        self.reading: ReadCondition = measured.reading
        self.limits: Limits = measured.limits
        self._routine = measured.routine

    def currents(
        self,
        voltage: float,
        rows: Lines = ALL,  # noqa: ARG002
        columns: Lines = ALL,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """The next currents, A.

        Raises:
            BadInputError: nothing more was measured, or it was at another voltage.
            InstrumentError: as it was raised then.
        """
        step = next(self._steps, None)
        if step is None or step.arguments["voltage"] != voltage:
            raise BadInputError(f"{self._routine}: was measured by another version; measure again")
        if step.state == "failed":
            raise raised(step.arguments["error"])
        assert step.result is not None
        return step.result
