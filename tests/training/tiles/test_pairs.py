"""Weights as differences of two measured crossbars: a reference, or a pair that learns upwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import (
    BadInputError,
    Capabilities,
    CellPulses,
    CoincidencePulses,
    Crossbar,
    RunPulses,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AnalogTile,
    DifferentialTile,
    Mapping,
    PulseSettings,
    ReferenceTile,
    convert_to_analog,
    mlp,
)
from ohmloop.training.tiles.differential_tile import REST, one_sided

RULE = PulseSettings()
KINDS = [ReferenceTile, DifferentialTile]


def masked(shape, seed, share=0.25, **keys) -> TwinCrossbar:
    cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
    usable = np.random.default_rng(50 + seed).random(shape) > share
    return TwinCrossbar(
        cells, seed=seed, capabilities=Capabilities(), characteristics=cells.characteristics(usable)
    )


def truth(tile) -> np.ndarray:
    scale = tile.plus.mapping.siemens_per_weight
    return (tile.plus.crossbar.conductance - tile.minus.crossbar.conductance) / scale


@pytest.mark.parametrize("kind", KINDS)
def test_products_and_readings_are_of_the_difference(fine, rng, kind) -> None:
    tile = kind(fine(5, 7), fine(5, 7))
    tile.program(rng.uniform(-0.5, 0.5, (5, 7)))
    x, d = rng.normal(size=(3, 7)), rng.normal(size=(3, 5))
    weights = truth(tile)
    np.testing.assert_allclose(tile.weights(), weights, atol=1e-9)
    np.testing.assert_allclose(tile.read_columns([6, 2]), weights[:, [6, 2]], atol=1e-9)
    np.testing.assert_allclose(tile.forward(torch.from_numpy(x)), x @ weights.T, atol=1e-9)
    np.testing.assert_allclose(tile.backward(torch.from_numpy(d)), d @ weights, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_writing_reaches_most_weights_of_real_cells(real, rng, kind) -> None:
    tile = kind(real(16, 16, 1), real(16, 16, 2))
    weights = rng.uniform(-0.6, 0.6, (16, 16))
    report = tile.program(weights)
    error = truth(tile) - weights
    assert np.sqrt((error**2).mean()) < 1.5 * tile.dw_min
    assert report.cells == 256
    assert report.pulses == tile.pulses == sum(s.crossbar.pulses_sent for s in tile.parts)
    assert report.error == pytest.approx(np.sqrt((error**2).mean()), rel=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_updates_change_weights_by_the_gradient(fine, rng, kind) -> None:
    """H0: pulse counts are binomial about the wanted ones: 6 sigma over 35 cells, 7e-8."""
    tile = kind(fine(5, 7), fine(5, 7))
    tile.program(np.zeros((5, 7)))
    if kind is DifferentialTile:  # steps are known where up and down are alike
        middle = (tile._floor + tile._range / 2) / tile.plus.mapping.siemens_per_weight
        for side in tile.parts:
            side.program(middle)
    before, lr = truth(tile), 20 * tile.dw_min
    x, d = rng.uniform(0.2, 1, (50, 7)), rng.uniform(0.2, 1, (50, 5)) * rng.choice([-1, 1], 5)
    report = tile.update(x, d, lr, rng, RULE)
    path = lr * np.abs(d).T @ np.abs(x)
    slack = 6 * np.sqrt(path * tile.dw_min) + 0.1 * path  # weights move by up to 0.1
    assert (np.abs(truth(tile) - before + lr * d.T @ x) <= slack).all()
    assert path.min() > 2 * 6 * np.sqrt(path.max() * tile.dw_min)
    assert report.clipped == 0


def test_the_reference_is_written_once_and_never_pulsed_again(real, rng) -> None:
    main, reference = real(6, 6, 1), real(6, 6, 2)
    tile = ReferenceTile(main, reference)
    assert not tile.referenced
    tile.program(np.zeros((6, 6)))
    known = main.characteristics
    error = reference.conductance - known.symmetric_point
    within = (known.symmetric_point > reference.characteristics.g_min) & (
        known.symmetric_point < reference.characteristics.g_max
    )
    assert np.sqrt((error[within] ** 2).mean()) < known.dg_min.mean()
    settled = reference.conductance
    tile.program(rng.uniform(-0.3, 0.3, (6, 6)))
    tile.update(rng.normal(size=(3, 6)), rng.normal(size=(3, 6)), 0.1, rng, RULE)
    np.testing.assert_array_equal(reference.conductance, settled)
    assert tile.referenced
    other = ReferenceTile(main, reference)
    other.adopt(tile.state())
    other.program(np.zeros((6, 6)))
    np.testing.assert_array_equal(reference.conductance, settled)


@pytest.mark.parametrize("coincidence", [False, True])
def test_a_differential_pair_learns_upwards_only(rng, coincidence) -> None:
    sides = [
        TwinCrossbar(
            sample(PopulationSpec(dg_std=0), (5, 7), np.random.default_rng(seed)),
            seed=seed,
            capabilities=Capabilities(coincidence_update=coincidence),
        )
        for seed in (1, 2)
    ]
    tile = DifferentialTile(*sides)
    tile.program(np.zeros((5, 7)))
    before = [side.conductance for side in sides]
    tile.update(rng.normal(size=(6, 7)), rng.normal(size=(6, 5)), 0.1, rng, RULE)
    for side, start in zip(sides, before, strict=True):
        moved = side.conductance - start
        assert (moved >= 0).all()
        assert (moved > 0).any()


@pytest.mark.parametrize("as_runs", [False, True])
def test_the_two_sides_of_a_program(rng, as_runs) -> None:
    rows, columns, batch = 4, 6, 5
    program = CoincidencePulses(
        rng.integers(0, 2**7, (batch, rows)).astype(np.uint64),
        rng.integers(0, 2**7, (batch, columns)).astype(np.uint64),
        rng.choice([-1, 1], (batch, rows)).astype(np.int8),
        rng.choice([-1, 1], (batch, columns)).astype(np.int8),
        7,
    )
    counts = program.counts()
    ups, downs = np.maximum(counts, 0).sum(axis=0), np.maximum(-counts, 0).sum(axis=0)
    if as_runs:
        runs = program.runs
        program = RunPulses(runs.cells.astype(np.int32), runs.counts, rows, columns)
    plus, minus = one_sided(program, np.ones((rows, columns), bool))
    np.testing.assert_array_equal(plus.counts().sum(axis=0), ups)
    np.testing.assert_array_equal(minus.counts().sum(axis=0), downs)
    assert (plus.counts() >= 0).all()
    assert (minus.counts() >= 0).all()


def test_a_program_of_one_sign_has_one_side() -> None:
    up = CellPulses(np.array([[2, 0], [0, 1]], np.int32))
    plus, minus = one_sided(up, np.ones((2, 2), bool))
    np.testing.assert_array_equal(plus.counts()[0], up.pulse_counts)
    assert minus is None
    assert one_sided(None, np.ones((2, 2), bool)) == (None, None)
    spared, _ = one_sided(up, np.array([[False, True], [True, True]]))
    assert spared.counts()[0].tolist() == [[0, 0], [0, 1]]
    one = np.ones((1, 1), np.int8)
    trains = CoincidencePulses(one.astype(np.uint64), one.astype(np.uint64), one, -one, 1)
    assert one_sided(trains, np.ones((1, 1), bool))[0] is None


def test_full_pairs_are_restored_with_the_same_difference(real) -> None:
    tile = DifferentialTile(real(6, 6, 1), real(6, 6, 2), check_every=3)
    scale = tile.plus.mapping.siemens_per_weight
    high = np.zeros((6, 6), bool)
    high[2:4] = True
    share = np.where(high, 0.8, 0.15)
    for side, extra in ((tile.plus, 0.05), (tile.minus, 0.0)):
        side.program((tile._floor + (share + extra) * tile._range) / scale)
    before, kept = truth(tile), tile.plus.crossbar.conductance
    nothing = np.zeros((1, 6))
    for _ in range(2):
        tile.update(nothing, nothing, 0.1, np.random.default_rng(0), RULE)
    assert tile.restored == 0
    report = tile.update(nothing, nothing, 0.1, np.random.default_rng(0), RULE)
    assert tile.restored == 12
    assert report.pulses > 0
    lower = (tile.minus.crossbar.conductance - tile._floor) / tile._range
    assert (lower[high] < 0.25).all()
    np.testing.assert_array_equal(tile.plus.crossbar.conductance[~high], kept[~high])
    assert np.abs(truth(tile) - before)[high].mean() < 2 * tile.dw_min
    fresh = DifferentialTile(tile.plus.crossbar, tile.minus.crossbar, 0.5, check_every=3)
    fresh.adopt(tile.state())
    assert fresh.restored == 12
    np.testing.assert_allclose(fresh.weights(), tile.weights(), atol=0.05)


def test_training_upwards_alone_goes_on_where_cells_would_be_full(real, rng) -> None:
    """Up and down in turn, a thousand steps of the range each way: only restoring allows it."""
    tile = DifferentialTile(real(4, 4, 1), real(4, 4, 2), check_every=5)
    tile.program(np.zeros((4, 4)))
    x = np.ones((1, 4))
    for step in range(120):
        tile.update(x, np.full((1, 4), (-1.0) ** step), 0.2, rng, RULE)
    assert tile.restored > 16
    before = truth(tile).mean()
    tile.update(np.ones((1, 4)), np.full((1, 4), -1.0), 0.2, rng, RULE)
    assert truth(tile).mean() - before > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_masked_cells_of_pairs_stand_for_zero_and_are_spared(rng, kind) -> None:
    sides = [masked((6, 8), seed) for seed in (1, 2)]
    usable = [side.characteristics.usable for side in sides]
    both = usable[0] & usable[1]
    before = [side.conductance for side in sides]
    tile = kind(*sides)
    assert np.abs(tile.weights()[~both]).max() < 0.05
    report = tile.program(np.full((6, 8), 0.3))
    assert report.cells == both.sum()
    for _ in range(3):
        tile.update(rng.normal(size=(4, 8)), rng.normal(size=(4, 6)), 0.1, rng, RULE)
    if kind is DifferentialTile:
        tile.restore()
    for side, start in zip(sides, before, strict=True):
        np.testing.assert_array_equal(side.conductance[~both], start[~both])
    assert np.abs(tile.weights()[~both]).max() < 0.05
    found = tile.forward(torch.eye(8)).numpy().T
    assert np.abs(found[~both]).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_that_cannot_be(real, fine, kind) -> None:
    with pytest.raises(BadInputError, match="pair of crossbars"):
        kind(real(4, 4), real(4, 5))
    with pytest.raises(BadInputError, match="w_max"):
        kind(real(4, 4), real(4, 4), -1.0)
    for weights in (np.zeros((3, 4)), np.full((4, 4), np.nan)):
        with pytest.raises(BadInputError, match="finite weights"):
            kind(real(4, 4), real(4, 4)).program(weights)
    one, other = masked((1, 2), 1, share=0), masked((1, 2), 2, share=0)
    one.characteristics.usable[0, 0] = other.characteristics.usable[0, 1] = False
    with pytest.raises(BadInputError, match="no pair"):
        kind(one, other)
    blank = real(4, 4)
    blank.characteristics = None
    with pytest.raises(BadInputError, match="calibrate it first"):
        kind(real(4, 4), blank)


@pytest.mark.parametrize(
    "options", [{"lower": REST}, {"upper": 1.2}, {"lower": 0.8}, {"check_every": 0}]
)
def test_shares_out_of_range(real, options) -> None:
    with pytest.raises(BadInputError, match="a pair is full"):
        DifferentialTile(real(2, 2), real(2, 2), **options)


def test_a_fixed_reference_is_one_conductance(real) -> None:
    crossbar = real(6, 6)
    mapping = Mapping.of(crossbar, 1.0, "fixed")
    point = crossbar.characteristics.symmetric_point
    assert (mapping.reference == point.mean()).all()
    by_map = Mapping.of(crossbar, 1.0)
    assert mapping.siemens_per_weight < by_map.siemens_per_weight
    tile = AnalogTile(crossbar, mapping=mapping)
    offset = (point - point.mean()) / mapping.siemens_per_weight
    crossbar_at_rest = AnalogTile(crossbar, mapping=by_map)
    crossbar_at_rest.program(np.zeros((6, 6)))
    assert np.corrcoef(tile.weights().ravel(), offset.ravel())[0, 1] > 0.9


def test_a_fixed_reference_leaves_masked_cells_at_zero() -> None:
    chip = masked((6, 8), 1)
    usable = chip.characteristics.usable
    mapping = Mapping.of(chip, 1.0, "fixed")
    assert np.unique(mapping.reference[usable]).size == 1
    assert np.abs(mapping.to_weights(chip.conductance)[~usable]).max() < 0.05


@pytest.mark.parametrize(
    ("reference", "kind", "cells"),
    [
        ("map", AnalogTile, 24),
        ("fixed", AnalogTile, 24),
        ("crossbar", ReferenceTile, 48),
        ("differential", DifferentialTile, 48),
    ],
)
def test_a_model_with_every_reference(real, reference, kind, cells) -> None:
    chip = real(8, 6)
    model = convert_to_analog(mlp([6, 4], seed=0), chip, reference=reference)
    (tile,) = model.linear1.tiles
    assert type(tile) is kind
    weights = mlp([6, 4], seed=0).linear1.weight.detach().numpy()
    assert np.sqrt(((tile.weights() - weights) ** 2).mean()) < 1.5 * tile.dw_min
    moved = (chip.wear > 0).sum()
    assert cells * 0.5 < moved <= cells


def test_an_unknown_reference_and_a_missing_partner(real) -> None:
    with pytest.raises(BadInputError, match="no reference 'sun'"):
        convert_to_analog(mlp([6, 4], seed=0), real(8, 6), reference="sun")
    chip: Crossbar = real(7, 6)
    with pytest.raises(BadInputError, match="layer linear1, array 0, reference: no room"):
        convert_to_analog(mlp([6, 4], seed=0), chip, reference="crossbar")
    assert chip.pulses_sent == 0
