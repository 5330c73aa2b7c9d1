import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import Piecewise, SoftBounds
from ohmloop.sim_backend.responses.symmetric_point import find_symmetric_point

UP, DOWN = np.array([0.03, 0.05, 0.02, 0.01]), np.array([0.01, 0.02, 0.04, 0.04])


def test_steps_are_interpolated_between_nodes():
    """As aihwkit's PiecewiseStepDevice: nodes at equal distances over the range."""
    cell = Piecewise(-1.0, 2.0, UP, DOWN)
    g = np.array([-1.0, -0.5, 0.0, 0.25, 1.0, 2.0])
    assert cell.q_up(g) == pytest.approx(np.interp(g, [-1, 0, 1, 2], UP))
    assert cell.q_down(g) == pytest.approx(np.interp(g, [-1, 0, 1, 2], DOWN))
    assert cell.q_up(0.0) > cell.q_up(-1.0)


def test_states_beyond_the_bounds_step_as_at_them():
    cell = Piecewise(-1.0, 2.0, UP, DOWN)
    assert cell.q_up(np.array([-5.0, 5.0])).tolist() == [0.03, 0.01]


def test_two_nodes_are_straight_lines():
    soft = SoftBounds(0.0, 1.0, 0.1, 0.2)
    cell = Piecewise(0.0, 1.0, np.array([0.1, 0.0]), np.array([0.0, 0.2]))
    assert cell.symmetric_point == pytest.approx(soft.symmetric_point)
    assert cell.after(0.1, 9, 4) == pytest.approx(soft.after(0.1, 9, 4))


def test_symmetric_point_is_exact_and_that_of_the_search():
    cell = Piecewise(-1.0, 2.0, UP, DOWN)
    assert cell.symmetric_point == pytest.approx(0.6)
    assert find_symmetric_point(cell) == pytest.approx(cell.symmetric_point, rel=1e-14)


def test_of_several_symmetric_points_it_is_the_lowest_that_holds_a_cell():
    up, down = np.array([1.0, 3.0, 1.0, 3.0, 1.0]), np.full(5, 2.0)
    assert Piecewise(0.0, 4.0, up, down).symmetric_point == pytest.approx(1.5)
    assert find_symmetric_point(Piecewise(0.0, 4.0, up, down)) == pytest.approx(1.5)
    growing = Piecewise(0.0, 1.0, np.array([1.0, 3.0]), np.full(2, 2.0))
    assert growing.symmetric_point == pytest.approx(0.5)
    assert find_symmetric_point(growing) == pytest.approx(0.5)


def test_equal_tables_meet_everywhere_and_apart_ones_never():
    assert Piecewise(0.0, 4.0, UP, UP).symmetric_point == 2.0
    assert np.isnan(Piecewise(0.0, 4.0, UP, UP + 0.01).symmetric_point)


def _measured(rng, n=6000, spread=0.3):
    """Single steps of a cell whose up steps grow first, with 30 % noise and 2 % wild readings."""
    g, up = rng.uniform(0, 1, n), rng.random(n) < 0.5
    truth = Piecewise(0.0, 1.0, np.array([0.01, 0.03, 0.02]), np.array([0.004, 0.01, 0.03]))
    size = np.where(up, truth.q_up(g), -truth.q_down(g)) * (1 + spread * rng.standard_normal(n))
    wild = rng.random(n) < 0.02
    size[wild] = rng.uniform(-1, 1, int(wild.sum()))
    return truth, g, size, up


def test_tables_are_found_from_noisy_steps():
    """A seed that is fixed; an end node's standard error is some 2 %, so 10 % is 5 of them."""
    truth, g, dg, up = _measured(np.random.default_rng(1))
    found = Piecewise.from_steps(g, dg, 3, up=up, g_min=0.0, g_max=1.0)
    assert found.table_up == pytest.approx(truth.table_up, rel=0.1)
    assert found.table_down == pytest.approx(truth.table_down, rel=0.1)
    assert found.checked() is found


def test_steps_without_noise_give_the_table_itself():
    rng = np.random.default_rng(2)
    truth, g, *_ = _measured(rng, 200)
    up = np.arange(200) % 2 == 0
    dg = np.where(up, truth.q_up(g), -truth.q_down(g)) * 1e-6
    found = Piecewise.from_steps(g, dg, 5, up=up, g_min=0.0, g_max=1.0)
    nodes = np.linspace(0, 1, 5)
    assert found.table_up == pytest.approx(1e-6 * truth.q_up(nodes), rel=1e-3)


def test_nodes_without_steps_go_on_straight():
    g = np.r_[np.linspace(0, 0.3, 20), np.linspace(0.7, 1, 20)]
    up = np.arange(40) % 2 == 0
    found = Piecewise.from_steps(g, np.where(up, 0.02, -0.01), 11, up=up)
    assert found.table_up == pytest.approx(np.full(11, 0.02), rel=1e-6)
    assert (found.g_min, found.g_max) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": 1}, "take at least 2 nodes"),
        ({"nodes": 50}, "20 up steps for 50 nodes"),
        ({"up": np.ones(40, bool)}, "0 down steps"),
        ({"dg": np.ones(39)}, r"\(40,\) states, \(39,\) steps"),
        ({"g": np.full(40, 0.5)}, "do not differ"),
    ],
)
def test_steps_that_say_too_little_are_refused(change, message):
    given = {"g": np.linspace(0, 1, 40), "dg": np.full(40, 0.1), "nodes": 4}
    given |= {"up": np.arange(40) % 2 == 0} | change
    with pytest.raises(BadInputError, match=message):
        Piecewise.from_steps(**given)


@pytest.mark.parametrize(("up", "down"), [(UP, DOWN[:3]), (UP[:1], DOWN[:1]), (0.1, 0.1)])
def test_tables_must_match(up, down):
    with pytest.raises(BadInputError, match="give both the same, at least 2"):
        Piecewise(0.0, 1.0, up, down).checked()


def test_the_bad_node_is_named():
    tables = np.stack([UP, UP])
    tables[1, 2] = -0.1
    with pytest.raises(BadInputError, match=r"table_up is -0\.1 in cell \(1\) at node 2"):
        Piecewise(0.0, 1.0, tables, DOWN).checked()


def test_sluggish_cells_of_one_table():
    cells = Piecewise(0.0, 1.0, UP, DOWN).scaled(np.array([1.0, 0.5]))
    assert cells.q_up(0.0) == pytest.approx([0.03, 0.015])


def test_a_cell_without_numbers_steps_by_none():
    low, high = np.array([1e-6, np.nan]), np.array([9e-6, np.nan])
    table = np.array([[2e-6, 1e-6, 0.0], [np.nan] * 3])
    cells = Piecewise(low, high, table, table[:, ::-1])
    for values in (cells.q_up(np.array([5e-6, np.nan])), cells.dg_min):
        np.testing.assert_allclose(values, [1e-6, np.nan])
