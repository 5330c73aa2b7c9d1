"""The device models that aihwkit has, too, against aihwkit 1.2 itself, where it is installed.

Its update noise cannot be seeded. So all statistical tests here together have a false-alarm rate of
``ALARM``, by Bonferroni: each of the ``TESTS`` comparisons is two-sided at ``ALARM / TESTS``.

On a CPU a tile of theirs takes all of its noise from one table of 32,768 normal numbers (its
``rng.h``), whose mean is off by some 0.0055 of a standard deviation: for all of its cells alike,
and so a drift over 1,000 pulses. So their cells are those of many small tiles, and errors are
found from tile to tile.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from ohmloop.drivers import CellPulses
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.presets import preset, presets
from ohmloop.sim_backend.presets.aihwkit_draws import Drawn, draw_cells
from ohmloop.sim_backend.presets.devices import (
    ConstantDevice,
    LinearDevice,
    OneMinusExpDevice,
    PiecewiseDevice,
    PowerDevice,
    SoftBoundsDevice,
)
from ohmloop.sim_backend.presets.preset import Preset
from ohmloop.sim_backend.responses import LinearStep, PowerStep, SoftBounds

pytest.importorskip("aihwkit")

import torch
from aihwkit.simulator import configs
from aihwkit.simulator.configs.utils import UpdateParameters
from aihwkit.simulator.presets import devices as published
from aihwkit.simulator.tiles import AnalogTile

SHAPE = (64, 64)
TILES, TILE = 64, (8, 8)
UP = DOWN = 1000
POINTS = (1, 10, 100, 1000, 1001, 1010, 1100, 2000)
"""Pulses after which both are looked at; up to 1000 they are up, then down."""

SPREAD: dict[str, Any] = {
    "dw_min": 0.002,
    "dw_min_dtod": 0.2,
    "dw_min_std": 0.5,
    "up_down_dtod": 0.02,
    "w_max": 0.9,
    "w_min": -0.6,
    "w_max_dtod": 0.2,
    "w_min_dtod": 0.15,
}
GAMMAS = {"gamma_up": 0.3, "gamma_down": 0.6, "gamma_up_dtod": 0.1, "gamma_down_dtod": 0.1}
GONG = {
    "amplitude_up": -1.18445,
    "amplitude_down": -0.081404,
    "gamma_up": 5.0,
    "gamma_down": 5.0,
    "stretch": -0.5,
    "offset": -0.5,
}
TABLES = {"table_up": (1.5, 1.0, 1.1, 0.2), "table_down": (0.1, 0.8, 1.0, 1.6)}
MODELS = {
    "constant step": ConstantDevice(model="constant-step", **SPREAD, up_down=0.2),
    "linear step": LinearDevice(model="linear-step", **SPREAD, **GAMMAS, up_down=-0.1),
    "linear step, additive": LinearDevice(
        model="linear-step", **SPREAD, **GAMMAS, mult_noise=False
    ),
    "soft bounds": SoftBoundsDevice(model="soft-bounds", **SPREAD, mult_noise=True, up_down=0.2),
    "soft bounds, reference": SoftBoundsDevice(
        model="soft-bounds",
        **{**SPREAD, "dw_min_std": 3.0},
        dw_min_dtod_log_normal=True,
        reference_mean=0.02,
        reference_std=0.05,
        subtract_symmetric_point=True,
    ),
    "exp step": OneMinusExpDevice(model="one-minus-exp-step", **SPREAD, **GONG, up_down=0.26),
    "exp step, added noise": OneMinusExpDevice(
        model="one-minus-exp-step", **SPREAD, **GONG, dw_min_std_add=0.01
    ),
    "pow step": PowerDevice(
        model="power-step", **SPREAD, gamma=1.5, gamma_dtod=0.1, gamma_up_down=0.2
    ),
    "piecewise": PiecewiseDevice(model="piecewise", **SPREAD, **TABLES, up_down=-0.2),
}
LEFT_OUT = ("write_noise_std", "lifetime", "reset", "reset_dtod", "reset_std")
"""Figures that are not simulated, and a reset, which nobody does here."""


def _preset_model(name: str) -> Any:
    device = preset(name).device
    keys = [key for key in LEFT_OUT if key in type(device).model_fields]
    return device.model_copy(update=dict.fromkeys(keys, 0.0))


# The arrays are not among them: where a step is more than the way to the bound, noise at the bound
# is another, as ``SoftBoundsDevice`` says. Additive noise is the mean of both directions', which
# for the capacitor makes variances 0.4 % less: nothing that 4096 cells could show.
WALKED = ("reram-es", "reram-sb", "capacitor", "ecram", "ecram-mo", "pcm", "gokmen-vlasov")
MODELS |= {name: _preset_model(name) for name in WALKED}
CLASSES = {
    "constant-step": "ConstantStepDevice",
    "linear-step": "LinearStepDevice",
    "soft-bounds": "SoftBoundsReferenceDevice",
    "one-minus-exp-step": "ExpStepDevice",
    "power-step": "PowStepDevice",
    "piecewise": "PiecewiseStepDevice",
}
NAMES = {
    "amplitude_up": "A_up",
    "amplitude_down": "A_down",
    "stretch": "a",
    "offset": "b",
    "gamma": "pow_gamma",
    "gamma_dtod": "pow_gamma_dtod",
    "gamma_up_down": "pow_up_down",
    "gamma_up_down_dtod": "pow_up_down_dtod",
    "table_up": "piecewise_up",
    "table_down": "piecewise_down",
    "subtract_symmetric_point": "subtract_symmetry_point",
}
"""Our figures that have another name there."""

ALARM, TESTS = 1e-4, 2 * len(MODELS) * len(POINTS)
WIDEST = student.isf(ALARM / TESTS / 2, TILES - 1)


@cache
def _theirs(name: str) -> dict[int, np.ndarray]:
    """Weights of their cells at ``POINTS``, ``(tiles, cells)``."""
    walks = [_walked_there(_tile(MODELS[name], TILE)) for _ in range(TILES)]
    return {point: np.array([walk[point].ravel() for walk in walks]) for point in POINTS}


def _figures(device: Any) -> dict[str, Any]:
    """As their dataclass takes them."""
    data = device.model_dump(exclude={"model"})
    return {
        NAMES.get(key, key): list(value) if isinstance(value, tuple) else value
        for key, value in data.items()
    }


def _tile(device: Any, shape: tuple[int, int] = SHAPE, **changed: Any) -> AnalogTile:
    """Their tile, which gives each cell one pulse an update."""
    kind = getattr(configs, CLASSES[device.model])
    if device.model == "soft-bounds" and device.mult_noise:
        kind = configs.SoftBoundsDevice
    known = {f.name for f in fields(kind)}
    figures = {k: v for k, v in {**_figures(device), **changed}.items() if k in known}
    once = UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
    tile = AnalogTile(*shape, configs.SingleRPUConfig(device=kind(**figures), update=once))
    tile.set_weights(torch.zeros(shape))
    tile.set_learning_rate(100.0)  # so that every line fires, whatever their granularity is
    return tile


def _walked_there(tile: AnalogTile) -> dict[int, np.ndarray]:
    seen, done = {}, 0
    for point in POINTS:
        sign = -1.0 if point <= UP else 1.0  # an update takes d times x away
        count, (rows, columns) = point - done, tile.get_weights()[0].shape
        x, d = torch.ones(count, columns), torch.full((count, rows), sign)
        tile.update(x, d)
        seen[point], done = tile.get_weights()[0].numpy().astype(float), point
    return seen


def _walked_here(population: Population, seed: int = 1) -> dict[int, np.ndarray]:
    array, seen, done = CellArray(population, seed), {}, 0
    for point in POINTS:
        count = point - done if point <= UP else done - point
        array.play(CellPulses(np.full(SHAPE, count)))
        seen[point], done = array.conductance, point
    return seen


def _drawn(device: Any) -> Population:
    return Preset("", "", "", "", device).draw(SHAPE, np.random.default_rng(20))


@pytest.mark.parametrize("name", MODELS)
def test_mean_over_cells_is_theirs(name):
    # H0: both draw cells and steps from the same distributions, so means over 4096 cells differ by
    # a normal number of the standard error that the samples show: from cell to cell here, from tile
    # to tile there.
    ours = _walked_here(_drawn(MODELS[name]))
    for point in POINTS:
        _assert_same_mean(ours[point].ravel(), _theirs(name)[point], point)


@pytest.mark.parametrize("name", MODELS)
def test_spread_over_cells_is_theirs(name):
    # H0: as above, of squared distances from the mean of all cells.
    ours = _walked_here(_drawn(MODELS[name]))
    for point in POINTS:
        a, b = (of - of.mean() for of in (ours[point].ravel(), _theirs(name)[point]))
        _assert_same_mean(a**2, b**2, point)


def _assert_same_mean(ours: np.ndarray, theirs: np.ndarray, point: int) -> None:
    tiles = theirs.mean(axis=1)
    error = np.sqrt(ours.var(ddof=1) / ours.size + tiles.var(ddof=1) / tiles.size)
    assert abs(ours.mean() - tiles.mean()) < WIDEST * error, f"after {point} pulses"


@pytest.mark.parametrize("name", MODELS)
def test_their_own_cells_walk_the_same_way_without_noise(name):
    """Not a statistical test: their cells' parameters in our response functions."""
    device = MODELS[name]
    tile = _tile(device, dw_min_std=0.0)
    known = {k: v.numpy().astype(float) for k, v in tile.get_hidden_parameters().items()}
    population = Population(
        _response_of(device, known),
        dg_std=np.zeros(SHAPE),
        read_std=np.zeros(()),
        conductance=np.zeros(SHAPE),
    )
    theirs, ours = _walked_there(tile), _walked_here(population)
    for point in POINTS:
        # Single precision there and here, in different orders of operation.
        np.testing.assert_allclose(ours[point], theirs[point], atol=2e-5, err_msg=str(point))


