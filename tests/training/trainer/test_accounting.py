"""What is counted, against counts and formulas by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from ohmloop.drivers import (
    Capabilities,
    CellPulses,
    CoincidencePulses,
    PulseConditions,
    PulseShape,
    ReadCondition,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    Account,
    AnalogSGD,
    AnalogTile,
    DataSet,
    ExactTile,
    PulseSettings,
    Split,
    TikiTaka,
    Trainer,
    Usage,
    convert_to_analog,
    count_pulses,
    digits,
    mlp,
)
from ohmloop.training.trainer.accounting import Costs, costs, total

UP, DOWN = PulseShape(1.2, 2e-6), PulseShape(-1.5, 3e-6)
CONDITIONS, READING = PulseConditions(UP, DOWN, 1e-6), ReadCondition(0.2, 5e-6, 0.01)
SHAPE = (3, 4)


def tile(native: bool = True, shape: tuple[int, int] = SHAPE) -> AnalogTile:
    cells = sample(PopulationSpec(), shape, np.random.default_rng(0))
    can = Capabilities(parallel_forward=native, coincidence_update=native)
    return AnalogTile(
        TwinCrossbar(cells, seed=0, conditions=CONDITIONS, reading=READING, capabilities=can)
    )


def all_lines(length: int, batch: int = 1) -> CoincidencePulses:
    """Every cell in every slot."""
    full = np.uint64(2**length - 1)
    rows, columns = SHAPE
    return CoincidencePulses(
        np.full((batch, rows), full),
        np.full((batch, columns), full),
        np.ones((batch, rows), np.int8),
        np.ones((batch, columns), np.int8),
        length,
    )


def counted(used: AnalogTile) -> Usage:
    return used.usage + Usage(cells_read=used.crossbar.cells_read)


def test_a_step_of_one_sample_takes_40_and_40_and_155_ns_on_a_chip():
    part = tile()
    part.forward(torch.ones(1, 4))
    part.backward(torch.ones(1, 3))
    part.apply(all_lines(31))
    found = costs(counted(part), part)
    assert found.chip_seconds == pytest.approx(40e-9 + 40e-9 + 31 * 5e-9)


def test_energies_by_hand():
    part = tile()
    g, cells = float(part.mapping.reference.mean()), 12
    part.forward(torch.rand(7, 4))
    part.backward(torch.rand(2, 3))
    part.read_columns([1, 3])
    part.apply(all_lines(5, batch=2))
    pulses, squares = 10 * cells, (1.2**2 + 1.5**2) / 2
    assert part.pulses == part.usage.pulses == pulses
    found = costs(part.usage, part)
    read = 0.2**2 * g
    assert found.chip_joules == pytest.approx(
        (9 * cells + 2 * 3) * read * 40e-9 + pulses * squares * g * 5e-9
    )
    assert found.chip_seconds == pytest.approx((9 + 2) * 40e-9 + 10 * 5e-9)
    # The crossbar counts the cells of the columns itself.
    measured = counted(part)
    assert measured.cells_read == 2 * 3
    found = costs(measured, part)
    reading = 5e-6 + 0.01 * 0.02
    assert found.bench_seconds == pytest.approx(4 * 2 * 5 * (3e-6 + 1e-6) + (9 + 6) * reading)
    mean = (1.2**2 * 2e-6 + 1.5**2 * 3e-6) / 2
    assert found.bench_joules == pytest.approx(
        pulses * mean * g + (9 * cells + 6) * read * 0.01 * 0.02
    )


def test_without_native_products_cells_are_read_and_pulses_come_one_by_one():
    part = tile(native=False)
    part.forward(torch.rand(7, 4))
    part.backward(torch.rand(2, 3))
    part.apply(all_lines(5))
    counts = np.array([[2, -1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]], np.int32)
    part.apply(CellPulses(counts))
    used = counted(part)
    assert used.products == 9
    assert used.cells_read == 12  # one map serves until the next pulse
    assert (used.pulses, used.programs, used.slots) == (60 + 6, 2, 5 + 6)
    assert used.pulse_seconds == pytest.approx(60 * 4e-6 + 5 * 3e-6 + 1 * 4e-6)
    reading = 5e-6 + 0.01 * 0.02
    assert costs(used, part).bench_seconds == pytest.approx(used.pulse_seconds + 12 * reading)


def test_usage_adds_up():
    one, two = Usage(forward=2, pulses=5, clipped=0.5, updates=2), Usage(forward=1, cells_read=7)
    assert one + two == Usage(forward=3, pulses=5, cells_read=7, clipped=0.5, updates=2)
    assert one + two - two == one
    assert total({"a": one, "b": two}) == one + two
    assert one.clipped_share == 0.25
    assert Usage().clipped_share == 0
    assert Costs(1, 2, 3, 4) + Costs(1, 1, 1, 1) == Costs(2, 3, 4, 5)


def test_a_tile_on_no_crossbar_costs_nothing():
    exact = ExactTile(np.zeros((2, 2)), np.ones_like, np.ones_like)
    assert costs(Usage(forward=5, pulses=3), exact) == Costs()


def small() -> DataSet:
    data = digits(0)
    return DataSet(
        "few",
        Split(data.train.x[:60], data.train.y[:60]),
        Split(data.held_out.x[:20], data.held_out.y[:20]),
        10,
    )


def trained(lr: float = 0.05, method: type = AnalogSGD, epochs: int = 2) -> Trainer:
    cells = sample(PopulationSpec(), (40, 64), np.random.default_rng(1))
    chip = TwinCrossbar(cells, seed=1)
    arrays = 2 if method is TikiTaka else 1
    model = convert_to_analog(mlp([64, 6, 10], seed=0), chip, arrays=arrays)
    optimizer = method(model.parameters(), lr, rng=np.random.default_rng(0))
    trainer = Trainer(model, optimizer, small(), rng=np.random.default_rng(1))
    trainer.run(epochs)
    return trainer


def test_epochs_sum_up_to_the_run_and_writing_is_not_training():
    run = trained()
    used = run.account.usage()
    assert list(used) == ["linear1/0", "linear2/0"]
    sums = total(used)
    assert sums.pulses == run.pulses < count_pulses(run.model)
    # Forward in training and evaluation; backward only where a layer's inputs want it.
    assert used["linear1/0"].forward == used["linear2/0"].forward == 2 * (60 + 20)
    assert (used["linear1/0"].backward, used["linear2/0"].backward) == (0, 2 * 60)
    for name in ("chip_seconds", "chip_joules", "bench_seconds", "bench_joules"):
        in_all = sum(getattr(cost, name) for cost in run.account.costs().values())
        assert sum(getattr(r, name) for r in run.history) == pytest.approx(in_all)
        assert in_all > 0
    assert sum(record.products for record in run.history) == sums.products


def test_an_account_goes_on():
    run = trained(epochs=1)
    state = json.loads(json.dumps(run.account.state()))
    later = Account(run.model)
    assert total(later.usage()) == Usage()
    later.restore(state)
    for name, used in run.account.usage().items():
        assert asdict(later.usage()[name]) == pytest.approx(asdict(used))


@pytest.mark.parametrize("management", [True, False])
def test_the_largest_rate_that_fits_is_just_not_clipped(management):
    rng = np.random.default_rng(0)
    x, d = rng.normal(size=(6, 4)), 0.3 * rng.normal(size=(6, 3))
    rule = PulseSettings(desired_bl=8, update_management=management, bl_management=False)
    part = tile()
    assert part.update(x, d, 5.0, rng, rule).clipped > 0
    fits = part.strongest.fits
    assert 0 < fits < part.strongest.rate == 5.0
    for factor, clipped in ((0.999, False), (1.001, True)):
        other = tile()
        report = other.update(x, d, factor * fits, rng, rule)
        assert (report.clipped > 0) is clipped
        assert (other.usage.clipped > 0) is clipped
        assert other.usage.updates == 1


def test_clipping_names_layer_and_rate():
    run = trained(lr=30.0)
    lines = run.account.clipping(0.01)
    assert list(lines) == ["linear1/0", "linear2/0"]
    assert lines["linear1/0"].startswith("layer linear1: ")
    assert "needed more pulses than a train holds" in lines["linear1/0"]
    strongest = run.model[0].tiles[0].strongest
    assert f"the largest rate that fits is {strongest.fits:.3g}, it was 30" in lines["linear1/0"]
    assert max(record.clipped for record in run.history) > 0.01
    assert not trained(lr=1e-3).account.clipping()
    assert run.account.clipping(1.0) == {}
