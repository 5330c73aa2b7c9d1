"""Keithley Series 2600B System SourceMeter: one channel as source and meter.

Commands: reference manual 2600BS-901-01, section 7. Numbers are sent with all their digits.
"""

from __future__ import annotations

import copy
from typing import Literal

from ohmloop.drivers.errors import InstrumentError
from ohmloop.drivers.instrument import InstrumentOptions, Setting
from ohmloop.drivers.units import Amperes

from .tsp_instrument import TspInstrument, boolean

_MODELS = ("2601B", "2602B", "2604B", "2611B", "2612B", "2614B", "2634B", "2635B", "2636B")


class Keithley2600BOptions(InstrumentOptions):
    """Options in the bench file.

    Attributes:
        channel: ``a`` or ``b``.
        four_wire: sense at the chip.
        current_range: fixed measuring range, A; left out, the instrument ranges by itself.
    """

    channel: Literal["a", "b"] = "a"
    four_wire: bool = False
    current_range: Amperes | None = None


class Keithley2600B(TspInstrument):
    """A source-measure channel, ``smua`` or ``smub``.

    Attributes:
        in_use: channels that ``make_safe`` switches off, such as ``("a", "b")``.
    """

    Options = Keithley2600BOptions
    models = _MODELS

    source_function = Setting("source.func", "What is sourced: 0 current, 1 voltage.", float, 0, 1)
    voltage = Setting("source.levelv", "Source voltage, V.", float, -200, 200)
    voltage_range = Setting("source.rangev", "Source range, V.", float, 0, 200)
    compliance = Setting(
        "source.limiti", "Current limit while sourcing voltage, A.", float, 1e-10, 3
    )
    in_compliance = Setting("source.compliance", "Whether the limit is reached now.", boolean)
    output = Setting("source.output", "Output on (1) or off (0).", float, 0, 1)
    nplc = Setting("measure.nplc", "Integration time, power-line cycles.", float, 0.001, 25)
    current_range = Setting("measure.rangei", "Current measuring range, A.", float, 1e-10, 3)
    current_autorange = Setting("measure.autorangei", "Current autorange, 0 or 1.", float, 0, 1)
    sense = Setting("sense", "Sensing: 0 local, 1 remote (4-wire).", float, 0, 1)

    in_use: tuple[str, ...] = ()

    def on_channel(self, channel: str) -> Keithley2600B:
        """The same instrument, over the same link, with another channel to set and read."""
        other = copy.copy(self)
        other.options = self.options.model_copy(update={"channel": channel})
        return other

    @property
    def channel(self) -> str:
        """``smua`` or ``smub``."""
        return f"smu{self.options.channel}"

    def path(self, attribute: str) -> str:
        """Attributes belong to the channel."""
        return f"{self.channel}.{attribute}"

    @property
    def line_frequency(self) -> float:
        """Power-line frequency, Hz."""
        return float(self.transport.query("print(localnode.linefreq)"))

    def configure(self, *, voltage: float, compliance: float, nplc: float) -> None:
        """Reset and prepare for sourcing voltage: output off, ranges fixed, limit set.

        Args:
            voltage: largest magnitude to come, V; fixes the source range.
            compliance: current limit, A.
            nplc: integration time, power-line cycles.

        Raises:
            ReportedError: the instrument refused a value.
        """
        self.reset()
        self.transport.write("format.data = format.REAL64\nformat.byteorder = format.LITTLEENDIAN")
        self.configure_channel(voltage=voltage, compliance=compliance, nplc=nplc)

    def configure_channel(self, *, voltage: float, compliance: float, nplc: float) -> None:
        """As ``configure``, the channel alone, without a reset.

        Raises:
            ReportedError: the instrument refused a value.
        """
        channel = self.channel
        self.transport.write(
            "\n".join(
                [
                    f"{channel}.source.offmode = {channel}.OUTPUT_NORMAL",
                    f"{channel}.source.autorangev = 0",
                    f"{channel}.source.delay = 0",
                    f"{channel}.measure.autozero = {channel}.AUTOZERO_ONCE",
                    f"{channel}.measure.delay = 0",
                ]
            )
        )
        self.source_function = 1
        self.voltage = 0.0
        self.voltage_range = voltage
        self.compliance = compliance
        self.nplc = nplc
        self.sense = int(self.options.four_wire)
        self.current_autorange = int(self.options.current_range is None)
        if self.options.current_range is not None:
            self.current_range = self.options.current_range
        self.end_batch()

    def measure_current(self) -> float:
        """One current reading, A."""
        return float(self.transport.query(f"print({self.channel}.measure.i())"))

    def make_safe(self) -> None:
        """Stop scripts, 0 V, outputs off; the link is in step again afterwards.

        Raises:
            InstrumentError: an output says that it is still on.
        """
        channels = [f"smu{name}" for name in self.in_use or (self.options.channel,)]
        off = "\n".join(f"{c}.source.levelv = 0\n{c}.source.output = 0" for c in channels)
        on = self.interrupt(off, " + ".join(f"{c}.source.output" for c in channels))
        if boolean(on):
            problem = "the output stays on after it was switched off; switch it off at the front"
            raise InstrumentError(self.name, self.transport.resource, f"{problem} panel")
