"""Preparing the instruments of a TSP bench: what all crossbars on them share.

Both instruments are reset, ranges and limits set, the matrix told which crosspoints it must never
close, TSP-Link started, the script uploaded. What one crossbar alone needs (its lines, its pulses)
is its configuration, sent when it takes its turn.
"""

from __future__ import annotations

from importlib.resources import files

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.conditions import PulseConditions
from ohmloop.drivers.errors import InstrumentError

from .keithley707b import Keithley707B
from .keithley2600b import Keithley2600B
from .tsp_instrument import number
from .tsp_messages import strings
from .tsp_wiring import TspWiring, channels_of, row_channel, timed_by_timers, wirings_on

_OVERHEAD = 60e-6  # of a measurement in a pulse, besides integration, s
_EARLIEST = 20e-6  # from the start of a pulse to its measurement, s
_NPLC = (0.001, 0.01)  # shortest and longest integration in a pulse, power-line cycles


def set_up(bench: Bench, wiring: TspWiring, smu: Keithley2600B, matrix: Keithley707B) -> None:
    """Bring both from any state into one that the script may be run in.

    Raises:
        LinkError: one does not answer.
        ReportedError: one refuses its settings.
        InstrumentError: the node on the TSP-Link is another matrix.
    """
    smu.in_use = tuple(channels_of(bench, wiring.source))
    smu.make_safe()
    matrix.make_safe()
    matrix.reset()
    wired = wirings_on(bench, wiring.matrix).values()
    matrix.allow_only([point for w in wired for point in (*w.rows, *w.columns)])
    c, reading = bench.conditions, bench.reading
    largest = max(abs(c.up.amplitude), abs(c.down.amplitude), abs(reading.voltage))
    settings = {"voltage": largest, "compliance": bench.limits.current, "nplc": reading.nplc}
    first, *others = smu.in_use
    smu.on_channel(first).configure(**settings)
    for channel in others:
        smu.on_channel(channel).configure_channel(**settings)
    _link(smu, matrix)
    smu.upload("ohmloop_crossbar", files(__package__).joinpath("crossbar.tsp").read_text())


def configuration(
    bench: Bench,
    wiring: TspWiring,
    smu: Keithley2600B,
    matrix: Keithley707B,
    line_frequency: float,
    conditions: PulseConditions,
    identity: str,
) -> list[str]:
    """The lines that make the script work for one crossbar and its pulses.

    Args:
        bench: the bench.
        wiring: of the crossbar.
        smu: its source.
        matrix: its matrix.
        line_frequency: Hz.
        conditions: the pulses.
        identity: name of this configuration; what does not name it is not run.
    """
    c, reading = conditions, bench.reading
    nplc = _pulse_nplc(min(c.up.width, c.down.width), line_frequency)
    names = {"smu": f"smu{row_channel(bench, wiring)}", "matrix": _node(matrix) + ".channel"}
    if wiring.column_channel:
        names["second"] = f"smu{wiring.column_channel}"
    values: dict[str, float | bool] = {
        "up": c.up.amplitude,
        "down": c.down.amplitude,
        "up_width": c.up.width,
        "down_width": c.down.width,
        "rest": c.rest,
        "settle": reading.settle,
        "range": max(abs(c.up.amplitude), abs(c.down.amplitude), abs(reading.voltage)),
        "limit": bench.limits.current,
        "timed": timed_by_timers(c, wiring.timing),
        "nplc": reading.nplc,
        "pulse_nplc": nplc,
        "reading": nplc / line_frequency + _OVERHEAD,
    }
    if smu.options.current_range is not None:
        values["current_range"] = smu.options.current_range
    fields = [f'id = "{identity}"', *(f"{key} = {text}" for key, text in names.items())]
    fields += [f"{key} = {number(value)}" for key, value in values.items()]
    return [
        f'ohmloop.wire("{identity}", "rows", {strings(wiring.rows)})',
        f'ohmloop.wire("{identity}", "columns", {strings(wiring.columns)})',
        f"ohmloop.configure{{{', '.join(fields)}}}",
    ]


def _pulse_nplc(width: float, line_frequency: float) -> float:
    """Integration time of a measurement that ends with the shortest pulse, power-line cycles."""
    shortest, longest = _NPLC
    return min(max((width - _OVERHEAD - _EARLIEST) * line_frequency, shortest), longest)


def _node(matrix: Keithley707B) -> str:
    return f"node[{matrix.options.tsp_link_node}]"


def _link(smu: Keithley2600B, matrix: Keithley707B) -> None:
    """Start TSP-Link and make sure that the node is the matrix we talk to."""
    transport, node = smu.transport, _node(matrix)
    transport.write("tsplink.reset()")
    serial = transport.query(f"print({node} and {node}.serialno)").strip()
    if serial != matrix.serial_number:
        raise InstrumentError(
            smu.name,
            transport.resource,
            f"TSP-Link node {matrix.options.tsp_link_node} is {serial!r}, not the matrix"
            f" {matrix.name!r} with serial number {matrix.serial_number!r}; check the TSP-Link"
            " cable and tsp_link_node",
        )
