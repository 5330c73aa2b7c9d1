import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.sim_backend import SoftBounds
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.soft_bounds import step

CELL = SoftBounds(g_min=1.0, g_max=5.0, slope_up=0.1, slope_down=0.3)
slopes = st.floats(1e-3, 0.9)
cells = st.builds(
    lambda low, span, up, down: SoftBounds(low, low + span, up, down),
    st.floats(0, 10), st.floats(0.1, 10), slopes, slopes,
)  # fmt: skip


def test_steps_are_a_share_of_the_distance_to_the_bound():
    assert CELL.q_up(2.0) == pytest.approx(0.3)
    assert CELL.q_down(2.0) == pytest.approx(0.3)
    assert CELL.q_up(5.0) == 0.0
    assert CELL.q_down(1.0) == 0.0


def test_known_symmetric_point_and_granularity():
    assert CELL.symmetric_point == pytest.approx(2.0)
    assert CELL.dg_min == pytest.approx(0.3)
    assert CELL.states == pytest.approx(4.0 / 0.3)


@given(cells)
def test_both_steps_are_equal_at_the_symmetric_point(cell):
    point = cell.symmetric_point
    assert cell.g_min < point < cell.g_max
    assert cell.q_up(point) == pytest.approx(cell.q_down(point), rel=1e-9)
    assert cell.dg_min == pytest.approx(cell.q_down(point), rel=1e-9)


@given(cells, st.floats(0, 1), st.integers(0, 30), st.integers(0, 30))
def test_closed_form_is_the_repeated_step(cell, place, up, down):
    g = start = cell.g_min + place * (cell.g_max - cell.g_min)
    for _ in range(up):
        g = step(g, cell.slope_up, cell.g_max, 1.0)
    for _ in range(down):
        g = step(g, cell.slope_down, cell.g_min, 1.0)
    assert cell.after(start, up, down) == pytest.approx(g, rel=1e-9, abs=1e-9)


@given(cells, st.floats(0, 1))
def test_one_step_without_noise_is_the_response_function(cell, place):
    g = cell.g_min + place * (cell.g_max - cell.g_min)
    assert step(g, cell.slope_up, cell.g_max, 1.0) == pytest.approx(g + cell.q_up(g))
    assert step(g, cell.slope_down, cell.g_min, 1.0) == pytest.approx(g - cell.q_down(g))


def test_swing_scales_the_step():
    assert step(2.0, 0.1, 5.0, 2.0) == pytest.approx(2.6)
    assert step(2.0, 0.1, 5.0, -1.0) == pytest.approx(1.7)


def test_towards_picks_slope_and_bound_by_direction():
    maps = SoftBounds(*(np.array([x, 10 * x]) for x in (1.0, 5.0, 0.1, 0.3)))
    slope, bound = maps.towards(np.array([0, 1, 1]), np.array([True, False, True]), NumpyArrays())
    assert slope.tolist() == [0.1, 3.0, 1.0]
    assert bound.tolist() == [5.0, 10.0, 50.0]
