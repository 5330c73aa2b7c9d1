"""The product of a layer with its tiles, as an operation that gradients pass through."""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor

from .analog_parameter import AnalogParameter

_turns = count()


class AnalogProduct(torch.autograd.Function):
    """``W x + b`` on the chip; going back it is ``W^T d``, and the parameter notes x and d.

    The bias, digital, is added here: of small layers, an operation more in the graph takes as long
    as a product.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, parameter: AnalogParameter, recording: bool, bias: Tensor | None
    ) -> Tensor:
        """``(batch, in)`` to ``(batch, out)``."""
        ctx.save_for_backward(x)
        ctx.parameter, ctx.recording, ctx.turn = parameter, recording, next(_turns)
        y = parameter.forward(x)
        return y if bias is None else y + bias

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
        """``(batch, out)`` to ``(batch, in)``."""
        if ctx.recording:
            ctx.parameter.record(*ctx.saved_tensors, d, ctx.turn)
        # The first layer's inputs want no gradient: the chip is spared that product.
        back = ctx.parameter.backward_product(d) if ctx.needs_input_grad[0] else None
        return back, None, None, d.sum(dim=0) if ctx.needs_input_grad[3] else None
