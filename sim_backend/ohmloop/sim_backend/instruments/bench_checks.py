"""The conformance kit for a whole family: driver and emulator, over the wire, held to the twin.

::

    from ohmloop.sim_backend.instruments.bench_checks import BENCH_CHECKS

    @pytest.mark.parametrize("check", BENCH_CHECKS, ids=lambda check: check.__name__)
    def test_my_family(check):
        check(load_bench("my-bench.yaml"))

or ``check_bench(load_bench("my-bench.yaml"))``. To what ``ohmloop.drivers.testing`` asks of a
crossbar alone, these add what only the emulator knows: what really reached the chip. Each raises
AssertionError with one sentence. The bench has one crossbar, of some ten to a hundred cells, and
time-outs of a few tenths of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ohmloop.drivers import (
    Bench,
    CellPulses,
    CoincidencePulses,
    LimitError,
    PulseProgram,
    PulseShape,
    RunPulses,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend.twin import TwinCrossbar

from .bench import EmulatedBench
from .fault_trials import FaultTrials
from .faults import Fault

BenchCheck = Callable[[Bench], None]
"""One requirement."""

_PLACES = 4  # messages of an instrument that a fault strikes, one after the other


def check_bench(bench: Bench) -> None:
    """Run the whole kit, that of a single crossbar included.

    Raises:
        AssertionError: says which check failed, and why.
    """
    for check in BENCH_CHECKS:
        try:
            check(bench)
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error


def random_programs(shape: tuple[int, int], seed: int) -> Iterator[PulseProgram]:
    """Programs of all kinds in turn, without end."""
    rng = np.random.default_rng(seed)
    rows, columns = shape
    while True:
        yield CellPulses(rng.integers(-5, 6, shape, np.int32))
        batch, length = int(rng.integers(1, 4)), int(rng.integers(1, 13))
        yield CoincidencePulses(
            rng.integers(0, 2**length, (batch, rows), np.uint64),
            rng.integers(0, 2**length, (batch, columns), np.uint64),
            rng.choice(np.array([-1, 1], np.int8), (batch, rows)),
            rng.choice(np.array([-1, 1], np.int8), (batch, columns)),
            length,
        )
        cells = np.repeat(np.sort(rng.permutation(rows * columns)[: rows + 1]), 2)
        signs = np.tile(rng.choice([[1, -1], [-1, 1]]), cells.size // 2)
        sizes = rng.integers(1, 6, cells.size)
        yield RunPulses(cells.astype(np.int32), (signs * sizes).astype(np.int32), rows, columns)


def check_parity_with_the_twin(bench: Bench) -> None:
    """The same programs leave the chip and its twin in the same state, bit for bit."""
    with EmulatedBench(bench, any_port=True) as emulated:
        twin = _twin(emulated)
        with open_on_bench(emulated.bench) as chip:
            for number, program in zip(range(6), random_programs(chip.shape, 1), strict=False):
                receipt = chip.pulse(program)
                twin.pulse(program)
                same = np.array_equal(emulated.cells.conductance, twin.conductance)
                _require(same, f"program {number} leaves the chip in another state than the twin")
                arrived = receipt.pulses_applied == program.total_pulses
                _require(arrived, f"program {number}: {receipt.pulses_applied} pulses applied")
        _require(
            emulated.pulses_applied == twin.cells.pulses_applied,
            "chip and twin count other pulses",
        )


def check_reads_what_is_there(bench: Bench) -> None:
    """Readings are the true conductances within the cells' own read noise (at 6 spreads)."""
    with EmulatedBench(bench, any_port=True) as emulated, open_on_bench(emulated.bench) as chip:
        true, spread = emulated.cells.conductance, emulated.cells.population.read_std
        error = np.abs(chip.read() / true - 1)
        worst = float((error - 6 * spread).max())
        _require(worst < 2e-3, f"a reading is off by {worst:.2g} of itself beyond its noise")
        _require(emulated.pulses_applied == 0, "reading moved cells")


