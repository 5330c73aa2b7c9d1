from __future__ import annotations

import numpy as np
import pytest


def smu(emulated, *lines: str) -> str:
    return b"".join(emulated.rig.smu.processor.line(line) for line in lines).decode()


def close(emulated, points: str) -> None:
    emulated.rig.matrix.processor.line(f'channel.exclusiveclose("{points}")')


PULSE = "smua.source.levelv = 1.5 delay(0.001) smua.source.levelv = 0 delay(0.001)"


def test_a_pulse_reaches_the_cell_that_the_matrix_selects(emulated):
    before = emulated.cells.conductance
    close(emulated, "1A02,1H05")
    smu(emulated, "smua.source.output = 1", PULSE)
    moved = np.argwhere(emulated.cells.conductance != before)
    assert moved.tolist() == [[1, 4]]
    assert emulated.pulses_applied == 1


def test_several_lines_closed_put_cells_in_parallel_and_none_is_open(emulated):
    smu(emulated, "smua.source.output = 1", PULSE)
    assert emulated.pulses_applied == 0
    close(emulated, "1A01,1A02,1H01,1H02")
    smu(emulated, PULSE)
    assert emulated.pulses_applied == 4


def test_a_read_or_half_a_pulse_moves_nothing(emulated):
    close(emulated, "1A01,1H01")
    smu(
        emulated,
        "smua.source.output = 1",
        PULSE.replace("1.5", "0.75"),
        PULSE.replace("1.5", "0.1"),
    )
    assert emulated.pulses_applied == 0


def test_switching_the_output_off_ends_a_pulse(emulated):
    close(emulated, "1A01,1H01")
    smu(emulated, "smua.source.output = 1 smua.source.levelv = 1.5 delay(0.001)")
    assert emulated.pulses_applied == 0
    smu(emulated, "smua.source.output = 0")
    assert emulated.pulses_applied == 1


def test_at_the_current_limit_the_cell_sees_less(emulated):
    close(emulated, "1A01,1H01")
    smu(emulated, "smua.source.limiti = 1e-6 smua.source.output = 1 smua.source.levelv = 1.5")
    assert smu(emulated, "print(smua.source.compliance)") == "true\n"
    assert float(smu(emulated, "print(smua.measure.i())")) == pytest.approx(1e-6, rel=0.05)
    smu(emulated, "delay(0.001) smua.source.levelv = 0")
    assert emulated.pulses_applied == 0  # too weak to switch
    assert emulated.rig.fixture.compliance_pulses == 1


def test_a_longer_pulse_goes_further(emulated):
    cells = emulated.cells
    close(emulated, "1A01,1H01")
    start = cells.conductance[0, 0]
    smu(emulated, "smua.source.output = 1", PULSE.replace("delay(0.001)", "delay(0.003)", 1))
    longer = cells.conductance[0, 0] - start
    close(emulated, "1A01,1H02")
    assert longer > 0
    assert emulated.pulses_applied == 1


def test_a_fixed_range_overflows(emulated):
    close(emulated, "1A01,1H01")
    smu(emulated, "smua.measure.autorangei = 0 smua.measure.rangei = 1e-9 smua.source.output = 1")
    reply = smu(emulated, "smua.source.levelv = 0.1 print(smua.measure.i())")
    assert float(reply) == 9.91e37
