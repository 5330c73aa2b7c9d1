"""The conformance kit: what every crossbar must do, ours or a third party's.

::

    from ohmloop.drivers.testing import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_crossbar(check):
        check(lambda: open_crossbar("bench.yaml"))

Every check opens a crossbar of its own, judges it only by what it reads and reports, and raises
AssertionError with one sentence about what is wrong. The checks pulse: up to some hundred pulses
on a cell. They ask for two rows or two columns at least, for cells most of which switch, and for
limits that allow 20 pulses on a cell in one program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .conditions import PulseConditions, PulseShape
from .crossbar import Crossbar, PulseReceipt
from .errors import LimitError, ProgramError
from .pulses import CellPulses, CoincidencePulses, PulseProgram

Make = Callable[[], Crossbar]
"""Opens a crossbar; called once a check."""
Check = Callable[[Make], None]
"""One requirement."""

Map = NDArray[np.float64]

_BLOCK, _BLOCKS = 20, 12  # pulses a push, and pushes before a cell counts as immovable
_SPREADS = 5.0  # tolerance, in spreads of repeated readings
_ALLOWANCE = 0.01  # of the largest current: converters and wires of a parallel product


def check_crossbar(make: Make) -> None:
    """Run every check.

    Args:
        make: opens the crossbar; called once for each check.

    Raises:
        AssertionError: says which check failed, and why.
    """
    for check in CHECKS:
        try:
            check(make)
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error


def check_describes_itself(make: Make) -> None:
    """Shape, conditions and characteristics fit each other."""
    with make() as crossbar:
        rows, columns = crossbar.shape
        _require(rows > 0 < columns, f"the shape {crossbar.shape} is empty")
        known = crossbar.characteristics
        _require(
            known is None or known.shape == crossbar.shape,
            f"the characteristics are not of shape {crossbar.shape}",
        )
        crossbar.limits.check_conditions(crossbar.conditions)
        crossbar.limits.check_read(crossbar.reading.voltage)


def check_reads_a_map(make: Make) -> None:
    """A whole read is one finite float64 for each cell."""
    with make() as crossbar:
        whole = crossbar.read()
        _require_shape(whole, crossbar.shape, "read()")
        _require(whole.dtype == np.float64, f"read() gives {whole.dtype}, not float64")
        _require(bool(np.isfinite(whole).all()), "read() holds numbers that are not finite")


def check_reads_parts(make: Make) -> None:
    """Parts of the map, in any order, agree with the whole within read noise."""
    with make() as crossbar:
        whole, noise = _whole(crossbar)
        rows, columns = np.arange(crossbar.shape[0]), np.arange(crossbar.shape[1])
        parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = [
            (rows[-1:], columns),
            (rows, columns[-1:]),
            (rows[-1:], columns[:1]),
            (rows[::-1], columns[::2]),
        ]
        for r, c in parts:
            part = crossbar.read(r, c)
            what = f"read(rows={r.tolist()}, columns={c.tolist()})"
            _require_shape(part, (r.size, c.size), what)
            _require_close(part, whole[np.ix_(r, c)], noise, f"{what} against read()")


def check_reads_by_index_and_slice(make: Make) -> None:
    """An index, a slice and a list name the same lines, and the result stays two-dimensional."""
    with make() as crossbar:
        rows, columns = crossbar.shape
        _require_shape(crossbar.read(0, columns - 1), (1, 1), "read(0, last)")
        _require_shape(crossbar.read(slice(0, 1)), (1, columns), "read(slice(0, 1))")
        _require_shape(crossbar.read(columns=[0]), (rows, 1), "read(columns=[0])")


def check_refuses_lines_beyond(make: Make) -> None:
    """A row or column that is not there is an IndexError."""
    with make() as crossbar:
        rows, columns = crossbar.shape
        _require_raises(IndexError, lambda: crossbar.read(rows=[rows]), "read of a row too many")
        _require_raises(
            IndexError, lambda: crossbar.read(columns=columns), "read of a column too many"
        )


def check_counts_cell_pulses(make: Make) -> None:
    """A receipt counts the pulses of a program of signed counts."""
    with make() as crossbar:
        counts = np.zeros(crossbar.shape, np.int32)
        counts.flat[:] = np.arange(counts.size) % 3 - 1
        counts[0, 0], counts[-1, -1] = 2, -2
        program = CellPulses(counts)
        _require_counted(crossbar.pulse(program), program)


def check_counts_coincidences(make: Make) -> None:
    """A receipt counts the coincidences of row and column trains."""
    with make() as crossbar:
        program = _trains(crossbar.shape)
        _require_counted(crossbar.pulse(program), program)


def check_numbers_programs(make: Make) -> None:
    """Receipts carry the program's digest, and count programs from 1."""
    with make() as crossbar:
        for number, sign in enumerate((1, -1, 1), start=1):
            program = CellPulses(np.full(crossbar.shape, sign, np.int32))
            receipt = crossbar.pulse(program)
            _require(receipt.digest == program.digest, "the receipt is for another program")
            _require(
                receipt.sequence == number,
                f"program {number} has the sequence number {receipt.sequence}",
            )


