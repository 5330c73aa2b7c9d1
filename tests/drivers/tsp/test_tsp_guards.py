"""Rails on the instruments: forbidden crosspoints, 4-wire sensing, the error queue, buffers."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, ConfigError, InstrumentError, ReportedError, load_bench
from ohmloop.drivers.tsp.keithley707b import Keithley707B, unused_ranges
from ohmloop.drivers.tsp.keithley2600b import Keithley2600B
from ohmloop.sim_backend.instruments.faults import Fault


def test_every_crosspoint_that_no_crossbar_uses_is_forbidden_on_the_matrix(make, tools):
    emulated = make(right="")
    with tools.open(emulated, "right") as chip:
        for point in ("1H01,1A01", "2A03", "2H05"):  # used by one or the other
            chip.matrix.close_only([point])
        for point in ("1A07", "1H07", "1D01", "2A04", "1E01", "2B01"):
            with pytest.raises(ReportedError, match=f"Forbidden channel {point}"):
                chip.matrix.close_only([point])
        chip.matrix.close_only(["3A01"])  # a slot that is somebody else's
        chip.matrix.open_all()


def test_ranges_of_unused_crosspoints():
    used = ["1A01", "1A02", "1A05", "1H12"]
    ranges = unused_ranges(used)
    assert ranges[:2] == ["1A03:1A04", "1A06:1A12"]
    assert ranges[-1] == "1H01:1H11"
    assert "1B01:1B12" in ranges


def test_relays_that_stay_closed_are_reported(make, tools):
    emulated = make()
    with tools.open(emulated) as chip:
        emulated.rig.matrix.closed["1A01"] = None
        emulated.rig.matrix._move = lambda points: None
        with pytest.raises(InstrumentError, match="1A01 stay closed"):
            chip.matrix.make_safe()
        del emulated.rig.matrix._move


@pytest.mark.parametrize("wiring", ["", ", column_channel: b"])
def test_leads_spoil_two_wire_reads_and_not_four_wire_reads(make, tools, wiring):
    two = make(wiring=wiring, emulation=", lead_resistance: 500 ohm")
    truth = two.cells.conductance
    with tools.open(two) as chip:
        seen = chip.read()
    np.testing.assert_allclose(seen, truth / (1 + truth * 1000), rtol=0.03)
    assert (seen < 0.995 * truth).mean() > 0.9
    four = make(wiring=wiring, smu=", four_wire: true", emulation=", lead_resistance: 500 ohm")
    twin = tools.twin(four)
    with tools.open(four) as chip:
        assert np.array_equal(chip.read(), twin.read())
        program = CellPulses(np.full((4, 6), 3))
        chip.pulse(program)
    twin.pulse(program)
    assert np.array_equal(four.cells.conductance, twin.conductance)


def test_leads_weaken_pulses_too(make, tools):
    ideal = make()
    with tools.open(ideal) as chip:
        chip.pulse(CellPulses(np.full((4, 6), 5)))
    leads = make(emulation=", lead_resistance: 500 ohm")
    with tools.open(leads) as chip:
        chip.pulse(CellPulses(np.full((4, 6), 5)))
    assert leads.pulses_applied == ideal.pulses_applied
    assert (leads.cells.conductance < ideal.cells.conductance).all()


@pytest.mark.parametrize(("policy", "queries"), [("each", 3), ("batch", 1), ("off", 0)])
def test_the_error_queue_is_read_as_often_as_the_option_says(make, policy, queries):
    emulated = make(smu=f", errors: {policy}")
    smu = Keithley2600B.connect(emulated.bench, "smu")
    asked = []
    query = smu.transport.query
    smu.transport.query = lambda text, *more: asked.append(text) or query(text, *more)
    smu.voltage = 0.0
    smu.nplc = 1.0
    smu.end_batch()
    assert asked.count("print(errorqueue.count)") == queries
    smu.close()


def test_each_error_is_raised_where_it_was_made(make):
    emulated = make(smu=", errors: each")
    smu = Keithley2600B.connect(emulated.bench, "smu")
    smu.transport.write("no_such_function()")
    with pytest.raises(ReportedError, match="-286"):
        smu.voltage = 0.0
    smu.voltage = 0.0
    smu.close()


def test_off_leaves_programs_and_reads_checked(make, tools):
    emulated = make(smu=", errors: off")
    with tools.open(emulated) as chip:
        chip.smu.transport.write("ohmloop.rows[2] = '9Z99'")
        with pytest.raises(ReportedError, match="9Z99"):
            chip.read()


def test_an_unknown_policy_is_refused(write):
    with pytest.raises(ConfigError, match="'each', 'batch' or 'off'") as caught:
        load_bench(write(smu=", errors: sometimes"))
    assert caught.value.key == "instruments.smu.options.errors"


@pytest.mark.parametrize(("kind", "letter"), [("REAL32", "f"), ("REAL64", "d")])
def test_a_buffer_comes_over_in_binary(make, tools, kind, letter):
    emulated = make()
    with tools.open(emulated) as chip:
        chip.matrix.close_only(["1A01", "1H01"])
        text = f"format.data = format.{kind}\nsmua.nvbuffer1.clear() smua.source.output = 1"
        text += "\nsmua.source.levelv = 0.1 smua.measure.count = 3 smua.measure.i(smua.nvbuffer1)"
        size = struct.calcsize(letter)
        data = chip.smu.transport.query_block(
            f"{text}\nsmua.source.levelv = 0 printbuffer(1, 3, smua.nvbuffer1)", 3 + 3 * size
        )
        assert data[:2] == b"#0"
        assert data[-1:] == b"\n"
        truth = emulated.cells.conductance[0, 0] * 0.1
        np.testing.assert_allclose(struct.unpack(f"<3{letter}", data[2:-1]), truth, rtol=0.05)


def test_make_safe_finds_an_output_that_stays_on(make, tools, caplog):
    emulated = make(wiring=", column_channel: b")
    with tools.open(emulated) as chip:
        emulated.servers["smu"].faults.append(Fault.STUCK_OUTPUT)
        chip.read()
        with pytest.raises(InstrumentError, match="the output stays on"):
            chip.smu.make_safe()
        chip.make_safe()
        assert "could not be made safe: smu" in caplog.text
        assert not emulated.rig.matrix.closed
        emulated.servers["smu"].power_cycle()
    assert not emulated.outputs_on


def test_the_matrix_losing_its_power_stops_a_program_and_is_set_up_again(make, tools):
    emulated = make()
    with tools.open(emulated) as chip:
        chip.read()
        emulated.servers["matrix"].power_cycle()
        with pytest.raises(InstrumentError, match="does not answer"):
            chip.read()
        assert chip.read().shape == (4, 6)
        with pytest.raises(ReportedError, match="Forbidden channel 1A12"):
            chip.matrix.close_only(["1A12"])


def test_a_cell_between_two_crossbars_lines_is_never_closed(make):
    emulated = make(right="")
    matrix = Keithley707B.connect(emulated.bench, "matrix")
    matrix.allow_only(["1A01", "1H01"])
    with pytest.raises(ReportedError, match="Forbidden"):
        matrix.close_crosspoints(["1A01", "1D01"])
    assert matrix.closed() == []
    matrix.close()
