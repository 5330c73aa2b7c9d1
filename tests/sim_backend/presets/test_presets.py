from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses, ConfigError, open_crossbar
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.presets import preset, presets
from ohmloop.sim_backend.presets.preset import Range

NAMES = list(presets())
SHAPE = (64, 64)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# By hand, from the figures: weight, up step and down step there, of a cell without spread.
STEPS = [
    # z = 2 (-0.5) 0 / 2 - 0.5; 0.00135 (1 + 1.18445 e^-2.5), 0.00135 0.740641 (1 + 0.081404 e^2.5)
    ("reram-es", 0.0, 1.481255e-3, 1.991437e-3),
    # z = -1 at the upper bound: 0.00135 (1 + 1.18445 e^-5), 0.000999865 (1 + 0.081404 e^5)
    ("reram-es", 1.0, 1.360774e-3, 1.307960e-2),
    ("reram-sb", 0.0, 0.002, 0.002),
    ("reram-sb", 1.25, 0.0, 0.002 * 2.0 / 0.75),
    ("reram-array-om", 0.5, 0.04745, 0.14235),
    ("reram-array-hfo2", -0.5, 0.6933, 0.2311),
    ("capacitor", 1.0, 0.00475, 0.00525),
    ("ecram", 1.1724, 0.002 * 0.8847, 0.002 * (1 + 0.5085 * 1.1724 / 0.8276)),
    ("ecram-mo", -0.8286, 2.8214e-4 * (1 + 0.4152 * 0.8286 / 1.1714), 2.8214e-4 * 0.2658),
    ("pcm", 0.0, 0.28235, 0.03235),
    ("pcm", 2.0, 0.01 * (1 + 27.235 * np.exp(-5.0)), 0.01 * (1 + 2.235 * np.exp(5.0))),
    ("idealized", 0.9, 0.0002, 0.0002),
    ("gokmen-vlasov", -0.3, 0.0016, 0.0016),
    ("power-mnist", 0.3, 1e-3 * 0.5**0.5, 1e-3 * 1.5**0.5),
    ("power-resnet", 0.05, 1e-3 * 0.125, 1e-3 * 3.375),
    ("power-mobilenet", -0.025, 1e-3 * 5.0625, 1e-3 * 0.0625),
    ("exponential-mnist", 0.3, 1e-3 * 0.64872127 / 1.71828183, 1e-3 * 3.48168907 / 1.71828183),
    ("exponential-resnet", 0.05, 1e-3 * 6.3890561 / 53.59815, 1e-3 * 402.42879 / 53.59815),
]


@pytest.mark.parametrize(("name", "w", "up", "down"), STEPS)
def test_steps_of_the_typical_cell(name, w, up, down):
    cell = preset(name).typical
    assert cell.q_up(w) == pytest.approx(up, rel=1e-5, abs=1e-9)
    assert cell.q_down(w) == pytest.approx(down, rel=1e-5, abs=1e-9)


def test_every_preset_has_its_steps_tested():
    assert {name for name, *_ in STEPS} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "states", "point"),
    [
        ("reram-sb", 1000.0, 0.0),
        ("reram-array-om", 21.0748, 0.0),
        ("reram-array-hfo2", 4.32713, 0.0),
        ("capacitor", 400.0, 0.0),
        ("ecram", 1000.0, 0.0),
        ("ecram-mo", 7088.68, 0.0),
        ("idealized", 10_000.0, 0.0),
        ("gokmen-vlasov", 1250.0, 0.0),
        ("power-mnist", 1200.0, 0.0),
        ("power-resnet", 200.0, 0.0),
        ("power-mobilenet", 100.0, 0.0),
        ("exponential-mnist", 1200.0, 0.0),
        ("exponential-resnet", 200.0, 0.0),
    ],
)
def test_states_and_symmetric_point(name, states, point):
    cell = preset(name).typical
    assert cell.states == pytest.approx(states, rel=1e-5)
    assert cell.symmetric_point == pytest.approx(point, abs=1e-6)


def test_what_is_not_simulated_is_said():
    left_out = {name: p.not_simulated for name, p in presets().items() if p.not_simulated}
    assert left_out == {"capacitor": {"lifetime": 1e6}}


@pytest.mark.parametrize("name", NAMES)
def test_cells_of_every_preset_can_be_drawn_and_pulsed(name):
    cells = preset(name).draw(SHAPE, _rng())
    assert cells.shape == SHAPE
    assert cells.maps()["g_min"].dtype == np.float32
    again = preset(name).draw(SHAPE, _rng())
    for key, values in cells.maps().items():
        np.testing.assert_array_equal(values, again.maps()[key], err_msg=key)
    array = CellArray(cells, 1, NumpyArrays())  # nothing to compile
    array.play(CellPulses(np.full(SHAPE, 3)))
    assert (array.conductance != cells.conductance).mean() > 0.8
    assert np.isfinite(array.conductance).all()


@pytest.mark.parametrize(
    ("name", "std", "add"),
    [
        ("reram-es", 5.0, 0.0),
        ("reram-sb", 0.0, 3.75 * 0.002),
        ("capacitor", 0.0, 0.3 * 0.005),
        ("ecram", 0.3, 0.0),
        ("pcm", 0.6, 0.6 * 0.042),
        ("power-mnist", 0.0, 0.0),
    ],
)
def test_noise_is_relative_or_additive_as_published(name, std, add):
    # H0: additive noise is proportional to the cell's step at weight 0, whose mean over 4096 cells
    # is dw_min with a relative error of at most 0.3/64; 5 of them: false alarm 6e-7.
    cells = preset(name).draw(SHAPE, _rng(1))
    assert (cells.dg_std == np.float32(std)).all()
    assert cells.dg_add.mean() == pytest.approx(add, rel=5 * 0.3 / 64)


