"""A matrix in blocks is the matrix, and what does not fit says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError, Capabilities, CoincidencePulses
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AnalogSGD,
    AnalogTile,
    CrossbarPool,
    ExactTile,
    PulseSettings,
    SplitTile,
    TilePlan,
    convert_to_analog,
    mlp,
)
from ohmloop.training.tiles.split_tile import block_sizes
from ohmloop.training.update.rule import PulsedUpdate

RULE = PulseSettings()


def soft(w: np.ndarray) -> np.ndarray:
    return 1 - w / 4


def hard(w: np.ndarray) -> np.ndarray:
    return 1 + w / 4


def exact(weights: np.ndarray) -> ExactTile:
    return ExactTile(weights, soft, hard)


def dyadic(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Multiples of 1/16 up to 2: their sums and products are exact in any order."""
    return rng.integers(-32, 33, shape) / 16


@settings(max_examples=60, deadline=None)
@given(
    heights=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    widths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    batch=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_split_is_unsplit_bit_for_bit(heights, widths, batch, seed) -> None:
    rng = np.random.default_rng(seed)
    out, inputs = sum(heights), sum(widths)
    weights, x, d = dyadic(rng, out, inputs), dyadic(rng, batch, inputs), dyadic(rng, batch, out)
    rows, columns = np.cumsum(heights)[:-1], np.cumsum(widths)[:-1]
    blocks = [
        [exact(block) for block in np.split(band, columns, axis=1)]
        for band in np.split(weights, rows, axis=0)
    ]
    split, whole = SplitTile(blocks), exact(weights)
    assert split.shape == whole.shape == (out, inputs)
    for name, values in (("forward", x), ("backward", d)):
        given_values = torch.from_numpy(values)
        assert torch.equal(getattr(split, name)(given_values), getattr(whole, name)(given_values))
    for tile in (split, whole):
        tile.update(x, d, 0.3, rng, RULE)
    np.testing.assert_array_equal(split.weights(), whole.weights())
    picked = rng.integers(0, inputs, 4)
    np.testing.assert_array_equal(split.read_columns(picked), whole.read_columns(picked))
    fresh = SplitTile([[exact(np.zeros(tile.shape)) for tile in row] for row in blocks])
    fresh.adopt(split.state())
    np.testing.assert_array_equal(fresh.weights(), whole.weights())


def test_blocks_of_chips_compute_and_learn_as_one_chip(fine, rng) -> None:
    """Cells without noise, so only rounding differs in products, and trains in updates."""
    weights, x = rng.uniform(-0.3, 0.3, (10, 14)), rng.normal(size=(4, 14))
    pool = CrossbarPool([fine(6, 8) for _ in range(4)])
    plan = TilePlan.of("w", (10, 14), pool)
    assert (plan.heights, plan.widths) == ((6, 4), (8, 6))
    tile = plan.make(iter(pool.place(plan.wanted).values()), 1.0)
    report = tile.program(weights)
    assert (report.cells, report.within) == (140, 1.0)
    assert np.abs(tile.weights() - weights).max() == pytest.approx(report.worst)
    assert report.worst < 2 * tile.dw_min
    found = tile.forward(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, x @ tile.weights().T, atol=1e-9)
    x, d = rng.uniform(0.2, 1, (50, 14)), rng.uniform(0.2, 1, (50, 10)) * rng.choice([-1, 1], 10)
    before, lr = tile.weights(), 20 * tile.dw_min
    assert tile.update(x, d, lr, rng, RULE).clipped == 0
    path = lr * np.abs(d).T @ np.abs(x)
    # H0: counts are binomial about the wanted ones: 6 sigma over 140 cells, 3e-7. Responses fall
    # or grow by up to a third with weights from -0.3 to 0.3.
    slack = 6 * np.sqrt(path * tile.dw_min) + 0.4 * path
    assert (np.abs(tile.weights() - before + lr * d.T @ x) <= slack).all()
    assert path.min() > 2 * 6 * np.sqrt(path.max() * tile.dw_min)
    assert tile.pulses == sum(part.pulses for part in tile.parts) > 0


def test_updates_draw_row_by_row_from_one_generator(rng) -> None:
    seen = []

    class Rule:
        def draw(self, x, d, lr, dw_min, generator, most):
            seen.append((x.copy(), d.copy(), generator.random()))
            wanted = float(np.abs(x).sum(axis=1) @ np.abs(d).sum(axis=1))
            return PulsedUpdate(None, 0.5 if len(seen) == 1 else 0.0, wanted, wanted)

    cells = sample(PopulationSpec(), (2, 3), np.random.default_rng(1))
    tile = SplitTile([[AnalogTile(TwinCrossbar(cells, seed=k)) for k in range(2)]] * 2)
    x, d = rng.normal(size=(3, 6)), rng.normal(size=(3, 4))
    report = tile.update(x, d, 0.1, np.random.default_rng(5), Rule())
    draws = np.random.default_rng(5)
    for (found_x, found_d, drawn), (row, column) in zip(
        seen, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True
    ):
        np.testing.assert_array_equal(found_x, x[:, 3 * column : 3 * column + 3])
        np.testing.assert_array_equal(found_d, d[:, 2 * row : 2 * row + 2])
        assert drawn == draws.random()
    whole = np.abs(x).sum(axis=1) @ np.abs(d).sum(axis=1)
    first = np.abs(x[:, :3]).sum(axis=1) @ np.abs(d[:, :2]).sum(axis=1)
    assert report.clipped == pytest.approx(0.5 * first / whole)


def test_bad_input_reaches_no_block(fine) -> None:
    tile = SplitTile([[AnalogTile(fine(2, 2)), AnalogTile(fine(2, 2))]])
    x = np.ones((1, 4))
    x[0, 3] = np.nan
    with pytest.raises(BadInputError, match="no pulse"):
        tile.update(x, np.ones((1, 2)), 0.1, np.random.default_rng(0), RULE)
    with pytest.raises(BadInputError, match="finite weights"):
        tile.program(np.full((2, 4), np.inf))
    assert tile.pulses == 0


@pytest.mark.parametrize("shapes", [[], [[(2, 2), (3, 2)]], [[(2, 2)], [(2, 3)]], [[(2, 2)], []]])
def test_blocks_have_to_make_a_rectangle(shapes) -> None:
    with pytest.raises(BadInputError, match="rectangle"):
        SplitTile([[exact(np.zeros(shape)) for shape in row] for row in shapes])


def test_whole_crossbars_come_first() -> None:
    assert block_sizes(10, 4) == [4, 4, 2]
    assert block_sizes(8, 4) == [4, 4]
    assert block_sizes(3, 4) == [3]


def test_a_layer_larger_than_any_crossbar_is_split(real) -> None:
    pool = [real(8, 8, seed) for seed in range(5)]
    model = convert_to_analog(mlp([14, 10, 4], seed=0), pool)
    first, second = model.linear1.tiles[0], model.linear2.tiles[0]
    assert isinstance(first, SplitTile)
    assert [[t.shape for t in row] for row in first.blocks] == [[(8, 8), (8, 6)], [(2, 8), (2, 6)]]
    assert first.blocks[0][0].crossbar is pool[0]
    assert isinstance(second, SplitTile)
    assert [tile.shape for tile in second.parts] == [(4, 8), (4, 2)]
    optimizer = AnalogSGD(model.parameters(), lr=0.1, rng=np.random.default_rng(0))
    model(torch.ones(2, 14)).pow(2).sum().backward()
    optimizer.step()
    assert all(tile.pulses for tile in (*first.parts, *second.parts))


def test_blocks_may_be_smaller_than_crossbars(real) -> None:
    model = convert_to_analog(mlp([6, 4], seed=0), real(8, 8), block=(2, 4))
    assert [tile.shape for tile in model.linear1.tiles[0].parts] == [(2, 4), (2, 2)] * 2


def test_what_is_missing_is_named_before_anything_is_pulsed(real) -> None:
    pool = [real(8, 8, seed) for seed in range(3)]
    message = (
        r"layer linear1, array 0, outputs 8 to 9, inputs 0 to 7: no room for its 2 outputs x"
        r" 8 inputs; left on"
    )
    with pytest.raises(BadInputError, match=message):
        convert_to_analog(mlp([14, 10, 7], seed=0), pool)
    assert [crossbar.pulses_sent for crossbar in pool] == [0, 0, 0]


@pytest.mark.parametrize("block", [(0, 4), (4, 0)])
def test_empty_blocks(real, block) -> None:
    with pytest.raises(BadInputError, match="blocks of"):
        convert_to_analog(mlp([6, 4], seed=0), real(8, 8), block=block)


def test_masked_cells_of_blocks_are_spared(rng) -> None:
    chips, usable = [], []
    for seed in range(4):
        cells = sample(PopulationSpec(), (5, 6), np.random.default_rng(seed))
        usable.append(np.random.default_rng(10 + seed).random((5, 6)) > 0.3)
        known = cells.characteristics(usable[-1])
        chips.append(
            TwinCrossbar(cells, seed=1, capabilities=Capabilities(), characteristics=known)
        )
    before = [chip.conductance for chip in chips]
    pool = CrossbarPool(chips)
    plan = TilePlan.of("w", (10, 12), pool)
    tile = plan.make(iter(pool.place(plan.wanted).values()), 1.0)
    assert isinstance(tile, SplitTile)
    assert np.abs(tile.weights()[:5, :6][~usable[0]]).max() < 0.05
    tile.program(np.full((10, 12), 0.2))
    for _ in range(5):
        tile.update(rng.normal(size=(3, 12)), rng.normal(size=(3, 10)), 0.1, rng, RULE)
    for chip, mask, start in zip(chips, usable, before, strict=True):
        np.testing.assert_array_equal(chip.conductance[~mask], start[~mask])
        assert (chip.conductance[mask] != start[mask]).mean() > 0.9


def test_a_program_of_trains_reaches_one_block_only(fine) -> None:
    tile = SplitTile([[AnalogTile(fine(1, 2)), AnalogTile(fine(1, 2))]])
    left, right = tile.parts
    ones = np.ones((1, 1), np.int8)
    left.apply_trains(
        CoincidencePulses(
            ones.astype(np.uint64), np.array([[1, 0]], np.uint64), ones, np.ones((1, 2), np.int8), 1
        )
    )
    assert (tile.pulses, left.pulses, right.pulses) == (1, 1, 0)
    assert (tile.programs, tile.doubts) == (1, 0)
