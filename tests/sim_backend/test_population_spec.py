from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import ConfigError, load_bench, open_crossbar
from ohmloop.drivers.validation import validate
from ohmloop.sim_backend import Population, PopulationSpec, sample
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.responses import RESPONSES, response_class

SHAPE = (200, 200)
N = SHAPE[0] * SHAPE[1]
BOUNDS = {"g_min": "5 uS", "g_max": "60 uS"}
KEYS = {
    "constant-step": {"step_up": "0.5 uS", "step_down": "0.4 uS"},
    "linear-step": {"step_up": "1 uS", "step_down": "1 uS", "slope_up": 0.01, "slope_down": 0.01},
    "soft-bounds": {"slope_up": 0.02, "slope_down": 0.03},
    "power-step": {"step_up": "1 uS", "step_down": "1 uS", "gamma_up": 1.5, "gamma_down": 2},
    "exponential-step": {"step_up": "1 uS", "step_down": "1 uS", "gamma_up": 1, "gamma_down": -1},
    "one-minus-exp-step": {
        "step_up": "1 uS",
        "step_down": "1 uS",
        "amplitude_up": 0.1,
        "amplitude_down": 0.2,
        "gamma_up": 2,
        "gamma_down": 3,
        "stretch": 0.5,
        "offset": 0.2,
        "reference": "30 uS",
    },
    "neurosim-step": {
        "pulses_up": 64,
        "pulses_down": 100,
        "curvature_up": 2,
        "curvature_down": -1,
    },
    "piecewise": {
        "table_up": ["2 uS", "1 uS", "0.5 uS"],
        "table_down": ["0.5 uS", "1 uS", "2 uS"],
    },
}


def _spec(model: str, **keys) -> PopulationSpec:
    return validate(PopulationSpec, {"model": model, **KEYS[model], **keys}, "spec")


def _sample(model: str, shape=SHAPE, seed=1, **keys) -> Population:
    return sample(_spec(model, **keys), shape, np.random.default_rng(seed))


def test_every_built_in_response_function_is_tried_here():
    assert set(KEYS) == set(RESPONSES)


@pytest.mark.parametrize("model", KEYS)
def test_cells_of_every_response_function_move_both_ways(model):
    cells = _sample(model, (4, 5)).response
    kind = response_class(model)
    assert type(cells) is kind
    assert (cells.q_up(cells.middle) > 0).all()
    assert (cells.q_down(cells.middle) > 0).all()
    assert cells.g_min.std() > 0  # bounds spread by default


@pytest.mark.parametrize("model", KEYS)
def test_every_parameter_has_a_spread_of_its_own_name(model):
    # H0: relative spread 0.1, log-normal or normal cut at 3 sigma (then 0.0987), n = 40000.
    # The relative error of a spread is 1/sqrt(2n) = 0.0035; 5 of them: false alarm below 1e-6.
    names = KEYS[model]
    cells = _sample(model, **{f"{name}_dtod": 0.1 for name in names}).response
    for name in names:
        values = getattr(cells, name).astype(float)
        values = values[..., 0] if values.ndim == 3 else values
        normal = cells.limits[name][0] < 0
        found = values.std() / abs(values.mean()) if normal else np.log(values).std()
        assert found == pytest.approx(0.0987 if normal else 0.1, rel=5 / np.sqrt(2 * N)), name


def test_distribution_is_chosen_by_key():
    # H0: as above; skewness of a normal is 0 +- sqrt(6/n), of ln x too where x is log-normal.
    cells = _sample(
        "soft-bounds",
        slope_up_dtod=0.25,
        slope_up_distribution="normal",
        g_max_dtod=0.25,
        g_max_distribution="log-normal",
    )
    up, high = cells.response.slope_up.astype(float), np.log(cells.g_max.astype(float))
    assert up.max() <= 0.02 * 1.75 * (1 + 1e-6)
    for values in (up, high):
        z = (values - values.mean()) / values.std()
        assert abs((z**3).mean()) < 5 * np.sqrt(6 / N)


def test_one_key_speaks_of_up_and_down_and_an_own_key_wins():
    cells = _sample("constant-step", step_dtod=0.2, step_down_dtod=0).response
    assert np.ptp(cells.step_down) == 0
    assert np.log(cells.step_up).std() == pytest.approx(0.2, rel=0.03)  # as above, 8 of them
    both = _sample("constant-step", step_dtod=0.2).response
    assert abs(np.corrcoef(both.step_up.ravel(), both.step_down.ravel())[0, 1]) < 5 / np.sqrt(N)


def test_a_table_spreads_as_a_whole():
    cells = _sample("piecewise", (30, 30), table_up_dtod=0.3).response
    assert cells.table_up.shape == (30, 30, 3)
    np.testing.assert_allclose(cells.table_up[..., 0] / cells.table_up[..., 2], 4, rtol=1e-5)
    assert cells.table_up[..., 0].std() > 0
    assert cells.table_down.strides[:2] == (0, 0)  # one for all stays one


@pytest.mark.parametrize("name", ["dg_std", "dg_add", "dg_slope", "read_std", "endurance"])
def test_noise_and_endurance_spread(name):
    given = {"dg_std": 0.3, "dg_add": "50 nS", "dg_slope": 0.02, "read_std": 0.01, "endurance": 1e6}
    cells = _sample("soft-bounds", **{name: given[name], f"{name}_dtod": 0.2})
    values = getattr(cells, name)
    # H0: spread of the logarithm 0.2; relative error 0.0035, 5 of them: false alarm below 1e-6.
    assert np.log(values).std() == pytest.approx(0.2, rel=5 / np.sqrt(2 * N))
    median = 5e-8 if name == "dg_add" else given[name]
    assert np.median(values) == pytest.approx(median, rel=0.01)
    assert getattr(_sample("soft-bounds"), name).strides == (0, 0)


