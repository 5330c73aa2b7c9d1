"""A B1500A's SMU as the meter of a routed crossbar: one line and one reply a cell.

``DV`` puts the voltage on, ``PA`` waits, ``TI`` measures, ``DV`` takes it off. What a line may have
been refused shows in ``ERRX?`` at the end of a read, which then gives no numbers at all.
"""

from __future__ import annotations

from math import nan

from ohmloop.drivers.conditions import ReadCondition
from ohmloop.drivers.errors import LinkError

from .b1500a import B1500A
from .flex_commands import (
    current_range,
    force_voltage,
    line,
    measure_current,
    pause,
    remembered,
    voltage_range,
)
from .flex_part import FlexPart
from .flex_replies import STATUS, read_data

_LINE = 0.02  # one power-line cycle at 50 Hz, s


class SmuMeter(FlexPart):
    """See the module.

    Args:
        analyser: the instrument.
        nplc: integration time, power-line cycles.
        compliance: current limit, A.
        largest: largest voltage that the SMU will be asked for, V; it fixes the source's range.
    """

    def __init__(self, analyser: B1500A, nplc: float, compliance: float, largest: float) -> None:
        super().__init__(analyser, nplc, compliance, analyser.options.smu)
        self._source = voltage_range(largest)
        wanted = analyser.options.current_range
        self._range = 0 if wanted is None else -current_range(wanted)
        self._settle = 0.0
        self.trouble = ""
        """Why the first reading since ``prepare_meter`` that was none was none."""

    def prepare_meter(self, reading: ReadCondition) -> None:
        """Settings for reading; the output stays off. Comes back after a lost link.

        Raises:
            ReportedError: the instrument refuses one.
        """
        self._settle, self.trouble = reading.settle, ""
        self.ready()

    def measure(self, voltage: float) -> float:
        """Settle at ``voltage`` (V), measure the current (A), go back to 0 V.

        Returns:
            The current; nan where the status letter says that it is none, ``trouble`` saying why.

        Raises:
            LinkError: the link does not come back.
        """
        for _ in range(3):
            try:
                return self._measure(voltage)
            except LinkError:
                self._on = False
                self.analyser.come_back()
                self.ready()  # the power may have failed
        return self._measure(voltage)

    def idle(self) -> None:
        """0 V, output switch open; see ``FlexPart``.

        Raises:
            ReportedError: a line of a read had been refused, so that its number means nothing.
        """
        refused = self.analyser.patiently(self.analyser.trouble)
        super().idle()
        if refused is not None:
            raise refused

    def _measure(self, voltage: float) -> float:
        text = self._spot(voltage)
        if not self._on:
            text = line(*self._switch_on(), text)
        wait = self._settle + self._nplc * _LINE
        data = self.analyser.asked(text, read_data, wait)
        if len(data) != 1 or data[0].slot != self.channel or data[0].kind != "I":
            raise LinkError(self.name, self.resource, f"garbled reply to a read: {data}")
        self._on = True
        if data[0].status == "N" and not data[0].missing:
            return data[0].value
        self.trouble = self.trouble or STATUS[data[0].status]
        return nan

    def _spot(self, voltage: float) -> str:
        """On, settle, measure, off."""
        return _spot(
            *(self.channel, self._source, self._range, self._settle, voltage, self.compliance)
        )


@remembered
def _spot(
    channel: int, source: int, measuring: int, settle: float, voltage: float, compliance: float
) -> str:
    return line(
        force_voltage(channel, source, voltage, compliance),
        *([pause(settle)] if settle else []),
        measure_current(channel, measuring),
        force_voltage(channel, source, 0.0, compliance),
    )
