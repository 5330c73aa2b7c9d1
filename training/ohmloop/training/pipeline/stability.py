"""How large a learning rate stale weights stand, and noticing when it was too large.

A gradient at weights that are d updates old, on a quadratic of curvature L, makes the recursion
``w_(k+1) = w_k - r L w_(k-d)``. Its characteristic polynomial ``z^(d+1) - z^d + r L`` has all roots
within the unit circle if and only if

    0 < r L < 2 sin(pi / (2 (2 d + 1))),

which is 2 for d = 0 and about ``pi / (2 d + 1)`` for large d (Levin and May, Theor. Popul. Biol.
9:178, 1976). In a pipeline of M stages d is M - 1 at the first and 0 at the last stage; the bound
takes the first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from statistics import fmean

import torch
from torch import Tensor, nn

from ohmloop.drivers import OhmloopError

Loss = Callable[[Tensor, Tensor], Tensor]

_FIRST = 5  # micro-batches that tell the loss to begin with
_LEARNED = 0.97  # of it, or less, is some progress


def largest_step(staleness: int) -> float:
    """The bound on rate times curvature: 2 without staleness, and less with it."""
    return 2.0 * math.sin(math.pi / (2 * (2 * staleness + 1)))


def curvature(
    model: nn.Module,
    loss: Loss,
    x: Tensor,
    y: Tensor,
    iterations: int = 30,
    seed: int = 0,
) -> float:
    """Largest curvature of the loss in the parameters, by power iteration.

    Args:
        model: digital: its parameters have values and derivatives.
        loss: mean loss of ``(outputs, targets)``.
        x: inputs of a micro-batch.
        y: targets.
        iterations: of the power method.
        seed: of the vector to start from.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss(model(x), y), parameters, create_graph=True)
    slope = torch.cat([g.reshape(-1) for g in gradients])
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(slope.shape, generator=generator, dtype=slope.dtype)
    value = 0.0
    for _ in range(iterations):
        vector = vector / vector.norm().clamp_min(1e-30)
        product = torch.autograd.grad(slope @ vector, parameters, retain_graph=True)
        vector = torch.cat([part.reshape(-1) for part in product]).detach()
        value = float(vector.norm())
    return value


def safe_rate(
    model: nn.Module, loss: Loss, parts: Iterable[tuple[Tensor, Tensor]], staleness: int
) -> float:
    """A learning rate that stale weights stand: from the sharpest of some micro-batches.

    The curvature is that where ``model`` is; training moves on to other places, so half the bound
    is taken.

    Args:
        model: digital.
        loss: mean loss of ``(outputs, targets)``.
        parts: inputs and targets of micro-batches.
        staleness: of the first stage.
    """
    sharpest = max(curvature(model, loss, x, y) for x, y in parts)
    return largest_step(staleness) / (2 * sharpest) if sharpest > 0 else math.inf


class DivergenceError(OhmloopError):
    """The loss rises instead of falling.

    Attributes:
        rate: that was too large.
        safe: one that should not be.
    """

    def __init__(self, problem: str, rate: float, safe: float) -> None:
        self.rate, self.safe = rate, safe
        super().__init__(problem)


class Watch:
    """Listens to losses of micro-batches, and stops a run that a too large rate has spoilt.

    That is one whose mean loss is far above that of its first micro-batches; or one that has not
    learned anything after ``patience`` micro-batches, at a rate above the safe one: units that
    were driven out of their range do not come back.

    Args:
        rate: the learning rate that runs.
        staleness: of the first stage, for the advice.
        safe: a safe rate that was found before; else one is taken from the ratio of the bounds.
        window: micro-batches whose losses are averaged.
        factor: so many times the loss of the first micro-batches is far above it.
        patience: micro-batches.
    """

    def __init__(
        self,
        rate: Callable[[], float],
        staleness: int,
        safe: float | None = None,
        *,
        window: int = 50,
        factor: float = 3.0,
        patience: int = 1000,
    ) -> None:
        self._rate, self._staleness, self._safe = rate, staleness, safe
        self._factor, self._patience = factor, patience
        self._start: list[float] = []
        self._recent = deque[float](maxlen=window)
        self._heard = 0

    def __call__(self, _micro_batch: int, loss: float) -> None:
        """One micro-batch more.

        Raises:
            DivergenceError: with the rate that would be safe.
        """
        self._heard += 1
        if len(self._start) < _FIRST:
            self._start.append(loss)
        self._recent.append(loss)
        if len(self._recent) < (self._recent.maxlen or 0):
            return
        first, mean = fmean(self._start), fmean(self._recent)
        if mean > self._factor * first:
            raise self._found(f"diverges: the mean loss rose from {first:.3g} to {mean:.3g}")
        spoilt = self._heard == self._patience and mean > _LEARNED * first
        if spoilt and self._rate() > self.advice():
            raise self._found(f"does not learn: the mean loss went from {first:.3g} to {mean:.3g}")

    def advice(self) -> float:
        """A rate that should be safe."""
        if self._safe is not None:
            return min(self._safe, self._rate())
        return self._rate() * largest_step(self._staleness) / largest_step(0)

    def _found(self, what: str) -> DivergenceError:
        old = f" with weights up to {self._staleness} updates old" if self._staleness else ""
        rate, safe = self._rate(), self.advice()
        return DivergenceError(
            f"training {what} within {self._heard} micro-batches at learning rate {rate:g}{old};"
            f" a rate of {safe:.2g} or less would be safe",
            rate,
            safe,
        )
