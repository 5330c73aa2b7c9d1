from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import (
    Capabilities,
    CellPulses,
    CoincidencePulses,
    LimitError,
    Limits,
    ProgramError,
    PulseConditions,
    PulseShape,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import NumpyArrays, TorchArrays

SHAPE = (3, 4)
ONES = CellPulses(np.ones(SHAPE, int))


def _twin(arrays=None, read_std=0.005, **options) -> TwinCrossbar:
    cells = sample(PopulationSpec(read_std=read_std), SHAPE, np.random.default_rng(1))
    return TwinCrossbar(cells, **{"seed": 3, "arrays": arrays, **options})


@pytest.fixture(params=[NumpyArrays, TorchArrays])
def arrays(request):
    return request.param()


def _trains() -> CoincidencePulses:
    rng = np.random.default_rng(2)
    signs = [rng.choice([-1, 1], (5, n)) for n in SHAPE]
    return CoincidencePulses(*(rng.integers(0, 16, (5, n)) for n in SHAPE), *signs, 4)


def test_same_seed_and_programs_give_the_same_chip_on_every_array_library():
    host, device = _twin(NumpyArrays()), _twin(TorchArrays())
    for twin in (host, device):
        twin.pulse(ONES), twin.read(), twin.pulse(_trains())
    np.testing.assert_array_equal(host.conductance, device.conductance)
    np.testing.assert_array_equal(host.read(), device.read())


def test_receipt_counts_what_the_cells_got(arrays):
    twin = _twin(arrays)
    receipt = twin.pulse(_trains())
    assert receipt.pulses_applied == twin.cells.pulses_applied == _trains().total_pulses


def test_read_of_a_part_is_of_those_cells(arrays):
    twin = _twin(arrays, read_std=0.0)
    expected = twin.conductance[np.ix_([2, 0], [3, 1])]
    np.testing.assert_allclose(twin.read([2, 0], [3, 1]), expected, rtol=1e-15)


def test_products_without_noise_are_exact(arrays):
    twin = _twin(arrays, read_std=0.0)
    columns, rows = np.eye(4) * 0.1, np.array([[0.1, -0.2, 0.05]])
    np.testing.assert_allclose(twin.forward(columns), columns @ twin.conductance.T, rtol=1e-12)
    np.testing.assert_allclose(twin.backward(rows), rows @ twin.conductance, rtol=1e-12)


def test_tensor_verbs_are_the_verbs_on_tensors(arrays):
    plain, tensor = _twin(arrays), _twin(arrays)
    columns, rows = np.full((2, 4), 0.1), np.full((5, 3), -0.1)
    pairs = [
        (plain.read(), tensor.read_tensor()),
        (plain.read([1], [0, 2]), tensor.read_tensor([1], [0, 2])),
        (plain.forward(columns), tensor.forward_tensor(torch.tensor(columns))),
        (plain.backward(rows), tensor.backward_tensor(torch.tensor(rows))),
    ]
    for expected, got in pairs:
        assert got.dtype == torch.float64
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("precision", "rtol"), [(torch.float64, 1e-9), (torch.float32, 3e-5)])
@pytest.mark.parametrize("read_std", [0.0, 0.005])
def test_products_less_a_reference(arrays, read_std, precision, rtol):
    plain, less = (_twin(arrays, read_std=read_std) for _ in range(2))
    reference = plain.conductance * np.linspace(0.5, 0.8, 12).reshape(SHAPE)
    given = torch.tensor(reference, dtype=precision)
    columns, rows = np.full((2, 4), 0.1), np.full((5, 3), 0.1)
    forward = plain.forward(columns) - columns @ reference.T
    backward = plain.backward(rows) - rows @ reference
    for expected, got in (
        (forward, less.forward_tensor(torch.tensor(columns), given)),
        (backward, less.backward_tensor(torch.tensor(rows), given)),
    ):
        assert got.dtype == torch.float64
        np.testing.assert_allclose(got.numpy(), expected, rtol=rtol)


def test_tensor_products_use_the_map_of_the_host_where_the_bench_has_only_that(arrays):
    plain, tensor = (_twin(arrays, capabilities=Capabilities()) for _ in range(2))
    volts = np.full((2, 4), 0.1)
    for _ in range(2):
        expected, got = plain.forward(volts), tensor.forward_tensor(torch.tensor(volts))
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)
    assert int(plain.cells.reads.max()) == int(tensor.cells.reads.max()) == 1


def test_tensor_products_hold_the_read_limit_and_the_shape(arrays):
    twin = _twin(arrays, limits=Limits(read_voltage=0.3))
    for bad in (0.31, -0.31, float("nan")):
        with pytest.raises(LimitError):
            twin.forward_tensor(torch.full((1, 4), bad))
        with pytest.raises(LimitError):
            twin.backward_tensor(torch.full((1, 3), bad))
    with pytest.raises(ProgramError, match=r"must be \(batch, 4\)"):
        twin.forward_tensor(torch.zeros(1, 3))
    with pytest.raises(ProgramError, match=r"must be \(batch, 3\)"):
        twin.backward_tensor(torch.zeros(3))
    assert int(twin.cells.reads.max()) == 0


