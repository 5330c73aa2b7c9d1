"""What every family owes: steps that are not negative, a symmetric point that is one, and so on."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import (
    RESPONSES,
    ConstantStep,
    ExponentialStep,
    LinearStep,
    NeuroSimStep,
    OneMinusExpStep,
    Piecewise,
    PowerStep,
    SoftBounds,
    response_class,
)
from ohmloop.sim_backend.responses.symmetric_point import find_symmetric_point

SPAN = 2.2
steps, shares = st.floats(0.002, 0.05), st.floats(0.002, 0.1)
lows = st.floats(-3, 3)
gammas, rates = st.floats(0, 4), st.floats(-4, 4)
tables = st.lists(st.floats(0, 0.05), min_size=4, max_size=4).map(np.array)


def _family(cls, *parameters):
    return st.builds(lambda low, *p: cls(low, low + SPAN, *p), lows, *parameters)


FAMILIES = {
    "constant-step": _family(ConstantStep, steps, steps),
    "linear-step": _family(LinearStep, steps, steps, st.floats(-0.01, 0.1), st.floats(-0.01, 0.1)),
    "soft-bounds": _family(SoftBounds, shares, shares),
    "power-step": _family(PowerStep, steps, steps, gammas, gammas),
    "exponential-step": _family(ExponentialStep, steps, steps, rates, rates),
    "one-minus-exp-step": _family(
        OneMinusExpStep,
        steps,
        steps,
        rates,
        rates,
        rates,
        rates,
        st.floats(-1, 1),
        st.floats(-1, 1),
        lows,
    ),
    "neurosim-step": _family(NeuroSimStep, st.floats(20, 500), st.floats(20, 500), rates, rates),
    "piecewise": _family(Piecewise, tables, tables),
}
anything = st.one_of(*FAMILIES.values())
places = st.floats(0, 1)
counts = st.integers(0, 12)


def _at(cell, place):
    return min(cell.g_min + place * (cell.g_max - cell.g_min), cell.g_max)


def _walk(cell, g, up, down):
    """The definition: one pulse after another, cut off at the bounds."""
    for _ in range(up):
        g = min(g + cell.q_up(g), cell.g_max)
    for _ in range(down):
        g = max(g - cell.q_down(g), cell.g_min)
    return g


def test_every_family_is_tested_here_and_found_by_its_name():
    assert set(FAMILIES) == set(RESPONSES)
    assert {name: response_class(name).name for name in RESPONSES} == {n: n for n in RESPONSES}


@pytest.mark.parametrize("name", RESPONSES)
def test_parameters_have_units_and_meanings_bounds_first(name):
    cls = response_class(name)
    names = [f.name for f in fields(cls)]
    assert names[:2] == ["g_min", "g_max"]
    assert list(cls.units) == list(cls.meanings) == list(cls.limits) == names
    assert set(cls.units.values()) <= {"S", "1"}
    assert all(cls.meanings.values())


@given(anything, places)
def test_steps_are_not_negative_within_the_bounds(cell, place):
    g = _at(cell, place)
    assert cell.q_up(g) >= 0
    assert cell.q_down(g) >= 0
    assert cell.checked() is cell


@given(anything, places)
def test_parts_are_half_sum_and_half_difference(cell, place):
    g = _at(cell, place)
    assert cell.symmetric(g) - cell.asymmetric(g) == pytest.approx(cell.q_up(g), abs=1e-12)
    assert cell.symmetric(g) + cell.asymmetric(g) == pytest.approx(cell.q_down(g), abs=1e-12)


@given(anything, places, counts, counts)
def test_state_after_pulses_is_that_of_one_after_another(cell, place, up, down):
    start = _at(cell, place)
    expected = _walk(cell, start, up, down)
    assert cell.after(start, up, down) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", RESPONSES)
def test_every_cell_may_get_a_count_of_its_own(name):
    cell = _example(name)
    start, up, down = np.array([-0.9, 0.2, 1.0]), np.array([0, 5, 3]), np.array([7, 0, 2])
    walked = [_walk(cell, *one) for one in zip(start, up, down, strict=True)]
    assert cell.after(start, up, down) == pytest.approx(walked, rel=1e-12)


@given(anything)
def test_symmetric_point_is_where_steps_are_equal(cell):
    point, grid = cell.symmetric_point, np.linspace(cell.g_min, cell.g_max, 257)
    gap = cell.asymmetric(grid)
    if np.isnan(point):
        assert (gap > 0).all() or (gap < 0).all()
    else:
        assert cell.g_min <= point <= cell.g_max
        near = point + 1e-9 * np.array([-1.0, 1.0])
        size = np.abs(gap).max()
        # A power law below 1 falls to 0 at its bound faster than any slope.
        assert abs(cell.asymmetric(point)) <= np.abs(cell.asymmetric(near)).max() + 1e-9 * size


@given(st.one_of(*(FAMILIES[n] for n in ("linear-step", "soft-bounds", "neurosim-step"))))
def test_closed_forms_of_the_symmetric_point_are_what_a_search_finds(cell):
    assume(np.isnan(cell.symmetric_point) or cell.dg_min > 1e-6)
    slope = (cell.asymmetric(cell.g_max) - cell.asymmetric(cell.g_min)) / SPAN
    assume(abs(slope) > 1e-6)  # lines that are nearly one cross anywhere
    points = np.array([find_symmetric_point(cell), cell.symmetric_point])
    if np.isnan(points).sum() == 1:  # rounding decides whether a bound itself is one
        points[np.isnan(points)] = min(
            cell.g_min, cell.g_max, key=lambda g: abs(g - np.nanmax(points))
        )
    assert points[0] == pytest.approx(points[1], abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("name", RESPONSES)
def test_single_precision_is_kept(name):
    cell = _example(name)
    single = type(cell)(*(np.asarray(p, np.float32) for p in cell.parameters()))
    for what in ("symmetric_point", "dg_min", "states", "middle"):
        assert getattr(single, what).dtype == np.float32
        assert getattr(single, what) == pytest.approx(getattr(cell, what), rel=1e-4, nan_ok=True)


@given(anything)
def test_granularity_is_the_step_at_the_symmetric_point(cell):
    point = cell.symmetric_point
    g = cell.middle if np.isnan(point) else point
    assert cell.dg_min == pytest.approx(float(cell.symmetric(g)), abs=1e-15)
    if cell.dg_min > 1e-12:
        assert cell.states * cell.dg_min == pytest.approx(SPAN)


@given(anything, places, st.floats(0, 1))
def test_scaled_cells_step_by_that_share(cell, place, factor):
    g, sluggish = _at(cell, place), cell.scaled(factor)
    assert sluggish.q_up(g) == pytest.approx(factor * cell.q_up(g), rel=1e-9, abs=1e-12)
    assert sluggish.q_down(g) == pytest.approx(factor * cell.q_down(g), rel=1e-9, abs=1e-12)


@given(anything, places)
def test_stuck_cells_stay(cell, place):
    g, stuck = _at(cell, place), cell.scaled(0.0)
    assert stuck.after(g, 50, 70) == pytest.approx(g, rel=1e-15)
    assert stuck.symmetric_point == pytest.approx(stuck.middle)
    assert stuck.states == np.inf


@settings(max_examples=30)
@given(anything)
def test_weights_shift_like_conductances(cell):
    """Nothing depends on where 0 lies: bounds may be negative."""
    shift = {"g_min": cell.g_min + 7.5, "g_max": cell.g_max + 7.5}
    shift |= {"reference": cell.reference + 7.5} if hasattr(cell, "reference") else {}
    values = {f.name: getattr(cell, f.name) for f in fields(cell)} | shift
    g = np.linspace(cell.g_min, cell.g_max, 9)[1:-1]
    moved = type(cell)(**values)
    assert moved.q_up(g + 7.5) == pytest.approx(cell.q_up(g), rel=1e-9, abs=1e-11)
    assert moved.q_down(g + 7.5) == pytest.approx(cell.q_down(g), rel=1e-9, abs=1e-11)


def _example(name, low=-1.0):
    parameters = {
        "constant-step": (0.01, 0.01),
        "linear-step": (0.02, 0.025, 0.004, 0.006),
        "soft-bounds": (0.02, 0.03),
        "power-step": (0.03, 0.04, 1.5, 2.0),
        "exponential-step": (0.01, 0.012, 2.0, 0.0),
        "one-minus-exp-step": (0.01, 0.01, 0.3, 0.2, 1.5, 2.0, 0.3, 0.1, 0.0),
        "neurosim-step": (120.0, 97.0, 2.0, 0.0),
        "piecewise": (np.array([0.01, 0.03, 0.02]), np.array([0.005, 0.01, 0.03])),
    }
    return response_class(name)(low, low + SPAN, *parameters[name])


@pytest.mark.parametrize("name", RESPONSES)
def test_many_cells_are_as_each_by_itself(name):
    one, other = _example(name), _example(name, low=-0.5)
    both = one.parameters(), other.parameters()
    many = type(one)(*(np.stack(pair) for pair in zip(*both, strict=True)))
    g, up = np.array([0.3, 0.4]), np.array([3, 9])
    pairs = ((one, 0.3, 3), (other, 0.4, 9))
    assert many.q_up(g) == pytest.approx([c.q_up(x) for c, x, _ in pairs], rel=1e-14)
    assert many.q_down(g) == pytest.approx([c.q_down(x) for c, x, _ in pairs], rel=1e-14)
    assert many.after(g, up, 2) == pytest.approx([c.after(x, n, 2) for c, x, n in pairs])
    points = [c.symmetric_point for c, _, _ in pairs]
    assert many.symmetric_point == pytest.approx(points, nan_ok=True)
    assert many.dg_min == pytest.approx([c.dg_min for c, _, _ in pairs])
    assert many.checked() is many
    maps = np.linspace(-0.4, 0.9, 6).reshape(3, 2)
    assert many.q_up(maps)[1] == pytest.approx(many.q_up(maps[1]))


@pytest.mark.parametrize("name", RESPONSES)
def test_tensors_give_what_arrays_give(name):
    one, other = _example(name), _example(name, low=-0.5)
    both = one.parameters(), other.parameters()
    arrays = type(one)(*(np.stack(p) for p in zip(*both, strict=True)))
    tensors = type(one)(*(torch.tensor(p) for p in arrays.parameters()))
    g = np.array([[0.3, 0.4], [-0.4, 1.1]])
    for what in ("q_up", "q_down", "symmetric", "asymmetric"):
        found = getattr(tensors, what)(torch.tensor(g))
        assert found.dtype == torch.float64
        assert found.numpy() == pytest.approx(getattr(arrays, what)(g), rel=1e-13, abs=1e-16)
    for what in ("symmetric_point", "dg_min", "states", "middle"):
        expected = pytest.approx(getattr(arrays, what), rel=1e-12, nan_ok=True)
        assert getattr(tensors, what).numpy() == expected
    after = tensors.after(torch.tensor(g), torch.tensor([4, 30]), 6).numpy()
    assert after == pytest.approx(arrays.after(g, np.array([4, 30]), 6), rel=1e-12)
    assert tensors.scaled(0.5).dg_min.numpy() == pytest.approx(arrays.dg_min / 2, rel=1e-12)
    assert tensors.checked() is tensors


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_parameter_that_is_no_number_is_refused_by_name(name, bad):
    cell = _example(name)
    for entry in fields(cell):
        value = np.array(getattr(cell, entry.name))
        value[(-1,) * value.ndim] = bad
        changed = {f.name: getattr(cell, f.name) for f in fields(cell)} | {entry.name: value}
        with pytest.raises(BadInputError, match=rf"{name}: {entry.name} is .*must be finite"):
            type(cell)(**changed).checked()


@pytest.mark.parametrize("name", RESPONSES)
def test_crossed_bounds_are_refused(name):
    with pytest.raises(BadInputError, match=r"g_min is 1\.2; it must lie below g_max"):
        type(_example(name))(1.2, -1.0, *_example(name).parameters()[2:]).checked()


def test_the_first_bad_cell_is_named():
    slopes = np.full((3, 4), 0.1)
    slopes[1, 2] = slopes[2, 0] = 1.5
    with pytest.raises(BadInputError, match=r"slope_up is 1.5 in cell \(1, 2\); it must be 0 to 1"):
        SoftBounds(0.0, 1.0, slopes, 0.1).checked()
    with pytest.raises(BadInputError, match=r"slope_down is of \(2,\) cells.*\(3, 4\)"):
        SoftBounds(0.0, 1.0, np.full((3, 4), 0.1), np.full(2, 0.1)).checked()
