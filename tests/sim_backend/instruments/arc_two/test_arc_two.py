"""The emulated board and its endpoint, byte by byte."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.drivers.arc_two.channels import mask_of
from ohmloop.drivers.arc_two.endpoint import (
    FIFO,
    FIFO_EMPTY,
    FLAGS,
    LONGEST,
    About,
    EndpointError,
    Reply,
    Request,
    Status,
    Verb,
    reply_size,
    split_requests,
)
from ohmloop.drivers.arc_two.instructions import (
    FRAME,
    MOST_FRAMES,
    AmpPrepare,
    Clear,
    CurrentRead,
    DacRange,
    Delay,
    HighSpeedConfig,
    HighSpeedPulse,
    Mode,
    ModifyChannel,
    SetDac,
    UpdateChannel,
    UpdateDac,
    VoltageRead,
    encode,
)
from ohmloop.drivers.arc_two.words import LSB, to_amperes, to_line_volts
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.arc_two.arc_two import EmulatedArcTwo
from ohmloop.sim_backend.instruments.arc_two.board_memory import BoardMemory
from ohmloop.sim_backend.instruments.arc_two.chip_lines import ChipLines
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

UP = PulseConditions(PulseShape(1.25, 1e-6), PulseShape(-1.25, 1e-6), 1e-6)
ROWS, COLUMNS = [0, 9], [16, 17, 63]
BOTH = [*ROWS, *COLUMNS]
SETTLE = Delay.of(30_000)


@pytest.fixture
def board() -> EmulatedArcTwo:
    population = sample(PopulationSpec(read_std=0.0), (2, 3), np.random.default_rng(0))
    cells, clock = CellArray(population, 0), VirtualClock()
    lines = ChipLines(cells, PulseStrength(UP), ROWS, COLUMNS, clock, Witness(0.3))
    return EmulatedArcTwo(lines)


def ask(board, verb, address=0, length=0, payload=b"", sequence=7) -> Reply:
    size = len(payload) if verb == Verb.WRITE else length
    reply = Reply.parse(board.message(Request(verb, sequence, address, size, payload).encode()))
    assert reply.sequence == sequence
    return reply


def send(board, *instructions) -> Status:
    return Status(ask(board, Verb.WRITE, FIFO, payload=encode(instructions)).status)


def level(channel: int, low: int, high: int | None = None) -> SetDac:
    lines = tuple(k == channel % 4 for k in range(4))
    pair = (0x8000 + low, 0x8000 + (low if high is None else high))
    levels = tuple(pair if line else (0x8000, 0x8000) for line in lines)
    return SetDac(1 << channel // 4, lines, levels)


def voltage_mode() -> list:
    mask = mask_of(BOTH)
    return [
        *(SetDac.reset(), UpdateDac(), ModifyChannel(mask), AmpPrepare(mask)),
        *(ModifyChannel(0), UpdateChannel.of(BOTH, Mode.VOLTAGE)),
    ]


def high_speed_mode(falling: int) -> list:
    return [
        *(SetDac.reset(), UpdateDac(), HighSpeedConfig.of([0] * 8)),
        *(HighSpeedPulse(0xFF, falling), UpdateChannel.of(BOTH, Mode.HIGH_SPEED)),
    ]


def word(board, address: int) -> int:
    return int.from_bytes(ask(board, Verb.READ, address, 4).payload, "little")


def test_prepared_codes_take_effect_with_the_update(board):
    send(board, *voltage_mode(), level(9, 1000))
    assert board.machine.volts[9] == 0
    assert not board.outputs_on
    send(board, UpdateDac())
    assert board.machine.volts[9] == 1000 * LSB
    assert np.isnan(board.machine.volts[1])
    assert board.outputs_on
    send(board, Clear())
    assert not board.outputs_on


def test_the_wide_range_doubles_the_step(board):
    send(board, *voltage_mode(), level(9, 1000), UpdateDac(), DacRange(1 << 9, 1 << 9))
    assert board.machine.volts[9] == 2000 * LSB
    send(board, DacRange(1 << 9))
    assert board.machine.volts[9] == 1000 * LSB


def test_a_channel_connected_to_ground_is_at_ground(board):
    send(board, *voltage_mode(), level(9, 1000), UpdateDac(), ModifyChannel(1 << 9))
    assert board.machine.volts[9] == 0


def test_currents_flow_from_row_to_column_and_are_written_before_the_flag(board):
    g = board.machine.lines.cells.conductance
    send(board, *voltage_mode(), level(9, 320), UpdateDac(), SETTLE)
    send(board, CurrentRead(mask_of([16, 63]), 0x100, 0x78000004, 0xFEED))
    found = to_amperes(np.frombuffer(ask(board, Verb.READ, 0x100, 256).payload, "<u4"))
    assert np.allclose(-found[[16, 63]], g[1, [0, 2]] * 320 * LSB, rtol=1e-3)
    assert np.isnan(found[17])
    assert np.isnan(found[9])
    assert word(board, 0x78000004) == 0xFEED


def test_a_channel_not_in_voltage_mode_gives_no_current(board):
    send(board, *high_speed_mode(0), CurrentRead(1 << 16, 0, 0x78000000))
    assert word(board, 4 * 16) == 0


def test_voltages_are_read_where_they_are(board):
    send(board, *voltage_mode(), level(17, -640), UpdateDac(), SETTLE)
    send(board, VoltageRead(mask_of(BOTH), False, 0, 0x78000000))
    volts = to_line_volts(np.frombuffer(ask(board, Verb.READ, 0, 256).payload, "<u4"))
    assert abs(volts[17] - -640 * LSB) < 1e-4
    assert volts[0] == 0
    assert np.isnan(volts[1])


def test_a_high_speed_pulse_is_exactly_as_long_as_configured(board):
    before = board.machine.lines.cells.conductance
    widths = HighSpeedConfig.of([0, 1000, 1000, 0, 0, 0, 0, 0])
    send(board, *high_speed_mode(0b100), level(9, 0, 2048), level(16, -2048, 0), UpdateDac())
    send(board, SETTLE, widths, HighSpeedPulse(0b110, 0b100), Delay.of(2000))
    lines = board.machine.lines
    assert (lines._witness.voltage, lines._witness.width) == (1.25, 1e-6)
    changed = np.argwhere(lines.cells.conductance != before).tolist()
    assert changed == [[1, 0]]
    assert lines.events == 1


def test_the_level_at_rest_is_the_low_or_the_high_output(board):
    send(board, *high_speed_mode(0b100), level(9, -100, 300), level(16, -200, 400), UpdateDac())
    assert board.machine.volts[9] == -100 * LSB
    assert board.machine.volts[16] == 400 * LSB


def test_changing_the_resting_level_under_voltage_shows_the_wrong_output(board):
    """Why the driver changes it at 0 V only."""
    send(board, *high_speed_mode(0), level(9, 0, 2048), UpdateDac())
    assert board.machine.volts[9] == 0
    send(board, HighSpeedConfig.of([0] * 8), HighSpeedPulse(0b10, 0b10))
    assert board.machine.volts[9] == 0.625


def test_clusters_of_different_widths_end_each_in_its_time(board):
    widths = HighSpeedConfig.of([1000, 500, 1000, 0, 0, 0, 0, 0])
    clock = board.machine.lines.clock
    send(board, *high_speed_mode(0b100), level(0, 0, 1024), level(9, 0, 1024), UpdateDac())
    machine = board.machine
    machine.do(widths)
    start = clock.ns
    machine.do(HighSpeedPulse(0b111, 0b100))
    assert (machine.volts[0], machine.volts[9]) == (0.3125, 0.3125)
    machine.wait(600)
    assert (machine.volts[0], machine.volts[9]) == (0.3125, 0)
    machine.finish()
    assert machine.volts[0] == 0
    assert clock.ns - start == 1000


def test_half_selected_cells_are_computed_from_their_lines(board):
    """A row at three quarters of a pulse is strong enough for its cells without any column."""
    before = board.machine.lines.cells.conductance
    send(board, *voltage_mode(), level(0, 3072), UpdateDac(), Delay.of(1000), SetDac.reset())
    send(board, UpdateDac())
    moved = board.machine.lines.cells.conductance != before
    assert moved[0].all()
    assert not moved[1].any()


def test_delays_take_their_time(board):
    clock = board.machine.lines.clock
    before = clock.ns
    send(board, Delay.of(1220), Delay.of(0))
    assert clock.ns - before == 1220 + 320 + 2_500_000  # and the pause after a block of frames


def test_unprepared_channels_are_counted(board):
    send(board, UpdateChannel.of(BOTH, Mode.VOLTAGE))
    assert board.machine.transients == len(BOTH)


def test_who_answers(board):
    about = About.parse(ask(board, Verb.HELLO).payload)
    assert about.serial == "A2-0001"
    board.power_cycle()
    assert About.parse(ask(board, Verb.HELLO).payload).generation != about.generation


@pytest.mark.parametrize(
    ("verb", "address", "length", "payload", "status"),
    [
        (9, 0, 0, b"", Status.UNKNOWN),
        (Verb.WRITE, FIFO, 0, b"\0" * 35, Status.TOO_LONG),
        (Verb.WRITE, FIFO, 0, UpdateDac().encode() * (MOST_FRAMES + 1), Status.TOO_LONG),
        (Verb.WRITE, FIFO, 0, UpdateDac().encode() * MOST_FRAMES, Status.OK),
        (Verb.WRITE, FIFO + 36, 0, UpdateDac().encode(), Status.ADDRESS),
        (Verb.READ, FIFO, 4, b"", Status.ADDRESS),
        (Verb.READ, 0, LONGEST + 4, b"", Status.TOO_LONG),
        (Verb.WRITE, 0x100, 0, b"abcd", Status.OK),
    ],
)
def test_what_the_endpoint_takes_and_refuses(verb, address, length, payload, status, board):
    assert ask(board, verb, address, length, payload).status == status


def test_damaged_requests_are_refused_and_passed_on_to_nobody(board):
    good = Request(Verb.WRITE, 1, FIFO, FRAME, UpdateDac().encode()).encode()
    for at in (0, 5, 20, len(good) - 1):
        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        assert Reply.parse(board.message(bad)).status == Status.DAMAGED
    assert Reply.parse(board.message(b"")).status == Status.DAMAGED


def test_frames_that_are_none_are_passed_over(board):
    junk = struct.pack("<9I", 0x3, *[0] * 7, 0x80008000)
    frames = junk + encode([*voltage_mode(), level(9, 100), UpdateDac()])
    assert ask(board, Verb.WRITE, FIFO, payload=frames).status == Status.OK
    assert board.unknown == 1
    assert board.machine.volts[9] == 100 * LSB


def _pulses() -> list:
    return [
        *(*high_speed_mode(0), level(0, 0, 4096), UpdateDac(), SETTLE),
        HighSpeedConfig.of([1000] * 8),
        *[HighSpeedPulse(0b1), Delay.of(2000)] * 10,
    ]


def test_a_board_that_stops_keeps_its_buffer_and_refuses_more(board):
    board.strike(Strike(Fault.HARDWARE, pulses=4))
    assert send(board, *_pulses()) == Status.OK
    assert board.machine.lines.events == 4
    assert ask(board, Verb.READ, FIFO_EMPTY, 4).payload[0] == 0
    assert send(board, UpdateDac()) == Status.BUSY
    ask(board, Verb.CONFIGURE)
    assert ask(board, Verb.READ, FIFO_EMPTY, 4).payload[0] == 1
    assert send(board, UpdateDac()) == Status.OK
    assert board.machine.lines.events == 4


def test_power_that_fails_takes_memory_with_it(board):
    send(board, VoltageRead(1, False, 0, 0x78000000, 0xABC))
    board.strike(Strike(Fault.POWER_MIDWAY, pulses=2))
    with pytest.raises(PowerLostError):
        send(board, *_pulses())
    board.power_cycle()
    assert word(board, 0x78000000) == 0
    assert not board.outputs_on
    assert board.machine.lines.events == 2


def test_a_stuck_output_stays_until_the_power_goes(board):
    board.machine.stick()
    send(board, *voltage_mode(), level(9, 1000), UpdateDac(), SetDac.reset(), UpdateDac())
    send(board, ModifyChannel(1 << 9))
    assert board.machine.volts[9] == 1000 * LSB
    ask(board, Verb.CONFIGURE)
    assert board.outputs_on
    board.power_cycle()
    assert not board.outputs_on


def test_a_channel_that_does_not_open_stays_on_its_amplifier(board):
    board.strike(Strike(Fault.STUCK_OUTPUT))
    send(board, *voltage_mode())
    assert not board.outputs_on
    send(board, UpdateChannel.of(range(64), Mode.OPEN), ModifyChannel(mask_of(range(64))))
    assert board.machine.volts[0] == 0.05
    board.power_cycle()
    send(board, UpdateChannel.of(range(64), Mode.OPEN))
    assert not board.outputs_on


def test_memory_over_page_borders():
    memory = BoardMemory()
    memory.write(4090, bytes(range(1, 13)))
    assert memory.read(4088, 16) == b"\0\0" + bytes(range(1, 13)) + b"\0\0"


def test_a_stream_splits_into_requests_however_it_arrives():
    requests = [
        Request(Verb.WRITE, 1, FIFO, 8, b"12345678").encode(),
        Request(Verb.READ, 2, 0, 4000).encode(),
        Request(Verb.HELLO, 3).encode(),
    ]
    data, found, rest = b"".join(requests), [], b""
    for k in range(0, len(data), 7):
        whole, rest = split_requests(rest + data[k : k + 7])
        found += whole
    assert found == requests
    assert rest == b""
    assert split_requests(b"GET / HTTP/1.0\r\n\r\n")[0] == [b"GET / HTTP/1.0\r\n\r\n"]


def test_replies_that_cannot_be():
    with pytest.raises(EndpointError, match="no reply"):
        reply_size(Reply(0, 1, b"12345").encode(), 4)
    with pytest.raises(EndpointError, match="damaged"):
        Reply.parse(Reply(0, 1, b"12345").encode()[:-1] + b"\0")
    with pytest.raises(EndpointError, match="cut short"):
        About.parse(b"123")
    with pytest.raises(EndpointError, match="another length"):
        About.parse(About(1, 2, "A2").encode() + b"!")


def _documented() -> dict[str, bytes]:
    page = Path(__file__).parents[4] / "docs" / "reference" / "arc-two-bench.md"
    rows = re.findall(
        r"^\| `([\w ]+)` \| `((?:[0-9a-f]{2} ?)+)` \|$", page.read_text(), re.MULTILINE
    )
    return {name: bytes.fromhex(data) for name, data in rows}


EXAMPLES = {
    "hello": Request(Verb.HELLO, 1),
    "hello reply": Reply(Status.OK, 1, About(1, 0x1122334455667788, "A2-0001").encode()),
    "write one UpdateDAC": Request(Verb.WRITE, 2, FIFO, 36, UpdateDac().encode()),
    "done": Reply(Status.OK, 2),
    "read two flags": Request(Verb.READ, 3, FLAGS, 8),
    "busy": Reply(Status.BUSY, 4),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_documented_bytes(name):
    example = EXAMPLES[name]
    data = _documented()[name]
    assert example.encode() == data
    assert type(example).parse(data) == example


def test_a_request_on_the_wire():
    """Layout of ``docs/reference/arc-two-bench.md``."""
    body = b"A2Q1" + bytes([1, 0]) + struct.pack("<HII", 0x0102, 0x80000000, 4) + b"abcd"
    wire = body + struct.pack("<I", zlib.crc32(body))
    assert Request(Verb.WRITE, 0x0102, 0x80000000, 4, b"abcd").encode() == wire
