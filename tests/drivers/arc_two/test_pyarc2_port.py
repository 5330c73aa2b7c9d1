"""The port through the maker's library, against a stand-in for it.

The stand-in has the calls of pyarc2 0.6.2 that the port uses, with the arguments of its
``pyarc2.pyi`` (commit b06691d), and carries them out on the emulated board by the frames that
libarc2 makes of them (commit 72f8c9f, ``src/instrument.rs``), and keeps what it could not hand
over, as libarc2 does. The library itself, and a board, were not at hand.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
    PulseConditions,
    PulseShape,
    load_bench,
)
from ohmloop.drivers.arc_two import ArcTwoCrossbar
from ohmloop.drivers.arc_two.channels import channels_of, clusters_of, mask_of
from ohmloop.drivers.arc_two.instructions import (
    AmpPrepare,
    CurrentRead,
    DacRange,
    Delay,
    HighSpeedConfig,
    HighSpeedPulse,
    Instruction,
    Mode,
    ModifyChannel,
    SetDac,
    UpdateChannel,
    UpdateDac,
    VoltageRead,
)
from ohmloop.drivers.arc_two.words import to_amperes, to_line_volts
from ohmloop.drivers.opening import open_on_bench

SHAPE = (4, 6)
ALL = range(64)


class BoardError(Exception):
    """Stands for the library's ArC2Error."""


def _code(volts: float) -> int:
    return round((volts + 10.0) / 3.05179e-4)


