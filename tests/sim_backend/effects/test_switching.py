from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, PulseConditions, PulseShape
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength
from ohmloop.sim_backend.twin import NOMINAL

KEYS = {
    "switching_voltage_up": "1 V",
    "switching_voltage_down": "1.2 V",
    "switching_width_up": "2 ms",
    "switching_threshold_up": 0.5,
    "switching_steepness_down": 6,
}


def _cells(**keys):
    spec = PopulationSpec(read_std=0.0, dg_std=0.0, **keys)
    return sample(spec, (3, 4), np.random.default_rng(1))


def _strength(**keys) -> PulseStrength:
    return PulseStrength.of_chip(NOMINAL, _cells(**keys).effects)


def test_constants_of_the_law_are_the_chip_s():
    law = _strength(**KEYS)
    assert law.of(1.0, 2e-3) == (True, 1.0)
    assert law.of(-1.2, 1e-3) == (False, 1.0)  # its width is the bench's
    assert law.of(1.1, 1e-3)[1] == pytest.approx(math.sinh(11) / math.sinh(10) / 2, rel=1e-5)
    assert law.of(-1.5, 1e-3)[1] == pytest.approx(math.sinh(7.5) / math.sinh(6), rel=1e-5)
    assert law.of(0.49, 1.0)[1] == 0
    assert law.of(0.5, 1.0)[1] > 0
    assert law.of(-0.71, 1.0)[1] == 0


def test_defaults_are_those_of_cells_without_these_keys():
    plain, same = PulseStrength(NOMINAL), _strength(switching_steepness_up=10)
    for volts, width in ((1.5, 1e-3), (-1.5, 1e-3), (1.2, 1e-3), (-2.0, 3e-3), (0.89, 1.0)):
        found, expected = same.of(volts, width), plain.of(volts, width)
        assert found[0] == expected[0]
        assert found[1] == pytest.approx(expected[1], rel=1e-6)


def test_any_strength_is_finite():
    law = _strength(switching_steepness_up=50, switching_voltage_up="1 mV")
    assert math.isfinite(np.float32(law.of(1000.0, 1000.0)[1]))


def test_the_bench_s_own_pulse_is_no_longer_of_strength_1():
    steps = {}
    for volts in (1.0, 1.1):
        twin = TwinCrossbar(_cells(**KEYS), seed=1, conditions=replace(NOMINAL, up=_up(volts)))
        before = twin.conductance
        twin.pulse(CellPulses(np.ones((3, 4), np.int32)))
        steps[volts] = twin.conductance - before
    expected = math.sinh(11) / math.sinh(10)
    np.testing.assert_allclose(steps[1.1] / steps[1.0], expected, rtol=1e-3)


def _up(volts: float) -> PulseShape:
    return PulseShape(volts, 2e-3)


def test_cells_differ_and_every_way_of_pulsing_gives_the_same_bits():
    cells = _cells(switching_voltage_up="1.5 V", switching_voltage_dtod=0.1, dg_add="10 nS")
    one, other = TwinCrossbar(cells, seed=1), TwinCrossbar(cells, seed=1)
    at = cells.effects[0].voltage_up
    assert at.std() > 0
    counts = np.arange(12).reshape(3, 4) % 5 - 2
    strong = PulseConditions(PulseShape(1.6, 1e-3), PulseShape(-1.4, 1e-3), 1e-3)
    one.pulse(CellPulses(counts, conditions=strong))
    strengths = other._strength.of_conditions(strong)
    for cell, count in enumerate(counts.ravel().tolist()):
        for _ in range(abs(count)):
            other.cells.pulse_cell(cell, count > 0, strengths[0 if count > 0 else 1])
    np.testing.assert_array_equal(one.conductance, other.conductance)
    fresh = TwinCrossbar(cells, seed=1)
    fresh.pulse(CellPulses(np.ones((3, 4), np.int32), conditions=replace(strong, up=_up(1.0))))
    moved = fresh.conductance != cells.conductance
    np.testing.assert_array_equal(moved, np.float32(1.0) / at >= np.float32(0.6))
