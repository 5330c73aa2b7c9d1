"""What a chain computes beside the products of its tiles, compiled: float32 ``(batch, lines)``.

Of networks that fit on chips these are so few numbers that calls of a library take longer than the
work. Sums over a mini-batch and exponentials agree with torch's to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

PLAIN, SIGMOID, TANH, RELU = 0, 1, 2, 3
"""Activations."""

_ONE, _TWO, _ZERO, _QUARTER = np.float32(1), np.float32(2), np.float32(0), np.float32(0.25)
_LOG2E, _LOW = np.float32(1.44269504), np.float32(-87.0)
_LN2, _LN2_REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
_E2, _E3, _E4, _E5, _E6 = (np.float32(1 / n) for n in (2, 6, 24, 120, 720))
_T3, _T5, _T7, _T9 = (np.float32(c) for c in (-1 / 3, 2 / 15, -17 / 315, 62 / 2835))


def _kept(function: F) -> F:
    made: F = njit(nogil=True, cache=True, error_model="numpy")(function)
    return made


@_kept
def _exp(x: Any) -> Any:
    """``e^x`` of x up to 0: ``2^n e^r`` with the Taylor series of r, at most ln(2)/2 in size."""
    x = _LOW if x < _LOW else x
    n = np.float32(np.floor(x * _LOG2E + _QUARTER + _QUARTER))
    r = (x - n * _LN2) - n * _LN2_REST
    series = _ONE + r + r * r * (_E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * _E6))))
    scale = np.int32(np.int32(np.int32(n) + _BIAS) << _MANTISSA)
    return np.float32(series) * scale.view(np.float32)


@_kept
def _sigmoid(z: Any) -> Any:
    e = _exp(-abs(z))
    return (e if z < 0 else _ONE) / (_ONE + e)


@_kept
def _tanh(z: Any) -> Any:
    """Its Taylor series near 0, where the quotient would lose digits."""
    e, s = _exp(-_TWO * abs(z)), z * z
    near = z + z * s * (_T3 + s * (_T5 + s * (_T7 + s * _T9)))
    far = (_ONE - e) / (_ONE + e)
    return near if abs(z) < _QUARTER else (-far if z < 0 else far)


@_kept
def forward(product: Any, scale: Any, bias: Any, kind: Any, out: Any) -> None:
    """``out = activation(scale product + bias)``.

    Args:
        product: of the tile.
        scale: ``(lines,)``, ``(1,)`` for all, ``(0,)`` for none.
        bias: ``(lines,)``, ``(0,)`` for none.
        kind: of the activation.
        out: filled; may be ``product`` where there is no scale.
    """
    for b in range(product.shape[0]):
        y, z = product[b], out[b]
        for i in range(z.shape[0]):
            z[i] = y[i]
        if scale.shape[0] > 0:
            for i in range(z.shape[0]):
                z[i] *= scale[i if scale.shape[0] > 1 else 0]
        if bias.shape[0] > 0:
            for i in range(z.shape[0]):
                z[i] += bias[i]
        if kind == SIGMOID:
            for i in range(z.shape[0]):
                z[i] = _sigmoid(z[i])
        elif kind == TANH:
            for i in range(z.shape[0]):
                z[i] = _tanh(z[i])
        elif kind == RELU:
            for i in range(z.shape[0]):
                z[i] = _ZERO if z[i] < 0 else z[i]


@_kept
def backward(
    d: Any, out: Any, kind: Any, product: Any, scale: Any, of_scale: Any, of_bias: Any
) -> None:
    """Gradients by ``out`` to those by the product, in place, and those of scale and bias.

    Args:
        d: by ``out``; by ``product`` in the end.
        out: of ``forward``.
        kind: of the activation.
        product: as for ``forward``.
        scale: as for ``forward``.
        of_scale: filled, as long as ``scale``.
        of_bias: filled; ``(0,)`` where nobody asks.
    """
    of_scale[:], of_bias[:] = 0, 0
    for b in range(d.shape[0]):
        g, z = d[b], out[b]
        if kind == SIGMOID:
            for i in range(g.shape[0]):
                g[i] *= (_ONE - z[i]) * z[i]
        elif kind == TANH:
            for i in range(g.shape[0]):
                g[i] *= _ONE - z[i] * z[i]
        elif kind == RELU:
            for i in range(g.shape[0]):
                g[i] = g[i] if z[i] > 0 else _ZERO
        if of_bias.shape[0] > 0:
            for i in range(g.shape[0]):
                of_bias[i] += g[i]
        if scale.shape[0] > 0:
            for i in range(g.shape[0]):
                k = i if scale.shape[0] > 1 else 0
                of_scale[k] += g[i] * product[b, i]
                g[i] *= scale[k]


@_kept
def cross_entropy(logits: Any, classes: Any, d: Any) -> Any:
    """Mean cross entropy, and its gradients.

    Args:
        logits: ``(batch, classes)``.
        classes: int64 ``(batch,)``.
        d: by the logits, filled.

    Returns:
        The loss; below 0 where a class is none.
    """
    total, batch = 0.0, logits.shape[0]
    for b in range(batch):
        z, g, wanted = logits[b], d[b], classes[b]
        if not 0 <= wanted < z.shape[0]:
            return -1.0
        most, mass = z[0], 0.0
        for i in range(z.shape[0]):
            most = z[i] if z[i] > most else most
        for i in range(z.shape[0]):
            g[i] = _exp(z[i] - most)
            mass += g[i]
        for i in range(z.shape[0]):
            g[i] = g[i] / (mass * batch)
        g[wanted] -= 1 / batch
        total += np.log(mass) - (np.float64(z[wanted]) - most)
    return total / batch
