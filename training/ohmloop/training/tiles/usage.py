"""What a tile has been used for: plain counts, from which time and energy are estimated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any

import numpy as np

from ohmloop.drivers import CoincidencePulses, Crossbar, PulseProgram
from ohmloop.training.update.rule import Rows, UpdateRule


@dataclass(slots=True)
class Usage:
    """Counts since a tile was made; they add up and can be subtracted.

    Attributes:
        forward: forward products, of one sample each.
        backward: backward products, of one sample each.
        columns_read: columns that an algorithm read.
        cells_read: cells that were measured one at a time, also to make products in the host.
        pulses: pulses applied.
        programs: programs applied.
        doubts: programs of which nobody could tell how much was applied.
        slots: slots of the pulse trains, one after the other; pulses of single cells take one each.
        pulse_seconds: time that the pulses took on the bench by its pulse conditions, s.
        updates: mini-batches pulsed.
        clipped: sum over them of the share that could not be pulsed.
    """

    forward: int = 0
    backward: int = 0
    columns_read: int = 0
    cells_read: int = 0
    pulses: int = 0
    programs: int = 0
    doubts: int = 0
    slots: int = 0
    pulse_seconds: float = 0.0
    updates: int = 0
    clipped: float = 0.0

    @property
    def products(self) -> int:
        """In both directions."""
        return self.forward + self.backward

    @property
    def clipped_share(self) -> float:
        """Mean share of the updates that could not be pulsed, 0 to 1."""
        return self.clipped / self.updates if self.updates else 0.0

    def __add__(self, other: Usage) -> Usage:
        own, more = asdict(self), asdict(other)
        return Usage(**{f.name: own[f.name] + more[f.name] for f in fields(self)})

    def __sub__(self, other: Usage) -> Usage:
        own, less = asdict(self), asdict(other)
        return Usage(**{f.name: own[f.name] - less[f.name] for f in fields(self)})

    def count_program(self, program: PulseProgram, applied: int, crossbar: Crossbar) -> None:
        """Count a program that ``crossbar`` has applied."""
        self.pulses += applied
        self.programs += 1
        if not isinstance(program, CoincidencePulses):
            self.slots += applied
            self.pulse_seconds += program.duration(crossbar.conditions)
            return
        self.slots += program.batch * program.length
        if crossbar.capabilities.coincidence_update:
            self.pulse_seconds += program.duration(crossbar.conditions)
        else:  # one cell after the other
            self.pulse_seconds += applied * (program.conditions or crossbar.conditions).slot


@dataclass(slots=True)
class Strongest:
    """The update that was clipped most.

    Attributes:
        rate: learning rate that it was pulsed with.
        fits: largest one that would not have been clipped; infinite where none was, nan where the
            rule does not tell how long its trains may be.
        clipped: its share that could not be pulsed.
    """

    rate: float = 0.0
    fits: float = inf
    clipped: float = 0.0

    def note(
        self,
        x: Rows,
        d: Rows,
        lr: float,
        dw_min: float,
        rule: UpdateRule,
        most: float,
        clipped: float,
    ) -> None:
        """Look at an update of which a share ``clipped`` was lost.

        A line should fire in ``sqrt(lr / (dw_min BL))`` times its value of the slots, so nothing is
        clipped up to ``lr = BL dw_min / (max|x| max|d|)``, for each sample, where rows and columns
        are balanced; where they are not, the larger of the two counts twice (Gokmen and Vlasov,
        Front. Neurosci. 10:333, 2016, eq. 2).
        """
        settings: Any = rule
        slots = min(getattr(settings, "desired_bl", np.nan), most)
        x_max, d_max = np.abs(x).max(axis=1), np.abs(d).max(axis=1)
        balanced = getattr(settings, "update_management", True)
        size = x_max * d_max if balanced else np.maximum(x_max, d_max) ** 2
        fits = float(slots * dw_min / size.max())
        if not fits >= self.fits:
            self.rate, self.fits, self.clipped = lr, fits, clipped
