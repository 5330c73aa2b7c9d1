"""Reading buffers of a 2600B: readings with their statuses, times and source values.

2600BS-901-01, sections 2 (reading buffers) and 7 (``smuX.nvbufferY``, ``bufferVar``). A dedicated
buffer holds over 140,000 readings, or over 60,000 with times and source values; the exact figures
and the error numbers are not verified on an instrument.
"""

from __future__ import annotations

from typing import Any

from .tree import Attribute, Computed, Report, Tree

FULL, CONFLICT = 5003, -221
STATUS_FOUR_WIRE, STATUS_COMPLIANCE = 0x10, 0x40
_PLAIN, _DETAILED = 140_000, 60_000


class Column(list[float]):
    """One quantity of a buffer, which Lua indexes from 1."""

    def __getitem__(self, index: Any) -> Any:
        """``column[1]`` is the first; beyond the last there is nothing."""
        try:
            return _item(self, index - 1) if index > 0 else None
        except (IndexError, TypeError):
            return self._unusual(index)

    def _unusual(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _item(self, index)
        number = int(index)
        return _item(self, number - 1) if 0 < number <= len(self) else None


_item = list.__getitem__


class _OnlyEmpty(Attribute):
    """A setting that a buffer with readings in it refuses."""

    def __init__(self, readings: Column, value: float = 0) -> None:
        super().__init__(value, allowed=(0, 1))
        self._readings = readings

    def set(self, value: Any, report: Report) -> None:
        """Set, or refuse."""
        if self._readings and value != self.value:
            report(CONFLICT, "Settings conflict: the buffer is not empty")
        else:
            super().set(value, report)


class ReadingBuffer(Tree):
    """``nvbuffer1`` and its like."""

    def __init__(self) -> None:
        self.readings, self.statuses = Column(), Column()
        self.timestamps, self.sourcevalues = Column(), Column()
        self._append = Attribute(0, allowed=(0, 1))
        self._times = _OnlyEmpty(self.readings)
        self._sources = _OnlyEmpty(self.readings)
        self._base = 0.0
        super().__init__(
            readings=self.readings,
            statuses=self.statuses,
            timestamps=self.timestamps,
            sourcevalues=self.sourcevalues,
            n=Computed(lambda: len(self.readings)),
            capacity=Computed(lambda: self.capacity),
            basetimestamp=Computed(lambda: self._base),
            timestampresolution=Attribute(1e-6, 1e-6),
            appendmode=self._append,
            collecttimestamps=self._times,
            collectsourcevalues=self._sources,
            clear=lambda *_: self.clear(),
        )

    @property
    def capacity(self) -> int:
        """How many readings fit."""
        return _DETAILED if self._times.value or self._sources.value else _PLAIN

    def clear(self) -> None:
        """Forget all readings."""
        for column in (self.readings, self.statuses, self.timestamps, self.sourcevalues):
            column.clear()

    def reset(self) -> None:
        """Readings go, too."""
        self.clear()
        super().reset()

    def begin(self) -> None:
        """A measurement or a sweep starts; without append mode the buffer is emptied."""
        if not self._append.value:
            self.clear()

    def store(self, reading: float, status: int, time: float, source: float) -> bool:
        """Keep one reading; False where the buffer is full."""
        readings = self.readings
        if len(readings) >= _DETAILED and len(readings) >= self.capacity:
            return False
        if not readings:
            self._base = time
        readings.append(reading)
        self.statuses.append(status)
        if self._times.value:
            self.timestamps.append(time - self._base)
        if self._sources.value:
            self.sourcevalues.append(source)
        return True

    @property
    def detailed(self) -> bool:
        """Whether times or source values are kept, too."""
        return bool(self._times.value or self._sources.value)
