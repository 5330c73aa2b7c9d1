from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.periphery.ladders import approximation_error, ladder_map, relax
from ohmloop.sim_backend.periphery.wire_resistance import WiredMap, Wires

ENDS = ("first", "last", "both")
BOTH_WAYS = list(product(ENDS, ENDS))


def _wires(row=0.0, column=0.0, source=0.0, sense=0.0, row_ends="first", column_ends="first"):
    return Wires.model_validate(
        {
            "row_segment": f"{row} ohm",
            "column_segment": f"{column} ohm",
            "source": f"{source} ohm",
            "sense": f"{sense} ohm",
            "row_ends": row_ends,
            "column_ends": column_ends,
        }
    )


def _map(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(1e-4, 1e-3, (rows, columns)), rng.uniform(-1, 1, (3, columns))


@pytest.mark.parametrize("ends", BOTH_WAYS)
def test_ideal_wires_give_the_product(ends):
    g, volts = _map(5, 7)
    wired = WiredMap(g, _wires(row_ends=ends[0], column_ends=ends[1]))
    np.testing.assert_allclose(wired.forward(volts), volts @ g.T, rtol=1e-12)
    np.testing.assert_allclose(wired.backward(volts[:, :5]), volts[:, :5] @ g, rtol=1e-12)
    np.testing.assert_allclose(wired.forward_map(), g, rtol=1e-12)


def test_small_resistances_tend_to_the_product_in_proportion():
    g, volts = _map(6, 6)
    ideal = volts @ g.T
    off = [abs(WiredMap(g, _wires(r, r, r, r)).forward(volts) - ideal).max() for r in (1e-4, 1e-5)]
    assert off[0] / off[1] == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize("g", [1e-3, 0.02])
def test_one_cell_is_three_resistors_in_series(g):
    wired = WiredMap(np.array([[g]]), _wires(9.0, 9.0, source=30.0, sense=50.0))
    wanted = 0.7 / (30.0 + 1 / g + 50.0)
    assert wired.forward(np.array([[0.7]]))[0, 0] == pytest.approx(wanted, rel=1e-13)
    assert wired.backward(np.array([[0.7]]))[0, 0] == pytest.approx(wanted, rel=1e-13)


def test_one_column_is_the_ladder_of_the_textbook():
    # n equal cells on one driven wire, rows at ground, one segment r before the first cell. The
    # solution of v(i-1) - (2 + r g) v(i) + v(i+1) = 0 with an open end is, for 4 sinh²(k/2) = r g,
    # v(i) = cosh((n - i - 1/2) k) / cosh((n + 1/2) k) of the source's voltage, i = 0 .. n-1.
    n, r, g = 9, 40.0, 2e-3
    k = 2 * np.arcsinh(np.sqrt(r * g) / 2)
    place = np.arange(n)
    wanted = g * np.cosh((n - 1 - place + 0.5) * k) / np.cosh((n + 0.5) * k)
    wires = _wires(column=r, source=r)
    got = WiredMap(np.full((n, 1), g), wires).forward(np.ones((1, 1)))[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    last = _wires(column=r, source=r, column_ends="last")
    turned = WiredMap(np.full((n, 1), g), last).forward(np.ones((1, 1)))[0]
    np.testing.assert_allclose(turned, wanted[::-1], rtol=1e-12)


def test_a_row_gathers_by_the_same_ladder_turned_around():
    # Reciprocity: what a cell's volt gives at the ground is what the ground's volt gives at it.
    n, r, g = 9, 40.0, 2e-3
    k = 2 * np.arcsinh(np.sqrt(r * g) / 2)
    wanted = g * np.cosh((n - 1 - np.arange(n) + 0.5) * k) / np.cosh((n + 0.5) * k)
    got = WiredMap(np.full((1, n), g), _wires(row=r, sense=r)).forward(np.eye(n))[:, 0]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_two_by_two_by_hand():
    # Row wires 1 ohm, all else ideal; cells of 1 S at (0,0), (0,1), (1,0), (1,1). V = (1, 0).
    # Row: near node at the ground, far node (column 1) with 1 ohm to it and 1 S to 0 V: 0 V.
    # With V = (0, 1): far node x: (1 - x) * 1 = x / 1 -> 1/2, so 1/2 A flow to the ground.
    got = WiredMap(np.ones((2, 2)), _wires(row=1.0)).forward_map()
    np.testing.assert_allclose(got, [[1.0, 0.5], [1.0, 0.5]], rtol=1e-14)


# Applied voltages, resistances and wires of the example in the documentation of badcrossbar (Joksas
# and Mehonic, SoftwareX 12, 100617, 2020). Its word lines are driven, so they are columns here.
EXAMPLE_VOLTS = np.array([[1.5, 4.1, 2.6, 2.1], [2.3, 4.5, 1.1, 0.8], [1.7, 4.0, 3.3, 1.1]]).T
EXAMPLE_R = np.array(
    [[345, 903, 755, 257, 646], [652, 401, 508, 166, 454], [442, 874, 190, 244, 635]]
)
EXAMPLE_G = 1.0 / EXAMPLE_R.T


def test_the_published_example():
    # The README prints the current of the device in the first row and fourth column for the third
    # set of inputs: 0.00986 A.
    wires = _wires(0.5, 0.5, 0.5, 0.5, row_ends="last")
    wired = WiredMap(EXAMPLE_G, wires)
    assert f"{wired.cell_currents(EXAMPLE_VOLTS)[2, 3, 0]:.3g}" == "0.00986"
    np.testing.assert_allclose(
        wired.cell_currents(EXAMPLE_VOLTS).sum(axis=2), wired.forward(EXAMPLE_VOLTS), rtol=1e-12
    )


OUTPUTS = {
    (0.5, 0.5): "0.01158502542154697 0.00919064163625241 0.01511568117325795"
    " 0.02583320822125721 0.00981179288265744",
    (0.7, 2.0): "0.01137623848021453 0.0090437106974548 0.01479462813682644"
    " 0.02482603763335609 0.00961464676289653",
}


@pytest.mark.parametrize(("along_columns", "along_rows"), OUTPUTS)
def test_outputs_that_badcrossbar_computes(along_columns, along_rows):
    # Of its version 1.1.0, for the first set of inputs of the example. Its source and sense
    # resistances are one segment.
    columns = _wires(along_rows, along_columns, along_columns, along_rows, row_ends="last")
    got = WiredMap(EXAMPLE_G, columns).forward(EXAMPLE_VOLTS[:1])[0]
    wanted = np.array(OUTPUTS[along_columns, along_rows].split(), float)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_badcrossbar_agrees_on_random_maps():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no plots without cairo
        badcrossbar = pytest.importorskip("badcrossbar")
    g, volts = _map(20, 12, seed=5)
    theirs = badcrossbar.compute(volts.T, 1 / g.T, r_i_word_line=3.0, r_i_bit_line=1.5)
    ours = WiredMap(g, _wires(1.5, 3.0, 3.0, 1.5, row_ends="last")).forward(volts)
    np.testing.assert_allclose(ours, theirs.currents.output, rtol=1e-10)


@pytest.mark.parametrize("ends", BOTH_WAYS)
def test_mirrored_and_transposed_arrays_agree(ends):
    g, volts = _map(6, 8)
    wires = _wires(2.0, 3.0, 5.0, 7.0, *ends)
    there = WiredMap(g, wires).forward(volts)
    mirror = {"first": "last", "last": "first", "both": "both"}
    mirrored = _wires(2.0, 3.0, 5.0, 7.0, mirror[ends[0]], mirror[ends[1]])
    got = WiredMap(g[::-1, ::-1], mirrored).forward(volts[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(got, there, rtol=1e-11)
    np.testing.assert_allclose(WiredMap(g.T, wires.turned).backward(volts), there, rtol=1e-11)


def test_backward_is_the_transpose_where_both_ends_are_alike_and_only_there():
    g, _ = _map(6, 8)
    alike, unlike = _wires(2.0, 3.0, 5.0, 5.0), _wires(2.0, 3.0, 50.0, 5.0)
    wired = WiredMap(g, alike)
    np.testing.assert_allclose(wired.backward_map(), wired.forward_map(), rtol=1e-11)
    wired = WiredMap(g, unlike)
    assert abs(wired.backward_map() / wired.forward_map() - 1).max() > 1e-3


def test_currents_are_balanced_in_every_cell():
    g, volts = _map(5, 4)
    wired = WiredMap(g, _wires(2.0, 3.0, 5.0, 7.0, "both", "last"))
    np.testing.assert_allclose(
        wired.cell_currents(volts).sum(axis=2), wired.forward(volts), rtol=1e-11
    )


def test_lines_without_any_conducting_cell_carry_nothing():
    g, volts = _map(5, 4)
    g[2] = 0.0
    g[:, 1] = 0.0
    got = WiredMap(g, _wires(2.0, 3.0)).forward(volts)
    assert (got[:, 2] == 0).all()
    np.testing.assert_array_equal(WiredMap(g, _wires(2.0, 3.0)).forward_map()[:, 1], 0.0)


# The fast way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", BOTH_WAYS)
@pytest.mark.parametrize("resistances", [(2.0, 3.0, 5.0, 7.0), (2.0, 3.0, 0.0, 0.0), (0.0,) * 4])
def test_relaxation_ends_at_the_exact_solution(ends, resistances):
    g, volts = _map(7, 5)
    wires = _wires(*resistances, *ends)
    exact = WiredMap(g, wires).forward(volts)
    np.testing.assert_allclose(relax(g, wires, volts, 12), exact, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("ends", BOTH_WAYS)
def test_one_sweep_is_exact_where_rows_or_columns_are_ideal(ends):
    g, volts = _map(7, 5)
    for wires in (
        _wires(20.0, 0.0, 0.0, 30.0, *ends),
        _wires(0.0, 20.0, 30.0, 0.0, *ends),
    ):
        np.testing.assert_allclose(
            relax(g, wires, volts, 1), WiredMap(g, wires).forward(volts), rtol=1e-8
        )


@pytest.mark.parametrize("ends", BOTH_WAYS)
def test_the_ladder_map_is_one_sweep(ends):
    g, volts = _map(7, 5)
    wires = _wires(20.0, 10.0, 5.0, 30.0, *ends)
    np.testing.assert_allclose(
        volts @ ladder_map(g, wires).T, relax(g, wires, volts, 1), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize(
    ("size", "ratio", "one", "four"),
    # Root mean square errors of the table in docs/reference/periphery.md, rounded up.
    [(16, 1e-4, 3e-5, 1e-12), (16, 1e-3, 3e-3, 1e-10), (64, 1e-5, 1e-4, 1e-11)],
)
def test_errors_are_those_of_the_table(size, ratio, one, four):
    rng = np.random.default_rng(0)
    g = rng.uniform(1e-5, 1e-4, (size, size))
    volts = rng.uniform(0, 0.2, (8, size))
    wires = _wires(ratio / 1e-4, ratio / 1e-4)
    rms, most = approximation_error(g, wires, volts)
    assert one / 4 < rms < one
    assert rms < most < 4 * rms
    assert approximation_error(g, wires, volts, sweeps=4)[0] < four


def test_bad_maps_voltages_and_sweeps_are_refused_by_name():
    g, volts = _map(3, 4)
    for bad in (np.full((3, 4), np.nan), -g, g[0], g[:0]):
        with pytest.raises(BadInputError, match="g must be"):
            WiredMap(bad, _wires())
        with pytest.raises(BadInputError, match="g must be"):
            ladder_map(bad, _wires())
    with pytest.raises(BadInputError, match=r"column_voltages must be \(batch, 4\)"):
        WiredMap(g, _wires()).forward(volts[:, :3])
    with pytest.raises(BadInputError, match=r"row_voltages must be \(batch, 3\)"):
        WiredMap(g, _wires()).backward(volts)
    with pytest.raises(BadInputError, match=r"column_voltages must be \(batch, 4\)"):
        relax(g, _wires(), volts[0], 1)
    with pytest.raises(BadInputError, match="sweeps"):
        relax(g, _wires(), volts, 0)
    for key in ("row_segment", "column_segment", "source", "sense"):
        with pytest.raises(ValidationError, match=key):
            Wires.model_validate({key: "-1 ohm"})
    with pytest.raises(ValidationError, match="row_ends"):
        Wires.model_validate({"row_ends": "middle"})
