"""Responses of Wu et al., arXiv 2502.06309, as presets use them; aihwkit has neither.

Steps ``dw_min F(w)`` with ``F(0) = 1``, bounds at plus and minus tau; noise is relative to
``dw_min`` wherever the cell is (equation 26).
"""

from __future__ import annotations

from typing import Any, Literal

from ohmloop.sim_backend.responses import ExponentialStep, PowerStep, ResponseFunction

from .aihwkit_draws import Drawn, Positive, PulsedDevice, Rng, Shape


class PaperPowerDevice(PulsedDevice):
    """Power response of arXiv 2502.06309, equation 148: ``dw_min`` is the step at mid-range.

    Its noise is relative to ``dw_min`` (equation 26), wherever the cell is.

    Attributes:
        gamma: exponent of both directions.
    """

    model: Literal["paper-power-step"]
    gamma: Positive

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """A power of the distance to the bound."""
        steps = cells.scale_up, cells.scale_down
        gamma = self.gamma, self.gamma
        return PowerStep.with_step_at_middle(cells.b_min, cells.b_max, *steps, *gamma)

    def noise(self, cells: Drawn) -> tuple[Any, Any]:
        """``dg_std`` and ``dg_add``."""
        return self.additive_noise(cells)


class PaperExponentialDevice(PulsedDevice):
    """Exponential response of arXiv 2502.06309, equation 149; noise as of the power response.

    Attributes:
        gamma: rate of both directions.
    """

    model: Literal["paper-exponential-step"]
    gamma: Positive

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """An exponential of the distance to the bound."""
        steps = cells.scale_up, cells.scale_down
        gamma = self.gamma, self.gamma
        return ExponentialStep.with_step_at_middle(cells.b_min, cells.b_max, *steps, *gamma)

    def noise(self, cells: Drawn) -> tuple[Any, Any]:
        """``dg_std`` and ``dg_add``."""
        return self.additive_noise(cells)
