import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.sim_backend import SoftBounds

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
        g = g + cell.slope_up * (cell.g_max - g)
    for _ in range(down):
        g = g + cell.slope_down * (cell.g_min - g)
    assert cell.after(start, up, down) == pytest.approx(g, rel=1e-9, abs=1e-9)


def _reference_device(h, step_up, step_down, w_min, w_max):
    """Steps of the hidden state of aihwkit's SoftBoundsReferenceDevice, without its noise."""
    return step_up * (1 - h / w_max), step_down * (1 - h / w_min)


def test_weights_are_counted_from_the_reference():
    cell = SoftBounds.from_weights(-0.75, 1.25, 0.002, 0.003, reference=0.2)
    w = np.linspace(-0.9, 1.0, 5)
    up, down = _reference_device(w + 0.2, 0.002, 0.003, -0.75, 1.25)
    assert cell.q_up(w) == pytest.approx(up)
    assert cell.q_down(w) == pytest.approx(down)
    assert (cell.g_min, cell.g_max) == pytest.approx((-0.95, 1.05))


def test_the_symmetric_point_may_be_subtracted():
    plain = SoftBounds.from_weights(-0.75, 1.25, 0.002, 0.003)
    known = (0.002 - 0.003) / (0.002 / 1.25 + 0.003 / 0.75)  # Rasch et al. 2024, equation 8
    assert plain.symmetric_point == pytest.approx(known)
    shifted = SoftBounds.from_weights(
        -0.75, 1.25, 0.002, 0.003, reference=0.05, subtract_symmetric_point=True
    )
    assert shifted.symmetric_point == pytest.approx(-0.05)
    assert shifted.dg_min == pytest.approx(plain.dg_min)
    assert shifted.after(0.1, 9, 4) == pytest.approx(
        plain.after(0.1 + known + 0.05, 9, 4) - known - 0.05
    )


def test_a_stuck_cell_has_its_symmetric_point_in_the_middle():
    assert SoftBounds(1.0, 3.0, 0.0, 0.0).symmetric_point == 2.0
