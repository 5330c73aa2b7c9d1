"""What a chain computes digitally, against double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ohmloop.training.trainer import chain_kernels as kernels

NONE = np.empty(0, np.float32)
SPREAD = np.concatenate([np.linspace(-100, 100, 40_001), np.geomspace(1e-30, 90, 500)])


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (kernels.SIGMOID, lambda z: 1 / (1 + np.exp(-z))),
        (kernels.TANH, np.tanh),
        (kernels.RELU, lambda z: np.maximum(z, 0)),
        (kernels.PLAIN, lambda z: z),
    ],
)
def test_activations_are_right_to_some_roundings(kind: int, function: Callable) -> None:
    z = np.stack([SPREAD, -SPREAD]).astype(np.float32)
    out = np.empty_like(z)
    kernels.forward(z, NONE, NONE, kind, out)
    tiny = 1e-36  # float32 has no more digits there
    np.testing.assert_allclose(out, function(z.astype(np.float64)), rtol=5e-7, atol=tiny)


@pytest.mark.parametrize("kind", [kernels.SIGMOID, kernels.TANH, kernels.RELU, kernels.PLAIN])
def test_what_is_no_number_stays_none(kind: int) -> None:
    out = np.full((1, 3), np.nan, np.float32)
    kernels.forward(out, NONE, NONE, kind, out)
    assert np.isnan(out).all()


def test_no_loss_hides_what_is_no_number() -> None:
    logits, d = np.zeros((2, 3), np.float32), np.empty((2, 3), np.float32)
    logits[1, 2] = np.nan
    assert np.isnan(kernels.cross_entropy(logits, np.array([0, 1]), d))


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_cross_entropy_and_its_gradients(size: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, size, (7, 5)).astype(np.float32)
    classes, d = rng.integers(0, 5, 7), np.empty((7, 5), np.float32)
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    shares = np.exp(exact) / np.exp(exact).sum(axis=1, keepdims=True)
    own = np.arange(7), classes
    expected = (np.log(np.exp(exact).sum(axis=1)) - exact[own]).mean()
    assert kernels.cross_entropy(logits, classes, d) == pytest.approx(expected, rel=1e-6)
    shares[own] -= 1
    np.testing.assert_allclose(d, shares / 7, rtol=1e-5, atol=1e-7)
