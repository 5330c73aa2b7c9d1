"""What a chip has had to bear: so that a test can say that no limit was ever exceeded."""

from __future__ import annotations


class Witness:
    """The largest voltage and the longest pulse that reached a chip.

    Args:
        read_voltage: up to here a voltage is a read, which may last, V.

    Attributes:
        voltage: largest magnitude, V.
        width: longest time above ``read_voltage``, s.
    """

    def __init__(self, read_voltage: float) -> None:
        self._read_voltage = read_voltage
        self.voltage = self.width = 0.0

    def saw(self, voltage: float, width: float) -> None:
        """A cell was under ``voltage`` (V) for ``width`` (s)."""
        size = abs(voltage)
        if size > self.voltage:
            self.voltage = size
        if size > self._read_voltage and width > self.width:
            self.width = width
