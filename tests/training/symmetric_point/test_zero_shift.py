"""Zero-shifting twins whose symmetric points are known, and were told wrongly."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, Capabilities, LimitError, Limits
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AnalogTile,
    convert_to_analog,
    mlp,
    zero_shift,
    zero_shift_fast,
)
from ohmloop.training.symmetric_point.zero_shift import plan

SHAPE = (12, 10)
NOISELESS = {"dg_std": 0.0, "read_std": 0.0}


def twin(
    off: float = 0.0, spread: float = 0.0, unusable: int = 0, seed: int = 1, **spec: float
) -> TwinCrossbar:
    """A twin of which the calibration has symmetric points that are off, in shares of the range."""
    options = {name: spec.pop(name) for name in ("limits", "capabilities") if name in spec}
    cells = sample(PopulationSpec(**spec), SHAPE, np.random.default_rng(seed))
    known = cells.characteristics()
    rng, width = np.random.default_rng(seed + 1), known.g_max - known.g_min
    wrong = known.symmetric_point + width * (off + spread * rng.standard_normal(SHAPE))
    usable = np.ones(SHAPE, bool)
    usable.ravel()[:unusable] = False
    told = replace(known, symmetric_point=wrong, usable=usable)
    return TwinCrossbar(cells, seed=seed, characteristics=told, **options)


def truth(chip: TwinCrossbar) -> np.ndarray:
    return np.asarray(chip.cells.population.characteristics().symmetric_point)


def test_theory_sets_the_number_of_pulses():
    tile = AnalogTile(twin(slope_dtod=0.0, g_min_dtod=0.0, g_max_dtod=0.0))
    known = tile.crossbar.characteristics
    half = (known.g_max - known.g_min).mean() / 2
    for error in (0.1, 0.01):
        found = plan(tile, error)
        wanted = half * log(1 / error) / known.dg_min.mean()
        assert found.asked == pytest.approx(wanted, abs=1 + 0.02 * wanted)
        assert found.asked <= found.pulses
        assert found.error <= error * 1.1
        assert found.per_reading % 2 == 1
        assert found.readings % 8 == 0


def test_without_noise_the_point_is_found_to_the_error_asked_for():
    chip = twin(off=0.1, **NOISELESS)
    tile, true = AnalogTile(chip), truth(chip)
    far = np.abs(chip.conductance - true)
    found = zero_shift(tile, error=0.01)
    assert (np.abs(found.symmetric_point - true) < 0.02 * far + 0.3 * tile.mapping.dg_min).all()
    assert (np.abs(chip.conductance - true) < 0.05 * far + 1.5 * tile.mapping.dg_min).all()
    assert np.array_equal(tile.mapping.reference, found.symmetric_point)
    assert np.abs(tile.weights()).max() < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_with_noise_errors_are_as_large_as_they_are_said_to_be(seed):
    """z of 120 cells, about standard normal; its mean square is within 0.4 and 2.

    If errors are right, 120 z^2 is chi-squared: below 48 or above 240 has odds under 1e-9.
    """
    chip = twin(off=0.05, spread=0.03, seed=seed)
    found = zero_shift(AnalogTile(chip))
    z = (found.symmetric_point - truth(chip)) / found.stderr
    assert 0.4 < np.mean(z**2) < 2


def test_references_far_off_even_beyond_the_bounds_do_no_harm():
    """As above, for nine cells in ten: the rate is not that of a cell told to be at its bound."""
    chip = twin(off=0.2, spread=0.15, seed=2)
    known = chip.characteristics
    assert (known.symmetric_point > known.g_max).any()
    found = zero_shift(AnalogTile(chip))
    z = np.abs(found.symmetric_point - truth(chip)) / found.stderr
    assert np.mean(z < 3) > 0.9
    assert found.before.mu / found.before.range == pytest.approx(0.2, abs=0.05)


def test_offsets_before_and_after():
    """Planted: 5 % of the range and 3 % spread; found within 6 standard errors (2e-9)."""
    chip = twin(off=0.05, spread=0.03)
    tile = AnalogTile(chip)
    per_cell = (tile.mapping.reference - truth(chip)) / tile.mapping.siemens_per_weight
    found = zero_shift(tile)
    before = found.before
    assert abs(before.mu - per_cell.mean()) < 6 * before.mu_error
    assert abs(before.sigma - per_cell.std()) < 6 * before.sigma_error
    assert before.share == pytest.approx(np.hypot(0.05, 0.03), rel=0.3)
    left = (tile.mapping.reference - truth(chip)) / tile.mapping.siemens_per_weight
    rms = float(np.sqrt(np.mean(left**2)))
    assert rms / found.after.range < before.share / 2
    assert 0.4 < rms / np.hypot(found.after.mu, found.after.sigma) < 2.5


def test_cells_that_rest_already_are_left_alone_soon():
    chip = twin()
    tile = AnalogTile(chip)
    zero_shift(tile)
    again = zero_shift(tile)
    assert again.ending in ("settled", "at the floor")
    assert again.pulses < again.plan.pulses
    assert again.plan.pulses == again.plan.readings * again.plan.per_reading


@pytest.mark.parametrize("native", [False, True])
def test_a_budget_is_kept_and_what_it_leaves_is_said(native):
    chip = twin(off=0.2, capabilities=Capabilities(coincidence_update=native), **NOISELESS)
    tile = AnalogTile(chip)
    found = zero_shift(tile, error=0.01, budget=40, adopt=False)
    assert found.pulses <= 40
    assert np.array_equal(chip.wear, np.full(SHAPE, found.pulses))
    assert found.plan.asked > 40
    assert found.plan.error > 0.01
    assert found.ending == "as planned"
    assert np.array_equal(tile.mapping.reference, chip.characteristics.symmetric_point)


def test_limits_are_looked_at_before_a_pulse():
    chip = twin(limits=Limits(pulses_per_cell=100))
    with pytest.raises(LimitError, match=r"a cell has only 100 left of limits\.pulses_per_cell"):
        zero_shift(AnalogTile(chip))
    assert chip.wear.sum() == 0
    assert zero_shift(AnalogTile(chip), budget=60).pulses <= 60
    for budget, error, message in ((7, 0.01, "too small"), (None, 1.0, "between 0 and 1")):
        with pytest.raises(BadInputError, match=message):
            zero_shift(AnalogTile(chip), error, budget)


def test_cells_that_are_said_not_to_move():
    chip = twin()
    still = np.array(chip.characteristics.dg_min)
    still[0, 0] = 0.0
    chip.characteristics = replace(chip.characteristics, dg_min=still)
    with pytest.raises(BadInputError, match="no granularity or no range"):
        zero_shift(AnalogTile(chip))
    assert chip.wear.sum() == 0


def test_programs_stay_within_their_limit():
    chip = twin(limits=Limits(pulses_per_program=4))
    found = zero_shift(AnalogTile(chip), budget=40)
    assert chip.wear.max() == found.pulses


def test_cells_that_must_not_be_pulsed_are_not():
    chip = twin(unusable=3, capabilities=Capabilities(coincidence_update=False))
    tile = AnalogTile(chip)
    kept = tile.mapping.reference.ravel()[:3].copy()
    found = zero_shift(tile, budget=80)
    assert (chip.wear.ravel()[:3] == 0).all()
    assert (chip.wear.ravel()[3:] == found.pulses).all()
    assert np.isnan(found.symmetric_point.ravel()[:3]).all()
    assert np.array_equal(tile.mapping.reference.ravel()[:3], kept)


def test_progress_is_told():
    told: list[tuple[int, int, str]] = []
    found = zero_shift(AnalogTile(twin()), tell=lambda *what: told.append(what))
    assert told[-1][2] == f"{found.pulses} pulses a cell"
    assert [done for done, _, _ in told] == list(range(1, len(told) + 1))


def test_fast_arrays_of_a_model():
    cells = sample(PopulationSpec(), (20, 12), np.random.default_rng(0))
    known = cells.characteristics()
    width = known.g_max - known.g_min
    told = replace(known, symmetric_point=known.symmetric_point + 0.04 * width)
    chip = TwinCrossbar(cells, seed=0, characteristics=told)
    model = convert_to_analog(mlp([6, 5, 4], seed=0), chip, arrays=2)
    main = [
        layer.weight.main.mapping.reference.copy() for layer in model if hasattr(layer, "tiles")
    ]
    found = zero_shift_fast(model)
    assert list(found) == ["linear1/0", "linear2/0"]
    layers = [layer for layer in model if hasattr(layer, "tiles")]
    for layer, reference, shift in zip(layers, main, found.values(), strict=True):
        assert np.array_equal(layer.weight.main.mapping.reference, reference)
        assert np.array_equal(layer.tiles[0].mapping.reference, shift.symmetric_point)
        assert shift.before.mu > 5 * shift.before.mu_error
    # A checkpoint holds the new references.
    state = {name: value.clone() for name, value in model.state_dict().items()}
    layers[0].tiles[0].rescale(np.zeros_like(main[0]), 1.0)
    model.load_state_dict(state)
    assert np.array_equal(layers[0].tiles[0].mapping.reference, found["linear1/0"].symmetric_point)


def test_a_model_without_fast_arrays_and_limits_of_any_array():
    chip = TwinCrossbar(sample(PopulationSpec(), (20, 12), np.random.default_rng(0)), seed=0)
    with pytest.raises(BadInputError, match="no layer has a fast array"):
        zero_shift_fast(convert_to_analog(mlp([6, 5, 4], seed=0), chip))
