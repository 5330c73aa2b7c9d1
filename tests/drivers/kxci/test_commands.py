from __future__ import annotations

import pytest

from ohmloop.drivers import ProgramError
from ohmloop.drivers.kxci import commands
from ohmloop.drivers.kxci.commands import Measure, Mode
from ohmloop.drivers.kxci.kxci_wiring import channels_of
from ohmloop.drivers.kxci.waveform import (
    TAGS,
    Slot,
    Timing,
    Vocabulary,
    retag,
    tag,
    tag_at,
    tag_of,
)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (commands.initialise(Mode.SEGMENTS), ":PMU:INIT 1"),
        (commands.use_rpm(4), ":PMU:RPM:CONFIGURE PMU2-2, 0"),
        (commands.measure_range(1, 1e-5), ":PMU:MEASURE:RANGE 1, 2, 1e-05"),
        (commands.measure_mode(Measure.SPOT_MEAN), ":PMU:MEASURE:MODE 1"),
        (commands.source_range(2, 10.0), ":PMU:SOURCE:RANGE 2, 10"),
        (commands.load(2, 1e6), ":PMU:LOAD 2, 1000000.0"),
        (
            commands.sequence_times(1, 2, [100, 20, 100]),
            ":PMU:SARB:SEQ:TIME 1, 2, 100E-9, 20E-9, 100E-9",
        ),
        (
            commands.start_voltages(1, 2, [0, 0.1, 1 / 3]),
            ":PMU:SARB:SEQ:STARTV 1, 2, 0.0, 0.1, 0.3333333333333333",
        ),
        (
            commands.measure_types(3, 1, [Measure.NOTHING, Measure.SPOT_MEAN, Measure.NOTHING]),
            ":PMU:SARB:SEQ:MEAS:TYPE 3, 1, 0, 1, 0",
        ),
        (commands.measure_stops(3, 1, [0, 20, 0]), ":PMU:SARB:SEQ:MEAS:STOP 3, 1, 0, 20E-9, 0"),
        (commands.sequence_list(5, [(1, 1), (2, 30)]), ":PMU:SARB:WFM:SEQ:LIST 5, 1, 1, 2, 30"),
        (commands.output(12, True), ":PMU:OUTPUT:STATE 12, 1"),
        (commands.data_count(1), ":PMU:DATA:COUNT? 1"),
        (commands.data_get(1, 0, 2048), ":PMU:DATA:GET 1, 0, 2048"),
        (commands.pulse_train(1, 0.0, 1.5), ":PMU:PULSE:TRAIN 1, 0.0, 1.5"),
        (
            commands.pulse_times(1, 10_000, 5_000, 500, 500),
            ":PMU:PULSE:TIMES 1, 10000E-9, 5000E-9, 500E-9, 500E-9",
        ),
        (commands.burst_count(7), ":PMU:PULSE:BURST:COUNT 7"),
        (commands.smu_voltage(1, 1, 5.0, 0.01), "DV1, 1, 5.0, 0.01"),
        (commands.smu_off(1) + commands.smu_current(2) + commands.integration(3), "DV1TI2IT3"),
    ],
)
def test_commands_as_they_are_sent(made, text):
    assert made == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: commands.measure_range(1, 2e-5),
        lambda: commands.source_range(1, 20.0),
        lambda: commands.output(13, True),
        lambda: commands.output(0, True),
        lambda: commands.load(1, 0.5),
        lambda: commands.sequence_times(1, 1, [100, 10, 100]),
        lambda: commands.sequence_times(1, 1, [100, 105, 100]),
        lambda: commands.sequence_times(1, 1, [100, 100]),
        lambda: commands.start_voltages(1, 1, [0.0] * 129),
        lambda: commands.data_get(1, 0, 2049),
        lambda: commands.pulse_times(1, 1000, 1000, 100, 100),
        lambda: commands.burst_count(0),
        lambda: commands.integration(4),
    ],
)
def test_what_the_instrument_has_not_is_not_made(make):
    with pytest.raises(ProgramError):
        make()


def test_times_read_back_exactly():
    for ns in (20, 100, 990, 1_000, 2_345_670, 10**9):
        assert round(float(commands.seconds(ns)) * 1e9) == ns
        assert float(commands.seconds(ns)) == float(f"{ns}e-9")


def test_channels_by_ranges():
    assert channels_of("PMU1-2..PMU3-1, PMU6-2") == [2, 3, 4, 5, 12]


def test_a_slot_is_a_trapezoid_at_one_level():
    read = Slot(Timing(100, 50, 400, 200), 0.75, True)
    assert read.timing.total == 850
    assert [line.split(" ", 3)[-1] for line in read.definition(1, 7)] == [
        "100E-9, 50E-9, 400E-9, 100E-9, 200E-9",
        "0.0, 0.75, 0.75, 0.75, 0.0",
        "0.75, 0.75, 0.75, 0.0, 0.0",
        "0, 0, 1, 0, 0",
        "0, 0, 0, 0, 0",
        "0, 0, 400E-9, 0, 0",
    ]


def test_tags_are_told_apart_wherever_the_time_of_a_point_lies_in_its_window():
    for number in (1, 2, TAGS, TAGS + 1, 7 * TAGS):
        start = tag_of(number) * 10_000
        for ns in (start, start + 500, start + 1_000):
            assert tag_at(float(f"{ns * 1e-9:.6E}")) == tag_of(number)
    assert tag_of(TAGS) != tag_of(TAGS + 1)
    assert retag(3, 5) == tag(3, 5)[0]


def test_a_channel_learns_each_slot_once_and_never_too_many():
    timing, vocabulary = Timing(100, 0, 400, 200), Vocabulary()
    slots = [Slot(timing, level / 1000, False) for level in range(400)]
    numbers, lines = vocabulary.learn(1, slots[:2] * 3)
    assert [numbers[slot] for slot in slots[:2]] == [2, 3]
    assert len(lines) == 12
    assert vocabulary.learn(1, slots[:2])[1] == []
    assert len(vocabulary.learn(2, slots[:2])[1]) == 12
    numbers, _ = vocabulary.learn(1, slots)
    assert sorted(numbers.values()) == list(range(2, 402))
    numbers, _ = vocabulary.learn(1, [Slot(timing, 9.0, False)])
    assert list(numbers.values()) == [2]
