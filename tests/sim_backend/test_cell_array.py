from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.arrays import NumpyArrays, TorchArrays
from ohmloop.sim_backend.cell_array import CellArray

SHAPE = (3, 4)


def _array(arrays=None, seed=3, shape=SHAPE, **spec) -> CellArray:
    spec = {"dg_std": 0.4, **spec}
    return CellArray(sample(PopulationSpec(**spec), shape, np.random.default_rng(1)), seed, arrays)


def _counts(seed: int, most: int = 9, shape=SHAPE) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-most, most + 1, shape))


def _trains(seed: int, batch: int = 6, shape=SHAPE) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    (r, c), length = shape, 7
    return CoincidencePulses(
        rng.integers(0, 2**length, (batch, r)),
        rng.integers(0, 2**length, (batch, c)),
        rng.choice([-1, 1], (batch, r)),
        rng.choice([-1, 1], (batch, c)),
        length,
    )


def _pulse_by_pulse(array: CellArray, program: PulseProgram, up=1.0, down=1.0) -> None:
    runs = program.runs
    for cell, count in zip(runs.cells.tolist(), runs.counts.tolist(), strict=True):
        for _ in range(abs(count)):
            array.pulse_cell(cell, count > 0, up if count > 0 else down)


def _assert_same_bits(a: CellArray, b: CellArray) -> None:
    for name, values in a.state().items():
        other = b.state()[name]
        assert values.dtype == other.dtype
        np.testing.assert_array_equal(values.view(np.int32), other.view(np.int32), err_msg=name)


FEW = {"cells": _counts(1), "trains": _trains(2)}
MANY = {"many cells": _counts(3, most=150), "many trains": _trains(4, batch=40)}
STRENGTHS = [(1.0, 1.0), (0.1, 0.7), (1.3, 1 / 3)]
CASES = [
    *(pytest.param(p, *s, id=f"{n}-{s}") for n, p in FEW.items() for s in STRENGTHS),
    *(pytest.param(p, *STRENGTHS[-1], id=n) for n, p in MANY.items()),
    *(
        pytest.param(p, *s, id=f"{n}-{s}", marks=pytest.mark.campaign)
        for n, p in MANY.items()
        for s in STRENGTHS[:-1]
    ),
]


@pytest.mark.parametrize(("program", "up", "down"), CASES)
def test_numpy_torch_and_single_pulses_agree_bit_for_bit(program, up, down):
    host, device = _array(NumpyArrays()), _array(TorchArrays())
    single, single_device = _array(NumpyArrays()), _array(TorchArrays())
    for _ in range(2):
        assert host.apply(program.runs, up, down) == program.total_pulses
        assert device.apply(program.runs, up, down) == program.total_pulses
        _pulse_by_pulse(single, program, up, down)
    _pulse_by_pulse(single_device, program, up, down)
    _pulse_by_pulse(single_device, program, up, down)
    _assert_same_bits(host, device)
    _assert_same_bits(host, single)
    _assert_same_bits(host, single_device)
    assert host.pulses_applied == 2 * program.total_pulses


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_splitting_a_program_changes_nothing(seed, cut):
    program = _trains(seed)
    whole, parts = _array(), _array()
    whole.apply(program.runs)
    for part in (slice(0, cut), slice(cut, None)):
        trains = (
            program.row_trains,
            program.column_trains,
            program.row_signs,
            program.column_signs,
        )
        parts.apply(CoincidencePulses(*(t[part] for t in trains), program.length).runs)
    _assert_same_bits(whole, parts)


def test_splitting_counts_by_cell_changes_nothing_in_any_order():
    program = _counts(5)
    whole, parts = _array(), _array()
    whole.apply(program.runs)
    for cell in np.random.default_rng(0).permutation(12):
        only = np.zeros(12, int)
        only[cell] = program.pulse_counts.flat[cell]
        parts.apply(CellPulses(only.reshape(SHAPE)).runs)
    _assert_same_bits(whole, parts)


def test_ways_in_may_be_mixed():
    plain, mixed = _array(), _array()
    for seed in range(4):
        program = _counts(seed)
        plain.apply(program.runs)
        if seed % 2:
            _pulse_by_pulse(mixed, program)
        else:
            mixed.apply(program.runs)
    _assert_same_bits(plain, mixed)


def test_order_of_up_and_down_matters():
    up_first, down_first = _array(), _array()
    up, down = CellPulses(np.full(SHAPE, 5)).runs, CellPulses(np.full(SHAPE, -5)).runs
    up_first.apply(up), up_first.apply(down)
    down_first.apply(down), down_first.apply(up)
    assert (up_first.conductance != down_first.conductance).all()


@pytest.mark.parametrize("arrays", [NumpyArrays, TorchArrays])
def test_restored_state_continues_bit_for_bit(arrays):
    ran = _array(arrays())
    ran.apply(_trains(1).runs), ran.read(np.arange(12)), ran.pulse_cell(5, True), ran.read_cell(2)
    state = ran.state()
    resumed = _array(NumpyArrays() if arrays is TorchArrays else TorchArrays())
    resumed.restore(state)
    for array in (ran, resumed):
        array.apply(_counts(2).runs), array.pulse_cell(5, False), array.read_cell(2)
    _assert_same_bits(ran, resumed)
    np.testing.assert_array_equal(
        ran.arrays.numpy(ran.read(np.arange(12))), resumed.arrays.numpy(resumed.read(np.arange(12)))
    )


