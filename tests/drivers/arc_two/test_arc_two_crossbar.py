"""An ArC TWO bench over the wire, beside its twin."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, CoincidencePulses
from ohmloop.drivers.arc_two.words import LSB
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS

SHAPE = (4, 6)


def cell_program(seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, SHAPE))


def coincidence_program(seed: int, batch: int = 3) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, SHAPE[0])),
        rng.integers(0, 2**20, (batch, SHAPE[1])),
        rng.choice([-1, 1], (batch, SHAPE[0])),
        rng.choice([-1, 1], (batch, SHAPE[1])),
        length=20,
    )


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, emulated):
    check(lambda: open_on_bench(emulated.bench))
    assert emulated.chips["array"].witness.voltage <= emulated.bench.limits.voltage
    assert not emulated.outputs_on


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_pulses_agree_with_the_twin_bit_for_bit(make, emulated, board, chip, twin):
    for seed in range(3):
        receipt = chip.pulse(make(seed))
        twin.pulse(make(seed))
        assert receipt.pulses_applied == make(seed).total_pulses
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert board.machine.transients == board.unknown == 0


def test_reads_agree_with_the_twin_within_a_code_of_the_converter(chip, twin):
    code = 20.48 / 2**18 / 110e3 / (327 * LSB)
    for _ in range(2):
        assert np.allclose(chip.read(), twin.read(), rtol=0, atol=0.51 * code)
    part = ([3, 1], [5, 0, 2])
    assert np.allclose(chip.read(*part), twin.read(*part), rtol=0, atol=0.51 * code)
    tall = (slice(None), 2)
    assert np.allclose(chip.read(*tall), twin.read(*tall), rtol=0, atol=0.51 * code)
