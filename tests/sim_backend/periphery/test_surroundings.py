"""A twin with a periphery."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from ohmloop.drivers import (
    Capabilities,
    CellPulses,
    LimitError,
    Limits,
    PulseConditions,
    PulseShape,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import NumpyArrays, TorchArrays
from ohmloop.sim_backend.periphery import Periphery
from ohmloop.sim_backend.periphery.ladders import ladder_map
from ohmloop.sim_backend.periphery.wire_resistance import WiredMap, Wires

SHAPE = (6, 9)
PATH = {
    "input": {"bits": 7, "range": "200 mV", "gain_std": 0.01},
    "output": {"bits": 9, "range": "60 uA", "noise": "20 nA", "offset_std": "10 nA"},
    "noise_management": {"kind": "abs-max"},
    "bound_management": {"kind": "iterative"},
}
WIRES = {"row_segment": "20 ohm", "column_segment": "10 ohm", "source": "50 ohm"}
VOLTS = np.random.default_rng(0).uniform(-0.2, 0.2, (4, 9))


def _twin(arrays=None, read_std=0.0, periphery=None, **options) -> TwinCrossbar:
    cells = sample(PopulationSpec(read_std=read_std), SHAPE, np.random.default_rng(1))
    around = None if periphery is None else Periphery.model_validate(periphery)
    return TwinCrossbar(cells, **{"seed": 3, "arrays": arrays, "periphery": around, **options})


@pytest.fixture(params=[NumpyArrays, TorchArrays])
def arrays(request):
    return request.param()


def test_without_periphery_nothing_is_around(arrays):
    twin = _twin(arrays)
    np.testing.assert_allclose(twin.forward(VOLTS), VOLTS @ twin.conductance.T, rtol=1e-6)
    assert twin.state().keys() == twin.cells.state().keys()


def test_an_empty_periphery_is_the_product_in_single_precision(arrays):
    twin = _twin(arrays, periphery={})
    g, rows = twin.conductance, VOLTS[:, :6]
    np.testing.assert_allclose(twin.forward(VOLTS), VOLTS @ g.T, rtol=1e-5, atol=1e-11)
    np.testing.assert_allclose(twin.backward(rows), rows @ g, rtol=1e-5, atol=1e-11)


def test_verbs_and_tensor_verbs_give_the_same_on_every_array_library():
    twins = [_twin(a, 0.01, {"to_rows": PATH}) for a in (NumpyArrays(), TorchArrays())]
    rows = VOLTS[:, :6]
    first = [t.forward(VOLTS) for t in twins]
    second = [t.backward_tensor(torch.tensor(rows)).numpy() for t in twins]
    np.testing.assert_array_equal(*first)
    np.testing.assert_array_equal(*second)
    plain = _twin(None, 0.01, {"to_rows": PATH})
    np.testing.assert_array_equal(plain.forward_tensor(torch.tensor(VOLTS)).numpy(), first[0])
    assert (plain.forward(VOLTS) != first[0]).any()


def test_products_follow_the_pulses(arrays):
    twin = _twin(arrays, periphery={"wires": WIRES})
    before = twin.forward(VOLTS)
    twin.pulse(CellPulses(np.full(SHAPE, 30)))
    after = twin.forward(VOLTS)
    wanted = VOLTS @ ladder_map(twin.conductance, Wires.model_validate(WIRES)).T
    np.testing.assert_allclose(after, wanted, rtol=1e-4, atol=1e-10)
    assert abs(after - before).max() > 1e-7


@pytest.mark.parametrize("method", ["ladders", "exact"])
def test_wires_weaken_both_ways(method):
    twin = _twin(periphery={"wires": WIRES, "wire_method": method})
    wired = WiredMap(twin.conductance, Wires.model_validate(WIRES))
    rows = VOLTS[:, :6]
    close = {"rtol": 1e-4, "atol": 1e-10} if method == "exact" else {"rtol": 0, "atol": 1e-8}
    np.testing.assert_allclose(twin.forward(VOLTS), wired.forward(VOLTS), **close)
    np.testing.assert_allclose(twin.backward(rows), wired.backward(rows), **close)
    assert abs(twin.forward(VOLTS) - VOLTS @ twin.conductance.T).max() > 1e-7


def test_read_noise_is_that_of_a_twin_without_periphery():
    # H0: one distribution, with a fresh map of noise for every product, and without. Two-sample
    # Kolmogorov-Smirnov for 6 rows at 1e-7 each.
    n, volts = 3000, VOLTS[:1]
    plain = _twin(read_std=0.2)
    fresh = np.concatenate([plain.forward(volts) for _ in range(n)])
    got = _twin(read_std=0.2, periphery={}).forward(np.repeat(volts, n, axis=0))
    for row in range(6):
        assert stats.ks_2samp(fresh[:, row], got[:, row]).pvalue > 1e-7


def test_a_state_brings_noise_and_shares_of_pulses_back(arrays):
    around = {"to_rows": PATH, "read_disturb": {"time": "1 ms"}}
    twin, other = _twin(arrays, 0.01, around), _twin(arrays, 0.01, around)
    twin.pulse(CellPulses(np.full(SHAPE, 30)))
    twin.forward(VOLTS), twin.read()
    other.forward(VOLTS)
    other.restore(twin.state())
    np.testing.assert_array_equal(twin.forward(VOLTS), other.forward(VOLTS))
    np.testing.assert_array_equal(twin._around.ledger.up, other._around.ledger.up)


def test_without_parallel_lines_products_are_the_hosts():
    twin = _twin(periphery={"to_rows": PATH}, capabilities=Capabilities())
    np.testing.assert_allclose(twin.forward(VOLTS), VOLTS @ twin.conductance.T, rtol=1e-6)


def test_reads_disturb_if_told_to(arrays):
    # 1.5 V pulses of 1 ms; reads at 0.9 V for 50 ms are about 0.9 pulses.
    conditions = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), rest=0.0)
    quiet = _twin(arrays, periphery={}, conditions=conditions)
    moved = _twin(arrays, periphery={"read_disturb": {"time": "50 ms"}}, conditions=conditions)
    share = moved._around.ledger.expected(0.9)
    for _ in range(20):
        quiet.currents(0.9, [2], [1, 3])
        moved.currents(0.9, [2], [1, 3])
    assert quiet.cells.pulses_applied == 0
    assert moved.cells.pulses_applied == 2 * int(20 * share) > 20
    cells = np.array(NumpyArrays().numpy(moved.cells.arrays.numpy(moved.cells.pulses)))
    np.testing.assert_array_equal(np.flatnonzero(cells), [2 * 9 + 1, 2 * 9 + 3])


def test_products_disturb_by_what_lines_are_driven_with():
    # Noise management drives 10 mV as 200 mV: codes of it, and down, because columns are driven.
    around = {"to_rows": PATH, "read_disturb": {"time": "1 ms"}}
    twin = _twin(periphery=around)
    volts = np.zeros((1, 9))
    volts[0, :2] = 0.01, -0.005
    twin.forward(volts)
    ledger = twin._around.ledger
    np.testing.assert_allclose(ledger.down[:, 0], -ledger.expected(-0.2), rtol=1e-5)
    np.testing.assert_allclose(ledger.up[:, 1], ledger.expected(0.2 * 32 / 63), rtol=1e-5)
    assert not ledger.up[:, 2:].any()


def test_scaling_up_beyond_the_read_limit_is_refused():
    limits = Limits(read_voltage=0.15)
    with pytest.raises(LimitError):
        _twin(periphery={"to_rows": PATH}, limits=limits)
    _twin(periphery={"to_rows": {**PATH, "noise_management": {}}}, limits=limits)
