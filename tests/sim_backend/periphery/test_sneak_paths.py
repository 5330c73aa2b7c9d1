from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.periphery.sneak_paths import PassiveArray
from ohmloop.sim_backend.periphery.wire_resistance import Wires

G, V = 1e-4, 0.3  # S, V
SCHEMES = ("floating", "half", "third", "grounded")


def _wires(ohms):
    keys = ("row_segment", "column_segment", "source", "sense")
    return Wires.model_validate(dict.fromkeys(keys, f"{ohms} ohm"))


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (8, 5), (5, 8), (32, 32)])
def test_equal_cells_and_floating_lines_have_a_closed_form(shape):
    # By symmetry all other rows are one node and all other columns one: beside the cell are, in
    # series, n-1 cells in parallel, (m-1)(n-1) and m-1.
    rows, columns = shape
    m, n = rows - 1, columns - 1
    sneak = 1 / (1 / (m * G) + 1 / (m * n * G) + 1 / (n * G))
    got = PassiveArray(np.full(shape, G)).read(1, 1, V, "floating")
    assert got.conductance == pytest.approx(G + sneak, rel=1e-12)
    assert got.source_current == pytest.approx(got.current, rel=1e-12)


def test_equal_cells_under_bias_have_closed_forms_too():
    # At the selected row's ground: the cell, and n cells at the voltage of the other columns. Into
    # the selected column: the cell, and m cells against the voltage of the other rows.
    array = PassiveArray(np.full((6, 9), G))
    m, n = 5, 8
    for scheme, on_columns, under_rows in (
        ("half", 1 / 2, 1 / 2),
        ("third", 1 / 3, 1 / 3),
        ("grounded", 0, 1),
    ):
        got = array.read(2, 3, V, scheme)
        assert got.current == pytest.approx(V * G * (1 + n * on_columns), rel=1e-12)
        assert got.source_current == pytest.approx(V * G * (1 + m * under_rows), rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "row", "column", "neither"),
    [("half", 0.5, 0.5, 0.0), ("third", 1 / 3, 1 / 3, -1 / 3), ("grounded", 0.0, 1.0, 0.0)],
)
def test_voltages_of_the_other_cells_are_those_of_the_scheme(scheme, row, column, neither):
    rng = np.random.default_rng(0)
    got = PassiveArray(rng.uniform(1e-6, 1e-4, (4, 5))).read(1, 2, V, scheme)
    wanted = np.full((4, 5), neither * V)
    wanted[1], wanted[:, 2] = row * V, column * V
    wanted[1, 2] = V
    np.testing.assert_allclose(got.cell_voltages, wanted, atol=1e-15)


def test_grounded_lines_and_ideal_wires_read_the_cell_itself():
    rng = np.random.default_rng(1)
    g = rng.uniform(1e-6, 1e-4, (4, 5))
    array = PassiveArray(g)
    for row, column in ((0, 0), (3, 2)):
        assert array.read(row, column, V, "grounded").conductance == pytest.approx(
            g[row, column], rel=1e-12
        )


def test_two_by_two_floating_by_hand():
    # One way around: the three other cells in series.
    g = np.array([[1e-5, 2e-5], [4e-5, 5e-5]])
    around = 1 / (1 / 2e-5 + 1 / 5e-5 + 1 / 4e-5)
    got = PassiveArray(g).read(0, 0, V, "floating")
    assert got.conductance == pytest.approx(1e-5 + around, rel=1e-12)
    np.testing.assert_allclose(
        got.cell_voltages[1, 1], -around * V / 5e-5, rtol=1e-12
    )  # the current goes through it from its row to its column


@pytest.mark.parametrize("scheme", SCHEMES)
def test_resistive_wires_tend_to_ideal_ones_and_take_current(scheme):
    rng = np.random.default_rng(2)
    g = rng.uniform(1e-5, 1e-4, (6, 7))
    ideal = PassiveArray(g).read(4, 5, V, scheme).current
    nearly = PassiveArray(g, _wires(1e-6)).read(4, 5, V, scheme).current
    assert nearly == pytest.approx(ideal, rel=1e-7)
    assert PassiveArray(g, _wires(300)).read(4, 5, V, scheme).current < 0.95 * ideal


def test_one_cell_behind_wires_is_resistors_in_series():
    got = PassiveArray(np.array([[G]]), _wires(50)).read(0, 0, V, "floating")
    assert got.current == pytest.approx(V / (1 / G + 100), rel=1e-12)
    assert got.cell_voltages[0, 0] == pytest.approx(V / (1 + 100 * G), rel=1e-12)


def test_lines_that_nothing_joins_do_no_harm():
    g = np.full((4, 4), G)
    g[1:, 1:] = 0.0
    g[1, 0] = 0.0
    got = PassiveArray(g).read(0, 0, V, "floating")
    assert got.conductance == pytest.approx(G, rel=1e-12)
    assert np.isfinite(got.cell_voltages).all()


def test_bad_arguments_are_refused_by_name():
    array = PassiveArray(np.full((2, 3), G))
    for row, column in ((2, 0), (0, 3), (-1, 0)):
        with pytest.raises(BadInputError, match=f"row {row}, column {column}"):
            array.read(row, column, V, "half")
    with pytest.raises(BadInputError, match="scheme"):
        array.read(0, 0, V, "quarter")
    for bad in (0.0, np.nan):
        with pytest.raises(BadInputError, match="voltage"):
            array.read(0, 0, bad, "half")
    with pytest.raises(BadInputError, match="g must be"):
        PassiveArray(np.full((2, 3), -G))
