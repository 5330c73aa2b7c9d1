"""Every algorithm beside its equations, written out in numpy, step by step on exact tiles.

A least-squares problem: errors are made from the layer's own products, so forward and backward
passes at the algorithm's weight are held against the equations too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ohmloop import training
from ohmloop.training import AnalogOptimizer, AnalogParameter, ExactTile

OUT, IN, BATCH, STEPS = 3, 4, 2, 120
DW = 0.01
Array = np.ndarray


def up(w: Array) -> Array:
    return 1 - w / 0.8


def down(w: Array) -> Array:
    return 1 + w / 1.1


def analog(w: Array, dw: Array) -> Array:
    """W + dW F - |dW| G."""
    f, g = (down(w) + up(w)) / 2, (down(w) - up(w)) / 2
    return w + dw * f - abs(dw) * g


def gathered(p: Array, x: Array, d: Array, lr: float) -> Array:
    for inputs, errors in zip(x, d, strict=True):
        p = analog(p, -lr * np.outer(errors, inputs))
    return p


def fired(w: Array, k: int, counts: Array) -> Array:
    """Single pulses, one after the other."""
    for number in range(int(abs(counts).max())):
        step = np.zeros_like(w)
        step[:, k] = np.sign(counts) * (abs(counts) > number) * DW
        w = analog(w, step)
    return w


def outer(column: Array, k: int) -> Array:
    change = np.zeros((OUT, IN))
    change[:, k] = column
    return change


class Equations:
    """Fast array P, main array W, and what an algorithm adds to them.

    ``step`` moves them by a mini-batch; ``weight`` is what products are made with.
    """

    gamma = 0.0
    every, columns = 1, 1

    def __init__(self, arrays: list[Array], rng: np.random.Generator) -> None:
        self.arrays, self.rng, self.t, self.k = arrays, rng, 0, 0
        self.begin()

    def begin(self) -> None: ...

    @property
    def weight(self) -> Array:
        return self.arrays[-1] + self.gamma * self.arrays[0] if self.gamma else self.arrays[-1]

    def step(self, x: Array, d: Array) -> None:
        self.gather(x, d)
        self.t += 1
        if self.t % self.every == 0:
            turns = []
            columns = [(self.k + j) % IN for j in range(self.columns)]
            # Reading comes first: it is one reading of several columns.
            read = {k: self.arrays[0][:, k].copy() for k in columns}
            for k in columns:
                self.transfer(k, read[k])
            turns = columns
            self.read_done(turns, read)
            self.k = (columns[-1] + 1) % IN

    def gather(self, x: Array, d: Array) -> None:
        self.arrays[0] = gathered(self.arrays[0], x, d, 0.1)

    def transfer(self, k: int, v: Array) -> None:
        raise NotImplementedError

    def read_done(self, columns: list[int], read: dict[int, Array]) -> None: ...


class SGD(Equations):
    def step(self, x: Array, d: Array) -> None:
        self.arrays[0] = gathered(self.arrays[0], x, d, 0.1)


class TT(Equations):
    gamma, every, columns = 0.3, 2, 3

    def transfer(self, k: int, v: Array) -> None:
        self.arrays[1] = analog(self.arrays[1], 0.5 * 0.4 * outer(v, k))


class RL(TT):
    gamma, every, columns = 0.4, 1, 1


class RLV2(Equations):
    gamma = 0.4

    def begin(self) -> None:
        self.h = np.zeros((OUT, IN))

    def transfer(self, k: int, v: Array) -> None:
        beta = 0.5 * 0.4
        half = (1 - beta) * self.h[:, k] + beta * v
        pulse = np.where(abs(half) >= DW, np.sign(half), 0)
        self.arrays[1] = fired(self.arrays[1], k, pulse)
        self.h[:, k] = half - pulse * DW


class TTV2(Equations):
    """H in weight units here, against pulses in the code."""

    threshold, momentum, most, forget = 1.5, 0.0, 1, False

    def begin(self) -> None:
        self.h = np.zeros((OUT, IN))

    def transfer(self, k: int, v: Array) -> None:
        self.fire(k, 0.5 * 0.4 * v)

    def fire(self, k: int, gained: Array) -> None:
        unit = self.threshold * DW
        self.h[:, k] += gained
        n = np.clip(np.fix(self.h[:, k] / unit), -self.most, self.most)
        self.arrays[1] = fired(self.arrays[1], k, n)
        left = self.h[:, k] - (1 - self.momentum) * n * unit
        forgotten = np.where(n != 0, self.momentum * self.h[:, k], self.h[:, k])
        self.h[:, k] = forgotten if self.forget else left


class TTV2Forget(TTV2):
    momentum, most, forget, gamma = 0.1, 3, True, 0.2
    every, columns = 2, 3


class Granular(TTV2):
    """Granularity by the size of the layer: 3 columns every 2 steps make 8 / 3 steps a reading."""

    every, columns, threshold = 2, 3, 2.0 / (2 * IN / 3)

    def begin(self) -> None:
        super().begin()
        self.mx = self.md = 0.0

    def gather(self, x: Array, d: Array) -> None:
        now = [abs(values).max(axis=1).mean() for values in (x, d)]
        keep = 0.9**BATCH
        if self.t == 0:
            self.mx, self.md = now
        else:
            self.mx, self.md = (
                keep * self.mx + (1 - keep) * now[0],
                keep * self.md + (1 - keep) * now[1],
            )
        self.arrays[0] = gathered(self.arrays[0], x, d, 0.5 * 8 * DW / (self.mx * self.md))


class Chopped(TTV2):
    gamma, columns = 0.2, 2

    def begin(self) -> None:
        super().begin()
        self.c = np.ones(IN)

    @property
    def weight(self) -> Array:
        return self.arrays[1] + self.gamma * self.arrays[0] * self.c

    def gather(self, x: Array, d: Array) -> None:
        super().gather(self.c * x, d)

    def transfer(self, k: int, v: Array) -> None:
        self.fire(k, 0.5 * 0.4 * self.c[k] * v)

    def read_done(self, columns: list[int], read: dict[int, Array]) -> None:
        for k in columns:
            if self.rng.random() < 0.3:
                self.c[k] *= -1


class Agad(Chopped):
    """Regular chopping: every fourth reading."""

    gamma, columns, threshold = 0.0, 1, 1.0

    def begin(self) -> None:
        super().begin()
        self.readings, self.turned = np.zeros(IN, int), np.zeros(IN, bool)
        self.mean, self.r = np.zeros((OUT, IN)), np.zeros((OUT, IN))

    def transfer(self, k: int, v: Array) -> None:
        if self.turned[k]:
            self.fire(k, 0.5 * 0.4 * self.c[k] * (v - self.r[:, k]))

    def read_done(self, columns: list[int], read: dict[int, Array]) -> None:
        (k,) = columns
        self.mean[:, k] = 0.4 * self.mean[:, k] + 0.6 * read[k]
        self.readings[k] += 1
        if self.readings[k] % 4 == 0:
            self.c[k] *= -1
            self.turned[k] = True
            self.r[:, k] = self.mean[:, k]


class Rider(Equations):
    """As published, with all columns at every step."""

    gamma, columns = 0.3, IN

    def begin(self) -> None:
        self.q = np.zeros((OUT, IN))

    @property
    def weight(self) -> Array:
        return self.arrays[1] + self.gamma * (self.arrays[0] - self.q)

    def transfer(self, k: int, v: Array) -> None:
        self.arrays[1] = analog(self.arrays[1], 0.5 * 0.4 * outer(v - self.q[:, k], k))

    def read_done(self, columns: list[int], read: dict[int, Array]) -> None:
        for k in columns:
            self.q[:, k] = 0.9 * self.q[:, k] + 0.1 * read[k]


class ERider(Equations):
    gamma, columns = 0.3, IN

    def begin(self) -> None:
        self.q, self.held, self.c = np.zeros((OUT, IN)), np.zeros((OUT, IN)), 1

    @property
    def weight(self) -> Array:
        return self.arrays[1] + self.gamma * self.c * (self.arrays[0] - self.held)

    def gather(self, x: Array, d: Array) -> None:
        super().gather(self.c * x, d)

    def transfer(self, k: int, v: Array) -> None:
        change = 0.5 * 0.4 * self.c * (v - self.held[:, k])
        self.arrays[1] = analog(self.arrays[1], outer(change, k))

    def read_done(self, columns: list[int], read: dict[int, Array]) -> None:
        for k in columns:
            self.q[:, k] = 0.9 * self.q[:, k] + 0.1 * read[k]
        if self.rng.random() < 0.2:
            self.c, self.held = -self.c, self.q.copy()


class MultiTile(Equations):
    """Three arrays; losses were told so that the warm start ends after 60 steps."""

    warm = True

    def begin(self) -> None:
        self.turn, self.count = [0, 0], [0, 0]

    @property
    def weight(self) -> Array:
        return self.arrays[2] + 0.3 * self.arrays[1] + 0.3**2 * self.arrays[0]

    def step(self, x: Array, d: Array) -> None:
        self.arrays[0] = gathered(self.arrays[0], x, d, 0.1)
        for j, to in [(0, 2)] if self.t < 60 else [(0, 1), (1, 2)]:
            self.count[j] += 1
            if self.count[j] % 3**j == 0:
                k = self.turn[j] % IN
                change = 0.5 * 0.4 * 1.5**j * outer(self.arrays[j][:, k], k)
                self.arrays[to] = analog(self.arrays[to], change)
                self.turn[j] += 1
        self.t += 1


class MP(Equations):
    def begin(self) -> None:
        self.chi = np.zeros((OUT, IN))

    def step(self, x: Array, d: Array) -> None:
        self.t += 1
        self.chi -= 0.5 * d.T @ x
        if self.t % 2 == 0:
            n = np.clip(np.fix(self.chi / DW), -4, 4)
            for k in range(IN):
                self.arrays[0] = fired(self.arrays[0], k, n[:, k])
            self.chi -= n * DW


TWO = {"fast_lr": 0.1, "transfer_lr": 0.4}
CASES: dict[str, tuple[str, dict[str, Any], type[Equations], int]] = {
    "analog sgd": ("AnalogSGD", {"lr": 0.1}, SGD, 1),
    "tiki-taka": (
        "TikiTaka",
        {**TWO, "gamma": 0.3, "transfer_every": 2, "transfer_columns": 3},
        TT,
        2,
    ),
    "residual learning": ("ResidualLearning", TWO, RL, 2),
    "residual learning v2": ("ResidualLearningV2", TWO, RLV2, 2),
    "tiki-taka v2": ("TikiTakaV2", {**TWO, "threshold": 1.5}, TTV2, 2),
    "tiki-taka v2 that forgets": (
        "TikiTakaV2",
        {**TWO, "threshold": 1.5, "momentum": 0.1, "transfer_bl": 3, "forget": True}
        | {"gamma": 0.2, "transfer_every": 2, "transfer_columns": 3},
        TTV2Forget,
        2,
    ),
    "tiki-taka v2 scaled": (
        "TikiTakaV2",
        {**TWO, "fast_lr": 0.5, "auto_scale": True, "auto_momentum": 0.9, "desired_bl": 8}
        | {"auto_granularity": 2.0, "transfer_every": 2, "transfer_columns": 3},
        Granular,
        2,
    ),
    "chopped tiki-taka": (
        "ChoppedTikiTaka",
        {**TWO, "threshold": 1.5, "gamma": 0.2, "transfer_columns": 2, "chopper_probability": 0.3},
        Chopped,
        2,
    ),
    "agad": ("AGAD", {**TWO, "reference_rate": 0.6, "chopper_probability": 0.25}, Agad, 2),
    "rider": (
        "RIDER",
        {**TWO, "gamma": 0.3, "reference_rate": 0.1, "transfer_columns": None},
        Rider,
        2,
    ),
    "e-rider": (
        "ERIDER",
        {**TWO, "gamma": 0.3, "reference_rate": 0.1, "transfer_columns": None}
        | {"chopper_probability": 0.2},
        ERider,
        2,
    ),
    "multi-tile": (
        "MultiTileResidualLearning",
        {**TWO, "gamma": 0.3, "transfer_growth": 1.5, "transfer_ratio": 3},
        MultiTile,
        3,
    ),
    "mixed precision": ("MixedPrecision", {"transfer_every": 2, "transfer_bl": 4}, MP, 1),
}


def made(name: str, options: dict[str, Any], parameter: AnalogParameter) -> AnalogOptimizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make: Callable[..., AnalogOptimizer] = getattr(training, name)
        return make([parameter], **{"lr": 0.5, **options}, rng=np.random.default_rng(8))


@pytest.mark.parametrize("case", CASES)
def test_the_equations_are_followed(case: str, rng: np.random.Generator) -> None:
    name, options, equations, count = CASES[case]
    start = [rng.uniform(-0.05, 0.05, (OUT, IN)) for _ in range(count)]
    parameter = AnalogParameter([ExactTile(w, up, down, dw_min=DW) for w in start])
    optimizer = made(name, options, parameter)
    ours = equations([w.copy() for w in start], np.random.default_rng(8))
    target = rng.uniform(-0.4, 0.4, (OUT, IN))
    for step in range(STEPS):
        if step == 60:
            for loss in (1.0, 1.1):  # ends a warm start
                optimizer.epoch_ended(loss)
        x = rng.normal(size=(BATCH, IN))
        d = parameter.forward(torch.from_numpy(x)) - torch.from_numpy(x @ target.T)
        ours_d = x @ (ours.weight - target).T
        np.testing.assert_allclose(d.numpy(), ours_d, rtol=1e-9, atol=1e-11)
        back = parameter.backward_product(d).numpy()
        np.testing.assert_allclose(back, ours_d @ ours.weight, rtol=1e-9, atol=1e-11)
        parameter.record(torch.from_numpy(x), d)
        optimizer.step()
        ours.step(x, ours_d)
        for tile, wanted in zip(parameter.tiles, ours.arrays, strict=True):
            np.testing.assert_allclose(tile.weights(), wanted, rtol=1e-9, atol=1e-11)
    moved = [abs(a - b).max() for a, b in zip(ours.arrays, start, strict=True)]
    assert min(moved) > 3 * DW  # else this test could not fail