def check_refused_programs_send_nothing(bench: Bench) -> None:
    """Beyond the limits not a byte leaves."""
    with EmulatedBench(bench, any_port=True) as emulated, open_on_bench(emulated.bench) as chip:
        chip.read()
        before = [server.bytes_received for server in emulated.servers.values()]
        c, ones = chip.conditions, np.ones(chip.shape, np.int32)
        strong = PulseShape(np.copysign(1.1 * chip.limits.voltage, c.up.amplitude), c.up.width)
        wide = PulseShape(c.down.amplitude, 1.1 * chip.limits.width)
        for changed in (replace(c, up=strong), replace(c, down=wide)):
            program = CellPulses(ones, conditions=changed)
            _require_refused(partial(chip.pulse, program))
        _require_refused(partial(chip.currents, 1.1 * chip.limits.read_voltage))
        after = [server.bytes_received for server in emulated.servers.values()]
        _require(before == after, "bytes left for a program that was refused")


def check_everything_off_whatever_happens(bench: Bench) -> None:
    """Left by an exception, no output is on and no relay has moved under voltage."""

    class LeavingError(Exception):
        """Leaves."""

    with EmulatedBench(bench, any_port=True) as emulated:
        try:
            with open_on_bench(emulated.bench) as chip:
                chip.pulse(CellPulses(np.ones(chip.shape, np.int32)))
                chip.read()
                raise LeavingError
        except LeavingError:
            pass
        _require(not emulated.outputs_on, "an output is on after the crossbar was left")
        _require(emulated.hot_switches == 0, "relays moved under voltage")


def check_limits_hold_at_the_chip(bench: Bench) -> None:
    """No cell sees more than the bench's pulses ask for, nor for longer."""
    with EmulatedBench(bench, any_port=True) as emulated:
        with open_on_bench(emulated.bench) as chip:
            for _, program in zip(range(4), random_programs(chip.shape, 2), strict=False):
                chip.pulse(program)
            chip.read()
            c = chip.conditions
        (one,) = emulated.chips.values()
        most = max(abs(c.up.amplitude), abs(c.down.amplitude))
        _require(one.witness.voltage <= most * (1 + 1e-9), f"{one.witness.voltage:g} V on a cell")
        longest = max(c.up.width, c.down.width)
        _require(one.witness.width <= longest * (1 + 1e-9), f"{one.witness.width:g} s on a cell")


def check_fault(bench: Bench, fault: Fault) -> None:
    """A fault at any of the next messages of any instrument: exactly once, or in doubt and said."""
    with FaultTrials(bench) as trials:
        programs = random_programs(trials.crossbar.shape, 3)
        # Where in a program an instrument hangs makes no difference to its silence.
        places = 1 if fault is Fault.HUNG else _PLACES
        for instrument in trials.emulated.servers:
            for place in range(places):
                judged = trials.run(next(programs), instrument, [*[None] * place, fault])
                where = f"{fault.name} at message {place + 1} of {instrument!r}"
                _require(not judged.violations, f"{where}: {'; '.join(judged.violations)}")


def _fault_check(fault: Fault) -> BenchCheck:
    def check(bench: Bench) -> None:
        check_fault(bench, fault)

    check.__name__ = f"check_fault_{fault.name.lower()}"
    check.__doc__ = f"Exactly once, or in doubt and said, when {fault.value}."
    return check


def _single_check(single: Any) -> BenchCheck:
    def check(bench: Bench) -> None:
        with EmulatedBench(bench, any_port=True) as emulated:
            single(lambda: open_on_bench(emulated.bench))

    check.__name__, check.__doc__ = single.__name__, single.__doc__
    return check


BENCH_CHECKS: tuple[BenchCheck, ...] = (
    *map(_single_check, CHECKS),
    check_parity_with_the_twin,
    check_reads_what_is_there,
    check_refused_programs_send_nothing,
    check_everything_off_whatever_happens,
    check_limits_hold_at_the_chip,
    *map(_fault_check, Fault),
)
"""Every check, to parametrise a test over."""


def _twin(emulated: EmulatedBench) -> TwinCrossbar:
    cells, bench = emulated.cells, emulated.bench
    return TwinCrossbar(
        cells.population, seed=cells.seed, conditions=bench.conditions, reading=bench.reading
    )


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def _require_refused(call: Callable[[], object]) -> None:
    try:
        call()
    except LimitError:
        return
    raise AssertionError("a program beyond the limits was not refused")
