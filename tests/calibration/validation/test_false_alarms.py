"""How often a verdict is wrong, over many chips, and for every response function."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration import calibrate
from ohmloop.calibration.validation import Word
from ohmloop.sim_backend import PopulationSpec, sample

SPECS = {
    "soft-bounds": {},
    "constant-step": {"step_up": "0.5 uS", "step_down": "0.5 uS"},
    "power-step": {
        "step_up": "0.8 uS", "step_down": "0.8 uS", "gamma_up": 1.0, "gamma_down": 1.0
    },
    "exponential-step": {
        "step_up": "0.8 uS", "step_down": "0.8 uS", "gamma_up": 0.5, "gamma_down": 0.5
    },
}  # fmt: skip
CHIPS = 60


@pytest.mark.campaign
def test_perfect_twins_are_good(kit, tried):
    """Of 60 perfect twins, each called anything but good with a chance of 1 % at most.

    More than 3 would happen in 3 of 1,000 campaigns.
    """
    words = []
    for seed in range(CHIPS):
        cells = sample(PopulationSpec(), (12, 12), np.random.default_rng(seed))
        words.append(tried(cells, kit.file_of(cells), seed=seed).verdict.word)
    assert sum(word is not Word.GOOD for word in words) <= 3, words


@pytest.mark.campaign
def test_intervals_of_fitted_twins_hold_what_they_say(kit, tried):
    """Coverage over 20 calibrated chips: within 2 percentage points, as fits are approximate."""
    found = []
    for seed in range(20):
        cells = sample(PopulationSpec(), (12, 12), np.random.default_rng(seed))
        record = calibrate(kit.twin_of(cells, seed), seed=seed)
        found.append(tried(cells, record, seed=seed))
    for level in (0.5, 0.9, 0.95):
        mean = np.mean([f.scores.coverage[level].value for f in found])
        assert abs(mean - level) < 0.02
    assert all(f.verdict.serves for f in found)


@pytest.mark.campaign
@pytest.mark.parametrize("model", SPECS)
def test_every_response_function(kit, tried, model):
    """A perfect twin is good and one of steps half as large is not, whatever its family."""
    spec = PopulationSpec(model=model, **SPECS[model])
    cells = sample(spec, (12, 12), np.random.default_rng(2))
    assert tried(cells, kit.file_of(cells)).verdict.word is Word.GOOD
    steps = dict.fromkeys(type(cells.response).steps, 0.5)
    assert not tried(kit.scaled(cells, **steps), kit.file_of(cells)).verdict.serves