def test_noise_of_the_power_response_is_relative_to_dw_min():
    cells = preset("power-mnist").changed({"dw_min_std": 0.3}).draw((2, 2), _rng())
    assert cells.dg_add == pytest.approx(3e-4)
    assert (cells.dg_std == 0).all()


def test_a_fresh_cell_is_at_weight_0_or_where_a_reset_leaves_it():
    assert (preset("ecram").draw(SHAPE, _rng()).conductance == 0).all()
    # H0: max(0.01 + 0.02236 xi, 0) has mean 0.014760 and standard deviation 0.0158; 4096 cells,
    # 5 standard errors: false alarm 6e-7.
    start = preset("pcm").draw(SHAPE, _rng()).conductance
    assert start.mean() == pytest.approx(0.014760, abs=5 * 0.0158 / 64)
    assert start.min() == 0


def test_symmetric_points_of_arrays_are_known_to_the_reference_s_error():
    # H0: minus the symmetric point is normal, mean 0, standard deviation 0.05. 4096 cells that are
    # no coarser than their range; 5 standard errors each: false alarm 1.2e-6.
    cells = preset("reram-array-om").draw(SHAPE, _rng(2)).response
    fine = (cells.slope_up < 1) & (cells.slope_down < 1)
    point = np.asarray(cells.symmetric_point)[fine]
    assert fine.sum() > 3800
    assert abs(point.mean()) < 5 * 0.05 / np.sqrt(point.size)
    assert point.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * point.size))


def test_corrupt_cells_are_stuck_where_they_are_and_are_not_for_use():
    figures = {"corrupt_devices_prob": "0.1348"}
    with open_crossbar("sim:reram-array-om?shape=64x64&seed=3&corrupt_devices_prob=0.1348") as twin:
        stuck = ~twin.characteristics.usable
        before = twin.conductance
        twin.pulse(CellPulses(np.full(SHAPE, 2)))
        np.testing.assert_array_equal(twin.conductance[stuck], before[stuck])
    # H0: binomial, 4096 cells; 5 standard deviations: false alarm 6e-7.
    assert stuck.mean() == pytest.approx(0.1348, abs=5 * np.sqrt(0.1348 * 0.8652) / 64)
    cells = preset("reram-array-om").changed(figures).draw(SHAPE, _rng(3))
    assert np.abs(cells.conductance[stuck]).max() <= 0.01


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_opens_by_name_in_siemens(name):
    p, between = preset(name), Range()
    unit = 20e-6 / (p.device.w_max - p.device.w_min)
    with open_crossbar(f"sim:{name}?shape=64x64&seed=5") as twin:
        cells, known = twin.cells.population, twin.characteristics
        assert twin.conductance.min() > 0
    weights = p.draw(SHAPE, _rng(5))
    to = between.g_low + (weights.conductance.astype(float) - p.device.w_min) * unit
    np.testing.assert_allclose(cells.conductance, to, rtol=1e-6)
    steps = unit * weights.response.q_up(weights.conductance)
    np.testing.assert_allclose(cells.response.q_up(cells.conductance), steps, rtol=2e-3, atol=1e-12)
    np.testing.assert_allclose(cells.dg_add, weights.dg_add * unit, rtol=1e-6)
    np.testing.assert_array_equal(cells.dg_slope, weights.dg_slope)
    if weights.dg_slope.any():
        np.testing.assert_allclose(cells.dg_rest, between.g_low - p.device.w_min * unit, rtol=1e-6)
    assert (known.symmetric_point >= known.g_min).all()
    assert (known.symmetric_point <= known.g_max).all()
    assert known.usable.all()


def test_a_cell_without_a_symmetric_point_is_counted_from_weight_0():
    with open_crossbar("sim:gokmen-vlasov?shape=4x4") as twin:
        np.testing.assert_allclose(twin.characteristics.symmetric_point, 50e-6)


def test_figures_and_range_are_set_in_the_name():
    name = "sim:ecram?shape=3x4&dw_min=0.004&dw_min_dtod=0&up_down_dtod=0&g_low=10 uS&g_high=30 uS"
    with open_crossbar(name) as twin:
        np.testing.assert_allclose(twin.characteristics.dg_min, 0.004 * 10e-6, rtol=1e-3)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("foo=1", "foo: unknown key; known are dw_min"),
        ("dw_min=-1", "dw_min: "),
        ("w_min=0", "w_min: "),
        ("g_low=5", "g_low: '5' has no unit"),
        ("g_low=70 uS", "is no range"),
        ("g_low=0 uS&g_high=20 uS", r"would have its lower bound at .*asks for a g_low of at"),
    ],
)
def test_mistake_in_a_name_says_which_figure(query, problem):
    with pytest.raises((ConfigError, BadInputError), match=problem) as caught:
        open_crossbar(f"sim:ecram?shape=8x8&{query}")
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none_is_answered_with_all_that_are():
    with pytest.raises(BadInputError, match=r"no preset 'rram'; known are reram-es, reram-sb"):
        preset("rram")
    with pytest.raises(ConfigError, match=r"there is no 'rram'; known are constant-step"):
        open_crossbar("sim:rram?shape=3x4")


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_names_its_paper(name):
    source = preset(name).source
    assert "arXiv" in source or "aihwkit 1.2.0" in source
    assert any(year in source for year in ("2016", "2018", "2019", "2020", "2022", "2502.06309"))
