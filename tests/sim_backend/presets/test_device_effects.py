from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses, open_crossbar
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.effects import Retention, WriteNoise
from ohmloop.sim_backend.presets.preset import preset

SHAPE = (64, 64)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_write_noise_is_in_steps_and_follows_the_range_of_conductances():
    device = preset("reram-sb")
    cells = device.draw((2, 2), _rng())
    (noise,) = cells.effects
    assert isinstance(noise, WriteNoise)
    np.testing.assert_allclose(noise.std, 56 * device.device.dw_min)
    (scaled,) = device.in_siemens(cells).effects
    unit = 20e-6 / (device.device.w_max - device.device.w_min)
    np.testing.assert_allclose(scaled.std, 56 * device.device.dw_min * unit, rtol=1e-6)


def test_write_noise_shows_in_readings_and_not_in_the_state():
    # H0: readings less states have the stated deviation; 4,096 cells give it to 1.1 %, and 5 of
    # these have a false-alarm rate of 6e-7.
    name = "sim:reram-array-hfo2?shape=64x64"
    with open_crossbar(name) as twin:
        twin.pulse(CellPulses(np.ones(twin.shape, int)))
        seen, state = twin.read(), twin.conductance
    std = np.asarray(twin.cells.population.effects[0].std)
    assert (seen - state).std() == pytest.approx(std.mean(), rel=5 / np.sqrt(2 * seen.size))


def test_stuck_cells_are_not_written():
    device = preset("reram-array-om").changed({"corrupt_devices_prob": 0.3})
    cells = device.draw(SHAPE, _rng())
    stuck = np.asarray(cells.response.dg_min) == 0
    assert 0.2 < stuck.mean() < 0.4
    np.testing.assert_array_equal(np.asarray(cells.effects[0].std) == 0, stuck)


def test_nothing_leaks_until_it_is_known_how_long_a_mini_batch_takes():
    capacitor = preset("capacitor")
    assert capacitor.draw((2, 2), _rng()).effects == ()
    leaking = capacitor.changed({"batch_time": "1 ms", "lifetime_dtod": 0})
    assert leaking.not_simulated == {}
    cells = leaking.in_siemens(leaking.draw((2, 2), _rng()))
    (retention,) = cells.effects
    assert isinstance(retention, Retention)
    np.testing.assert_allclose(retention.lifetime, 1e6 * 1e-3)
    np.testing.assert_allclose(retention.rest, 50e-6)  # weight 0, between -1 at 40 and 1 at 60 uS


def test_a_capacitor_decays_to_weight_zero_in_its_lifetime():
    leaking = preset("capacitor").changed({"batch_time": "1 ms", "lifetime_dtod": 0})
    cells = leaking.in_siemens(leaking.draw((4, 4), _rng()))
    twin = TwinCrossbar(cells, seed=1, arrays=NumpyArrays())  # nothing to compile
    twin.pulse(CellPulses(np.full(twin.shape, 100)))
    before = twin.read() - 50e-6
    twin.wait(1000.0)
    np.testing.assert_allclose(twin.read() - 50e-6, before * np.exp(-1), rtol=1e-3)


def test_the_spread_of_lifetimes_leaves_the_other_draws_alone():
    leaking = preset("capacitor").changed({"batch_time": "1 ms"})
    plain = preset("capacitor").draw(SHAPE, _rng())
    cells = leaking.draw(SHAPE, _rng())
    np.testing.assert_array_equal(cells.response.g_max, plain.response.g_max)
    # H0: relative spread 0.3; known to 1.1 % from 4,096 cells, false alarm 6e-7 at 5 of these.
    lifetime = np.asarray(cells.effects[0].lifetime)
    assert lifetime.std() / 1e3 == pytest.approx(0.3, rel=5 / np.sqrt(2 * lifetime.size))


def test_a_time_without_a_unit_is_refused():
    with pytest.raises(BadInputError, match="batch_time"):
        open_crossbar("sim:capacitor?shape=4x4&batch_time=1")
