"""Device models that presets are made of: what a record of figures says of a drawn cell.

Those of aihwkit 1.2.0, by its classes (``ConstantStepDevice`` and so on), in weight units.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ohmloop.sim_backend.responses import (
    ConstantStep,
    LinearStep,
    OneMinusExpStep,
    Piecewise,
    PowerStep,
    ResponseFunction,
    SoftBounds,
)

from .aihwkit_draws import Drawn, Negative, NotNegative, Positive, PulsedDevice, Rng, Shape, around

Table = Annotated[tuple[NotNegative, ...], Field(min_length=2)]


class ConstantDevice(PulsedDevice):
    """``ConstantStepDevice``: noise relative to the step."""

    model: Literal["constant-step"]

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """Steps that do not depend on the weight."""
        return ConstantStep(cells.b_min, cells.b_max, cells.scale_up, cells.scale_down)


class LinearDevice(PulsedDevice):
    """``LinearStepDevice``, slopes relative to the mean bounds (``mean_bound_reference``).

    Attributes:
        gamma_up: share of the up step that is gone at ``w_max``.
        gamma_down: share of the down step that is gone at ``w_min``.
        gamma_up_dtod: spread of ``gamma_up``, not relative; its size counts.
        gamma_down_dtod: spread of ``gamma_down``.
        mult_noise: whether noise is relative to the step, else to the step at weight 0.
    """

    model: Literal["linear-step"]
    w_min: Negative = -1.0
    gamma_up: float = 0.0
    gamma_down: float = 0.0
    gamma_up_dtod: NotNegative = 0.0
    gamma_down_dtod: NotNegative = 0.0
    mult_noise: bool = True

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:
        """Steps linear in the weight."""
        up = abs(around(self.gamma_up, self.gamma_up_dtod, shape, rng))
        down = abs(around(self.gamma_down, self.gamma_down_dtod, shape, rng))
        steps = cells.scale_up, cells.scale_down
        return LinearStep.from_aihwkit(
            cells.b_min, cells.b_max, *steps, up, down, w_min=self.w_min, w_max=self.w_max
        )

    def noise(self, cells: Drawn) -> tuple[Any, Any]:
        """``dg_std`` and ``dg_add``."""
        return super().noise(cells) if self.mult_noise else self.additive_noise(cells)


class SoftBoundsDevice(PulsedDevice):
    """``SoftBoundsReferenceDevice``; ``SoftBoundsDevice`` with ``mult_noise`` and no reference.

    Where a step at weight 0 is more than the way to the bound, a pulse goes to the bound.

    Attributes:
        mult_noise: whether noise is relative to the step, else to the step at weight 0.
        reference_mean: mean of the hidden state that stands for weight 0.
        reference_std: its spread.
        subtract_symmetric_point: whether the cell's symmetric point is subtracted, too.
    """

    model: Literal["soft-bounds"]
    w_min: Negative = -1.0
    mult_noise: bool = False
    reference_mean: float = 0.0
    reference_std: NotNegative = 0.0
    subtract_symmetric_point: bool = False

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:
        """Steps that are a share of the way to the bound."""
        reference = around(self.reference_mean, self.reference_std, shape, rng)
        seen = SoftBounds.from_weights(
            cells.b_min,
            cells.b_max,
            cells.scale_up,
            cells.scale_down,
            reference,
            self.subtract_symmetric_point,
        )
        slopes = (np.minimum(slope, 1) for slope in (seen.slope_up, seen.slope_down))
        return SoftBounds(seen.g_min, seen.g_max, *slopes)

    def noise(self, cells: Drawn) -> tuple[Any, Any]:
        """``dg_std`` and ``dg_add``."""
        return super().noise(cells) if self.mult_noise else self.additive_noise(cells)


class OneMinusExpDevice(PulsedDevice):
    """``ExpStepDevice``: parameters as ``OneMinusExpStep`` names them.

    Attributes:
        amplitude_up: ``A_up``.
        amplitude_down: ``A_down``.
        gamma_up: exponential rate.
        gamma_down: exponential rate.
        stretch: ``a``.
        offset: ``b``.
        dw_min_std_add: noise besides the step, in weight units, times ``dw_min_std``.
        dw_min_std_slope: noise for each unit of weight, times ``dw_min_std``.
    """

    model: Literal["one-minus-exp-step"]
    amplitude_up: float
    amplitude_down: float
    gamma_up: float
    gamma_down: float
    stretch: float
    offset: float
    dw_min_std_add: NotNegative = 0.0
    dw_min_std_slope: NotNegative = 0.0

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """A constant less an exponential."""
        return OneMinusExpStep(
            cells.b_min,
            cells.b_max,
            cells.scale_up,
            cells.scale_down,
            self.amplitude_up,
            self.amplitude_down,
            self.gamma_up,
            self.gamma_down,
            self.stretch,
            self.offset,
            0.0,
        )

    def noise(self, cells: Drawn) -> tuple[Any, Any]:  # noqa: ARG002
        """``dg_std`` and ``dg_add``: one draw for both, as there."""
        return self.dw_min_std, self.dw_min_std * self.dw_min_std_add

    @property
    def noise_slope(self) -> float:
        """``dg_slope``: how fast noise grows from weight 0 on."""
        return self.dw_min_std * self.dw_min_std_slope


class PowerDevice(PulsedDevice):
    """``PowStepDevice``: ``dw_min`` is the step at the far bound.

    Attributes:
        gamma: mean exponent.
        gamma_dtod: its spread, relative to it.
        gamma_up_down: by how much, relative, the exponent of down steps is less; of up steps if
            negative.
        gamma_up_down_dtod: spread of half the difference of both, relative to ``gamma``.
    """

    model: Literal["power-step"]
    gamma: Positive = 1.0
    gamma_dtod: NotNegative = 0.0
    gamma_up_down: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    gamma_up_down_dtod: NotNegative = 0.0

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:
        """A power of the distance to the bound."""
        gain = around(1, self.gamma_dtod, shape, rng)
        r = around(0, self.gamma_up_down_dtod, shape, rng)
        up = abs(self.gamma * (gain + (min(self.gamma_up_down, 0) + r)))
        down = abs(self.gamma * (gain - (max(self.gamma_up_down, 0) + r)))
        steps = cells.scale_up, cells.scale_down
        return PowerStep.with_step_at_bound(cells.b_min, cells.b_max, *steps, up, down)


class PiecewiseDevice(PulsedDevice):
    """``PiecewiseStepDevice``.

    Attributes:
        table_up: up steps relative to the cell's, at nodes from its lower bound to its upper.
        table_down: the same of down steps.
    """

    model: Literal["piecewise"]
    table_up: Table
    table_down: Table

    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:  # noqa: ARG002
        """Interpolated steps."""
        tables = (
            np.multiply.outer(np.asarray(scale, np.float32), np.asarray(table, np.float32))
            for scale, table in (
                (cells.scale_up, self.table_up),
                (cells.scale_down, self.table_down),
            )
        )
        return Piecewise(cells.b_min, cells.b_max, *tables)
