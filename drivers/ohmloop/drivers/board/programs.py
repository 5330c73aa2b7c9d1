"""Pulse programs as the board takes them: runs of equal pulses, or coincidences of trains.

The pulses themselves, in volts and seconds, travel with every program, so a board keeps no pulse
conditions that could be those of somebody else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.conditions import PulseConditions, PulseShape
from ohmloop.drivers.errors import ProgramError
from ohmloop.drivers.pulses import CoincidencePulses, PulseProgram, PulseRuns

from .messages import MessageError

_HEAD = struct.Struct("<BBHH5d")
_COINCIDENCE = struct.Struct("<HBB")
_RUNS, _TRAINS = 0, 1
_RUN = np.dtype([("row", "<u2"), ("column", "<u2"), ("count", "<i4")])
_PHASES = 4  # a sample is played once for each pair of signs


@dataclass(frozen=True, slots=True)
class BoardProgram:
    """A program as it was read from bytes.

    Attributes:
        shape: rows and columns it is for.
        conditions: its pulses.
        runs: what it does to every cell.
        seconds: time it takes where up and down phases count once each (``duration``), s.
    """

    shape: tuple[int, int]
    conditions: PulseConditions
    runs: PulseRuns
    seconds: float


def encode_program(
    program: PulseProgram, conditions: PulseConditions, coincidences: bool = True
) -> bytes:
    """A program as bytes.

    Args:
        program: the program.
        conditions: its pulses.
        coincidences: whether the board plays trains; where not, they are lowered to runs.
    """
    rows, columns = program.shape
    c = conditions
    pulses = (c.up.amplitude, c.up.width, c.down.amplitude, c.down.width, c.rest)
    if coincidences and isinstance(program, CoincidencePulses):
        return _HEAD.pack(_TRAINS, 0, rows, columns, *pulses) + _trains_out(program)
    return _HEAD.pack(_RUNS, 0, rows, columns, *pulses) + _runs_out(program.runs, columns)


def board_time(program: PulseProgram, conditions: PulseConditions) -> float:
    """Longest time a board may take to play a program, s."""
    if isinstance(program, CoincidencePulses):
        slots = _PHASES * program.batch * program.length
        return max(slots, program.total_pulses) * conditions.slot
    return program.total_pulses * conditions.slot


def decode_program(data: bytes) -> BoardProgram:
    """Read a program.

    Raises:
        MessageError: no program.
    """
    if len(data) < _HEAD.size:
        raise MessageError("a program cut short")
    kind, spare, rows, columns, *pulses = _HEAD.unpack_from(data)
    if spare or not rows or not columns or not np.isfinite(pulses).all():
        raise MessageError("a program whose head cannot be")
    up_v, up_t, down_v, down_t, rest = pulses
    conditions = PulseConditions(PulseShape(up_v, up_t), PulseShape(down_v, down_t), rest)
    tail, shape = data[_HEAD.size :], (rows, columns)
    if kind == _RUNS:
        runs = _runs_in(tail, shape)
        return BoardProgram(shape, conditions, runs, _runs_time(runs, conditions))
    if kind == _TRAINS:
        trains = _trains_in(tail, shape, conditions)
        return BoardProgram(shape, conditions, trains.runs, trains.duration(conditions))
    raise MessageError(f"a program of kind {kind}")


def _runs_out(runs: PulseRuns, columns: int) -> bytes:
    table = np.empty(runs.cells.size, _RUN)
    table["row"], table["column"] = np.divmod(runs.cells, columns)
    table["count"] = runs.counts
    return table.tobytes()


def _runs_in(data: bytes, shape: tuple[int, int]) -> PulseRuns:
    if len(data) % _RUN.itemsize:
        raise MessageError("half a run at the end of a program")
    table = np.frombuffer(data, _RUN)
    if table.size and (table["row"].max() >= shape[0] or table["column"].max() >= shape[1]):
        raise MessageError("a run for a cell that the crossbar has not")
    cells = table["row"].astype(np.int64) * shape[1] + table["column"]
    counts = table["count"].astype(np.int32)
    if (np.diff(cells) < 0).any():
        raise MessageError("cells of a program must ascend")
    if (counts == 0).any() or (counts == np.iinfo(np.int32).min).any():
        raise MessageError("a run of no pulses, or of -2147483648")
    return PulseRuns(cells, counts)


def _runs_time(runs: PulseRuns, c: PulseConditions) -> float:
    ups = int(np.maximum(runs.counts, 0).sum(dtype=np.int64))
    downs = runs.total_pulses - ups
    return ups * (c.up.width + c.rest) + downs * (c.down.width + c.rest)


def _trains_out(program: CoincidencePulses) -> bytes:
    size = -(-program.length // 8)
    records = [
        _pack_signs(program.row_signs),
        _pack_signs(program.column_signs),
        _pack_trains(program.row_trains, size),
        _pack_trains(program.column_trains, size),
    ]
    head = _COINCIDENCE.pack(program.batch, program.length, 0)
    return head + np.concatenate(records, axis=1).tobytes()


def _trains_in(
    data: bytes, shape: tuple[int, int], conditions: PulseConditions
) -> CoincidencePulses:
    if len(data) < _COINCIDENCE.size:
        raise MessageError("a program cut short")
    batch, length, spare = _COINCIDENCE.unpack_from(data)
    size = -(-length // 8)
    widths = [-(-shape[0] // 8), -(-shape[1] // 8), shape[0] * size, shape[1] * size]
    if spare or not batch or len(data) != _COINCIDENCE.size + batch * sum(widths):
        raise MessageError("a program longer or shorter than it says")
    records = np.frombuffer(data, np.uint8, offset=_COINCIDENCE.size).reshape(batch, -1)
    signs_r, signs_c, trains_r, trains_c = np.split(records, np.cumsum(widths)[:-1], axis=1)
    try:
        return CoincidencePulses(
            _unpack_trains(trains_r, size),
            _unpack_trains(trains_c, size),
            _unpack_signs(signs_r, shape[0]),
            _unpack_signs(signs_c, shape[1]),
            length,
            conditions=conditions,
        )
    except ProgramError as error:
        raise MessageError(str(error)) from error


def _pack_signs(signs: NDArray[np.int8]) -> NDArray[np.uint8]:
    return np.packbits(signs < 0, axis=1, bitorder="little")


def _unpack_signs(packed: NDArray[np.uint8], lines: int) -> NDArray[np.int8]:
    bits = np.unpackbits(packed, axis=1, bitorder="little")
    if bits[:, lines:].any():
        raise MessageError("signs of lines that the crossbar has not")
    return np.where(bits[:, :lines], -1, 1).astype(np.int8)


def _pack_trains(trains: NDArray[np.uint64], size: int) -> NDArray[np.uint8]:
    whole = np.ascontiguousarray(trains, "<u8").view(np.uint8)
    return whole.reshape(*trains.shape, 8)[:, :, :size].reshape(trains.shape[0], -1)


def _unpack_trains(packed: NDArray[np.uint8], size: int) -> NDArray[np.uint64]:
    if not 1 <= size <= 8:
        raise MessageError("trains of a length that cannot be")
    whole = np.zeros((packed.shape[0], packed.shape[1] // size, 8), np.uint8)
    whole[:, :, :size] = packed.reshape(packed.shape[0], -1, size)
    return whole.view("<u8")[:, :, 0].astype(np.uint64)
