"""How many pulses to give a cell that is so many steps away from where it should be.

The one decision of every closed loop of pulses and reads, shared by all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CAUTION = 0.7
"""Share of the distance to go at once: steps are known roughly, and an overshoot has to be paid
twice."""


def careful_counts(steps: NDArray[np.float64], most: float) -> NDArray[np.int32]:
    """Signed pulses that go most of the way.

    The last step is not scaled down: 0.7 of it would be rounded away or repeated for ever.

    Args:
        steps: distance to go in steps of one pulse, positive = up; finite.
        most: pulses that a cell may get at once.

    Returns:
        int32 of the same shape: 0 for distances below half a step.
    """
    careful = np.where(np.abs(steps) < 2, steps, steps * CAUTION)
    limit = np.floor(min(most, np.iinfo(np.int32).max))
    return np.clip(np.rint(careful), -limit, limit).astype(np.int32)
