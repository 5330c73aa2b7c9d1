"""Tiles: products, reads and writing against the true conductances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError, CellPulses, Crossbar, Limits, Region
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogTile, CrossbarPool, Mapping, w_max_for

Make = Callable[..., Crossbar]


def true_weights(tile: AnalogTile, crossbar: Crossbar) -> np.ndarray:
    assert isinstance(crossbar, TwinCrossbar)
    return tile.mapping.to_weights(crossbar.conductance)


@pytest.mark.parametrize("bench", ["tensors", "serial", "region"])
def test_products_are_those_of_the_true_weights(
    real: Make, serial: Make, rng: np.random.Generator, bench: str
) -> None:
    """H0: errors are read noise, 0.5 % of up to 80 uS a cell; 6 sigma, 80 values: 1 in 6e6."""
    crossbar = serial(6, 10) if bench == "serial" else real(6, 10)
    tile = AnalogTile(Region(crossbar, (0, 0), (6, 10)) if bench == "region" else crossbar)
    weights = true_weights(tile, crossbar)
    x = torch.from_numpy(rng.normal(0, [[1e-3], [1.0], [50.0], [0.0], [3.0]], (5, 10))).float()
    d = torch.from_numpy(rng.normal(0, 1e-6, (5, 6)))
    noise = 0.005 * 80e-6 / tile.mapping.siemens_per_weight
    for found, values, matrix in (
        (tile.forward(x), x, weights.T),
        (tile.backward(d), d, weights),
    ):
        wanted = values.double().numpy() @ matrix
        allowed = 6 * noise * values.double().norm(dim=1, keepdim=True).numpy()
        assert found.dtype == values.dtype
        assert (np.abs(found.double().numpy() - wanted) <= allowed + 1e-6 * np.abs(wanted)).all()


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_products_in_one_go_and_in_two_steps_are_the_same_weights(
    rng: np.random.Generator, batch: int
) -> None:
    """Without read noise; a crossbar in tensors need not offer the first."""

    class TwoSteps(TwinCrossbar):
        weigh = None  # type: ignore[assignment]

    cells = sample(PopulationSpec(read_std=0.0), (6, 10), np.random.default_rng(1))
    one, two = (AnalogTile(kind(cells, seed=1)) for kind in (TwinCrossbar, TwoSteps))
    x, d = (torch.from_numpy(rng.normal(0, 3, (batch, n))).float() for n in (10, 6))
    for found, expected in ((one.forward(x), two.forward(x)), (one.backward(d), two.backward(d))):
        assert found.dtype == expected.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_samples_are_scaled_to_the_read_voltage(real: Make, monkeypatch: object) -> None:
    seen = []
    crossbar = real(2, 3)

    class Spy(Region):
        def _read(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            return super()._read(rows, columns)

        def _voltages(self, values: np.ndarray, lines: int, name: str) -> np.ndarray:
            seen.append(np.array(values))
            return super()._voltages(values, lines, name)

    AnalogTile(Spy(crossbar, (0, 0), (2, 3))).forward(torch.tensor([[2.0, -4.0, 0.0], [0, 0, 0]]))
    assert seen[0] == pytest.approx(np.array([[0.05, -0.1, 0.0], [0.0, 0.0, 0.0]]))


def test_reading_columns(real: Make) -> None:
    tile = AnalogTile(real(6, 10), w_max=0.5)
    columns = tile.read_columns([7, 2])
    assert columns.shape == (6, 2)
    assert columns == pytest.approx(tile.weights()[:, [7, 2]], abs=0.06)


def test_programming_converges(real: Make, rng: np.random.Generator) -> None:
    crossbar = real(16, 64)
    tile = AnalogTile(crossbar, w_max=1.0)
    weights = rng.uniform(-0.6, 0.6, (16, 64))
    before = np.abs(true_weights(tile, crossbar) - weights).max()
    report = tile.program(weights)
    error = true_weights(tile, crossbar) - weights
    assert report.within > 0.95
    assert report.out_of_reach < 10
    assert report.rounds <= 20
    assert np.sqrt((error**2).mean()) < tile.dw_min < before / 10
    read_noise = 0.01  # 0.5 % of 40 uS, in weights
    assert report.error == pytest.approx(np.hypot(error.std(), read_noise), rel=0.4)
    assert tile.pulses == report.pulses == crossbar.cells.pulses_applied


def test_programming_stops_when_it_is_good_enough(real: Make) -> None:
    tile = AnalogTile(real(4, 4))
    tile.program(np.zeros((4, 4)))
    report = tile.program(np.zeros((4, 4)), tolerance=1.0)
    assert (report.rounds, report.pulses, report.within) == (0, 0, 1.0)
    assert tile.program(np.full((4, 4), 0.9), rounds=2).rounds == 2


def test_programming_says_what_is_out_of_reach(real: Make) -> None:
    tile = AnalogTile(real(4, 4))
    report = tile.program(np.full((4, 4), 50.0), rounds=3)
    assert report.out_of_reach == 16


def test_programming_keeps_to_the_limits(serial: Make) -> None:
    crossbar = serial(4, 4, Limits(pulses_per_program=3))
    tile = AnalogTile(Region(crossbar, (0, 0), (4, 4)))
    report = tile.program(np.full((4, 4), 0.5), rounds=5)
    assert report.rounds == 5
    assert report.pulses <= 5 * 3 * 16


@pytest.mark.parametrize(("slowness", "programs"), [(1e6, {1}), (100.0, set(range(2, 21)))])
def test_a_cell_that_hardly_steps_is_not_worn_out(slowness: float, programs: set[int]) -> None:
    cells = sample(PopulationSpec(), (4, 4), np.random.default_rng(1))
    slow = np.ones((4, 4), np.float32)
    slow[1, 2] = slowness  # known, so that its error asks for so many times the pulses
    law = cells.response
    steps = {f"slope_{way}": getattr(law, f"slope_{way}") / slow for way in ("up", "down")}
    crossbar = TwinCrossbar(replace(cells, response=replace(law, **steps), read_std=0.0), seed=1)
    tile = AnalogTile(crossbar)
    tile.program(np.full((4, 4), 0.5))
    assert 100 < tile.mapping.states < 1000
    given = crossbar.cells.pulses.reshape(4, 4)[1, 2] / tile.mapping.states
    assert given in programs


def test_cells_that_are_not_usable_are_left_alone(real: Make) -> None:
    crossbar = real(4, 4)
    known = crossbar.characteristics
    assert known is not None
    usable = np.ones((4, 4), bool)
    usable[1, 2] = False
    point = np.where(usable, known.symmetric_point, np.nan)
    crossbar.characteristics = replace(known, usable=usable, symmetric_point=point)
    tile = AnalogTile(crossbar)
    assert abs(true_weights(tile, crossbar)[1, 2]) < 0.05
    tile.program(np.full((4, 4), 0.5))
    assert isinstance(crossbar, TwinCrossbar)
    assert crossbar.cells.pulses.reshape(4, 4)[1, 2] == 0
    assert (crossbar.cells.pulses > 0).sum() > 10  # one or another may be there from the start
    assert np.isfinite(tile.forward(torch.ones(1, 4)).numpy()).all()


def test_a_tile_pulses_its_own_cells_only(real: Make) -> None:
    crossbar = real(8, 8)
    part = CrossbarPool(crossbar).place({"a": (3, 4)})["a"]
    before = crossbar.conductance
    AnalogTile(part).apply(CellPulses(np.full((3, 4), 2, np.int32)))
    moved = crossbar.conductance != before
    assert moved[:3, :4].all()
    assert moved.sum() == 12


def test_refresh_reads_anew(serial: Make) -> None:
    tile = AnalogTile(CrossbarPool(serial(4, 4)).place({"a": (4, 4)})["a"])
    x = torch.eye(4)
    first, same = tile.forward(x), tile.forward(x)
    tile.refresh()
    assert torch.equal(first, same)
    assert not torch.equal(first, tile.forward(x))


def test_the_mapping_reaches_w_max_and_comes_back(real: Make, rng: np.random.Generator) -> None:
    mapping = Mapping.of(real(32, 32), w_max=0.7)
    for weight in (-0.7, 0.7):
        back = mapping.to_weights(mapping.to_conductance(np.full((32, 32), weight)))
        assert (np.abs(back - weight) < 1e-9).mean() >= 0.9
    zero = mapping.to_conductance(np.zeros((32, 32)))
    assert np.array_equal(zero, mapping.reference)
    assert mapping.dw_min == pytest.approx(0.7 * 0.02, rel=0.5)


@pytest.mark.parametrize("w_max", [0.0, -1.0, np.nan, np.inf])
def test_bad_range(real: Make, w_max: float) -> None:
    with pytest.raises(BadInputError, match="w_max"):
        Mapping.of(real(4, 4), w_max)


def test_the_range_leaves_room_for_training() -> None:
    assert w_max_for(np.array([[0.1, -0.3]]), 0.6) == pytest.approx(0.5)
    assert w_max_for(np.zeros((2, 2)), 0.6) == 1.0
    for weights, omega in ((np.ones(1), 0.0), (np.ones(1), 1.5), (np.array([np.nan]), 0.5)):
        with pytest.raises(BadInputError):
            w_max_for(weights, omega)


def test_an_unknown_crossbar_has_to_be_calibrated(real: Make) -> None:
    crossbar = real(4, 4)
    crossbar.characteristics = None
    with pytest.raises(BadInputError, match="calibrate it first"):
        AnalogTile(crossbar)


@pytest.mark.parametrize("weights", [np.zeros((4, 3)), np.full((4, 4), np.nan)])
def test_bad_weights(real: Make, weights: np.ndarray) -> None:
    tile = AnalogTile(real(4, 4))
    with pytest.raises(BadInputError, match="finite weights"):
        tile.program(weights)
    assert tile.pulses == 0
