"""As pulses become small, paths on a twin become those of exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import open_crossbar
from ohmloop.training import (
    AnalogParameter,
    AnalogSGD,
    AnalogTile,
    ExactTile,
    ImplicitPulses,
    PulseSettings,
)
from ohmloop.training.theory.response_pair import ideal, linear

EXACT = "dg_std=0&read_std=0&g_min_dtod=0&g_max_dtod=0"
HALF_RANGE = 27.5e-6  # S, of 5 to 60 uS
OUT, IN, LR, STEPS = 16, 8, 0.003, 100
SIZES = (8e-3, 2e-3, 5e-4)


def twin(model, dw_min):
    if model == "soft-bounds":
        how = f"slope_up={dw_min}&slope_down={dw_min}&slope_dtod=0"
    else:
        step = f"{dw_min * HALF_RANGE * 1e9} nS"
        how = f"step_up={step}&step_down={step}"
    return AnalogTile(open_crossbar(f"sim:{model}?shape={OUT}x{IN}&seed=1&{EXACT}&{how}"))


def deviation(model, dw_min, rule, rng):
    """Root mean square over weights and steps between the paths on a twin and in numbers."""
    data = np.random.default_rng(7)
    features, goals = data.normal(size=(40, IN)), data.uniform(-0.4, 0.4, (IN, OUT))
    targets = np.clip(features, -2, 2) @ goals
    pulsed = twin(model, dw_min)
    start = (pulsed.crossbar.conductance - pulsed.mapping.reference) / HALF_RANGE
    pair = linear(1.0) if model == "soft-bounds" else ideal()
    paths = []
    for tile in (pulsed, ExactTile(start, pair.q_up, pair.q_down)):
        parameter, path = AnalogParameter([tile]), []
        optimizer = AnalogSGD([parameter], LR, rng=rng)
        optimizer.rule = rule
        for step in range(STEPS):
            x = torch.from_numpy(np.clip(features[step % 40], -2, 2)[None])
            parameter.record(x, parameter.forward(x) - torch.from_numpy(targets[step % 40][None]))
            optimizer.step()
            assert optimizer.clipped == 0
            path.append(tile.weights())
        paths.append(np.array(path))
    moved = np.abs(paths[1][-1] - start).mean()
    assert moved > 0.05
    return np.sqrt(((paths[0] - paths[1]) ** 2).mean())


@pytest.mark.parametrize(
    "model", ["soft-bounds", pytest.param("constant-step", marks=pytest.mark.campaign)]
)
def test_the_path_is_recovered_as_the_square_root_of_the_granularity(model, rng):
    """Without noise of cells only the drawing of trains is left, of variance ``|dW| dw_min``: with
    constant steps the path becomes that of SGD, with soft bounds that of the general analog
    update. H0: slope 1/2; 128 weights leave a standard error of 0.03, five of them are allowed.
    """
    found = [deviation(model, size, PulseSettings(64), rng) for size in SIZES]
    slope = np.polyfit(np.log(SIZES), np.log(found), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.15)
    assert found[-1] < 0.02


def test_implicit_pulses_come_closer(rng):
    """Their variance is at most ``dw_min^2 / 4`` an update, and never above that of trains."""
    implicit = deviation("constant-step", SIZES[-1], ImplicitPulses(64), rng)
    assert implicit < 0.7 * deviation("constant-step", SIZES[-1], PulseSettings(64), rng)
