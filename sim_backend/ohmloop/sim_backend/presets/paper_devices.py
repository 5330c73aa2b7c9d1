"""Responses of Wu et al., arXiv 2502.06309, as presets use them; aihwkit has neither.

Steps ``dw_min F(w)`` with ``F(0) = 1``, bounds at plus and minus tau; noise is relative to
``dw_min`` wherever the cell is (equation 26).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ohmloop.sim_backend.responses import ExponentialStep, PowerStep, ResponseFunction

from .aihwkit_draws import Drawn, Positive, PulsedDevice, Rng, Shape


class PaperDevice(PulsedDevice):
    """``dw_min`` is the step at mid-range; noise is relative to it, wherever the cell is.

    Attributes:
        family: the response function.
        gamma: exponent or rate of both directions.
    """

    family: ClassVar[type[PowerStep | ExponentialStep]]
    gamma: Positive

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """Given by the steps at mid-range."""
        steps = cells.scale_up, cells.scale_down
        gamma = self.gamma, self.gamma
        return self.family.with_step_at_middle(cells.b_min, cells.b_max, *steps, *gamma)

    def noise(self, cells: Drawn) -> tuple[Any, Any]:
        """``dg_std`` and ``dg_add``."""
        return self.additive_noise(cells)


class PaperPowerDevice(PaperDevice):
    """Power response of arXiv 2502.06309, equation 148."""

    family = PowerStep
    model: Literal["paper-power-step"]


class PaperExponentialDevice(PaperDevice):
    """Exponential response of arXiv 2502.06309, equation 149."""

    family = ExponentialStep
    model: Literal["paper-exponential-step"]