def check_up_raises_down_lowers(make: Make) -> None:
    """Up pulses on all cells raise the mean conductance, down pulses lower it."""
    with make() as crossbar:
        everywhere = np.ones(crossbar.shape, bool)
        _lower(crossbar, everywhere)
        for sign, verb in ((1, "raise"), (-1, "lower"), (1, "raise")):
            moved = _push(crossbar, everywhere, sign, until=_mean_moved(sign))
            _require(moved, f"{_name(sign)} pulses do not {verb} the mean conductance")


def check_coincidences_move_cells(make: Make) -> None:
    """Coincidences have the sign of row times column: opposite signs lower, equal signs raise."""
    with make() as crossbar:
        everywhere = np.ones(crossbar.shape, bool)
        _lower(crossbar, everywhere)
        for sign in (1, -1):
            until = _mean_moved(sign)
            moved = _push(crossbar, everywhere, sign, until=until, program=_all_coincide)
            _require(moved, f"coincidences of sign {sign:+d} do not move the mean conductance so")


def check_pulses_the_named_cell(make: Make) -> None:
    """Pulses move the cell they name, and leave all others alone."""
    with make() as crossbar:
        cell = _some_cell(crossbar)
        only = np.zeros(crossbar.shape, bool)
        only[cell] = True
        _lower(crossbar, only)
        before, noise = _whole(crossbar)
        moved = _push(crossbar, only, 1, until=_all_moved(only, 1))
        after = crossbar.read()
        _require(moved, f"up pulses on cell {cell} do not raise it")
        others = np.where(only, before, after)
        _require_close(others, before, noise, f"cells other than {cell} after pulses on it")


def check_empty_program_changes_nothing(make: Make) -> None:
    """A program without pulses touches no cell."""
    with make() as crossbar:
        before, noise = _whole(crossbar)
        receipt = crossbar.pulse(CellPulses(np.zeros(crossbar.shape, np.int32)))
        _require(
            receipt.pulses_applied == receipt.cells_touched == 0,
            f"an empty program counts {receipt.pulses_applied} pulses",
        )
        _require_close(crossbar.read(), before, noise, "the map after an empty program")


def check_refuses_another_shape(make: Make) -> None:
    """A program for another shape is a LimitError, and changes nothing."""
    with make() as crossbar:
        before, noise = _whole(crossbar)
        rows, columns = crossbar.shape
        program = CellPulses(np.ones((rows + 1, columns), np.int32))
        _require_raises(LimitError, lambda: crossbar.pulse(program), "a program of another shape")
        _require_close(crossbar.read(), before, noise, "the map after a refused program")


def check_refuses_beyond_limits(make: Make) -> None:
    """Programs beyond every finite limit are LimitErrors, and change nothing."""
    with make() as crossbar:
        before, noise = _whole(crossbar)
        for limit, program in _excesses(crossbar).items():
            what = f"a program beyond limits.{limit}"
            _require_raises(LimitError, partial(crossbar.pulse, program), what)
        _require_close(crossbar.read(), before, noise, "the map after refused programs")
        receipt = crossbar.pulse(CellPulses(np.zeros(crossbar.shape, np.int32)))
        _require(receipt.sequence == 1, "refused programs were numbered as if they had been sent")


def check_refuses_wrong_voltages(make: Make) -> None:
    """Voltages of another shape are ProgramErrors, beyond the read limit LimitErrors."""
    with make() as crossbar:
        for name, verb, lines in _products(crossbar):
            odd, vector = np.zeros((1, lines + 1)), np.zeros(lines)
            _require_raises(ProgramError, partial(verb, odd), f"{name} of a line too many")
            _require_raises(ProgramError, partial(verb, vector), f"{name} of a vector")
            limit = crossbar.limits.read_voltage
            high = np.full((1, lines), 2.0 * limit if np.isfinite(limit) else np.nan)
            _require_raises(LimitError, partial(verb, high), f"{name} beyond the limit")


