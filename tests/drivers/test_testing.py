from __future__ import annotations

import ast
import inspect

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, Limits, Region, testing
from ohmloop.drivers.testing import CHECKS, check_crossbar
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

LIMITS = Limits(voltage=2.0, width=1e-2, read_voltage=0.3, duty_cycle=0.5, pulses_per_program=100)


def _population(shape, **spec):
    return sample(PopulationSpec(**spec), shape, np.random.default_rng(5))


def _maker(kind=TwinCrossbar, shape=(3, 4), limits=LIMITS, **spec):
    return lambda: kind(_population(shape, **spec), seed=5, limits=limits)


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "make",
    [
        _maker(),
        _maker(shape=(4, 4), limits=Limits()),
        _maker(shape=(1, 2)),
        _maker(read_std=0.0, dg_std=0.0),
        lambda: Region(_maker(shape=(6, 6))(), (1, 2), (3, 4)),
    ],
    ids=["limits", "square", "small", "noiseless", "region"],
)
def test_twin_conforms(make, check):
    check(make)


class Dropping(TwinCrossbar):
    """Loses the last pulse of every program, and says so."""

    def _pulse(self, program, sequence):
        counts = program.counts().sum(axis=0)
        row, column = np.argwhere(counts)[-1] if counts.any() else (0, 0)
        counts[row, column] -= np.sign(counts[row, column])
        return super()._pulse(CellPulses(counts), sequence)


class Swapped(TwinCrossbar):
    """Up is down."""

    def _pulse(self, program, sequence):
        return super()._pulse(CellPulses(-program.counts().sum(axis=0)), sequence)


class TransposedReads(TwinCrossbar):
    """Reads G[column, row]."""

    def _read(self, rows, columns):
        return super()._read(columns, rows)


class TransposedMap(TwinCrossbar):
    """Consistently transposed when read, not when pulsed."""

    def _read(self, rows, columns):
        return super()._read(columns, rows).T


class TransposedProducts(TwinCrossbar):
    """Forward and backward exchanged."""

    def _forward(self, volts):
        return super()._backward(volts)

    def _backward(self, volts):
        return super()._forward(volts)


class Neighbourly(TwinCrossbar):
    """Pulses also the next column."""

    def _pulse(self, program, sequence):
        done = super()._pulse(program, sequence)
        super()._pulse(CellPulses(np.roll(program.counts().sum(axis=0), 1, axis=1)), sequence)
        return done


class Deaf(TwinCrossbar):
    """Reports pulses that it never gave."""

    def _pulse(self, program, sequence):
        return program.total_pulses, 0


class Unsigned(TwinCrossbar):
    """Takes every coincidence for an up pulse."""

    def _pulse(self, program, sequence):
        if not isinstance(program, CellPulses):
            program = CellPulses(np.abs(program.counts()).sum(axis=0))
        return super()._pulse(program, sequence)


class PartsShifted(TwinCrossbar):
    """Parts begin at the first row whatever was asked."""

    def _read(self, rows, columns):
        return super()._read(np.arange(rows.size), columns)


class Flat(TwinCrossbar):
    """Reads without shape."""

    def _read(self, rows, columns):
        return super()._read(rows, columns).ravel()


class Fidgety(TwinCrossbar):
    """Pulses everything when made safe."""

    def _make_safe(self):
        self.cells.apply(CellPulses(np.full(self.shape, 20)).runs)


class SafeForGood(TwinCrossbar):
    """Cannot be used any more once it was made safe."""

    off = False

    def _make_safe(self):
        self.off = True

    def _pulse(self, program, sequence):
        return (0, 0) if self.off else super()._pulse(program, sequence)


class Unguarded(TwinCrossbar):
    """Has limits, and no guard."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._guard.admit = lambda program, shape: None
        self._guard.limits = LIMITS

    def _pulse(self, program, sequence):
        fits = program.shape == self.shape
        return super()._pulse(program, sequence) if fits else (program.total_pulses, 0)


class Swallowing(TwinCrossbar):
    """Swallows errors."""

    def __exit__(self, *args):
        super().__exit__(*args)
        return True


@pytest.mark.parametrize(
    ("kind", "failing"),
    [
        (Dropping, "check_counts_cell_pulses"),
        (Dropping, "check_counts_coincidences"),
        (Swapped, "check_up_raises_down_lowers"),
        (Swapped, "check_coincidences_move_cells"),
        (TransposedReads, "check_reads_parts"),
        (TransposedMap, "check_pulses_the_named_cell"),
        (TransposedMap, "check_products_agree_with_map"),
        (TransposedProducts, "check_products_agree_with_map"),
        (Neighbourly, "check_pulses_the_named_cell"),
        (Deaf, "check_up_raises_down_lowers"),
        (Deaf, "check_pulses_the_named_cell"),
        (Unsigned, "check_coincidences_move_cells"),
        (PartsShifted, "check_reads_parts"),
        (Flat, "check_reads_a_map"),
        (Fidgety, "check_make_safe_is_idempotent"),
        (SafeForGood, "check_usable_after_make_safe"),
        (Unguarded, "check_refuses_beyond_limits"),
        (Unguarded, "check_refuses_another_shape"),
        (Swallowing, "check_closes_quietly"),
    ],
)
def test_broken_crossbar_fails_the_right_check(kind, failing):
    make = _maker(kind, shape=(4, 4))
    with pytest.raises(AssertionError) as caught:
        getattr(testing, failing)(make)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_crossbar_names_the_check_that_failed():
    with pytest.raises(AssertionError, match=r"^check_up_raises_down_lowers: up pulses do not"):
        check_crossbar(_maker(Deaf))


@pytest.mark.conformance
def test_check_crossbar_passes_the_twin():
    check_crossbar(_maker())


def test_every_check_is_in_the_tuple_and_says_what_it_wants():
    names = {
        name
        for name, value in vars(testing).items()
        if name.startswith("check_") and inspect.isfunction(value)
    }
    assert {check.__name__ for check in CHECKS} == names - {"check_crossbar"}
    assert all(check.__doc__ for check in CHECKS)


def test_kit_needs_no_pytest():
    tree = ast.parse(inspect.getsource(testing))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("pytest" in ast.unparse(node) for node in imports)
