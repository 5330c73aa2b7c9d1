"""A learning rate for the fast array that makes good use of its trains, whatever the gradients.

``lr = fast_lr BL dw_min / (mean max|x| mean max|d|)``: a typical sample's strongest cell then gets
``fast_lr BL`` pulses (Rasch et al., Nat. Commun. 15:7133, 2024: eta_0 l_max delta_A / (mu_x mu_d)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ohmloop.drivers import BadInputError
from ohmloop.training.update.rule import Rows


@dataclass(frozen=True, slots=True)
class AutoScale:
    """See the module.

    Attributes:
        longest: most slots of a train, BL.
        momentum: share that the leaky means keep at each sample, 0 to below 1.

    Raises:
        BadInputError: out of range.
    """

    longest: int
    momentum: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise BadInputError(f"auto_momentum must lie from 0 to below 1, not {self.momentum}")

    def begin(self) -> dict[str, Any]:
        """Leaky means of the largest input and error of a sample; 0 before the first."""
        return {"mean_x": 0.0, "mean_d": 0.0}

    def rate(self, state: dict[str, Any], x: Rows, d: Rows, fast_lr: float, dw_min: float) -> float:
        """Take a mini-batch into the means.

        Args:
            state: the means, changed.
            x: inputs ``(batch, in)``.
            d: errors ``(batch, out)``.
            fast_lr: share of a train that a typical sample's strongest cell is to get.
            dw_min: granularity of the fast array.

        Returns:
            The learning rate that does so; 0 while all has been 0.
        """
        kept = self.momentum ** len(x)
        for name, values in (("mean_x", x), ("mean_d", d)):
            now = float(np.abs(values).max(axis=1).mean())
            # The first batch is the mean; a leak from 0 would ask for absurd rates at first.
            state[name] = kept * state[name] + (1 - kept) * now if state[name] else now
        product = state["mean_x"] * state["mean_d"]
        return float(fast_lr * self.longest * dw_min / product) if product > 0 else 0.0