def check_products_agree_with_map(make: Make) -> None:
    """``forward`` is ``G V`` and ``backward`` is ``G^T V``, within read noise."""
    with make() as crossbar:
        whole, noise = _whole(crossbar)
        volts = abs(crossbar.reading.voltage)
        for name, verb, lines in _products(crossbar):
            matrix = whole.T if name == "forward" else whole
            mixed = np.where(np.arange(lines) % 2, -volts, volts)
            driven = np.vstack([volts * np.eye(lines), mixed])
            currents = verb(driven)
            expected = driven @ matrix
            _require_shape(currents, expected.shape, name)
            reach = np.abs(driven).sum(axis=1, keepdims=True)
            slack = noise * reach + _ALLOWANCE * np.abs(driven @ matrix).max()
            _require_close(currents, expected, slack, f"{name} against read()")


def check_make_safe_is_idempotent(make: Make) -> None:
    """``make_safe`` may be called again and again, and changes no cell."""
    with make() as crossbar:
        before, noise = _whole(crossbar)
        for _ in range(3):
            crossbar.make_safe()
        _require_close(crossbar.read(), before, noise, "the map after make_safe")


def check_usable_after_make_safe(make: Make) -> None:
    """After ``make_safe`` the crossbar still pulses and reads."""
    with make() as crossbar:
        crossbar.make_safe()
        program = CellPulses(np.ones(crossbar.shape, np.int32))
        _require_counted(crossbar.pulse(program), program)
        crossbar.make_safe()
        _require_shape(crossbar.read(), crossbar.shape, "read() after make_safe")


def check_closes_quietly(make: Make) -> None:
    """Leaving the context passes errors on, and closing again does no harm."""

    class PassingError(Exception):
        """Thrown through the context."""

    crossbar = make()
    try:
        with crossbar:
            raise PassingError
    except PassingError:
        pass
    else:
        raise AssertionError("leaving the context swallowed an error")
    crossbar.make_safe()
    crossbar.close()


CHECKS: tuple[Check, ...] = (
    check_describes_itself,
    check_reads_a_map,
    check_reads_parts,
    check_reads_by_index_and_slice,
    check_refuses_lines_beyond,
    check_counts_cell_pulses,
    check_counts_coincidences,
    check_numbers_programs,
    check_up_raises_down_lowers,
    check_coincidences_move_cells,
    check_pulses_the_named_cell,
    check_empty_program_changes_nothing,
    check_refuses_another_shape,
    check_refuses_beyond_limits,
    check_refuses_wrong_voltages,
    check_products_agree_with_map,
    check_make_safe_is_idempotent,
    check_usable_after_make_safe,
    check_closes_quietly,
)
"""Every check, to parametrise a test over."""


Until = Callable[[Map, Map, float], bool]


def _lower(crossbar: Crossbar, cells: NDArray[np.bool_]) -> None:
    """Make room for up pulses."""
    size = int(min(_BLOCK, crossbar.limits.pulses_per_program))
    for _ in range(2):
        crossbar.pulse(_same_counts(cells, -size))


def _push(
    crossbar: Crossbar,
    cells: NDArray[np.bool_],
    sign: int,
    until: Until,
    program: Callable[[NDArray[np.bool_], int], PulseProgram] | None = None,
) -> bool:
    """Pulse ``cells`` block by block until ``until(before, now, noise)``; whether it came to be."""
    before, noise = _whole(crossbar)
    size = int(min(_BLOCK, crossbar.limits.pulses_per_program))
    for _ in range(_BLOCKS):
        crossbar.pulse((program or _same_counts)(cells, sign * size))
        if until(before, crossbar.read(), noise):
            return True
    return False


def _same_counts(cells: NDArray[np.bool_], count: int) -> CellPulses:
    return CellPulses(np.where(cells, count, 0).astype(np.int32))


def _all_coincide(cells: NDArray[np.bool_], count: int) -> CoincidencePulses:
    """Every line fires in every slot, so every cell gets ``count`` pulses."""
    rows, columns = cells.shape
    train = np.uint64(2 ** abs(count) - 1)
    return CoincidencePulses(
        np.full((1, rows), train),
        np.full((1, columns), train),
        np.full((1, rows), np.sign(count), np.int8),
        np.ones((1, columns), np.int8),
        abs(count),
    )