class Instrument:
    """The calls that the port uses, by the frames that libarc2 makes of them."""

    machine: Any
    calls: list[str]
    fails: dict[str, int]
    busy_for = 0
    interrupts = ""

    def __init__(self, port: int, firmware: str, init: bool = True) -> None:
        assert firmware == "board.bin"
        self._frames: list[Instruction] = []
        self._results: list[int] = []
        self._chunks = 0
        self._unprepared, self._grounds = mask_of(ALL), 0
        self._pass("__init__")
        self.machine.configure()

    def busy(self) -> bool:
        type(self).busy_for -= 1
        return self.busy_for >= 0

    def execute(self) -> Instrument:
        self._pass("execute")
        assert len(self._frames) < 2048  # beyond it, the library waits without a bound
        for frame in self._frames:
            self.machine.do(frame)
        self.machine.finish()
        self._frames.clear()
        return self

    def delay(self, nanos: int) -> Instrument:
        assert type(nanos) is int
        self._frames.append(Delay.of(nanos))
        return self

    def connect_to_gnd(self, chans: np.ndarray) -> Instrument:
        assert chans.dtype == np.uint64
        return self._ground(mask_of(chans.tolist()))

    def ground_all_fast(self) -> Instrument:
        self._frames += [SetDac.reset(), UpdateDac(), Delay.of(30_000)]
        return self

    def ground_all(self) -> Instrument:
        self.ground_all_fast()
        self._amp_prep(mask_of(ALL))
        self._frames.append(UpdateChannel.of(ALL, Mode.VOLTAGE))
        return self

    def config_channels(self, input: list[tuple[int, float]], base: float | None) -> Instrument:  # noqa: A002
        self._pass("config_channels")
        assert base == 0.0
        assert all(type(ch) is int and type(v) is float for ch, v in input)
        self._amp_prep(mask_of(ALL))
        self._frames += [UpdateChannel.of(ALL, Mode.VOLTAGE), SetDac.reset()]
        for channel, volts in input:
            self._level(channel, _code(volts), _code(volts))
        self._frames += [UpdateDac(), Delay.of(30_000)]
        return self

    def read_slice_open_deferred(self, highs: np.ndarray, ground_after: bool) -> Instrument:
        self._pass("read_slice_open_deferred")
        assert highs.dtype == np.uint64
        assert ground_after is False
        mask = mask_of(highs.tolist())
        self._amp_prep(mask)
        self._frames.append(UpdateChannel.of(highs.tolist(), Mode.VOLTAGE))
        self._frames.append(CurrentRead(mask, self._chunk(), 0x78000000))
        self._frames += [Delay.of(1_000), AmpPrepare(mask)]
        return self

    def vread_channels_deferred(self, chans: np.ndarray, averaging: bool) -> Instrument:
        assert chans.dtype == np.uint64
        self._frames.append(VoltageRead(mask_of(chans.tolist()), averaging, self._chunk(), 0))
        return self

    def pulse_slice_fast_open(
        self,
        chans: list[tuple[int, float, float]],
        cl_nanos: list[int | None],
        preset_state: bool,
    ) -> Instrument:
        self._pass("pulse_slice_fast_open")
        assert len(cl_nanos) == 8
        assert preset_state is True
        lines = [ch for ch, _, _ in chans]
        active = clusters_of(lines)
        falling = clusters_of(ch for ch, pulse, rest in chans if _code(pulse) <= _code(rest))
        rising = clusters_of(ch for ch, pulse, rest in chans if _code(pulse) > _code(rest))
        assert not falling & rising, "two polarities on one cluster"
        assert all(cl_nanos[ch // 8] is not None for ch in lines)
        self._unprepared |= mask_of(lines)
        self._frames += [HighSpeedConfig.of([0] * 8), HighSpeedPulse(active, falling)]
        self._frames.append(UpdateChannel.of(lines, Mode.HIGH_SPEED))
        for channel, pulse, rest in chans:
            self._level(channel, *sorted((_code(pulse), _code(rest))))
        widths = [width or 0 for width in cl_nanos]
        self._frames += [UpdateDac(), Delay.of(30_000), HighSpeedConfig.of(widths)]
        self._frames.append(HighSpeedPulse(active, falling))
        return self

    def set_channel_range(self, chans: np.ndarray, rng: str) -> Instrument:
        assert chans.dtype == np.uint64
        assert rng == "STD"
        self._frames.append(DacRange(mask_of(chans.tolist())))
        return self

    def set_control_mode(self, mode: str) -> Instrument:
        self.calls.append(f"set_control_mode {mode}")
        return self

    def finalise_operation(self, mode: str | None = None, control: None = None) -> None:
        self._pass("finalise_operation")
        assert mode == "HardGnd"
        self.ground_all_fast()
        self._ground(0)
        self._frames.append(UpdateChannel.of(ALL, Mode.OPEN))
        self._unprepared = mask_of(ALL)
        self._ground(mask_of(ALL))
        self.execute()

    def pick_one(self, mode: str, rtype: str) -> np.ndarray | None:
        assert mode == "All"
        if not self._results:
            return None
        data = self.machine.memory.read(self._results.pop(0), 256)
        words = np.frombuffer(data, "<u4")
        return (to_amperes if rtype == "Current" else to_line_volts)(words).astype(np.float32)

    def _pass(self, name: str) -> None:
        if self.interrupts == name:
            raise KeyboardInterrupt
        self.calls.append(name)
        left = self.fails.get(name)
        if left is not None:
            self.fails[name] = left - 1
            if left == 0:
                raise BoardError("USB transfer failed")

    def _chunk(self) -> int:
        self._chunks += 1
        self._results.append(256 * self._chunks)
        return 256 * self._chunks

    def _ground(self, mask: int) -> Instrument:
        self._grounds = mask
        self._frames.append(ModifyChannel(mask))
        return self

    def _amp_prep(self, mask: int) -> None:
        common = self._unprepared & mask
        if not common:
            return
        self._unprepared ^= common
        for channel in channels_of(common):
            self._level(channel, _code(0.0), _code(0.0))
        self._frames += [UpdateDac(), Delay.of(30_000)]
        self._ground(self._grounds | common)
        self._frames += [AmpPrepare(common), Delay.of(100_000)]
        self._ground(self._grounds & ~common)

    def _level(self, channel: int, low: int, high: int) -> None:
        lines = tuple(k == channel % 4 for k in range(4))
        levels = tuple((low, high) if line else (0x8000, 0x8000) for line in lines)
        self._frames.append(SetDac(1 << channel // 4, lines, levels))


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


@pytest.fixture
def library(emulated, monkeypatch) -> ModuleType:
    """A module ``pyarc2`` with one board: the emulated one."""
    module: Any = ModuleType("pyarc2")

    class Board(Instrument):
        machine, calls, fails = emulated.rig.board.machine, [], {}

    module.Instrument, module.find_ids = Board, lambda: [0]
    module.ControlMode = module.OutputRange = module.IdleMode = module.DataMode = (
        module.ReadType
    ) = _Names()
    module.LIBARC2_VERSION = "0.6.0"
    monkeypatch.setitem(sys.modules, "pyarc2", module)
    return module


@pytest.fixture
def usb_bench(tmp_path: Path, bench_text: str) -> Path:
    path = tmp_path / "usb.yaml"
    text = bench_text.replace("socket://127.0.0.1:5060", "pyarc2:0")
    path.write_text(text.replace("{timeout: 300 ms}", "{timeout: 50 ms, firmware: board.bin}"))
    return path


@pytest.fixture
def usb(usb_bench: Path, library: ModuleType) -> Iterator[ArcTwoCrossbar]:
    with open_on_bench(load_bench(usb_bench)) as crossbar:
        assert isinstance(crossbar, ArcTwoCrossbar)
        yield crossbar


def _program(seed: int) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (3, SHAPE[0])),
        rng.integers(0, 2**20, (3, SHAPE[1])),
        rng.choice([-1, 1], (3, SHAPE[0])),
        rng.choice([-1, 1], (3, SHAPE[1])),
        length=20,
    )


def test_both_kinds_of_program_agree_with_the_twin_bit_for_bit(usb, emulated, board, twin):
    cells = CellPulses(np.random.default_rng(0).integers(-70, 71, SHAPE))
    for program in (cells, _program(1)):
        assert usb.pulse(program).pulses_applied == program.total_pulses
        twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert board.machine.transients == 0
    assert emulated.chips["array"].witness.width <= 1e-6


def test_pulses_too_long_for_the_high_speed_drivers_agree_too(usb_bench, library, emulated, twin):
    usb_bench.write_text(usb_bench.read_text().replace("width: 10 us", "width: 1 s"))
    slow = PulseConditions(PulseShape(1.25, 0.6), PulseShape(-1.25, 0.6), 1e-3)
    counts = np.zeros(SHAPE, int)
    counts[1, 2] = 1
    with open_on_bench(load_bench(usb_bench)) as usb:
        usb.pulse(CellPulses(counts, conditions=slow))
    twin.pulse(CellPulses(counts, conditions=slow))
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.chips["array"].witness.width == 0.6


def test_reads_and_products(usb, emulated, twin):
    code = 20.48 / 2**18 / 110e3 / 0.1
    assert np.allclose(usb.read(), twin.read(), rtol=0, atol=code)
    volts = np.linspace(-0.2, 0.2, 12).reshape(2, 6)
    assert np.allclose(usb.forward(volts), volts @ emulated.cells.conductance.T, rtol=0.05)


def test_leaving_connects_all_channels_to_ground(usb_bench, library, emulated, board):
    with pytest.raises(ZeroDivisionError), open_on_bench(load_bench(usb_bench)) as chip:
        raise ZeroDivisionError(chip.read())
    assert library.Instrument.calls[-2:] == ["finalise_operation", "execute"] or (
        "finalise_operation" in library.Instrument.calls[-4:]
    )
    assert (board.machine.volts == 0).all()


@pytest.mark.parametrize(("routing", "mode"), [("internal", "Internal"), ("header", "Header")])
def test_a_daughterboard_is_switched_on_opening(routing, mode, usb_bench, library):
    more = f"firmware: board.bin, daughterboard: {routing}"
    usb_bench.write_text(usb_bench.read_text().replace("firmware: board.bin", more))
    with open_on_bench(load_bench(usb_bench)):
        assert f"set_control_mode {mode}" in library.Instrument.calls


def test_who_answers(usb):
    assert usb.board.identity == "ArC TWO, board 0, libarc2 0.6.0"


def test_a_call_that_fails_midway_is_in_doubt_and_the_bench_goes_on(usb, library, emulated):
    """Frames that the library could not hand over must never run with the next ones."""
    library.Instrument.fails["execute"] = 1
    program = CellPulses(np.full(SHAPE, 30))
    with pytest.raises(InDoubtError, match="USB transfer failed; at least 324 and at") as caught:
        usb.pulse(program)
    assert caught.value.applied is None
    assert emulated.pulses_applied == 324
    before = emulated.pulses_applied
    assert usb.pulse(program).pulses_applied == emulated.pulses_applied - before


def test_a_board_that_stays_busy_is_not_waited_for_without_end(usb, library):
    library.Instrument.busy_for = 10**9
    with pytest.raises(LinkError, match="busy without end"):
        usb.read()
    library.Instrument.busy_for = 0


def test_a_stuck_output_is_found(usb, board):
    board.machine.stick()
    with pytest.raises(InDoubtError, match="does not go off"):
        usb.pulse(CellPulses(np.ones(SHAPE, int)))
    with pytest.raises(InstrumentError, match="switch the board off"):
        usb.board.make_safe()
    board.power_cycle()


def test_without_the_library_the_error_says_what_to_install(usb_bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarc2", None)
    with pytest.raises(NotConnectedError, match=r"install ohmloop\[arc2\]"):
        open_on_bench(load_bench(usb_bench))


def test_no_such_board(usb_bench, library):
    library.find_ids = lambda: [1, 2]
    with pytest.raises(NotConnectedError, match=r"no board 0; there are \[1, 2\]"):
        open_on_bench(load_bench(usb_bench))


def test_a_board_on_usb_needs_its_configuration_file(usb_bench):
    usb_bench.write_text(usb_bench.read_text().replace(", firmware: board.bin", ""))
    with pytest.raises(ConfigError, match=r"instruments\.board\.options\.firmware: is missing"):
        load_bench(usb_bench)


SURFACE = {
    "__init__": ["port", "firmware", "init"],
    "busy": [],
    "execute": [],
    "delay": ["nanos"],
    "connect_to_gnd": ["chans"],
    "ground_all": [],
    "ground_all_fast": [],
    "config_channels": ["input", "base"],
    "read_slice_open_deferred": ["highs", "ground_after"],
    "vread_channels_deferred": ["chans", "averaging"],
    "pulse_slice_fast_open": ["chans", "cl_nanos", "preset_state"],
    "set_control_mode": ["mode"],
    "set_channel_range": ["chans", "rng"],
    "finalise_operation": ["mode", "control"],
    "pick_one": ["mode", "rtype"],
}
"""Of pyarc2 0.6.2: what the port calls, and the names of the arguments."""


@pytest.mark.parametrize("name", SURFACE)
def test_the_stand_in_has_the_arguments_of_the_real_library(name):
    assert list(inspect.signature(getattr(Instrument, name)).parameters)[1:] == SURFACE[name]


def test_the_real_library_has_what_the_port_calls():
    """Where it is installed."""
    real = pytest.importorskip("pyarc2")
    assert not [name for name in SURFACE if not hasattr(real.Instrument, name)]


@pytest.mark.parametrize("call", ["pulse_slice_fast_open", "execute"])
def test_an_interrupt_leaves_nothing_in_the_library_to_run_later(call, usb, library, emulated):
    library.Instrument.interrupts = call
    with pytest.raises(KeyboardInterrupt):
        usb.pulse(CellPulses(np.ones(SHAPE, int)))
    library.Instrument.interrupts = ""
    usb.make_safe()
    usb.read()
    assert emulated.pulses_applied == 0
