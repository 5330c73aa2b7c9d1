"""Who times pulses, one channel or two: the same pulses reach the chip, and are counted."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    InDoubtError,
    InstrumentError,
    PulseConditions,
    PulseShape,
    load_bench,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS

WAYS = {
    "timers": {"wiring": ", timing: timers"},
    "shortest": {"width": "100 us", "rest": "50 us"},
    "script": {"wiring": ", timing: script"},
    "long pulses": {"width": "60 ms", "rest": "60 ms"},
    "no rest": {"rest": "0 s"},
    "channel b": {"wiring": ", channel: b"},
    "two channels": {"wiring": ", column_channel: b"},
    "two channels, script": {"wiring": ", column_channel: b, timing: script"},
}


@pytest.fixture(params=WAYS, ids=str)
def way(request) -> dict[str, str]:
    return WAYS[request.param]


def cell_program(seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, (4, 6)))


def coincidence_program(seed: int, batch: int = 3) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, 4)),
        rng.integers(0, 2**20, (batch, 6)),
        rng.choice([-1, 1], (batch, 4)),
        rng.choice([-1, 1], (batch, 6)),
        length=20,
    )


def test_wire_and_twin_agree_bit_for_bit_reads_after_pulses_included(make, tools, way):
    emulated = make(**way)
    twin = tools.twin(emulated)
    with tools.open(emulated) as chip:
        for program in (cell_program(0), coincidence_program(1), cell_program(2)):
            receipt = chip.pulse(program)
            twin.pulse(program)
            assert receipt.pulses_applied == program.total_pulses
            assert np.array_equal(chip.read(), twin.read())
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert emulated.hot_switches == 0
    assert not emulated.outputs_on
    assert emulated.chips["left"].witness.voltage <= 2


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["timers", "script", "two channels"])
def test_conformance(make, name, check):
    emulated = make(**WAYS[name])
    check(lambda: open_on_bench(emulated.bench))


def test_timers_make_the_width_that_was_asked_for(make, tools):
    emulated = make(width="100 us", rest="50 us")
    with tools.open(emulated) as chip:
        start = emulated.clock.ns
        counts = np.zeros((4, 6), int)
        counts[1, 2] = 500
        chip.pulse(CellPulses(counts))
        assert emulated.chips["left"].witness.width == 100e-6
        # 500 periods of 150 us and one move of relays, and no time between.
        assert emulated.clock.ns - start < 500 * 150_000 + 10_000_000


def test_a_long_train_is_several_sweeps_of_one_run(make, tools):
    emulated = make(width="100 us", rest="50 us")
    twin = tools.twin(emulated)
    counts = np.zeros((4, 6), int)
    counts[0, 1], counts[3, 3] = 25_000, -10_001
    with tools.open(emulated) as chip:
        assert chip.pulse(CellPulses(counts)).pulses_applied == 35_001
    twin.pulse(CellPulses(counts))
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


@pytest.mark.parametrize("wiring", ["", ", timing: script", ", column_channel: b"])
def test_compliance_is_counted_run_by_run(make, tools, wiring):
    emulated = make(wiring=wiring, current="20 uA")
    with tools.open(emulated) as chip:
        receipt = chip.pulse(CellPulses(np.ones((4, 6), int)))
    assert receipt.clipped == emulated.rig.fixture.compliance_pulses > 0


def test_a_program_stronger_than_the_bench_gets_the_source_range_it_needs(make, tools):
    emulated = make()
    path = emulated.bench.path
    path.write_text(path.read_text().replace("voltage: 2 V", "voltage: 3 V"))
    stronger = PulseConditions(PulseShape(2.5, 2e-4), PulseShape(-2.4, 2e-4), rest=3e-4)
    resources = {name: server.resource for name, server in emulated.servers.items()}
    with open_on_bench(load_bench(path).with_resources(resources)) as chip:
        chip.pulse(CellPulses(np.ones((4, 6), int), conditions=stronger))
    assert emulated.chips["left"].witness.voltage == 2.5


def test_each_channel_sources_half_and_the_cell_sees_all(make, tools):
    emulated = make(wiring=", column_channel: b")
    a, b = emulated.rig.smu.channels.values()
    seen = []
    train = emulated.rig.fixture.train
    emulated.rig.fixture.train = lambda voltages, *more: (
        seen.append((a.sweep.levels, b.sweep.levels, list(voltages))) or train(voltages, *more)
    )
    with tools.open(emulated) as chip:
        program = CoincidencePulses(
            np.array([[0b0110, 0, 0, 0]]),
            np.array([[0b0011, 0, 0, 0, 0, 0]]),
            np.array([[1, 1, 1, 1]]),
            np.array([[-1, 1, 1, 1, 1, 1]]),
            length=4,
        )
        assert chip.pulse(program).pulses_applied == emulated.pulses_applied == 1
    assert seen == [([0, -0.75, -0.75, 0], [0.75, 0.75, 0, 0], [-0.75, -1.5, -0.75, 0])]


def test_a_sweep_that_does_not_start_is_in_doubt_with_what_was_given(make, tools):
    emulated = make()
    with tools.open(emulated) as chip:
        counts = np.zeros((4, 6), int)
        counts[0, 0] = 3
        chip.pulse(CellPulses(counts))
        chip.smu.transport.write("smua.source.rangev = 0.2")
        with pytest.raises(InDoubtError, match=r"'stopped' after 0 of 3.*1101") as caught:
            chip.pulse(CellPulses(counts))
        assert caught.value.applied == 0
        assert emulated.pulses_applied == 3
        assert not emulated.outputs_on
        assert chip.pulse(CellPulses(counts)).pulses_applied == 3


@pytest.mark.parametrize("wiring", ["", ", timing: script", ", column_channel: b"])
def test_the_script_refuses_to_move_relays_under_voltage(make, tools, wiring):
    emulated = make(wiring=wiring)
    with tools.open(emulated) as chip:
        level = emulated.rig.smu.channels["a"].source["levelv"]
        level.get = lambda: 0.7  # the instrument says that it did not go to 0 V
        with pytest.raises(InDoubtError, match="did not go to 0 V") as caught:
            chip.pulse(cell_program(0))
        assert caught.value.applied == emulated.pulses_applied == 0
        with pytest.raises(InstrumentError, match=r"24 of 24 cells.*did not go to 0 V"):
            chip.read()
        del level.get
        assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied
    assert not emulated.rig.matrix.closed


@pytest.mark.parametrize(
    ("changes", "key", "problem"),
    [
        ({"width": "90 us"}, "pulses", "shorter than 100 us, not 90 us"),
        ({"width": "150 us", "rest": "0 s"}, "pulses", "shorter than 200 us, not 150 us"),
        ({"wiring": ", timing: timers", "rest": "10 us"}, "pulses", "a rest of 50 us"),
        ({"wiring": ", timing: clock"}, "timing", "timers"),
        ({"wiring": ", column_channel: a"}, "column_channel", "channel a drives the rows"),
        ({"wiring": ", channel: b, column_channel: b"}, "column_channel", "channel b drives"),
        ({"wiring": ", column_channel: c"}, "column_channel", "'a' or 'b'"),
    ],
)
def test_what_cannot_be_is_refused_with_file_and_key(write, changes, key, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        load_bench(write(**changes))
    assert key in caught.value.key
    assert caught.value.file.endswith("bench.yaml")


def test_a_program_that_nobody_can_time_sends_no_byte(make, tools):
    emulated = make()
    too_short = PulseConditions(PulseShape(1.5, 50e-6), PulseShape(-1.5, 2e-4), rest=3e-4)
    with tools.open(emulated) as chip:
        before = emulated.servers["smu"].bytes_received
        with pytest.raises(ConfigError, match="shorter than 100 us"):
            chip.pulse(CellPulses(np.ones((4, 6), int), conditions=too_short))
        assert emulated.servers["smu"].bytes_received == before
