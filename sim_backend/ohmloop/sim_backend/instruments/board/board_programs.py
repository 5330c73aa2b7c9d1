"""How a board puts programs together from chunks, and what it refuses to run."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from ohmloop.drivers import LimitError, Limits, PulseRuns
from ohmloop.drivers.board.answers import Code, Identity
from ohmloop.drivers.board.messages import Chunk, Run
from ohmloop.drivers.board.programs import BoardProgram, decode_program

_SLICE = 20_000  # pulses between looks whether to stop
_MEMORY = 1 << 24  # for a program, bytes


class RefusedError(Exception):
    """A request that the board refuses.

    Args:
        code: why.
        text: for people.
    """

    def __init__(self, code: Code, text: str) -> None:
        self.code = code
        super().__init__(text)


class Upload:
    """Chunks of one program; those of another number replace it."""

    def __init__(self) -> None:
        self._number = 0
        self._data = bytearray()

    def keep(self, chunk: Chunk) -> None:
        """Keep a chunk; the same one again does no harm.

        Raises:
            RefusedError: a gap before it, or more than the memory holds.
        """
        if chunk.number != self._number:
            self._number, self._data = chunk.number, bytearray()
        end = chunk.offset + len(chunk.data)
        if chunk.offset > len(self._data):
            raise RefusedError(Code.INCOMPLETE, f"nothing at byte {len(self._data)} yet")
        if end > _MEMORY:
            raise RefusedError(Code.TOO_LARGE, f"a program of over {_MEMORY} bytes")
        self._data[chunk.offset : end] = chunk.data

    def whole(self, run: Run) -> BoardProgram:
        """The program that ``run`` completes.

        Raises:
            RefusedError: part of it is missing, or its checksum does not match.
            MessageError: it is no program.
        """
        missing = run.length - len(run.data)
        kept = bytes(self._data[:missing]) if run.number == self._number else b""
        body = kept + run.data
        if len(body) != run.length or zlib.crc32(body) != run.checksum:
            raise RefusedError(Code.INCOMPLETE, "the program did not arrive whole")
        return decode_program(body)


def admit(program: BoardProgram, limits: Limits, shape: tuple[int, int], about: Identity) -> None:
    """Refuse what the chip may not be given, or the board cannot make.

    Raises:
        RefusedError: another shape, or beyond the board's own means.
        LimitError: beyond the limits.
    """
    if program.shape != shape:
        raise RefusedError(Code.PAYLOAD, f"a program for {program.shape}, this is {shape}")
    c = program.conditions
    limits.check_conditions(c)
    widths = (c.up.width, c.down.width)
    if not about.shortest <= min(widths) <= max(widths) <= about.longest:
        raise LimitError(f"this board times {about.shortest:g} s to {about.longest:g} s")
    if max(abs(c.up.amplitude), abs(c.down.amplitude)) > about.voltage:
        raise LimitError(f"this board makes {about.voltage:g} V at most")
    per_cell = np.zeros(shape[0] * shape[1], np.int64)
    np.add.at(per_cell, program.runs.cells, np.abs(program.runs.counts.astype(np.int64)))
    if per_cell.max() > limits.pulses_per_program:
        raise LimitError(f"{per_cell.max()} pulses on one cell in one program")


def first_half(runs: PulseRuns) -> PulseRuns:
    """What is given of a program that ends half-way."""
    half = runs.cells.size // 2
    return PulseRuns(runs.cells[:half], runs.counts[:half])


def slices(runs: PulseRuns) -> Iterator[PulseRuns]:
    """The same runs in parts of about ``_SLICE`` pulses; a long run is cut."""
    if runs.total_pulses <= _SLICE:
        yield runs
        return
    cells, counts = [], []
    pulses = 0
    for cell, count in zip(runs.cells.tolist(), runs.counts.tolist(), strict=True):
        for piece in _pieces(count):
            cells.append(cell)
            counts.append(piece)
            pulses += abs(piece)
            if pulses >= _SLICE:
                yield PulseRuns(np.array(cells, np.int64), np.array(counts, np.int32))
                cells, counts, pulses = [], [], 0
    if cells:
        yield PulseRuns(np.array(cells, np.int64), np.array(counts, np.int32))


def _pieces(count: int) -> Iterator[int]:
    sign = 1 if count > 0 else -1
    for start in range(0, abs(count), _SLICE):
        yield sign * min(_SLICE, abs(count) - start)
