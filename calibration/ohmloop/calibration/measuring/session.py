"""A session: the only way a routine touches a chip.

Every verb is a numbered step of the routine. A step that the store knows to be done is answered
from there; the first that is not goes to the chip. So a routine that was killed is resumed by
running its plain code again, as long as it does the same again: it may depend on its parameters, on
``rng``, and on what it has read, and on nothing else.

A reading can be repeated. A pulse program cannot: one that was written down but is not known to be
done is in doubt for ever, is never sent again, and the trajectory of the cells is broken there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloop.drivers import (
    ALL,
    BadInputError,
    Clock,
    Crossbar,
    InDoubtError,
    InstrumentError,
    LimitError,
    Limits,
    LinkError,
    NotConnectedError,
    ProgramError,
    PulseConditions,
    PulseProgram,
    ReadCondition,
    ReportedError,
    WrongInstrumentError,
)
from ohmloop.drivers.crossbar import Lines, line_indices

from .store import Kind, MeasurementStore, State, Step

log = logging.getLogger("ohmloop")

_MOST_DOUBTS = 3
"""Programs in doubt one after the other, after which something is wrong with the bench."""
_FATAL = (LinkError, NotConnectedError, WrongInstrumentError, InDoubtError)

Array = NDArray[np.float64]
Told = Callable[[Kind, float, float], None]
"""``told(kind, amount, seconds)`` after every step: cells read or pulses given, and the time that
it took; a step answered by the store took none."""


class Session:
    """A routine's access to a crossbar.

    Args:
        crossbar: the chip.
        store: where every step is kept.
        routine: name of the routine.
        seed: of the measurement; ``rng`` comes of it and of the routine's name.
        clock: time; by default the crossbar's.
        conditions: the pulses that *up* and *down* stand for; by default the crossbar's.
        told: called after every step.

    Attributes:
        rng: the routine's random numbers.
        measured: steps that went to the chip.
        known: steps that the store answered.
    """

    def __init__(
        self,
        crossbar: Crossbar,
        store: MeasurementStore,
        routine: str,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        conditions: PulseConditions | None = None,
        told: Told | None = None,
    ) -> None:
        self._crossbar, self._store, self.routine = crossbar, store, routine
        self._clock = clock or crossbar.clock
        self.conditions = conditions or crossbar.conditions
        name = hashlib.blake2b(routine.encode(), digest_size=8).digest()
        self.rng = np.random.default_rng([seed, int.from_bytes(name, "little")])
        self._told, self._position, self._doubts = told, 0, 0
        self.measured = self.known = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._crossbar.shape

    @property
    def limits(self) -> Limits:
        """What the chip may be given."""
        return self._crossbar.limits

    @property
    def reading(self) -> ReadCondition:
        """How cells are read."""
        return self._crossbar.reading

    def read(
        self, rows: Lines = ALL, columns: Lines = ALL, *, label: str = "", repeat: int = -1
    ) -> Array:
        """Measure conductances, ``(rows, columns)`` of those asked for, S.

        Raises:
            InstrumentError: the instruments could not.
        """
        lines = self._lines(rows, columns)
        return self._measure(
            "read", lines, label, repeat, lambda: self._crossbar.read(rows, columns)
        )

    def currents(
        self,
        voltage: float,
        rows: Lines = ALL,
        columns: Lines = ALL,
        *,
        label: str = "",
        repeat: int = -1,
    ) -> Array:
        """Measure currents at ``voltage``, V: ``(rows, columns)`` of those asked for, A.

        Raises:
            LimitError: beyond ``limits.read_voltage``.
            ProgramError: this bench reads at its read voltage only.
            InstrumentError: the instruments could not.
        """
        asked = {"voltage": float(voltage), **self._lines(rows, columns)}
        return self._measure(
            "currents",
            asked,
            label,
            repeat,
            lambda: self._crossbar.currents(voltage, rows, columns),
        )

    def forward(self, column_voltages: ArrayLike, *, label: str = "", repeat: int = -1) -> Array:
        """Drive columns ``(batch, columns)`` V, sense rows ``(batch, rows)`` A."""
        volts = np.asarray(column_voltages, np.float64)
        asked = {"voltages": volts.tolist()}
        return self._measure(
            "forward", asked, label, repeat, lambda: self._product("forward", volts)
        )

    def backward(self, row_voltages: ArrayLike, *, label: str = "", repeat: int = -1) -> Array:
        """Drive rows ``(batch, rows)`` V, sense columns ``(batch, columns)`` A."""
        volts = np.asarray(row_voltages, np.float64)
        asked = {"voltages": volts.tolist()}
        return self._measure(
            "backward", asked, label, repeat, lambda: self._product("backward", volts)
        )

    def pulse(self, program: PulseProgram, *, label: str = "", repeat: int = -1) -> bool:
        """Apply a program, once in the life of the measurement.

        Returns:
            Whether it is known to be done; False where it is in doubt, and the state of the cells
            has to be read.

        Raises:
            LimitError: beyond the limits; nothing was sent.
            InstrumentError: the instruments refused it, or the third in a row is in doubt.
        """
        if program.conditions is None and self.conditions != self._crossbar.conditions:
            program = replace(program, conditions=self.conditions)
        known = self._known("pulse", {}, label, repeat, program.digest)
        if known is not None:
            if known.state == "intended":
                self._store.settle(known.number, "in doubt")
                log.warning(
                    "%s: it is not known whether %s's pulse program of step %d was applied; the"
                    " cells are read again and go on from there",
                    self._store.name, self.routine, known.position,
                )  # fmt: skip
            self._end("pulse", program.total_pulses, 0.0)
            return known.state == "done"
        return self._send(program, label, repeat)

    def wait(self, seconds: float, *, label: str = "") -> None:
        """Leave the chip alone, s. A wait that was interrupted goes on where the clock is.

        Raises:
            ProgramError: a negative time, or one that is not a number.
        """
        if not 0 <= seconds < float("inf"):
            raise ProgramError(f"a wait of {seconds:g} s cannot be")
        asked = {"seconds": float(seconds)}
        known = self._known("wait", asked, label, -1)
        if known is None:
            begun = self._clock.now
            number = self._write("wait", asked, label, -1, "intended", time=begun)
        else:
            number, begun = known.number, known.time
        if known is None or known.state != "done":
            self._clock.sleep(max(0.0, min(seconds, begun + seconds - self._clock.now)))
            self._store.settle(number, "done", seconds=self._clock.now - begun)
        self._end("wait", seconds, 0.0)

    def note(self, label: str, **values: Any) -> None:
        """Keep what is worth knowing beside the readings: numbers, texts, lists of them."""
        if self._known("note", values, label, -1) is None:
            self._write("note", values, label, -1, "done", time=self._clock.now)
        self._position += 1

    def _product(self, way: str, volts: Array) -> Array:
        self._crossbar.forget_map()
        product: Array = getattr(self._crossbar, way)(volts)
        return product

    def _lines(self, rows: Lines, columns: Lines) -> dict[str, list[int] | None]:
        """Which lines, as the store keeps them: None is all."""
        return {
            name: None
            if isinstance(lines, slice) and lines == ALL
            else line_indices(lines, count).tolist()
            for (name, lines), count in zip(
                (("rows", rows), ("columns", columns)), self.shape, strict=True
            )
        }

    def _measure(
        self,
        kind: Kind,
        asked: Mapping[str, Any],
        label: str,
        repeat: int,
        verb: Callable[[], Array],
    ) -> Array:
        known = self._known(kind, asked, label, repeat)
        if known is not None:
            if known.state == "failed":
                self._position += 1
                raise raised(known.arguments["error"])
            assert known.result is not None
            self._end(kind, known.result.size, 0.0)
            return known.result
        begun, started = self._clock.now, time.perf_counter()
        try:
            result = np.asarray(verb(), np.float64)
        except (InstrumentError, ProgramError) as error:
            if not isinstance(error, _FATAL):
                failure = {**asked, "error": _kept(error)}
                digest = _digest(kind, asked, label, repeat)
                self._write(kind, failure, label, repeat, "failed", time=begun, digest=digest)
                self._position += 1
            raise
        seconds = time.perf_counter() - started
        self._write(kind, asked, label, repeat, "done", result=result, time=begun, seconds=seconds)
        self._end(kind, result.size, seconds)
        return result

    def _send(self, program: PulseProgram, label: str, repeat: int) -> bool:
        started = time.perf_counter()
        number = self._write(
            "pulse", {}, label, repeat, "intended", time=self._clock.now, program=program
        )
        try:
            receipt = self._crossbar.pulse(program)
        except (LimitError, ProgramError, NotConnectedError):
            self._store.forget(number)  # nothing was sent
            raise
        except BaseException as error:
            self._store.settle(number, "in doubt")
            self._position += 1
            self._doubts += 1
            if not isinstance(error, InDoubtError) or self._doubts == _MOST_DOUBTS:
                raise
            log.warning("%s; the cells are read again and go on from there", error)
            return False
        self._doubts = 0
        seconds = time.perf_counter() - started
        self._store.settle(number, "done", np.array(float(receipt.pulses_applied)), seconds)
        self._end("pulse", program.total_pulses, seconds)
        return True

    def _known(
        self, kind: Kind, asked: Mapping[str, Any], label: str, repeat: int, program: str = ""
    ) -> Step | None:
        """The step as it was done already.

        Raises:
            BadInputError: something else was done then.
        """
        known = self._store.step(self.routine, self._position)
        if known is None:
            return None
        if known.digest != _digest(kind, asked, label, repeat, program):
            was = f"{known.kind} {known.label}".strip()
            now = f"{kind} {label}".strip()
            what = "with other arguments" if was == now else f"and is {now} now"
            raise BadInputError(
                f"{self._store.name}: step {self._position} of {self.routine} was {was}, {what}:"
                " the routine or the chip's bench file changed since; begin a new measurement"
            )
        self.known += 1
        return known

    def _write(
        self,
        kind: Kind,
        asked: Mapping[str, Any],
        label: str,
        repeat: int,
        state: State,
        *,
        time: float,
        digest: str = "",
        program: PulseProgram | None = None,
        result: Array | None = None,
        seconds: float | None = None,
    ) -> int:
        self.measured += 1
        content = program.digest if program is not None else ""
        return self._store.write(
            self.routine,
            self._position,
            kind,
            digest or _digest(kind, asked, label, repeat, content),
            asked,
            label=label,
            repeat=repeat,
            state=state,
            program=program,
            result=result,
            time=time,
            seconds=seconds,
        )

    def _end(self, kind: Kind, amount: float, seconds: float) -> None:
        self._position += 1
        if self._told:
            self._told(kind, amount, seconds)


def _digest(kind: str, asked: Mapping[str, Any], label: str, repeat: int, program: str = "") -> str:
    content = json.dumps([kind, label, repeat, asked, program], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _kept(error: InstrumentError | ProgramError) -> list[Any]:
    """An error as the store keeps it."""
    if isinstance(error, ProgramError):
        return [str(error)]
    code = [error.code] if isinstance(error, ReportedError) else []
    return [error.instrument, error.resource, error.problem, *code]


def raised(kept: list[Any]) -> Exception:
    """The same error again."""
    if len(kept) == 1:
        return ProgramError(*kept)
    return ReportedError(*kept) if len(kept) == 4 else InstrumentError(*kept)
