"""Pulses as samples of an arbitrary waveform: exact widths, 0 V at both ends.

The sample period divides both widths and the rest, so that every width is a whole number of
samples; each pulse brings its rest along, one sample of it before the pulse. So a waveform starts
and ends at 0, which is where a generator stays between bursts, whatever the sign of its pulses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, gcd

from ohmloop.drivers.conditions import PulseConditions, PulseShape

FEWEST_POINTS = 32
"""Shortest waveform of a 33600A, samples (a 33500B takes 8)."""

MOST_POINTS = 65_536
"""Longest waveform that can be sent as text, samples."""

_PS = 1e12
_RESTING = 2  # fewest samples of a rest: one before the pulse, one after


@dataclass(frozen=True)
class PulseWaves:
    """How the pulses of some conditions are sampled.

    Attributes:
        conditions: the pulses.
        rate: samples a second.
        scale: the voltage that 1 stands for, V.
        up: samples of an up pulse at its amplitude.
        down: the same of a down pulse.
        rest: samples at 0 that go with every pulse.
    """

    conditions: PulseConditions
    rate: float
    scale: float
    up: int
    down: int
    rest: int

    def points(self, counts: Sequence[int]) -> int:
        """Samples of a train."""
        return sum(abs(n) * (self.rest + (self.up if n > 0 else self.down)) for n in counts)

    def samples(self, counts: Sequence[int]) -> list[float]:
        """A train as numbers from -1 to 1."""
        return [level for n in counts for _ in range(abs(n)) for level in self._pulse(n > 0)]

    def _pulse(self, up: bool) -> Iterator[float]:
        shape, width = (self.conditions.up, self.up) if up else (self.conditions.down, self.down)
        yield 0.0
        yield from [shape.amplitude / self.scale] * width
        yield from [0.0] * (self.rest - 1)


def pulse_waves(conditions: PulseConditions, fastest: float) -> PulseWaves:
    """Choose the slowest sample rate that does.

    Args:
        conditions: the pulses.
        fastest: sample rate that the generator reaches, 1/s.

    Raises:
        ValueError: no sample rate does; the message says why.
    """
    times = [_picoseconds(t) for t in (conditions.up.width, conditions.down.width, conditions.rest)]
    if not times[2]:
        raise ValueError("a generator needs a rest after every pulse")
    unit = gcd(*times)
    up, down, rest = (t // unit for t in times)
    finer = max(ceil(FEWEST_POINTS / (min(up, down) + rest)), ceil(_RESTING / rest), 1)
    rate = finer * _PS / unit
    if rate > fastest:
        raise ValueError(
            f"widths and rest ask for {rate:.3g} samples a second, the generator makes"
            f" {fastest:.3g}; make them multiples of a longer time"
        )
    scale = max(abs(conditions.up.amplitude), abs(conditions.down.amplitude))
    waves = PulseWaves(conditions, rate, scale, up * finer, down * finer, rest * finer)
    if max(waves.points([1]), waves.points([-1])) > MOST_POINTS:
        raise ValueError(
            f"a pulse and its rest would be more than {MOST_POINTS} samples; shorten the rest, or"
            " make widths and rest multiples of a longer time"
        )
    return waves


def largest_current(pulse: PulseShape, ohms: float) -> float:
    """What a pulse drives into a short circuit through ``ohms``, A."""
    return abs(pulse.amplitude) / ohms


def _picoseconds(seconds: float) -> int:
    whole = round(seconds * _PS)
    if abs(seconds * _PS - whole) > 1e-3:
        raise ValueError("a generator times pulses by whole picoseconds")
    return whole
