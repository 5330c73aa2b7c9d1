"""The emulated pulse board: the reference implementation of ``docs/reference/pulse-board.md``.

A state machine over bytes: it is fed what the host sends and returns what it answers. The chip
takes programs and reads through the same calls as a twin, so that both agree bit for bit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import singledispatchmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import LimitError, Limits, PulseConditions, PulseRuns
from ohmloop.drivers.board.answers import Code, Done, Identity, Refusal, Report, Result, State
from ohmloop.drivers.board.frames import PROTOCOL, Frame, FrameDecoder
from ohmloop.drivers.board.measuring import Backward, Currents, Forward, ReadCells, ReadRectangle
from ohmloop.drivers.board.messages import (
    NO_LIMIT,
    Chunk,
    Identify,
    Message,
    MessageError,
    Run,
    Safe,
    SetLimits,
    SetWatchdog,
    Status,
)
from ohmloop.drivers.board.replies import REQUESTS, parse_request
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.meter import Meter
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, zero_ended
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.products import products
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .board_programs import RefusedError, Upload, admit, first_half, slices

if TYPE_CHECKING:
    from ohmloop.sim_backend.periphery.surroundings import Surroundings

log = logging.getLogger("ohmloop.emulator")

_WATCHDOG = 5.0  # s, until the host sets another
_NO_RESULT = Result(0, 0, State.NONE, 0, 0)
_MAX_PAYLOAD = 1 << 18
_SHORT = 32  # bytes of a frame with an empty payload, at most


class EmulatedPulseBoard(Emulated):
    """A board with a chip on it.

    Args:
        cells: the chip.
        clock: the bench's time; programs and readings take of it what they would take.
        strength: how its cells take pulses of any shape.
        name: it identifies as.
        serial: serial number.
        now: time that the watchdog goes by, s.
        max_payload: longest payload, bytes.
        witness: told of every voltage that cells see.
        meter: what its converters add to a current.
        around: what products go through, and what reads and products do to cells.

    Attributes:
        outputs_on: whether lines are driven.
    """

    def __init__(
        self,
        cells: CellArray,
        clock: VirtualClock,
        strength: PulseStrength,
        name: str = "ohmloop pulse board",
        serial: str = "PB0001",
        now: Callable[[], float] = time.monotonic,
        max_payload: int = _MAX_PAYLOAD,
        witness: Witness | None = None,
        meter: Meter | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self.cells, self.clock = cells, clock
        self._strength, self._now = strength, now
        rows, columns = cells.shape
        self.about = Identity(
            PROTOCOL, rows, columns, 3, max_payload, 10.0, 20e-9, 1.0, name, "1.0", serial
        )
        self._witness = witness or Witness(0.0)
        self._meter, self._around = meter or Meter(), around
        self._strike: Strike | None = None
        self._boot = 0
        self.power_cycle()

    @property
    def identity(self) -> str:
        """How it answers when asked who it is."""
        a = self.about
        return f"{a.name} {a.version}, serial number {a.serial}, {a.rows} x {a.columns}"

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve on a socket that plays the serial line."""
        return SocketServer(
            name, self, zero_ended, port, host, "socket://{host}:{port}", survives_power=True
        )

    def describe(self) -> str:
        """State in words."""
        return f"outputs {'ON' if self.outputs_on else 'off'}"

    def power_cycle(self) -> None:
        """All that is not on the chip is forgotten; outputs are off and no limits are set."""
        self._boot += 1
        self._decoder = FrameDecoder(self.about.max_payload)
        self.limits: Limits | None = None
        self.outputs_on = self._tripped = self._stopping = self._stuck = False
        self._watchdog, self._heard = _WATCHDOG, self._now()
        self._upload, self._result = Upload(), _NO_RESULT

    def urgent(self, data: bytes) -> bool:
        """SAFE stops a program that runs; it is answered in its turn."""
        if len(data) < _SHORT:
            frames = FrameDecoder().feed(data + b"\0")
            self._stopping |= any(frame.type == Safe.type for frame in frames)
        return False

    def message(self, data: bytes) -> bytes:
        """Take one frame, without its delimiter; return the answer's."""
        return self.feed(data + b"\0")

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the host; return those for it."""
        self.tick()
        return b"".join([self._answer(frame) for frame in self._decoder.feed(data)])

    def strike(self, strike: Strike) -> None:
        """The next program ends half-way or at the current limit, or outputs do not go off."""
        if strike.fault in (Fault.POWER_MIDWAY, Fault.HARDWARE, Fault.COMPLIANCE):
            self._strike = strike
        self._stuck |= strike.fault is Fault.STUCK_OUTPUT

    def tick(self) -> None:
        """Let the watchdog look at its clock; firmware does so at least every 10 ms."""
        late = self._now() - self._heard > self._watchdog
        if self.outputs_on and late and not self._tripped:
            log.warning("watchdog: nothing heard for %g s, outputs off", self._watchdog)
            self._off()
            self._tripped = True

    def _off(self) -> None:
        """Outputs off, as far as they go."""
        self.outputs_on &= self._stuck

    def _answer(self, frame: Frame) -> bytes:
        reply = self._reply(frame)
        self._heard = self._now()
        return Frame(reply.type, frame.sequence, reply.payload()).encode()

    def _reply(self, frame: Frame) -> Message:
        try:
            if frame.version != PROTOCOL and frame.type != Identify.type:
                raise RefusedError(Code.VERSION, f"this board speaks version {PROTOCOL}")
            if frame.type not in REQUESTS:
                raise RefusedError(Code.TYPE, f"no request of type {frame.type:#04x}")
            request = parse_request(frame)
            if isinstance(request, Run):
                return self._run(request)
            return self._do(request)
        except MessageError as error:
            return Refusal(Code.PAYLOAD, str(error))
        except LimitError as error:
            return Refusal(Code.LIMIT, str(error))
        except RefusedError as error:
            return Refusal(error.code, str(error))

    @singledispatchmethod
    def _do(self, request: Message) -> Message:
        raise RefusedError(Code.TYPE, f"no request {type(request).__name__}")

    @_do.register
    def _identify(self, request: Identify) -> Message:  # noqa: ARG002
        return self.about

    @_do.register
    def _status(self, request: Status) -> Message:  # noqa: ARG002
        flags = (self.limits is not None) | self.outputs_on << 1 | self._tripped << 2
        return Report(self._boot, flags, self._decoder.damaged, self._result)

    @_do.register
    def _safe(self, request: Safe) -> Message:  # noqa: ARG002
        self._off()
        self._tripped = self._stopping = False
        self._upload = Upload()
        return Done()

    @_do.register
    def _set_limits(self, request: SetLimits) -> Message:
        most = float("inf") if request.pulses == NO_LIMIT else request.pulses
        new = Limits(
            voltage=request.voltage,
            width=request.width,
            read_voltage=request.read_voltage,
            current=request.current,
            duty_cycle=request.duty_cycle,
            pulses_per_program=most,
        )
        for field in _LOWERED:
            now = getattr(self.limits, field) if self.limits else float("inf")
            if getattr(new, field) > now:
                problem = f"{field} was set to {now:g}; a power-cycle lifts limits, nothing else"
                raise RefusedError(Code.RAISED, problem)
        self.limits = new
        return Done()

    @_do.register
    def _set_watchdog(self, request: SetWatchdog) -> Message:
        self._watchdog = request.seconds
        return Done()

    @_do.register
    def _chunk(self, request: Chunk) -> Message:
        self._upload.keep(request)
        return Done()

    def _run(self, request: Run) -> Message:
        if request.boot != self._boot:
            raise RefusedError(Code.REBOOTED, "the board was switched off and on since")
        last = self._result
        if request.number == last.number and request.checksum == last.checksum:
            return last
        if request.number <= last.number:
            raise RefusedError(Code.NUMBER, f"program {last.number} was the last")
        limits = self._limits_set()
        program = self._upload.whole(request)
        admit(program, limits, self.cells.shape, self.about)
        fault, self._strike = self._strike and self._strike.fault, None
        stops = fault in (Fault.POWER_MIDWAY, Fault.HARDWARE)
        runs = first_half(program.runs) if stops else program.runs
        applied = self._pulse(runs, program.conditions)
        self.clock.sleep(program.seconds * applied / max(1, program.runs.total_pulses))
        self._upload = Upload()
        if fault is Fault.POWER_MIDWAY:
            raise PowerLostError
        whole = applied == program.runs.total_pulses
        state = State.DONE if whole and not stops else State.STOPPED
        clipped = int(fault is Fault.COMPLIANCE and applied > 0)
        self._result = Result(request.number, request.checksum, state, applied, clipped)
        if fault is Fault.HARDWARE:
            self._off()
            raise RefusedError(Code.HARDWARE, "a converter does not answer")
        return self._result

    def _pulse(self, runs: PulseRuns, conditions: PulseConditions) -> int:
        """Pulses given until all are or SAFE comes; also those too weak to move a cell."""
        self.outputs_on, applied = True, 0
        for pulse in (conditions.up, conditions.down):
            self._witness.saw(pulse.amplitude, pulse.width)
        for part in slices(runs):
            if self._stopping:
                break
            self.cells.apply(part, *self._strength.of_conditions(conditions))
            applied += part.total_pulses
        if self._around:
            self._around.changed()
        return applied

    @_do.register
    def _read_rectangle(self, r: ReadRectangle) -> Message:
        rows, columns = np.arange(r.row, r.row + r.rows), np.arange(r.column, r.column + r.columns)
        cells = np.stack(np.broadcast_arrays(rows[:, None], columns), axis=-1).reshape(-1, 2)
        return self._read(cells, r.voltage, r.settle + r.integration)

    @_do.register
    def _read_list(self, r: ReadCells) -> Message:
        return self._read(r.cells.astype(np.intp), r.voltage, r.settle + r.integration)

    def _read(self, cells: NDArray[np.intp], voltage: float, seconds: float) -> Message:
        self._limits_set().check_read(voltage)
        if not cells.size or (cells >= self.cells.shape).any():
            raise RefusedError(Code.PAYLOAD, "no cells, or cells that the crossbar has not")
        self._check_reply(len(cells))
        self.outputs_on = True
        self._witness.saw(voltage, seconds)
        flat = cells[:, 0] * self.cells.shape[1] + cells[:, 1]
        self.clock.sleep(len(cells) * seconds)
        currents = self._meter.shows(self._noisy(flat, voltage) * voltage)
        if self._around:
            self._around.note_cells(voltage, flat)
        return Currents(currents)

    @_do.register
    def _forward(self, request: Forward) -> Message:
        self._check_product(request.volts, *self.cells.shape[::-1])
        self.clock.sleep(len(request.volts) * (request.settle + request.integration))
        return Currents(self._meter.shows(self._product(request.volts, forward=True)))

    @_do.register
    def _backward(self, request: Backward) -> Message:
        self._check_product(request.volts, *self.cells.shape)
        self.clock.sleep(len(request.volts) * (request.settle + request.integration))
        return Currents(self._meter.shows(self._product(request.volts, forward=False)))

    def _check_product(self, volts: NDArray[np.float64], lines: int, outputs: int) -> None:
        self._limits_set().check_read(float(np.abs(volts).max()))
        if volts.shape[1] != lines:
            problem = f"{volts.shape[1]} voltages a vector for {lines} lines"
            raise RefusedError(Code.PAYLOAD, problem)
        self._check_reply(len(volts) * outputs)
        self.outputs_on = True
        self._witness.saw(float(np.abs(volts).max()), 0.0)

    def _check_reply(self, values: int) -> None:
        if 8 * values > self.about.max_payload:
            raise RefusedError(Code.TOO_LARGE, f"{values} currents do not fit one reply")

    def _product(self, volts: NDArray[np.float64], forward: bool) -> NDArray[np.float64]:
        if self._around:
            return self._around.on_host("forward" if forward else "backward", volts)
        noisy = self._noisy(np.arange(self.cells.g.size)).reshape(self.cells.shape)
        currents: NDArray[np.float64] = products(self.cells, noisy, volts, forward)
        return currents

    def _noisy(self, flat: NDArray[np.intp], voltage: float | None = None) -> NDArray[np.float64]:
        noisy: NDArray[np.float64] = self.cells.arrays.numpy(self.cells.read(flat, voltage))
        return noisy

    def _limits_set(self) -> Limits:
        if self.limits is None:
            raise RefusedError(Code.NO_LIMITS, "set limits first")
        return self.limits


_LOWERED = ("voltage", "width", "read_voltage", "current", "duty_cycle", "pulses_per_program")