def test_each_parallel_product_has_fresh_noise():
    twin = _twin()
    volts = np.full((1, 4), 0.1)
    assert (twin.forward(volts) != twin.forward(volts)).all()


def test_capabilities_are_those_of_the_bench_plus_tensors():
    assert _twin().capabilities == Capabilities(True, True, True)
    assert _twin(capabilities=Capabilities()).capabilities == Capabilities(False, False, True)


def test_limits_are_enforced_before_cells_move():
    twin = _twin(limits=Limits(voltage=2.0, pulses_per_program=3))
    before = twin.conductance
    high = PulseConditions(PulseShape(3.0, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)
    for program in (
        CellPulses(np.full(SHAPE, 4)),
        CellPulses(np.ones(SHAPE, int), conditions=high),
    ):
        with pytest.raises(LimitError):
            twin.pulse(program)
    np.testing.assert_array_equal(twin.conductance, before)
    assert twin.cells.pulses_applied == 0


def test_pulses_of_other_conditions_act_accordingly(arrays):
    def moved(conditions):
        twin = _twin(arrays)
        before = twin.conductance
        receipt = twin.pulse(CellPulses(np.ones(SHAPE, int), conditions=conditions))
        return (twin.conductance - before).mean(), receipt.pulses_applied

    down = PulseShape(-1.5, 1e-3)
    usual, _ = moved(None)
    same, _ = moved(PulseConditions(PulseShape(1.5, 1e-3), down, 0.0))
    half, _ = moved(PulseConditions(PulseShape(1.5, 0.5e-3), down, 1e-3))
    weak, counted = moved(PulseConditions(PulseShape(0.5, 1e-3), down, 1e-3))
    assert same == usual > 0
    assert half == pytest.approx(usual / 2, rel=1e-9)
    assert (weak, counted) == (0.0, 0)


def test_absurdly_high_pulse_drives_to_the_bound_and_does_not_fail(arrays):
    twin = _twin(arrays)
    high = PulseConditions(PulseShape(1e3, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)
    twin.pulse(CellPulses(np.ones(SHAPE, int), conditions=high))
    g, cells = twin.conductance, twin.cells.population
    assert ((g == cells.g_max) | (g == cells.g_min)).all()


def test_characteristics_are_the_truth_unless_given():
    twin = _twin()
    np.testing.assert_array_equal(twin.characteristics.g_max, twin.cells.population.g_max)
    other = twin.characteristics.region(slice(0, 3), slice(0, 4))
    assert _twin(characteristics=other).characteristics is other


@pytest.mark.parametrize("batch", [1, 5, 12])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_products_in_one_go_are_those_in_two_steps(way, batch):
    """To single precision; each sample's does not depend on the others."""
    cells = sample(PopulationSpec(read_std=0.0), (17, 70), np.random.default_rng(0))
    twin = TwinCrossbar(cells, seed=1)
    lines, others = (70, 17) if way == "forward" else (17, 70)
    reference = torch.tensor(twin.conductance * 0.7, dtype=torch.float32)
    values = torch.randn(batch, lines, generator=torch.Generator().manual_seed(batch))
    values[0] = 0
    largest = values.double().abs().amax(dim=1, keepdim=True)
    volts = values.double() / torch.where(largest > 0, largest, 1.0) * twin.reading.voltage
    currents = getattr(twin, f"{way}_tensor")(volts, reference.double())
    expected = currents * largest / twin.reading.voltage / 2e-5
    found = twin.weigh(way, values.numpy(), reference.numpy(), 2e-5)
    assert found.dtype == np.float32
    assert found.shape == (batch, others)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    alone = [twin.weigh(way, one[None], reference.numpy(), 2e-5) for one in values.numpy()]
    np.testing.assert_array_equal(np.concatenate(alone), found)


def test_products_in_one_go_are_for_few_plain_samples_on_the_host(arrays):
    twin, reference = _twin(arrays, read_std=0.0), np.zeros(SHAPE, np.float32)
    values = np.ones((2, 4), np.float32)
    plain = isinstance(twin.cells.arrays, NumpyArrays)
    assert (twin.weigh("forward", values, reference, 1.0) is not None) == plain
    assert twin.weigh("forward", np.ones((50, 4), np.float32), reference, 1.0) is None
    noisy = _twin(arrays, read_std=0.01)
    assert noisy.weigh("forward", values, reference, 1.0) is None
    if plain:
        with pytest.raises(LimitError):
            twin.weigh("forward", np.full((1, 4), np.inf, np.float32), reference, 1.0)
        with pytest.raises(ProgramError, match=r"must be \(batch, 4\)"):
            twin.weigh("forward", values[:, :3], reference, 1.0)