def _response_of(device: Any, known: dict[str, np.ndarray]) -> Any:
    """Response functions of the cells of a tile."""
    low, high = known["min_bound"], known["max_bound"]
    up, down = known["dwmin_up"], known["dwmin_down"]
    if "slope_up" in known:
        slopes = -known["slope_up"], known["slope_down"]
        return LinearStep(low, high, up - slopes[0] * low, down + slopes[1] * high, *slopes)
    if "reference" in known:
        cells = SoftBounds.from_weights(low, high, up, down, known["reference"])
        cut = {key: np.minimum(getattr(cells, key), 1) for key in ("slope_up", "slope_down")}
        return replace(cells, **cut)  # without noise, the bound does the same
    if "gamma_up" in known:
        return PowerStep(low, high, up, down, known["gamma_up"], known["gamma_down"])
    drawn = Drawn(low, high, up, down, np.nan)
    return device.response(drawn, SHAPE, np.random.default_rng(0))


@pytest.mark.parametrize("name", MODELS)
def test_an_update_is_one_pulse_a_cell(name):
    """That their tile does what the comparison takes for granted."""
    device = MODELS[name].model_copy(
        update={key: 0.0 for key in type(MODELS[name]).model_fields if key.endswith("_dtod")}
    )
    changed = {"dw_min_std": 0.0, "up_down": 0.0}
    changed |= {"reference_std": 0.0} if device.model == "soft-bounds" else {}
    tile = _tile(device, **changed)
    tile.update(torch.ones(3, SHAPE[1]), torch.full((3, SHAPE[0]), -1.0))
    plain = device.model_copy(update=changed)
    nobody = np.random.default_rng(0)
    cell = plain.response(draw_cells(plain, (), nobody), (), nobody)
    assert tile.get_weights()[0].numpy() == pytest.approx(cell.after(0.0, 3), rel=1e-5)


PUBLISHED = {
    "reram-es": "ReRamES",
    "reram-sb": "ReRamSB",
    "reram-array-om": "ReRamArrayOM",
    "reram-array-hfo2": "ReRamArrayHfO2",
    "capacitor": "Capacitor",
    "ecram": "EcRam",
    "ecram-mo": "EcRamMO",
    "pcm": "PCM",
    "idealized": "Idealized",
    "gokmen-vlasov": "GokmenVlasov",
}


@pytest.mark.parametrize("name", [n for n, p in presets().items() if "aihwkit" in p.source])
def test_presets_have_their_figures(name):
    theirs = getattr(published, f"{PUBLISHED[name]}PresetDevice")()
    ours = _figures(preset(name).device)
    known = {f.name for f in fields(theirs)}
    if not preset(name).device.reset:
        ours.pop("reset_std")  # of a device that is never reset
    for key, value in ours.items():
        if key in known:
            assert value == pytest.approx(getattr(theirs, key)), key
    assert {key for key, value in ours.items() if value and key not in known} == set()
