"""Likelihoods of a series of readings, compiled: two levels with noise, and slow normal noise.

Two levels: a hidden Markov chain of two states with normal noise of one size, fitted by
expectation and maximisation (Rabiner, Proc. IEEE 77:257, 1989). Slow normal noise: an
autoregression of order 1 under white noise, by a Kalman filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def _kept(function: F) -> F:
    made: F = njit(nogil=True, cache=True)(function)
    return made


def _within(function: F) -> F:
    """Called from compiled code only: no way in from Python, which takes time to compile."""
    made: F = njit(nogil=True, cache=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return made


@_kept
def fit_two_levels(
    series: Any, ordered: Any, starts: Any, first: Any, rounds: int, out: Any, filled: Any
) -> None:
    """Fit every series from several guesses and keep the best.

    Args:
        series: ``(n, cells)``, each of mean 0 and standard deviation 1.
        ordered: the same, each sorted.
        starts: True where a new series begins, ``(n,)``.
        first: guesses ``(guesses, 2)``: share of readings in the lower state, and the chance to
            leave a state at the next reading.
        rounds: of expectation and maximisation; the best guess gets three times as many.
        out: ``(cells, 8)``: log likelihood, lower level, upper level, noise, chance to leave the
            lower state, to leave the upper one, expected moves down, expected moves up.
        filled: ``(n, cells)``: probability of the lower state at each reading.
    """
    n = series.shape[0]
    alpha, scale = np.empty((n, 2)), np.empty(n)
    low = np.empty(n)
    found = np.empty(8)
    for cell in range(series.shape[1]):
        x = series[:, cell]
        order = ordered[:, cell]
        out[cell, 0] = -np.inf
        for guess in range(first.shape[0]):
            share, leave = first[guess, 0], first[guess, 1]
            cut = min(max(int(n * share), 2), n - 2)
            found[1], found[2] = order[:cut].mean(), order[cut:].mean()
            found[3] = 0.7
            found[4], found[5] = leave * (1 - share), leave * share
            for _ in range(rounds):
                _once(x, starts, found, alpha, scale, low)
            found[0] = _likelihood(x, starts, found, alpha, scale)
            if found[0] > out[cell, 0]:
                for k in range(8):  # slices that are assigned to take long to compile
                    out[cell, k] = found[k]
        for _ in range(3 * rounds):
            _once(x, starts, out[cell], alpha, scale, low)
        out[cell, 0] = _likelihood(x, starts, out[cell], alpha, scale)
        for t in range(n):
            filled[t, cell] = low[t]


@_within
def _likelihood(x: Any, starts: Any, p: Any, alpha: Any, scale: Any) -> float:
    """The forward pass; states before each reading's successors in ``alpha``."""
    total, size = 0.0, 1 / (p[3] * np.sqrt(2 * np.pi))
    steady = p[5] / (p[4] + p[5])
    for t in range(x.size):
        if t == 0 or starts[t]:
            a0, a1 = steady, 1 - steady
        else:
            a0 = alpha[t - 1, 0] * (1 - p[4]) + alpha[t - 1, 1] * p[5]
            a1 = 1 - a0
        z0, z1 = (x[t] - p[1]) / p[3], (x[t] - p[2]) / p[3]
        a0 *= size * np.exp(-z0 * z0 / 2) + 1e-300
        a1 *= size * np.exp(-z1 * z1 / 2) + 1e-300
        scale[t] = a0 + a1
        alpha[t, 0], alpha[t, 1] = a0 / scale[t], a1 / scale[t]
        total += np.log(scale[t])
    return total


@_within
def _once(x: Any, starts: Any, p: Any, alpha: Any, scale: Any, low: Any) -> None:
    """One round; ``p`` is changed."""
    n = x.size
    _likelihood(x, starts, p, alpha, scale)
    size = 1 / (p[3] * np.sqrt(2 * np.pi))
    b0 = b1 = 1.0
    ups = downs = stay0 = stay1 = 1e-9
    for t in range(n - 1, -1, -1):
        g0, g1 = alpha[t, 0] * b0, alpha[t, 1] * b1
        low[t] = g0 / (g0 + g1)
        if t == 0:
            break
        if starts[t]:
            b0 = b1 = 1.0
            continue
        z0, z1 = (x[t] - p[1]) / p[3], (x[t] - p[2]) / p[3]
        e0 = (size * np.exp(-z0 * z0 / 2) + 1e-300) * b0 / scale[t]
        e1 = (size * np.exp(-z1 * z1 / 2) + 1e-300) * b1 / scale[t]
        was0, was1 = alpha[t - 1, 0], alpha[t - 1, 1]
        ups += was0 * p[4] * e1
        downs += was1 * p[5] * e0
        stay0 += was0 * (1 - p[4]) * e0
        stay1 += was1 * (1 - p[5]) * e1
        b0, b1 = (1 - p[4]) * e0 + p[4] * e1, p[5] * e0 + (1 - p[5]) * e1
    count, s0, s1 = 1e-9, 0.0, 0.0
    for t in range(n):
        count += low[t]
        s0 += low[t] * x[t]
        s1 += (1 - low[t]) * x[t]
    other = max(n - count, 1e-9)
    m0, m1, left = s0 / count, s1 / other, 0.0
    for t in range(n):
        left += low[t] * (x[t] - m0) ** 2 + (1 - low[t]) * (x[t] - m1) ** 2
    p[1], p[2], p[3] = m0, m1, max(np.sqrt(left / n), 1e-3)
    p[4] = min(max(ups / (ups + stay0), 1e-6), 1 - 1e-6)
    p[5] = min(max(downs / (downs + stay1), 1e-6), 1 - 1e-6)
    p[6], p[7] = downs, ups


@_kept
def slow_normal(series: Any, starts: Any, memory: Any, share: Any, out: Any) -> None:
    """Best log likelihood of normal noise with a memory, over a grid.

    Args:
        series: ``(n, cells)``, each of mean 0 and standard deviation 1.
        starts: as above.
        memory: correlations from one reading to the next that are tried.
        share: shares of the variance with that memory that are tried; the rest is white.
        out: ``(cells,)``.
    """
    n = series.shape[0]
    for cell in range(series.shape[1]):
        best = -np.inf
        for i in range(memory.size):
            for j in range(share.size):
                phi, slow = memory[i], share[j]
                white = 1 - slow
                mean, variance = 0.0, slow
                squares, logs = 0.0, 0.0
                for t in range(n):
                    if t == 0 or starts[t]:
                        mean, variance = 0.0, slow
                    else:
                        mean, variance = phi * mean, phi * phi * variance + (1 - phi * phi) * slow
                    total = variance + white
                    error = series[t, cell] - mean
                    squares += error * error / total
                    logs += np.log(total)
                    gain = variance / total
                    mean += gain * error
                    variance *= 1 - gain
                found = -0.5 * (n * np.log(2 * np.pi * squares / n) + logs + n)
                best = max(best, found)
        out[cell] = best