def test_state_is_a_copy_and_restore_goes_back():
    array = _array()
    before, conductance = array.state(), array.conductance
    array.apply(_counts(1).runs)
    after = array.conductance
    array.restore(before)
    np.testing.assert_array_equal(array.conductance, conductance)
    array.apply(_counts(1).runs)
    np.testing.assert_array_equal(array.conductance, after)
    array.restore(before)
    array.pulse_cell(0, True)
    array.restore(before)
    np.testing.assert_array_equal(array.conductance, conductance)


def test_population_is_not_touched():
    array = _array()
    first = array.population.conductance.copy()
    array.apply(_counts(1).runs)
    np.testing.assert_array_equal(array.population.conductance, first)


def test_seed_changes_the_noise_and_nothing_else():
    a, b = _array(seed=1), _array(seed=2)
    np.testing.assert_array_equal(a.conductance, b.conductance)
    program = CellPulses(np.ones(SHAPE, int))
    a.apply(program.runs), b.apply(program.runs)
    assert (a.conductance != b.conductance).all()
    np.testing.assert_array_equal(a.pulses, b.pulses)


def test_without_noise_a_program_follows_the_response_function():
    array = _array(dg_std=0.0)
    start, response = array.conductance, array.population.response
    array.apply(CellPulses(np.full(SHAPE, 7)).runs)
    array.apply(CellPulses(np.full(SHAPE, -4)).runs)
    np.testing.assert_allclose(array.conductance, response.after(start, 7, 4), rtol=2e-6)


def test_mean_over_many_cells_follows_the_closed_form():
    # H0: the step noise has mean 0, so the mean of n = 40000 identical cells is the closed form.
    # Standard error from the sample itself; 5 of them: false alarm 6e-7. Steps of 0.02 with noise
    # 0.2 keep cells more than 5 sigma off the bounds, where clipping would bias the mean.
    spec = {"g_min_dtod": 0, "g_max_dtod": 0, "slope_dtod": 0, "dg_std": 0.2}
    array = _array(shape=(200, 200), **spec)
    start = array.conductance
    array.apply(CellPulses(np.full((200, 200), 10)).runs)
    off = array.conductance - array.population.response.after(start, 10)
    assert abs(off.mean()) < 5 * off.std() / np.sqrt(off.size)
    assert off.std() > 0


def test_cells_stay_between_their_bounds_however_noisy():
    array = _array(dg_std=5.0)
    for seed in range(20):
        array.apply(_counts(seed, most=50).runs)
        g = array.conductance
        assert (array.population.g_min <= g).all()
        assert (g <= array.population.g_max).all()


def test_pulses_of_no_strength_leave_cells_and_their_noise_alone():
    array, downs = _array(), _array()
    program = _trains(1)
    signs = program.runs.counts > 0
    assert array.apply(program.runs, up=0.0) == int(-program.runs.counts[~signs].sum())
    for cell, count in zip(program.runs.cells, program.runs.counts, strict=True):
        for _ in range(max(0, -count)):
            downs.pulse_cell(int(cell), up=False)
    _assert_same_bits(array, downs)
    assert array.apply(program.runs, 0.0, 0.0) == 0


def test_empty_program_changes_nothing():
    array = _array()
    before = array.state()
    assert array.apply(CellPulses(np.zeros(SHAPE, int)).runs) == 0
    np.testing.assert_array_equal(array.state()["g"], before["g"])


@pytest.mark.parametrize("arrays", [NumpyArrays, TorchArrays])
def test_single_readings_are_those_of_a_whole_read(arrays):
    whole, single = _array(arrays()), _array(NumpyArrays())
    for _ in range(70):  # more than one block of draws
        values = whole.arrays.numpy(whole.read(np.arange(12)))
        assert values.tolist() == [single.read_cell(cell) for cell in range(12)]
    _assert_same_bits(whole, single)


@pytest.mark.parametrize("read_std", [0.0, 0.02])
@pytest.mark.parametrize("arrays", [None, NumpyArrays, TorchArrays])
def test_a_reading_of_all_cells_is_one_of_each(arrays, read_std):
    all_, each = (_array(arrays and arrays(), read_std=read_std) for _ in range(2))
    for _ in range(2):
        found = all_.arrays.numpy(all_.read_all())
        expected = each.arrays.numpy(each.read(np.arange(12))).reshape(SHAPE)
        np.testing.assert_array_equal(found, expected)
    _assert_same_bits(all_, each)


def test_read_noise_is_relative_and_has_the_right_size():
    # H0: readings are N(g, (g * read_std)^2). Variance of n = 40000 draws: relative error
    # sqrt(2/n); 5 of them: false alarm 6e-7. Mean within 5 standard errors.
    array = _array(shape=(200, 200), read_std=0.02)
    cells = np.arange(40_000)
    noise = array.read(cells) / array.conductance.ravel() - 1
    assert abs(noise.mean()) < 5 * 0.02 / 200
    assert noise.var() == pytest.approx(0.02**2, rel=5 * np.sqrt(2 / 40_000))
    # H0: a second reading is independent of the first: |r| < 5/sqrt(n), false alarm 6e-7.
    again = array.read(cells) / array.conductance.ravel() - 1
    assert abs(np.corrcoef(noise, again)[0, 1]) < 5 / 200


def test_reading_does_not_move_cells():
    array = _array()
    before = array.conductance
    array.read(np.arange(12)), array.read_cell(3)
    np.testing.assert_array_equal(array.conductance, before)
    assert array.pulses_applied == 0
