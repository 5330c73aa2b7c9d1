"""The emulated ArC TWO and its frame endpoint: reference of ``docs/reference/arc-two-bench.md``.

The endpoint hands whole blocks of frames to the board and never looks into them; the board carries
them out one by one. Facts: libarc2 0.6, ``src/instrument.rs`` (addresses, the buffer's size, 2.5 ms
after a block). Not verified on hardware: that memory forgets everything when the power fails (it
reads 0 afterwards), and that a board that stops with its buffer full stays so until it is
configured.
"""

from __future__ import annotations

import logging
from collections import deque

import numpy as np

from ohmloop.drivers.arc_two.endpoint import (
    FIFO,
    FIFO_EMPTY,
    LONGEST,
    VERSION,
    About,
    EndpointError,
    Reply,
    Request,
    Status,
    Verb,
    split_requests,
)
from ohmloop.drivers.arc_two.instructions import (
    FRAME,
    MOST_FRAMES,
    FrameError,
    Instruction,
    decode,
)
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer

from .chip_lines import ChipLines
from .frame_machine import FrameMachine

log = logging.getLogger("ohmloop.emulator")

_BLOCK = 2_500_000  # time after a block of frames, ns
_GENERATION = 0xA2C0_0000_0000_0000


class EmulatedArcTwo(Emulated):
    """A board with a chip on it.

    Args:
        lines: the chip.
        serial: serial number.

    Attributes:
        machine: the board itself.
        unknown: frames that were no instruction.
    """

    def __init__(self, lines: ChipLines, serial: str = "A2-0001") -> None:
        self.serial, self.unknown = serial, 0
        self.machine = FrameMachine(lines)
        self._generation = _GENERATION
        self._waiting: deque[Instruction] = deque()
        self._strike: Strike | None = None
        self._hangs = False

    @property
    def identity(self) -> str:
        """How it answers when asked who it is."""
        return f"ArC TWO, serial number {self.serial}, frame endpoint version {VERSION}"

    @property
    def outputs_on(self) -> bool:
        """Whether any channel is at another voltage than 0."""
        return bool(np.nan_to_num(self.machine.volts).any())

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve the endpoint at a socket."""
        return SocketServer(name, self, split_requests, port, host, "socket://{host}:{port}")

    def describe(self) -> str:
        """State in words."""
        return f"outputs {'ON' if self.outputs_on else 'off'}"

    def power_cycle(self) -> None:
        """Off and on: configured anew, memory empty, channels open."""
        self._forget()
        self.machine.power_up()

    def _forget(self) -> None:
        self._generation += 1
        self._waiting.clear()
        self._strike, self._hangs = None, False

    def strike(self, strike: Strike) -> None:
        """Power or hardware fail in the next program, or a channel does not let go of its line."""
        if strike.fault is Fault.STUCK_OUTPUT:
            self.machine.stick_switch()
        elif strike.fault in (Fault.POWER_MIDWAY, Fault.HARDWARE):
            self._strike = strike

    def message(self, data: bytes) -> bytes:
        """Take one request, return its reply."""
        try:
            request = Request.parse(data)
        except EndpointError as error:
            log.warning("%s", error)
            return Reply(Status.DAMAGED, 0).encode()
        status, payload = self._do(request)
        return Reply(status, request.sequence, payload).encode()

    def _do(self, request: Request) -> tuple[Status, bytes]:
        match request.verb:
            case Verb.HELLO:
                return Status.OK, About(VERSION, self._generation, self.serial).encode()
            case Verb.WRITE:
                return self._write(request), b""
            case Verb.READ:
                return self._read(request)
            case Verb.CONFIGURE:
                self._forget()
                self.machine.configure()
                return Status.OK, b""
        return Status.UNKNOWN, b""

    def _read(self, request: Request) -> tuple[Status, bytes]:
        if request.length > LONGEST:
            return Status.TOO_LONG, b""
        if request.address == FIFO_EMPTY:
            return Status.OK, bytes([not self._waiting]).ljust(request.length, b"\0")
        if request.address + request.length > FIFO:
            return Status.ADDRESS, b""
        return Status.OK, self.machine.memory.read(request.address, request.length)

    def _write(self, request: Request) -> Status:
        if request.address + len(request.payload) <= FIFO:
            self.machine.memory.write(request.address, request.payload)
            return Status.OK
        if request.address != FIFO:
            return Status.ADDRESS
        if len(request.payload) > FRAME * MOST_FRAMES or len(request.payload) % FRAME:
            return Status.TOO_LONG
        if self._waiting:
            return Status.BUSY
        self._waiting.extend(self._instructions(request.payload))
        self._run()
        self.machine.wait(_BLOCK)
        return Status.OK

    def _instructions(self, frames: bytes) -> list[Instruction]:
        found: list[Instruction] = []
        for start in range(0, len(frames), FRAME):
            try:
                found += decode(frames[start : start + FRAME])
            except FrameError as error:
                self.unknown += 1
                log.warning("passed over: %s", error)
        return found

    def _run(self) -> None:
        lines = self.machine.lines
        before = lines.events
        while self._waiting and not self._hangs:
            self.machine.do(self._waiting.popleft())
            if self._strike and lines.events - before >= self._strike.pulses:
                strike, self._strike = self._strike, None
                if strike.fault is Fault.POWER_MIDWAY:
                    raise PowerLostError
                self._hangs = True
        self.machine.finish()
