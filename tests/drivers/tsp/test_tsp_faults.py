"""Exactly once on the TSP bench, whatever happens to replies and links."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, InDoubtError, ReportedError
from ohmloop.sim_backend.instruments.faults import Fault


@pytest.fixture
def program() -> CellPulses:
    return CellPulses(np.random.default_rng(4).integers(-5, 6, (4, 6)))


def test_a_link_that_breaks_before_the_program_arrived_sends_it_again(emulated, chip, program):
    emulated.servers["smu"]._client.close()  # nothing of the program gets through
    receipt = chip.pulse(program)
    assert receipt.pulses_applied == emulated.pulses_applied == program.total_pulses


def test_several_faults_in_a_row(emulated, chip, program):
    chip.smu.transport._timeout = 0.3
    emulated.servers["smu"].faults.extend([Fault.HANG_UP, Fault.DROP, Fault.GARBLE])
    receipt = chip.pulse(program)
    assert receipt.pulses_applied == emulated.pulses_applied == program.total_pulses


def test_a_power_cycle_leaves_the_program_in_doubt(emulated, chip, program):
    smu = emulated.rig.smu
    run = smu.processor.line

    def line(text: str) -> bytes:
        reply = run(text)
        if text.startswith("ohmloop.run"):  # it ran, and then the power failed
            smu.reset()
            run("ohmloop = nil")
            emulated.servers["smu"].faults.append(Fault.HANG_UP)
        return reply

    smu.processor.line = line
    with pytest.raises(InDoubtError, match="how far program 1 got is unknown") as caught:
        chip.pulse(program)
    assert caught.value.applied is None
    assert emulated.pulses_applied == program.total_pulses
    assert not emulated.outputs_on


def test_an_error_left_in_the_queue_stops_the_next_program(emulated, chip, program):
    chip.smu.transport.write("smua.source.levelv = 1000")
    with pytest.raises(InDoubtError, match=r"1101.*") as caught:
        chip.pulse(program)
    assert caught.value.applied == emulated.pulses_applied == 0
    chip.smu.check_errors()
    assert chip.pulse(program).pulses_applied == program.total_pulses


def test_errors_are_reported_with_their_code(chip):
    chip.smu.transport.write("nonsense()")
    with pytest.raises(ReportedError) as caught:
        chip.smu.check_errors()
    assert caught.value.code == -286
