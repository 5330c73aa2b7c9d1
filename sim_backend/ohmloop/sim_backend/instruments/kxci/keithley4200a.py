"""The emulated 4200A-SCS: KXCI on a socket, messages ended by NUL, one reply to every command.

Facts: KXCI manual 4200A-KXCI-907-01 Rev. D and the manufacturer's published examples. Not verified
on an instrument: what a refused command is answered by (here the text of the error register, whose
form ``text (number)`` is documented); error numbers other than -992 (here all are -992); that
several commands may be sent before their replies are read; the digits of data; the status word of
a point; that a stuck output relay is reported at all; how long commands take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, zero_ended

from .channel_chip import ChannelChip
from .pulse_cards import PulseCards
from .sequences import RefusedError
from .smus import Smus

_NO_ERROR = "No error. (0)"
_CODE = -992
_COMMAND = 2e-3  # time a command takes, s
_WORD = re.compile(r"(:?[A-Z:]+\??)\s*(.*)", re.DOTALL)
_ARRAYS = ("TIME", "STARTV", "STOPV", "MEAS:TYPE", "MEAS:START", "MEAS:STOP")

Handler = Callable[..., str | None]


class EmulatedKeithley4200A(Emulated):
    """The instrument.

    Args:
        chips: what hangs on the channels of its pulse cards.
        clock: the bench's time.
        cards: numbers of its pulse cards.
        model: such as ``4200A-SCS``.
        serial: serial number.
    """

    def __init__(
        self,
        chips: Sequence[ChannelChip],
        clock: VirtualClock,
        cards: Sequence[int],
        model: str = "4200A-SCS",
        serial: str = "1400001",
    ) -> None:
        self._clock = clock
        self._model, self._serial = model, serial
        self.cards, self.smus = PulseCards(cards, chips, clock), Smus(2, clock)
        self.error = _NO_ERROR
        self._strike: Strike | None = None
        self._handlers = self._table()

    @property
    def identity(self) -> str:
        """Reply to ``*IDN?``."""
        return f"KEITHLEY INSTRUMENTS,{self._model},{self._serial},V1.13"

    def serve(self, name: str, host: str, port: int) -> SocketServer:
        """Serve on a socket."""
        return SocketServer(name, self, zero_ended, port, host)

    def describe(self) -> str:
        """State in words."""
        return f"outputs {'ON' if self.outputs_on else 'off'}, {self.error}"

    @property
    def outputs_on(self) -> bool:
        """Whether any channel or SMU drives its terminals."""
        return self.cards.outputs_on or self.smus.outputs_on

    def power_cycle(self) -> None:
        """Power-on state; nothing is remembered."""
        self.cards.power_cycle()
        self.smus.power_cycle()
        self.error, self._strike = _NO_ERROR, None

    def strike(self, strike: Strike) -> None:
        """Faults of the instrument itself; power and hardware fail in the next execution."""
        match strike.fault:
            case Fault.POWER_MIDWAY | Fault.HARDWARE:
                self._strike = strike
            case Fault.COMPLIANCE:
                self.cards.overloaded = True
            case Fault.ERROR:
                self._refuse("Injected fault")
            case Fault.STUCK_OUTPUT:
                for channel in self.cards.channels.values():
                    channel.stuck = True

    def message(self, data: bytes) -> bytes:
        """Carry out one command; every one is answered."""
        self._clock.sleep(_COMMAND)
        return (self.answer(data.decode("ascii", errors="replace").strip()) + "\0").encode()

    def answer(self, text: str) -> str:
        """The reply to a command, without its end."""
        try:
            return self._carry_out(text)
        except RefusedError as error:
            return self._refuse(str(error))

    def _refuse(self, problem: str) -> str:
        self.error = f"{problem} ({_CODE})"
        return self.error

    def _carry_out(self, text: str) -> str:
        if text.startswith("*"):
            return self._common(text)
        if text[:2] in ("DV", "TI", "IT") and text[2:3].isdecimal():
            return self._smu_command(text)
        match = _WORD.fullmatch(text)
        handler = self._handlers.get(match[1]) if match else None
        if match is None or handler is None:
            raise RefusedError("Unrecognized command")
        try:
            reply = handler(*_arguments(match[2]))
        except (TypeError, ValueError):
            raise RefusedError("Invalid arguments") from None
        return "ACK" if reply is None else reply

    def _common(self, text: str) -> str:
        if text == "*IDN?":
            return self.identity
        if text == "*OPT?":
            smus = [f"SMU{number}" for number in self.smus.units]
            cards = [f"PMU{card}RPM{card}-{side}" for card in self.cards.cards for side in (1, 2)]
            return ",".join([*smus, *cards])
        if text == "*RST":
            self.cards.abort()
            self.smus.power_cycle()
            return "ACK"
        raise RefusedError("Unrecognized command")

    def _smu_command(self, text: str) -> str:
        word, (first, *rest) = text[:2], text[2:].split(",")
        try:
            number, values = int(first), [float(value) for value in rest]
        except ValueError:
            raise RefusedError("Invalid arguments") from None
        if word == "TI":
            return self.smus.current(number)
        if word == "DV":
            self.smus.source(number, values)
        else:
            self.smus.set_speed(number)
        return "ACK"

    def _table(self) -> Mapping[str, Handler]:
        cards = self.cards
        arrays = {f":PMU:SARB:SEQ:{word}": self._array(word) for word in _ARRAYS}
        return {
            ":PMU:INIT": cards.initialise,
            ":PMU:RPM:CONFIGURE": cards.configure_rpm,
            ":PMU:MEASURE:RANGE": cards.set_range,
            ":PMU:MEASURE:MODE": cards.set_measure,
            ":PMU:SOURCE:RANGE": cards.set_source,
            ":PMU:LOAD": cards.set_load,
            ":PMU:PULSE:TRAIN": cards.set_train,
            ":PMU:PULSE:TIMES": cards.set_times,
            ":PMU:PULSE:BURST:COUNT": cards.set_burst,
            ":PMU:SARB:WFM:SEQ:LIST": cards.set_list,
            ":PMU:OUTPUT:STATE": cards.output,
            ":PMU:EXECUTE": self._execute,
            ":PMU:TEST:STATUS?": lambda: str(int(cards.running())),
            ":PMU:DATA:COUNT?": lambda number: str(len(cards.buffer(number))),
            ":PMU:DATA:GET": cards.points,
            ":PMU:ABORT": cards.abort,
            ":ERROR:LAST:GET": lambda: self.error,
            ":ERROR:LAST:CLEAR": self._clear_error,
            "BC": lambda: None,
            "US": self._user_mode,
            **arrays,
        }

    def _array(self, word: str) -> Handler:
        def handler(number: int, sequence: int, *values: float) -> None:
            self.cards.set_array(word, number, sequence, *values)

        return handler

    def _clear_error(self) -> None:
        self.error = _NO_ERROR

    def _user_mode(self) -> None:
        self.smus.user_mode = True

    def _execute(self) -> None:
        strike, self._strike = self._strike, None
        self.cards.execute(strike.pulses if strike else None)
        if strike is None:
            return
        if strike.fault is Fault.POWER_MIDWAY:
            raise PowerLostError
        self.cards.abort()
        self._refuse("Pulse card failure")


def _arguments(text: str) -> list[int | float | str]:
    return [_argument(part.strip()) for part in text.split(",")] if text.strip() else []


def _argument(text: str) -> int | float | str:
    if text.startswith("PMU"):
        return text
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
