"""Every law compiles on scalars, in either precision, and says what the class says."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from ohmloop.sim_backend.responses import RESPONSES, Piecewise, response_class

PARAMETERS = {
    "constant-step": (0.01, 0.012),
    "linear-step": (0.02, 0.025, 0.004, 0.006),
    "soft-bounds": (0.02, 0.03),
    "power-step": (0.03, 0.04, 1.5, 2.0),
    "exponential-step": (0.01, 0.012, 2.0, 0.0),
    "one-minus-exp-step": (0.01, 0.012, 0.3, 0.2, 1.5, 2.0, 0.3, 0.1, 0.25),
    "neurosim-step": (120.0, 97.0, 2.0, 0.0),
    "piecewise": (np.array([0.01, 0.03, 0.02]), np.array([0.005, 0.01, 0.03])),
}
STATES = (-0.5, 0.25, 1.5)
"""Both bounds and one between, whole in binary."""


def test_every_family_is_compiled_here():
    assert set(PARAMETERS) == set(RESPONSES)
    assert all(response_class(name).compiled for name in RESPONSES)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", RESPONSES)
def test_law_compiles_on_scalars_and_keeps_their_precision(name, kind):
    cell = response_class(name)(-0.5, 1.5, *PARAMETERS[name])
    values = [kind(p) if np.ndim(p) == 0 else p.astype(kind) for p in cell.parameters()]
    for step, expected in zip(type(cell).law(np), (cell.q_up, cell.q_down), strict=True):
        compiled = numba.njit(step)
        found = [compiled(kind(g), *values) for g in STATES]
        (overload,) = compiled.overloads.values()
        assert str(overload.signature.return_type) == kind.__name__
        tolerance = 200 * float(np.finfo(kind).eps)
        assert found == pytest.approx(expected(np.array(STATES)), rel=tolerance, abs=1e-9)


@pytest.mark.parametrize("name", RESPONSES)
def test_float32_arrays_stay_float32(name):
    cell = response_class(name)(-0.5, 1.5, *PARAMETERS[name])
    values = [np.asarray(p, np.float32) for p in cell.parameters()]
    g = np.array(STATES, np.float32)
    for step in type(cell).law(np):
        assert step(g, *values).dtype == np.float32
    assert type(cell)(*values).q_up(g).dtype == np.float32


def test_a_compiled_loop_reads_a_table_a_cell():
    tables = np.array([[0.01, 0.02, 0.03], [0.05, 0.04, 0.0]])
    cells = Piecewise(np.array([0.0, -1.0]), np.array([1.0, 1.0]), tables, tables[::-1])
    q_up = numba.njit(Piecewise.law(np)[0])

    @numba.njit
    def all_steps(g, low, high, up, down):
        found = np.empty_like(g)
        for c in range(g.size):
            found[c] = q_up(g[c], low[c], high[c], up[c], down[c])
        return found

    g = np.array([0.25, 0.5])
    assert all_steps(g, *cells.parameters()) == pytest.approx([0.015, 0.02])
    shared = Piecewise(cells.g_min, cells.g_max, tables[0], tables[1])
    rows = [np.broadcast_to(t, (2, 3)) for t in (shared.table_up, shared.table_down)]
    found = all_steps(g, shared.g_min, shared.g_max, *rows)
    assert found == pytest.approx(shared.q_up(g))
