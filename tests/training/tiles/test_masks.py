"""Cells that a calibration finds unusable: not pulsed, not written, and training works around."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, convert_to_analog
from ohmloop.training.tiles.tile import AnalogTile
from ohmloop.training.update.parts import spared
from ohmloop.training.update.stochastic import pulsed_update

SHAPE = (8, 10)


def masked_chip(
    capabilities: Capabilities, shape=SHAPE, share: float = 0.2, **keys
) -> TwinCrossbar:
    """A fifth of its cells move like any other, but are not to be used."""
    cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(2))
    known = cells.characteristics(np.random.default_rng(3).random(shape) > share)
    return TwinCrossbar(cells, seed=1, capabilities=capabilities, characteristics=known)


def trains(rng, shape=SHAPE, batch=10):
    x, d = rng.normal(size=(batch, shape[1])), rng.normal(size=(batch, shape[0]))
    return pulsed_update(x, d, 0.5, 0.01, rng).program


def test_a_spared_program_gives_usable_cells_the_same_runs(rng):
    program, usable = trains(rng), rng.random(SHAPE) > 0.3
    left, runs = spared(program, usable), program.runs
    assert left is not None
    for cell in range(usable.size):
        wanted = runs.counts[runs.cells == cell].tolist() if usable.ravel()[cell] else []
        assert left.run_counts[left.cells == cell].tolist() == wanted


def test_nothing_left_is_no_program(rng):
    assert spared(trains(rng), np.zeros(SHAPE, bool)) is None


def test_updates_spare_masked_cells_and_move_the_others_as_ever(rng):
    chip, other = masked_chip(Capabilities()), masked_chip(Capabilities(), share=0)
    usable, before = chip.characteristics.usable, chip.conductance
    program = trains(rng)
    applied = AnalogTile(chip).apply_trains(program)
    AnalogTile(other).apply_trains(program)
    np.testing.assert_array_equal(chip.conductance[~usable], before[~usable])
    np.testing.assert_array_equal(chip.conductance[usable], other.conductance[usable])
    assert applied == program.per_cell[usable].sum()


def test_lines_driven_together_pulse_masked_cells_and_their_weight_is_what_they_read(rng):
    chip = masked_chip(Capabilities(coincidence_update=True), read_std=0)
    tile, usable = AnalogTile(chip), chip.characteristics.usable
    assert tile.weights()[~usable] == pytest.approx(0, abs=1e-12)
    tile.apply_trains(trains(rng))
    moved = (chip.conductance - tile.mapping.reference) / tile.mapping.siemens_per_weight
    assert np.abs(moved[~usable]).max() > 0.01
    np.testing.assert_allclose(tile.weights(), moved, atol=1e-9)


@pytest.mark.parametrize("coincidence", [False, True])
def test_writing_leaves_masked_cells_alone(coincidence):
    chip = masked_chip(Capabilities(coincidence_update=coincidence))
    usable, before = chip.characteristics.usable, chip.conductance
    AnalogTile(chip).program(np.full(SHAPE, 0.3), rounds=5)
    np.testing.assert_array_equal(chip.conductance[~usable], before[~usable])
    assert (chip.conductance[usable] != before[usable]).mean() > 0.9


def test_training_works_with_planted_defects(rng):
    """A line fit from 10 inputs, with 5 % stuck, 5 % sluggish cells and a fifth masked."""
    torch.manual_seed(5)
    chip = masked_chip(Capabilities(), stuck_high=0.05, sluggish=0.05)
    chip.characteristics.usable[chip.cells.population.defects > 0] = False
    usable, before = chip.characteristics.usable, chip.conductance
    model = torch.nn.Sequential(torch.nn.Linear(SHAPE[1], SHAPE[0]))
    convert_to_analog(model, chip, omega=0.3)
    started = chip.conductance
    teacher = torch.nn.Linear(SHAPE[1], SHAPE[0])
    optimizer = AnalogSGD(model.parameters(), lr=0.05, rng=rng)
    losses = []
    for _ in range(60):
        x = torch.randn(20, SHAPE[1])
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), teacher(x).detach(), reduction="sum") / 20
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:3])
    np.testing.assert_array_equal(chip.conductance[~usable], before[~usable])
    assert (chip.conductance[usable] != started[usable]).mean() > 0.9