@pytest.mark.parametrize(
    ("model", "keys", "key", "problem"),
    [
        ("hard-bounds", {}, "model", "no response function 'hard-bounds'; known are constant-step"),
        ("linear-step", {"step_up": "1 uS"}, "step_down", "is missing; a cell of linear-step"),
        ("soft-bounds", {"step_up": "1 uS"}, "step_up", "unknown key; known are model, g_min"),
        ("constant-step", {"step_up": 1e-6}, "step_up", "has no unit"),
        ("constant-step", {"step_up": "1 us"}, "step_up", "not a conductance"),
        ("constant-step", {"step_up": "-1 uS"}, "step_up", "must be at least 0 S, not -1 uS"),
        ("soft-bounds", {"slope_up": "0.02"}, "slope_up", "must be a number, not '0.02'"),
        ("soft-bounds", {"slope_up": True}, "slope_up", "must be a number, not True"),
        ("soft-bounds", {"slope_up": float("nan")}, "slope_up", "finite number, not nan"),
        ("soft-bounds", {"slope_up": 0}, "slope_up", "does not move on a pulse up"),
        ("soft-bounds", {"slope_down": 0.6}, "slope_down", "must be at most 0.5"),
        ("soft-bounds", {"g_min": "60 uS"}, "g_min", "must lie below g_max, not 60 uS and 60 uS"),
        ("soft-bounds", {"g_min": "0 S", "g_min_dtod": 0.2}, "g_min_dtod", "relative to g_min"),
        ("soft-bounds", {"g_min": "-1 uS"}, "g_min", "must be at least 0 S"),
        ("soft-bounds", {"slope_dtod": 1.5}, "slope_dtod", "must be from 0 to 1, not 1.5"),
        ("soft-bounds", {"slope_up_dtod": -1}, "slope_up_dtod", "must be from 0 to 1"),
        ("soft-bounds", {"g_max_distribution": "flat"}, "g_max_distribution", "normal or log-norm"),
        (
            "neurosim-step",
            {"curvature_up_distribution": "log-normal"},
            "curvature_up_distribution",
            "for what cannot be negative",
        ),
        ("piecewise", {"table_up": "1 uS"}, "table_up", "a list of at least 2 values"),
        ("piecewise", {"table_up": ["1 uS", 2]}, "table_up", "2 has no unit"),
        ("piecewise", {"table_up": ["1 uS", "1 uS"]}, "table_down", "differ in their nodes"),
        ("soft-bounds", {"dg_std": -1}, "dg_std", "must be at least 0, not -1"),
        ("soft-bounds", {"read_std": 2}, "read_std", "must be from 0 to 1, not 2"),
        ("soft-bounds", {"stuck_low": 1.5}, "stuck_low", "a share of cells must be 0 to 1"),
        ("soft-bounds", {"sluggish": [[1]]}, "sluggish", r"a share of 0 to 1 or \[\[row, column"),
    ],
)
def test_a_wrong_key_is_named(model, keys, key, problem):
    own = KEYS.get(model, {}) if model != "linear-step" else {}
    with pytest.raises(ConfigError, match=problem) as caught:
        validate(PopulationSpec, {"model": model, **own, **keys}, "spec")
    assert caught.value.key == key


def test_a_bench_file_names_the_whole_path(bench_file):
    chip = "emulation: {chip: {model: linear-step, step_up: 1 uS, slope_up: 0, slope_down: 0}}"
    bench_file.write_text(bench_file.read_text().replace("emulation: {seed: 5}", chip))
    with pytest.raises(ConfigError) as caught:
        EmulatedBench(load_bench(bench_file), any_port=True)
    assert caught.value.key == "emulation.chip.step_down"


def test_any_response_function_opens_by_name():
    name = "sim:constant-step?shape=3x4&step_up=1 uS&step_down=2 uS&step_dtod=0.1&stuck_low=0"
    with open_crossbar(name) as twin:
        assert twin.cells.population.response.name == "constant-step"
        assert twin.cells.population.response.step_up.std() > 0
    with open_crossbar("sim:piecewise?shape=2x2&table_up=1 uS,2 uS&table_down=2 uS,1 uS") as twin:
        np.testing.assert_array_equal(
            twin.cells.population.response.table_up[0, 0], np.float32([1e-6, 2e-6])
        )
    with pytest.raises(ConfigError, match="model: there is no 'x'"):
        open_crossbar("sim:x?shape=3x4")


def test_means_of_an_older_specification_draw_the_cells_they_always_drew():
    cells = sample(PopulationSpec(), (2, 2), np.random.default_rng(1))
    rng = np.random.default_rng(1)
    low = 5e-6 * (1 + 0.1 * np.clip(rng.standard_normal((2, 2), np.float32), -3, 3))
    high = 60e-6 * (1 + 0.1 * np.clip(rng.standard_normal((2, 2), np.float32), -3, 3))
    up = 0.02 * np.exp(0.15 * rng.standard_normal((2, 2), np.float32))
    np.testing.assert_allclose(cells.g_min, low, rtol=1e-6)
    np.testing.assert_allclose(cells.g_max, high, rtol=1e-6)
    np.testing.assert_allclose(cells.response.slope_up, up, rtol=1e-6)
