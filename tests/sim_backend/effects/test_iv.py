from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, instruments, sample
from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.twin import READING

KEYS = {"iv_v0": "0.2 V", "iv_v0_dtod": 0.1, "iv_asymmetry": 0.25}


def _twin(arrays=None, **keys) -> TwinCrossbar:
    spec = PopulationSpec(read_std=0.0, **(keys or KEYS))
    return TwinCrossbar(sample(spec, (3, 4), np.random.default_rng(1)), seed=1, arrays=arrays)


def test_current_is_a_hyperbolic_sine_and_the_read_is_the_conductance():
    twin = _twin()
    (iv,) = twin.cells.population.effects
    g, read = twin.conductance, READING.voltage
    np.testing.assert_allclose(twin.read(), g, rtol=1e-12)
    for volts in (0.01, 0.3):
        expected = g * read * np.sinh(volts / iv.v0) / np.sinh(read / iv.v0)
        np.testing.assert_allclose(twin.currents(volts), expected, rtol=1e-6)
        np.testing.assert_allclose(twin.currents(-volts), -0.75 * expected, rtol=1e-6)
    assert not twin.currents(0.0).any()


def test_a_current_is_finite_at_any_voltage():
    twin = _twin(iv_v0="20 mV")
    assert np.isfinite(twin.currents(1e6)).all()


@pytest.mark.parametrize("keys", [KEYS, {"iv_v0": "0.2 V", "iv_asymmetry": 0.25}])
def test_products_follow_the_same_law(keys):
    volts = np.array([[0.2, 0.0, -0.1, 0.05], [0.3, 0.1, 0.1, -0.3]])
    twin = _twin(**keys)
    columns = [[-twin.currents(-v, columns=c) for c, v in enumerate(sample)] for sample in volts]
    np.testing.assert_allclose(twin.forward(volts), np.sum(columns, axis=1)[..., 0], rtol=1e-6)
    rows = [[twin.currents(v, rows=r) for r, v in enumerate(sample[:3])] for sample in volts]
    np.testing.assert_allclose(twin.backward(volts[:, :3]), np.sum(rows, axis=1)[:, 0], rtol=1e-6)
    torch = pytest.importorskip("torch")
    tensors = _twin(TorchArrays(), **keys)
    found = tensors.forward_tensor(torch.from_numpy(volts)).numpy()
    np.testing.assert_allclose(found, twin.forward(volts), rtol=1e-6)


def test_a_periphery_refuses_cells_that_are_not_linear():
    pytest.importorskip("torch")
    from ohmloop.sim_backend.periphery import Periphery

    with pytest.raises(BadInputError, match="takes cells as linear, and these have iv_v0"):
        TwinCrossbar(_twin().cells.population, seed=1, periphery=Periphery())


@pytest.mark.parametrize("family", ["tsp", "scpi", "flex-smu", "kxci", "pulse-board", "arc-two"])
def test_meters_of_every_family_find_it(family):
    bench = load_bench(str(files(instruments) / "benches" / f"{family}.yaml"))
    chip = {"chip": {"read_std": 0.0, "iv_v0": "0.2 V"}}
    bench.config = bench.config.model_copy(update={"emulation": chip})
    with EmulatedBench(bench, any_port=True) as emulated, open_on_bench(emulated.bench) as crossbar:
        read = crossbar.reading.voltage
        half = crossbar.currents(read / 2, rows=[0], columns=[0, 1])
        ratio = half / crossbar.currents(read, rows=[0], columns=[0, 1])
    expected = np.sinh(read / 2 / 0.2) / np.sinh(read / 0.2)
    np.testing.assert_allclose(ratio, expected, rtol=3e-3)


def test_products_of_a_board_are_those_of_the_twin():
    bench = load_bench(str(files(instruments) / "benches" / "pulse-board.yaml"))
    bench.config = bench.config.model_copy(update={"emulation": {"chip": KEYS}})
    volts = np.array([[0.2, -0.1, 0.05, 0.3], [0.0, 0.1, 0.1, -0.3]])
    with EmulatedBench(bench, any_port=True) as emulated, open_on_bench(emulated.bench) as crossbar:
        twin = TwinCrossbar(emulated.cells.population, seed=0, reading=crossbar.reading)
        np.testing.assert_allclose(crossbar.backward(volts), twin.backward(volts), rtol=1e-12)