def _trains(shape: tuple[int, int]) -> CoincidencePulses:
    """Two samples whose lines differ in trains and signs."""
    rows, columns = (np.arange(2 * n, dtype=np.uint64).reshape(2, n) for n in shape)
    eight = np.uint64(256)
    return CoincidencePulses(
        (rows * np.uint64(37) + np.uint64(7)) % eight,
        (columns * np.uint64(53) + np.uint64(5)) % eight,
        np.where(rows % np.uint64(2), -1, 1).astype(np.int8),
        np.where(columns % np.uint64(3), 1, -1).astype(np.int8),
        8,
    )


def _mean_moved(sign: int) -> Until:
    def moved(before: Map, now: Map, noise: float) -> bool:
        return bool(sign * (now.mean() - before.mean()) > noise / np.sqrt(now.size))

    return moved


def _all_moved(cells: NDArray[np.bool_], sign: int) -> Until:
    def moved(before: Map, now: Map, noise: float) -> bool:
        return bool((sign * (now - before)[cells] > noise).all())

    return moved


def _whole(crossbar: Crossbar) -> tuple[Map, float]:
    """A map and a tolerance for another reading: ``_SPREADS`` spreads of three readings."""
    readings = np.stack([crossbar.read() for _ in range(3)])
    spread = float(np.ptp(readings, axis=0).max())
    whole: Map = readings.mean(axis=0)
    return whole, _SPREADS * spread + 1e-9 * float(np.abs(whole).max())


def _some_cell(crossbar: Crossbar) -> tuple[int, int]:
    """A usable cell, off the diagonal where there is one, so that a transposition shows."""
    known = crossbar.characteristics
    usable = np.argwhere(known.usable if known else np.ones(crossbar.shape, bool))
    _require(usable.size > 0, "no cell is usable")
    row, column = usable[np.argmax(usable[:, 0] != usable[:, 1])]
    return int(row), int(column)


def _excesses(crossbar: Crossbar) -> dict[str, PulseProgram]:
    """For each finite limit on pulses, a program beyond it."""
    limits, c = crossbar.limits, crossbar.conditions
    ones = np.ones(crossbar.shape, np.int32)
    found: dict[str, PulseProgram] = {}
    if np.isfinite(limits.voltage):
        up = PulseShape(2 * np.copysign(limits.voltage, c.up.amplitude), c.up.width)
        found["voltage"] = CellPulses(ones, conditions=replace(c, up=up))
    if np.isfinite(limits.width):
        down = PulseShape(c.down.amplitude, 2 * limits.width)
        found["width"] = CellPulses(ones, conditions=replace(c, down=down))
    if limits.duty_cycle < 1:
        found["duty_cycle"] = CellPulses(ones, conditions=PulseConditions(c.up, c.down, 0.0))
    most = min(limits.pulses_per_program, limits.pulses_per_cell)
    if most < np.iinfo(np.int32).max:
        found["pulses_per_program or pulses_per_cell"] = CellPulses(ones * (int(most) + 1))
    return found


def _products(crossbar: Crossbar) -> list[tuple[str, Callable[[Map], Map], int]]:
    rows, columns = crossbar.shape
    return [("forward", crossbar.forward, columns), ("backward", crossbar.backward, rows)]


def _name(sign: int) -> str:
    return "up" if sign > 0 else "down"


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def _require_shape(values: Map, shape: tuple[int, ...], what: str) -> None:
    _require(values.shape == shape, f"{what} has the shape {values.shape}, not {shape}")


def _require_close(values: Map, expected: Map, tolerance: float | Map, what: str) -> None:
    excess = np.abs(values - expected) - tolerance
    if not (excess <= 0).all():
        where = tuple(map(int, np.unravel_index(np.argmax(excess), excess.shape)))
        raise AssertionError(
            f"{what}: {values[where]:.4g} instead of {expected[where]:.4g} at {where},"
            " which read noise does not explain"
        )


def _require_counted(receipt: PulseReceipt, program: PulseProgram) -> None:
    _require(
        receipt.pulses_applied == program.total_pulses,
        f"the receipt counts {receipt.pulses_applied} pulses of {program.total_pulses}",
    )
    _require(
        receipt.cells_touched == program.runs.cells_touched,
        f"the receipt counts {receipt.cells_touched} cells of {program.runs.cells_touched}",
    )


def _require_raises(kind: type[Exception], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(
            f"{what} raises {type(error).__name__} ({error}), not {kind.__name__}"
        ) from error
    raise AssertionError(f"{what} is not refused with {kind.__name__}")
