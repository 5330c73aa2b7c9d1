import numpy as np
import pytest
from matplotlib.figure import Figure

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ConstantStep, Piecewise, PowerStep, SoftBounds
from ohmloop.sim_backend.responses.plot import plot_response

CELL = SoftBounds(5e-6, 60e-6, 0.02, 0.03)


def _lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_steps_are_drawn_against_the_state_in_microsiemens():
    ax = plot_response(CELL).axes[0]
    g = np.linspace(5e-6, 60e-6, 257)
    lines = _lines(ax)
    assert lines["up"] == pytest.approx(1e6 * np.column_stack([g, CELL.q_up(g)]))
    assert lines["down"] == pytest.approx(1e6 * np.column_stack([g, CELL.q_down(g)]))
    assert ax.get_xlabel() == "conductance (uS)"
    assert ax.get_ylabel() == "step of one pulse (uS)"
    assert ax.get_title() == "soft-bounds"


def test_symmetric_point_and_granularity_are_marked():
    lines = _lines(plot_response(CELL).axes[0])
    assert lines["symmetric point"][:, 0] == pytest.approx(1e6 * CELL.symmetric_point)
    assert lines["granularity"][:, 1] == pytest.approx(1e6 * CELL.dg_min)


def test_staircase_goes_up_and_then_down():
    ax = plot_response(CELL, pulses=40).axes[1]
    lines = _lines(ax)
    counts = np.arange(41)
    up = 1e6 * CELL.after(5e-6, counts)
    assert lines["up"] == pytest.approx(np.column_stack([counts, up]))
    down = 1e6 * CELL.after(5e-6, 40, counts)
    assert lines["down"] == pytest.approx(np.column_stack([40 + counts, down]))
    assert ax.get_ylabel() == "conductance (uS)"


def test_families_without_closed_forms_step_through():
    cell = PowerStep(0.0, 1.0, 0.05, 0.05, 2.0, 2.0)
    lines = _lines(plot_response(cell, pulses=9, weights=True).axes[1])
    assert lines["up"][-1] == pytest.approx([9, cell.after(0.0, 9)])
    assert lines["down"][-1] == pytest.approx([18, cell.after(0.0, 9, 9)])


def test_weights_have_no_unit():
    figure = plot_response(SoftBounds(-1.0, 1.0, 0.1, 0.1), weights=True)
    assert figure.axes[0].get_xlabel() == "weight"
    assert _lines(figure.axes[0])["up"][0] == pytest.approx([-1.0, 0.2])


def test_without_a_symmetric_point_none_is_marked():
    lines = _lines(plot_response(ConstantStep(0.0, 1e-6, 1e-8, 2e-8)).axes[0])
    assert "symmetric point" not in lines
    assert lines["granularity"][0, 1] == pytest.approx(0.015)


def test_a_stuck_cell_can_be_drawn():
    lines = _lines(plot_response(CELL.scaled(0.0), pulses=3).axes[1])
    assert lines["up"][:, 1] == pytest.approx([5.0] * 4)


def test_it_draws_on_axes_of_ones_own(tmp_path):
    axes = Figure().subplots(1, 2)
    table = np.array([1e-6, 2e-6])
    figure = plot_response(Piecewise(0.0, 1e-5, table, table), axes)
    assert figure is axes[0].figure
    figure.savefig(tmp_path / "cell.png")
    assert (tmp_path / "cell.png").stat().st_size > 1000


def test_many_cells_are_refused():
    with pytest.raises(BadInputError, match="soft-bounds: of 4 cells; a picture is of one"):
        plot_response(SoftBounds(np.zeros(4), np.ones(4), 0.1, 0.1))
