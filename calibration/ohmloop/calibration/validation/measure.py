"""Measuring the sequences of a validation: predict, write the prediction down, only then pulse."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ohmloop.calibration.measuring.progress import Progress
from ohmloop.drivers import BadInputError, PulseProgram

from .outcome import Array, Mask, Repeat, outcome
from .plan import ValidationPlan
from .predictive import Forecaster, Predictive
from .sequences import PulseSequence

if TYPE_CHECKING:
    import xarray as xr

_SPARE = 3
"""Repeats that are made in place of some in which a program was left in doubt."""


class Steps(Protocol):
    """What is needed of a measuring session."""

    def read(self, *, label: str = "", repeat: int = -1) -> Array:
        """Read the whole map, ``(rows, columns)``, S."""

    def pulse(self, program: PulseProgram, *, label: str = "", repeat: int = -1) -> bool:
        """Apply a program once; False where it is in doubt."""

    def wait(self, seconds: float, *, label: str = "") -> None:
        """Leave the chip alone."""

    def note(self, label: str, **values: Any) -> None:
        """Keep values beside the readings."""


def measure(
    session: Steps,
    sequences: Sequence[PulseSequence],
    forecaster: Forecaster,
    plan: ValidationPlan,
    usable: Mask,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Predict and measure all repeats of all sequences; the outcome (see ``outcome``).

    Repeats go round all kinds, so that what changes slowly is in every kind alike. Run again on a
    session that knows some of the steps, it goes on after them.

    Args:
        session: where the chip is.
        sequences: one a kind.
        forecaster: predicts.
        plan: repeats and readings.
        usable: cells that count.
        progress: told after every repeat: readings done, of how many, and the kind.

    Raises:
        BadInputError: too many programs were left in doubt.
        InstrumentError: the instruments failed; what was measured is kept by the session.
    """
    before, done, number = session.read(label="before"), [], 0
    whole = dict.fromkeys((s.kind for s in sequences), 0)
    readings, total = 1, effort(sequences, plan)["maps"]
    for _ in range(plan.repeats + _SPARE):
        for sequence in sequences:
            if whole[sequence.kind] == plan.repeats:
                continue
            one = _repeat(session, sequence, forecaster, plan, whole[sequence.kind], number)
            number += 1
            if one is not None:
                done.append(one)
                whole[sequence.kind] += 1
            readings += plan.start_reads + len(sequence.steps)
            if progress:
                progress(min(readings, total), total, str(sequence.kind))
    if min(whole.values()) < plan.repeats:
        raise BadInputError("too many pulse programs were left in doubt; check the bench's links")
    order = [s.kind for s in sequences]
    done.sort(key=lambda one: (order.index(one.sequence.kind), one.number))
    return outcome(done, before, usable)


def _repeat(
    session: Steps,
    sequence: PulseSequence,
    forecaster: Forecaster,
    plan: ValidationPlan,
    repeat: int,
    number: int,
) -> Repeat | None:
    """One repeat; None where what happened to the cells is not known."""
    kind, sure = str(sequence.kind), True
    for program in sequence.prepare:
        session.pulse(program, label=f"{kind} start", repeat=repeat)
    readings = [session.read(label=f"{kind} start", repeat=repeat) for _ in range(plan.start_reads)]
    start = np.mean(readings, axis=0)
    expected = forecaster.predict(sequence, start, plan.start_reads, number)
    session.note(f"{kind} prediction", repeat=repeat, **written(expected))
    measured = []
    for step in sequence.steps:
        for program in step.programs:
            sure &= session.pulse(program, label=kind, repeat=repeat)
        if step.wait:
            session.wait(step.wait, label=kind)
        measured.append(session.read(label=kind, repeat=repeat))
    return Repeat(sequence, repeat, start, expected, np.stack(measured)) if sure else None


def effort(sequences: Sequence[PulseSequence], plan: ValidationPlan) -> dict[str, int]:
    """What the sequences take: ``programs``, ``maps`` read, ``pulses`` in all."""
    every = [
        [*s.prepare, *(program for step in s.steps for program in step.programs)] for s in sequences
    ]
    maps = sum(plan.start_reads + len(s.steps) for s in sequences)
    return {
        "programs": plan.repeats * sum(map(len, every)),
        "maps": 1 + plan.repeats * maps,
        "pulses": plan.repeats * sum(p.total_pulses for some in every for p in some),
    }


def written(expected: Predictive) -> dict[str, Any]:
    """A prediction as a note: its digest, and mean and deviation as packed float32."""
    packed = zlib.compress(np.stack([expected.mean, expected.std]).tobytes(), 1)
    text = base64.b64encode(packed).decode()
    return {"digest": expected.digest, "shape": list(expected.mean.shape), "mean_and_std": text}


def read_back(note: dict[str, Any]) -> tuple[Array, Array]:
    """Mean and deviation of a note of ``written``, ``(positions, rows, columns)``, S."""
    values = np.frombuffer(zlib.decompress(base64.b64decode(note["mean_and_std"])), np.float32)
    mean, std = values.reshape(2, *note["shape"]).astype(np.float64)
    return mean, std
