"""How large a learning rate stale weights stand.

A gradient at weights that are d updates old, on a quadratic of curvature L, makes the recursion
``w_(k+1) = w_k - r L w_(k-d)``. Its characteristic polynomial ``z^(d+1) - z^d + r L`` has all roots
within the unit circle if and only if

    0 < r L < 2 sin(pi / (2 (2 d + 1))),

which is 2 for d = 0 and about ``pi / (2 d + 1)`` for large d (Levin and May, Theor. Popul. Biol.
9:178, 1976). In a pipeline of M stages, the weights of stage m = 1..M are M - m updates old where
the error comes from, and up to date where the gradient goes back. Near an optimum without an error,
along the direction v of largest curvature, that makes

    w_(k+1) = w_k - r L sum_m s_m w_(k-M+m),

with s_m the share of stage m in ``|v|^2``: stable as long as all roots of
``z - 1 + r L sum_m s_m z^(m-M)`` are within the unit circle. Only what lies in the first stage is
as old as the simple bound has it; where all is there, the two are one.

The curvature that counts is that of the way that training takes. It is known from the model before
it goes to the chips, and from a rehearsal: the same steps without staleness, on a digital copy,
where curvature may grow until the rate is at its bound (Cohen et al., arXiv:2103.00065). A run that
diverges tells it once more: by how fast it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]

_LOOKS = 4  # at the curvature in a rehearsal
_AT_A_LOOK = 4  # micro-batches
_TRIES = 12  # rehearsals, each at half the rate of the last
_FAR = 10.0  # times the first losses: a rehearsal that went wrong
_STEPS, _WIDER = 120, 1.1
_PARTS, _ROUNDS = 8, 16  # to 48 bits


def largest_step(staleness: int) -> float:
    """The bound on rate times curvature: 2 without staleness, and less with it."""
    return 2.0 * math.sin(math.pi / (2 * (2 * staleness + 1)))


def largest_step_of(shares: Sequence[float]) -> float:
    """The bound on rate times curvature where only shares of it are so old.

    The least step at which a root leaves the unit circle, and at most 2: where that would be more,
    another direction of the same curvature may lie in the last stage.

    Args:
        shares: of each stage in the direction of largest curvature, 0 or more; their sum is 1.
    """
    steps = np.geomspace(largest_step(len(shares) - 1) / 2, largest_step(0), _STEPS)
    first = int(np.argmax(_growths(steps[:-1], shares) > 1)) or -1  # the first is within all bounds
    return _turn(0.0, float(steps[first]), 1.0, shares)[0]


def growth_of(step: float, shares: Sequence[float]) -> float:
    """By what the recursion grows with every update: the modulus of its largest root.

    Args:
        step: rate times curvature, above 0.
        shares: of each stage in the direction of largest curvature, the oldest first.
    """
    return float(_growths(np.array([step]), shares)[0])


def _growths(steps: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    """``growth_of`` many steps at once: of the companion matrices of their polynomials."""
    companions = np.zeros((steps.size, len(shares), len(shares)))
    companions[:, 1:, :-1] = np.eye(len(shares) - 1)
    companions[:, 0] = -steps[:, None] * np.asarray(shares, np.float64)[::-1]
    companions[:, 0, 0] += 1.0
    found: NDArray[np.float64] = np.abs(np.linalg.eigvals(companions)).max(axis=1)
    return found


def _turn(low: float, high: float, grows: float, shares: Sequence[float]) -> tuple[float, float]:
    """Two steps as near as can be, of which only the second grows by more than that."""
    for _ in range(_ROUNDS):
        steps = np.linspace(low, high, _PARTS + 1)
        more = [*(_growths(steps[1:-1], shares) > grows), True]
        k = more.index(True)
        low, high = float(steps[k]), float(steps[k + 1])
    return low, high


def step_of_growth(grows: float, shares: Sequence[float]) -> float:
    """The least rate times curvature at which the recursion grows so: inverse of ``growth_of``.

    Args:
        grows: by so much with every update; 1 or less gives the bound.
        shares: of each stage in the direction of largest curvature, the oldest first.
    """
    low = largest_step_of(shares)
    if grows <= 1:
        return low
    high = low
    while growth_of(high, shares) < grows:
        low, high = high, high * _WIDER
    return _turn(low, high, grows, shares)[1]


def curvature(
    stages: Sequence[nn.Module],
    loss: Loss,
    x: Tensor,
    y: Tensor,
    iterations: int = 30,
    seed: int = 0,
) -> tuple[float, list[float]]:
    """Largest curvature of the loss in the parameters, by power iteration, and where it lies.

    Args:
        stages: one after the other they are the model; digital: their parameters have values and
            derivatives.
        loss: mean loss of ``(outputs, targets)``.
        x: inputs of a micro-batch.
        y: targets.
        iterations: of the power method.
        seed: of the vector to start from.

    Returns:
        The curvature, and the share of each stage in the square of its direction; their sum is 1.
    """
    groups = [[p for p in stage.parameters() if p.requires_grad] for stage in stages]
    parameters = [p for group in groups for p in group]
    value: Tensor = nn.Sequential(*stages)(x)
    gradients = torch.autograd.grad(loss(value, y), parameters, create_graph=True)
    slope = torch.cat([g.reshape(-1) for g in gradients])
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(slope.shape, generator=generator, dtype=slope.dtype)
    found = 0.0
    for _ in range(iterations):
        vector = vector / vector.norm().clamp_min(1e-30)
        product = torch.autograd.grad(slope @ vector, parameters, retain_graph=True)
        vector = torch.cat([part.reshape(-1) for part in product]).detach()
        found = float(vector.norm())
    sizes = [sum(p.numel() for p in group) for group in groups]
    squares = [float(part.square().sum()) for part in torch.split(vector, sizes)]
    return found, [square / (sum(squares) or 1.0) for square in squares]


def safe_rate(
    stages: Sequence[nn.Module],
    loss: Loss,
    parts: Iterable[tuple[Tensor, Tensor]],
    stale: bool = True,
) -> float:
    """A learning rate that a pipeline stands: from the least tame of some micro-batches.

    The curvature is that where the model is; training moves on to other places, so half the bound
    is taken.

    Args:
        stages: digital.
        loss: mean loss of ``(outputs, targets)``.
        parts: inputs and targets of micro-batches.
        stale: weights are as old as an asynchronous pipeline makes them, or else up to date.

    Returns:
        The rate; infinite where there is no curvature, 0 where it is not finite.
    """
    rates = [math.inf]
    for x, y in parts:
        found, shares = curvature(stages, loss, x, y)
        if not math.isfinite(found):
            return 0.0
        if found > 0:
            bound = largest_step_of(shares) if stale else largest_step(0)
            rates.append(bound / (2 * found))
    return min(rates)


def rehearsed_rate(
    stages: Sequence[nn.Module], loss: Loss, parts: Sequence[tuple[Tensor, Tensor]]
) -> float:
    """A learning rate that an asynchronous pipeline stands, at least as far as it was rehearsed.

    A copy of the model learns from the micro-batches at what is safe so far, without staleness;
    where the curvature has grown, what is safe falls.

    Args:
        stages: digital; they are left as they are.
        loss: mean loss of ``(outputs, targets)``.
        parts: inputs and targets of micro-batches, in the order in which they are learned from.
    """
    safe = safe_rate(stages, loss, parts[:_AT_A_LOOK])
    for _ in range(_TRIES):
        if not math.isfinite(safe):
            break
        found = _rehearse([deepcopy(stage) for stage in stages], loss, parts, safe)
        if found is not None:
            return found
        safe /= 2
    return safe


def _rehearse(
    stages: Sequence[nn.Module], loss: Loss, parts: Sequence[tuple[Tensor, Tensor]], safe: float
) -> float | None:
    """What was safe all the way, begun at ``safe``; None where that was too much at once."""
    model = nn.Sequential(*stages)
    parameters = [p for p in model.parameters() if p.requires_grad]
    every, first = max(1, len(parts) // _LOOKS), 0.0
    for k, (x, y) in enumerate(parts):
        if k and k % every == 0:
            safe = min(safe, safe_rate(stages, loss, parts[k : k + _AT_A_LOOK]))
        now = loss(model(x), y)
        first = max(first, float(now.detach())) if k < _AT_A_LOOK else first
        if not float(now.detach()) <= _FAR * first:
            return None
        with torch.no_grad():
            for p, gradient in zip(parameters, torch.autograd.grad(now, parameters), strict=True):
                p.sub_(gradient, alpha=safe)
    return min(safe, safe_rate(stages, loss, parts[-_AT_A_LOOK:]))
