"""The hardware abstraction layer: crossbars, pulse programs, limits, benches, instrument drivers.

Everything above it works through ``Crossbar`` and ``PulseProgram``, and opens by name::

    from ohmloop.drivers import CellPulses, open_crossbar

    with open_crossbar("bench.yaml") as crossbar:   # or "chip.nc", or "sim:soft-bounds?shape=8x8"
        print(crossbar.read())
"""

from .bench import Bench, load_bench
from .characteristics import Characteristics
from .clock import Clock, HostClock
from .conditions import PulseConditions, PulseShape, ReadCondition
from .crossbar import ALL, Capabilities, Crossbar, PulseReceipt
from .errors import (
    BadInputError,
    ChipFileError,
    ConfigError,
    InDoubtError,
    InstrumentError,
    LimitError,
    LinkError,
    NotConnectedError,
    OhmloopError,
    ProgramError,
    ReportedError,
    WrongInstrumentError,
)
from .journal import PulseJournal, SqliteJournal
from .limits import Limits, WearLedger
from .pulses import CellPulses, CoincidencePulses, PulseProgram, PulseRuns
from .recording import recorded
from .region import Region
from .registry import open_crossbar
from .run_pulses import RunPulses

__all__ = [
    "ALL",
    "BadInputError",
    "Bench",
    "Capabilities",
    "CellPulses",
    "Characteristics",
    "ChipFileError",
    "Clock",
    "CoincidencePulses",
    "ConfigError",
    "Crossbar",
    "HostClock",
    "InDoubtError",
    "InstrumentError",
    "LimitError",
    "Limits",
    "LinkError",
    "NotConnectedError",
    "OhmloopError",
    "ProgramError",
    "PulseConditions",
    "PulseJournal",
    "PulseProgram",
    "PulseReceipt",
    "PulseRuns",
    "PulseShape",
    "ReadCondition",
    "Region",
    "ReportedError",
    "RunPulses",
    "SqliteJournal",
    "WearLedger",
    "WrongInstrumentError",
    "load_bench",
    "open_crossbar",
    "recorded",
]
