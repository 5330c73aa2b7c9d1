"""The pulse sequences of a validation: what is sent between two readings, kind by kind.

All is drawn before the first pulse, from the plan, the twin and a generator, so the same seed gives
the same programs, whatever the chip answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram
from ohmloop.sim_backend import Population

from .plan import Kind, ValidationPlan

Counts = NDArray[np.int32]
Mask = NDArray[np.bool_]

_SHARES = (1.0, 0.5, 0.2)
"""Shares of cells pulsed in a step of random pulses, and shares of the most pulses, in turn."""
_FARTHEST = 2000
"""Pulses after which the way to the symmetric point is given up."""


@dataclass(frozen=True)
class Step:
    """What happens between two readings.

    Attributes:
        programs: pulses, in order; none where only time passes.
        wait: time after them, s.
    """

    programs: tuple[PulseProgram, ...] = ()
    wait: float = 0.0


@dataclass(frozen=True)
class PulseSequence:
    """A sequence of one kind.

    Attributes:
        kind: which.
        prepare: programs before it, after which repeats start alike.
        steps: one for every position.
    """

    kind: Kind
    prepare: tuple[PulseProgram, ...]
    steps: tuple[Step, ...]

    def counts(self, shape: tuple[int, int]) -> tuple[Counts, Counts]:
        """Up and down pulses of every step, ``(positions, rows, columns)`` each."""
        ups, downs = np.zeros((2, len(self.steps), *shape), np.int32)
        for k, step in enumerate(self.steps):
            for program in step.programs:
                given = program.counts()
                ups[k] += np.maximum(given, 0).sum(axis=0, dtype=np.int32)
                downs[k] += np.maximum(-given, 0).sum(axis=0, dtype=np.int32)
        return ups, downs


def make_sequences(
    plan: ValidationPlan,
    population: Population,
    usable: Mask,
    most: float,
    rng: np.random.Generator,
) -> tuple[PulseSequence, ...]:
    """Draw one sequence of every kind of a plan.

    Args:
        plan: kinds and lengths.
        population: the twin's cells, which say where their symmetric points should be.
        usable: cells to pulse, ``(rows, columns)``; others get pulses only where whole lines fire.
        most: pulses that a cell may get in one program, ``limits.pulses_per_program``.
        rng: draws them; every kind has a generator of its own, spawned from it.
    """
    draw = _Draw(plan, population, usable, most)
    generators = dict(zip(Kind, rng.spawn(len(Kind)), strict=True))
    return tuple(draw.sequence(kind, generators[kind]) for kind in plan.kinds)


class _Draw:
    """The makers of steps, one a kind."""

    def __init__(
        self, plan: ValidationPlan, population: Population, usable: Mask, most: float
    ) -> None:
        self.plan, self.population, self.usable = plan, population, usable
        self.most = int(min(most, np.iinfo(np.int32).max))

    def sequence(self, kind: Kind, rng: np.random.Generator) -> PulseSequence:
        maker = {
            Kind.MIX: self._mix,
            Kind.SPARSE: self._sparse,
            Kind.LONG: self._long,
            Kind.POINT: self._point,
            Kind.IDLE: self._idle,
        }[kind]
        start = self._uniform(-self.plan.start_pulses)
        if kind is not Kind.LONG:  # a long train begins in the lower part
            start += self._programs(self._to_point())
        return PulseSequence(kind, start, tuple(maker(rng)))

    def _mix(self, rng: np.random.Generator) -> Iterator[Step]:
        """Many cells and few, short runs and long ones, in all combinations as far as it goes."""
        for k in range(self.plan.positions):
            share = _SHARES[k % 3]
            longest = max(1, round(self.plan.mix_pulses * _SHARES[(k // 3 + k) % 3]))
            counts = rng.integers(1, longest, self.usable.shape, np.int32, endpoint=True)
            counts *= rng.choice(np.array([-1, 1], np.int32), self.usable.shape)
            yield Step(self._programs(np.where(rng.random(self.usable.shape) < share, counts, 0)))

    def _sparse(self, rng: np.random.Generator) -> Iterator[Step]:
        """Half of the inputs are 0, as behind a rectifier; errors have either sign."""
        rows, columns = self.usable.shape
        length = min(self.plan.sparse_length, self.most)
        batch = max(1, min(self.plan.sparse_batch, self.most // length))
        for _ in range(self.plan.positions):
            inputs = np.maximum(rng.uniform(-1, 1, (batch, columns)), 0)
            errors = rng.uniform(-1, 1, (batch, rows))
            program = CoincidencePulses(
                row_trains=_trains(np.abs(errors) * self.plan.sparse_odds, length, rng),
                column_trains=_trains(inputs * self.plan.sparse_odds, length, rng),
                row_signs=np.where(errors > 0, -1, 1).astype(np.int8),
                column_signs=np.ones((batch, columns), np.int8),
                length=length,
            )
            yield Step((program,))

    def _long(self, rng: np.random.Generator) -> Iterator[Step]:  # noqa: ARG002
        parts = np.array_split(np.arange(self.plan.long_pulses), self.plan.long_reads)
        for sign in (1, -1):
            for part in parts:
                yield Step(self._uniform(sign * part.size))

    def _point(self, rng: np.random.Generator) -> Iterator[Step]:  # noqa: ARG002
        for k in range(self.plan.point_reads):
            yield Step(self._uniform((-1) ** k * self.plan.point_pulses))

    def _idle(self, rng: np.random.Generator) -> Iterator[Step]:  # noqa: ARG002
        for _ in range(self.plan.positions):
            yield Step((), self.plan.idle_wait)

    def _uniform(self, pulses: int) -> tuple[PulseProgram, ...]:
        return self._programs(np.full(self.usable.shape, pulses, np.int32))

    def _programs(self, counts: Counts) -> tuple[PulseProgram, ...]:
        """As many as the limit a program asks for; none where there is nothing to do."""
        left, programs = np.where(self.usable, counts, 0).astype(np.int32), []
        while left.any():
            part = np.clip(left, -self.most, self.most)
            programs.append(CellPulses(part))
            left = left - part
        return tuple(programs)

    def _to_point(self) -> Counts:
        """Up pulses that take each cell from its start to its symmetric point, by the twin."""
        response = self.population.response
        point = np.asarray(response.symmetric_point, np.float64)
        point = np.where(np.isfinite(point), point, np.asarray(response.middle, np.float64))
        start = np.asarray(self.population.g_min, np.float64)
        if self.plan.start_pulses:
            start = np.asarray(response.after(point, 0, self.plan.start_pulses), np.float64)
        counts = np.zeros(self.usable.shape, np.int32)
        g = start
        for _ in range(_FARTHEST):
            step = np.asarray(response.q_up(g), np.float64)
            short = self.usable & (g + step / 2 < point) & (step > 0)
            if not short.any():
                break
            g = np.where(short, g + step, g)
            counts += short
        return counts


def _trains(odds: NDArray[np.float64], length: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """Bernoulli trains: bit k is set with probability ``odds`` ``(batch, lines)``."""
    fires = rng.random((length, *odds.shape)) < odds
    bits = np.uint64(1) << np.arange(length, dtype=np.uint64)
    trains: NDArray[np.uint64] = np.einsum("kbl,k->bl", fires.astype(np.uint64), bits)
    return trains
