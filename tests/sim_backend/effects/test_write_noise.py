from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses
from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.effects import WriteNoise

from .conftest import twin_with

SHAPE = (60, 60)
STD = np.float32(2e-6)


def test_every_state_is_seen_with_noise_of_its_own_and_the_hidden_one_without():
    # H0: noise is N(0, std) and independent from pulse to pulse, n = 3600. Mean 0 +- std/60,
    # spread to 1/sqrt(2n), correlation to 1/60; 5 of each, false alarm below 1e-6 each.
    plain, twin = twin_with(shape=SHAPE), twin_with(WriteNoise(STD), shape=SHAPE)
    found = []
    for _ in range(2):
        for chip in (plain, twin):
            chip.pulse(CellPulses(np.ones(SHAPE, int)))
        np.testing.assert_array_equal(twin.conductance, plain.conductance)
        found.append((twin.read() - plain.read()).ravel())
        np.testing.assert_array_equal(twin.read() - plain.read(), found[-1].reshape(SHAPE))
    for noise in found:
        assert abs(noise.mean()) < 5 * STD / 60
        assert noise.std() == pytest.approx(STD, rel=5 / np.sqrt(2 * 3600))
    assert abs(np.corrcoef(found)[0, 1]) < 5 / 60


def test_it_depends_on_how_many_pulses_there_were_only():
    one, other = twin_with(WriteNoise(STD)), twin_with(WriteNoise(STD))
    one.pulse(CellPulses(np.full((3, 4), 3)))
    for _ in range(3):
        other.pulse(CellPulses(np.ones((3, 4), int)))
        other.read()
    np.testing.assert_array_equal(one.read(), other.read())
    assert (one.read() != twin_with(WriteNoise(STD), seed=2).read()).all()


def test_single_pulses_and_meters_see_the_same():
    one, other = twin_with(WriteNoise(STD)), twin_with(WriteNoise(STD))
    one.pulse(CellPulses(np.full((3, 4), 4)))
    seen = [other.cells.pulse_train(c, True, 1.0, 4, 1.0, np.inf) for c in range(12)]
    assert len(seen[0]) == 4
    np.testing.assert_array_equal(
        one.cells.visible.ravel(), [other.cells.seen(c) for c in range(12)]
    )
    np.testing.assert_allclose(one.cells.visible, one.read(), rtol=1e-15)


def test_a_train_ends_at_the_limit_that_a_meter_would_see():
    twin = twin_with(WriteNoise(STD))
    limit = twin.cells.seen(0) * 0.99
    assert twin.cells.pulse_train(0, True, 1.0, 4, 1.0, limit) == []


def test_conductances_are_never_negative():
    twin = twin_with(WriteNoise(np.float32(1e-4)), shape=SHAPE)
    assert twin.read().min() == 0


def test_worn_out_cells_are_not_written():
    twin = twin_with(WriteNoise(STD), endurance=2)
    twin.pulse(CellPulses(np.full((3, 4), 2)))
    before = twin.read()
    twin.pulse(CellPulses(np.ones((3, 4), int)))
    np.testing.assert_array_equal(twin.read(), before)


def test_tensors_see_the_same_bits():
    pytest.importorskip("torch")
    one, other = twin_with(WriteNoise(STD)), twin_with(WriteNoise(STD), arrays=TorchArrays())
    for chip in (one, other):
        chip.pulse(CellPulses(np.full((3, 4), 3)))
    np.testing.assert_array_equal(one.read(), other.read())
