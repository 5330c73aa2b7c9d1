"""Two crossbars on one bench: one link, one lock, and no program ever taken for another's."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, ConfigError, InDoubtError, load_bench, open_crossbar
from ohmloop.drivers.tsp.keithley2600b import Keithley2600B
from ohmloop.sim_backend.instruments.faults import Fault

SHAPES = {"left": (4, 6), "right": (3, 5)}
WIRINGS = ["", ", channel: b", ", column_channel: b"]


def program(name: str, seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-5, 6, SHAPES[name]))


@pytest.fixture(params=WIRINGS)
def emulated(request, make):
    return make(right=request.param)


def test_turns_and_parity(emulated, tools):
    twins = {name: tools.twin(emulated, name) for name in SHAPES}
    with tools.open(emulated, "left") as left, tools.open(emulated, "right") as right:
        assert left.smu is right.smu
        assert left.matrix is right.matrix
        for seed in range(4):
            for chip, name in ((left, "left"), (right, "right"), (right, "right")):
                receipt = chip.pulse(program(name, seed))
                assert receipt.pulses_applied == program(name, seed).total_pulses
                twins[name].pulse(program(name, seed))
                assert np.array_equal(chip.read(), twins[name].read())
    for name, twin in twins.items():
        assert np.array_equal(emulated.chips[name].cells.conductance, twin.conductance)
    assert emulated.hot_switches == 0
    assert not emulated.outputs_on


def test_a_turn_costs_no_message_and_only_when_it_changes(make, tools):
    emulated = make(right="")
    with tools.open(emulated, "left") as left, tools.open(emulated, "right") as right:
        left.read()
        right.read()
        before = left.messages
        sizes = []
        for chip in (left, left, right):
            sent = chip.smu.transport.traffic.bytes_sent
            chip.read()
            sizes.append(chip.smu.transport.traffic.bytes_sent - sent)
        assert left.messages - before == 3
        assert sizes[1] < 100 < sizes[0]


def test_the_last_one_closes_the_link_and_an_earlier_one_leaves_it(make, tools):
    emulated = make(right="")
    left, right = tools.open(emulated, "left"), tools.open(emulated, "right")
    left.close()
    assert right.pulse(program("right", 0)).pulses_applied == emulated.pulses_applied
    right.close()
    again = Keithley2600B.connect(emulated.bench, "smu")
    assert again is not right.smu
    again.close()


def test_other_options_for_an_instrument_in_use_are_refused(make, tools):
    emulated = make(right="")
    text = emulated.bench.path.read_text()
    other = emulated.bench.path.with_name("other.yaml")
    other.write_text(text.replace("channel: a}", "channel: a, four_wire: true}"))
    resources = {name: server.resource for name, server in emulated.servers.items()}
    with tools.open(emulated, "left") as left:
        with pytest.raises(ConfigError, match=r"instruments\.smu\.options.*in use with other"):
            Keithley2600B.connect(load_bench(other).with_resources(resources), "smu")
        left.read()


def test_opened_by_name_from_the_file(make):
    emulated = make(right="")
    path = emulated.bench.path
    text = path.read_text()
    for name, server in emulated.servers.items():
        del name
        port = "5025" if server is emulated.servers["smu"] else "5026"
        text = text.replace(f"::{port}::", f"::{server.port}::")
    path.write_text(text)
    with open_crossbar(f"{path}#left") as left, open_crossbar(f"{path}#right") as right:
        assert (left.shape, right.shape) == ((4, 6), (3, 5))


# The first message after a change of turns holds the configuration and the whole program; whatever
# is lost of it, the outcome of the other crossbar's program of the same number is not taken.
@pytest.mark.parametrize("fault", [Fault.DROP_REQUEST, Fault.CUT_REQUEST, Fault.HANG_UP])
def test_a_link_lost_after_a_change_of_turns(emulated, tools, fault):
    twins = {name: tools.twin(emulated, name) for name in SHAPES}
    with tools.open(emulated, "left") as left, tools.open(emulated, "right") as right:
        for seed in range(2):
            for chip, name in ((left, "left"), (right, "right")):
                emulated.servers["smu"].faults.append(fault)
                receipt = chip.pulse(program(name, seed))
                twins[name].pulse(program(name, seed))
                assert receipt.sequence == seed + 1
                assert receipt.pulses_applied == program(name, seed).total_pulses
    for name, twin in twins.items():
        assert np.array_equal(emulated.chips[name].cells.conductance, twin.conductance)


def test_power_lost_in_one_turn_does_not_harm_the_other(emulated, tools):
    with tools.open(emulated, "left") as left, tools.open(emulated, "right") as right:
        right.read()
        emulated.servers["smu"].faults.append(Fault.POWER_MIDWAY)
        with pytest.raises(InDoubtError):
            left.pulse(program("left", 0))
        before = emulated.pulses_applied
        receipt = right.pulse(program("right", 0))
        assert receipt.pulses_applied == emulated.pulses_applied - before
        assert left.pulse(program("left", 1)).pulses_applied == program("left", 1).total_pulses


def test_threads_take_turns(make, tools):
    emulated = make(right=", channel: b")
    twins = {name: tools.twin(emulated, name) for name in SHAPES}
    failures: list[BaseException] = []

    def use(chip, name: str) -> None:
        try:
            for seed in range(8):
                chip.pulse(program(name, seed))
                chip.read()
        except BaseException as error:
            failures.append(error)

    with tools.open(emulated, "left") as left, tools.open(emulated, "right") as right:
        threads = [
            threading.Thread(target=use, args=(chip, name))
            for chip, name in ((left, "left"), (right, "right"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not failures
    for name, twin in twins.items():
        for seed in range(8):
            twin.pulse(program(name, seed))
        assert np.array_equal(emulated.chips[name].cells.conductance, twin.conductance)


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("rows: 1A04, columns: 2H01", "crossbars.left.wiring.rows"),
        ("rows: 2A01, columns: 1G03", "crossbars.left.wiring.columns"),
        ("rows: 1D04, columns: 2H01", "crossbars.left.wiring.rows"),  # another row, the same line
    ],
)
def test_a_line_of_the_matrix_goes_to_one_crossbar(write, lines, where):
    path = write(right="")
    text = path.read_text().replace("rows: 2A01..2A03, columns: 2H01..2H05", lines)
    path.write_text(text.replace("shape: [3, 5]", "shape: [1, 1]"))
    with pytest.raises(ConfigError, match=r"is on the matrix line of .* of") as caught:
        load_bench(path)
    assert caught.value.key.startswith("crossbars.")
    assert where.split(".")[-1] in caught.value.key


def test_a_row_and_a_column_on_one_line_are_refused(write):
    path = write()
    path.write_text(path.read_text().replace("columns: 1H01..1H06", "columns: 1D01..1D06"))
    with pytest.raises(ConfigError, match="1D01 is on the matrix line of row 0 of 'left'"):
        load_bench(path)
