from dataclasses import fields, replace

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, ConfigError
from ohmloop.drivers.validation import validate
from ohmloop.sim_backend import Population, PopulationSpec, sample

SHAPE = (200, 200)


def _sample(shape=(3, 4), seed=1, **spec) -> Population:
    return sample(PopulationSpec(**spec), shape, np.random.default_rng(seed))


def _with(population, **values) -> Population:
    """With parameters of the population or of its response function replaced."""
    own = {f.name for f in fields(Population)}
    changed = {k: v for k, v in values.items() if k not in own}
    response = replace(population.response, **changed)
    return replace(population, response=response, **{k: values[k] for k in own & set(values)})


def test_same_seed_same_cells():
    a, b, c = _sample(), _sample(), _sample(seed=2)
    for one, other in zip(a.flat_parameters(), b.flat_parameters(), strict=True):
        np.testing.assert_array_equal(one, other)
    for field in fields(Population)[1:]:
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
    assert (a.g_max != c.g_max).all()


def test_without_spread_all_cells_are_the_specified_one():
    p = _sample(g_min_dtod=0, g_max_dtod=0, slope_dtod=0, start="low")
    np.testing.assert_array_equal(p.g_min, np.float32(5e-6))
    np.testing.assert_array_equal(p.g_max, np.float32(6e-5))
    np.testing.assert_array_equal(p.response.slope_up, np.float32(0.02))
    np.testing.assert_array_equal(p.response.slope_down, np.float32(0.02))
    np.testing.assert_array_equal(p.conductance, p.g_min)
    np.testing.assert_array_equal(p.dg_std, np.float32(0.3))
    np.testing.assert_array_equal(p.read_std, np.float32(0.005))


def test_spreads_are_as_specified():
    # H0: relative spread of bounds 0.1 (cut at 3 sigma: 0.0987), of log-slopes 0.15, n = 40000.
    # The relative error of a spread is 1/sqrt(2n) = 0.0035; 5 of them: false alarm below 1e-6.
    p = _sample(SHAPE)
    margin = 5 / np.sqrt(2 * p.g_min.size)
    assert p.g_max.std() / 6e-5 == pytest.approx(0.0987, rel=margin)
    assert p.g_min.std() / 5e-6 == pytest.approx(0.0987, rel=margin)
    assert np.log(p.response.slope_up).std() == pytest.approx(0.15, rel=margin)
    # H0: parameters are independent of each other: |r| < 5 / sqrt(n), false alarm below 1e-6.
    maps = [m.ravel() for m in (p.g_min, p.g_max, p.response.slope_up, p.response.slope_down)]
    correlations = np.corrcoef(maps) - np.eye(4)
    assert np.abs(correlations).max() < 5 / np.sqrt(p.g_min.size)


def test_wide_spreads_keep_bounds_and_slopes_possible():
    p = _sample(SHAPE, g_min_dtod=0.05, g_max_dtod=0.2, slope_dtod=1.0, slope_up=0.5)
    assert (p.g_min < p.g_max).all()
    assert (p.response.slope_up <= 1).all()


def test_random_start_lies_between_the_bounds():
    p = _sample(SHAPE)
    place = (p.conductance - p.g_min) / (p.g_max - p.g_min)
    assert 0.2 <= place.min() < 0.21
    assert 0.79 < place.max() <= 0.8


def test_bounds_that_cross_are_refused():
    with pytest.raises(BadInputError, match=r"g_min is .* in cell .* it must lie below g_max"):
        _sample(SHAPE, g_min="50 uS", g_max="55 uS")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("g_max", np.zeros((3, 4)), "g_min is .* it must lie below g_max"),
        ("g_max", np.zeros((4, 3)), r"g_max is \(4, 3\), not \(3, 4\)"),
        ("dg_std", np.zeros(3), r"dg_std is \(3,\), not \(3, 4\)"),
        ("g_min", np.full((3, 4), np.nan), "g_min must be finite"),
        ("conductance", np.full((3, 4), -1e-6), "conductance must be 0 or more"),
        ("conductance", np.full((3, 4), np.nan), "conductance must be finite"),
        ("dg_std", np.full((3, 4), np.inf), "dg_std must be finite"),
        ("slope_up", np.full((3, 4), -0.1), "slope_up is -0.1 in cell .*; it must be 0 to 1"),
        ("slope_down", np.full((3, 4), 1.1), "slope_down is 1.1 in cell .*; it must be 0 to 1"),
    ],
)
def test_impossible_cells_are_refused_by_name(name, value, problem):
    population = _sample()
    with pytest.raises(BadInputError, match=problem):
        _with(population, **{name: value})


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"model": "hard-bounds"}, "model"),
        ({"g_max": 6e-5}, "g_max"),
        ({"g_max": "60 V"}, "g_max"),
        ({"g_max": "0 S"}, "g_max"),
        ({"slope_up": 0}, "slope_up"),
        ({"slope_down": 0.6}, "slope_down"),
        ({"dg_std": -1}, "dg_std"),
        ({"slope_dtod": 2}, "slope_dtod"),
        ({"start": "high"}, "start"),
        ({"odd": 1}, "odd"),
    ],
)
def test_wrong_specification_names_its_key(data, key):
    with pytest.raises(ConfigError) as caught:
        validate(PopulationSpec, data, "spec")
    assert caught.value.key == key


def test_characteristics_are_those_of_the_response():
    p = _sample()
    known = p.characteristics()
    assert known.shape == (3, 4)
    np.testing.assert_allclose(known.symmetric_point, p.response.symmetric_point, rtol=1e-6)
    np.testing.assert_allclose(known.dg_min, p.response.dg_min, rtol=1e-5)
    assert known.usable.all()
    usable = p.g_min > np.median(p.g_min)
    np.testing.assert_array_equal(p.characteristics(usable).usable, usable)
