from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration import predict, validate
from ohmloop.calibration.prediction import Prediction
from ohmloop.drivers import ChipFileError
from ohmloop.sim_backend.chip_file import population_of


@pytest.fixture(scope="module")
def twin(record):
    return population_of(record)


def everywhere(population):
    return np.ones(population.shape, bool)


def test_fitted_twin_is_good(record):
    assert 0.97 < record.attrs["rmse_over_noise"] < 1.2


def test_true_twin_has_ratio_one(raw, cells):
    ratio = predict(raw, cells, everywhere(cells)).rmse_over_noise
    assert ratio == pytest.approx(1, abs=0.03)


def _with(twin, **parameters):
    return replace(twin, response=replace(twin.response, **parameters))


@pytest.mark.parametrize(
    ("key", "factor"), [("slope_up", 1.3), ("slope_down", 0.7), ("g_max", 1.15)]
)
def test_wrong_twin_shows(raw, twin, key, factor):
    wrong = _with(twin, **{key: getattr(twin.response, key) * factor})
    assert predict(raw, wrong, everywhere(twin)).rmse_over_noise > 1.5


def test_twin_of_other_cells_shows(raw, twin):
    names = ("g_min", "g_max", "slope_up", "slope_down")
    wrong = _with(twin, **{n: np.roll(getattr(twin.response, n), 1, axis=0) for n in names})
    assert predict(raw, wrong, everywhere(twin)).rmse_over_noise > 1.5


def test_repeatability_hardly_knows_the_twin(raw, twin, cells):
    wrong = _with(twin, slope_up=twin.response.slope_up * 1.3)
    true, off = (predict(raw, p, everywhere(p)).repeatability for p in (cells, wrong))
    assert off == pytest.approx(true, rel=0.03)


def test_definition_by_hand():
    measured = np.array([[10.0, 12.0], [10.0, 14.0]]).reshape(2, 2, 1, 1)
    predicted = np.array([[10.0, 11.0], [10.0, 11.0]]).reshape(2, 2, 1, 1)
    p = Prediction(measured, predicted, np.ones((1, 1), bool))
    assert p.rmse == pytest.approx(((1 + 9) / 2) ** 0.5)
    assert p.repeatability == pytest.approx(2**0.5)
    assert p.rmse_over_noise == pytest.approx(2.5**0.5)


def test_cells_not_usable_do_not_count():
    measured, predicted = np.zeros((2, 2, 1, 2)), np.zeros((2, 2, 1, 2))
    measured[..., 1] = 5.0
    p = Prediction(measured, predicted, np.array([[True, False]]))
    assert p.rmse == 0


def test_validate_on_fresh_sequences(record, cells, make_chip):
    good = validate(make_chip(cells, 99), record, seed=77)
    assert 0.97 < good.rmse_over_noise < 1.2


def test_validate_sees_another_chip(record, make_cells, make_chip):
    other = make_chip(make_cells(1234), 99)
    assert validate(other, record, seed=77).rmse_over_noise > 1.5


def test_shapes_must_agree(raw, record, make_cells, make_chip):
    other = make_cells(1, (2, 2))
    with pytest.raises(ChipFileError, match="calibration is of"):
        validate(make_chip(other), record, seed=0)
    with pytest.raises(ChipFileError, match="twin"):
        predict(raw, other, everywhere(other))


def test_too_few_repeats(raw, cells):
    once = raw.sel(step=raw["repeat"] < 1)
    with pytest.raises(ChipFileError, match="fewer than two"):
        predict(once, cells, everywhere(cells))
