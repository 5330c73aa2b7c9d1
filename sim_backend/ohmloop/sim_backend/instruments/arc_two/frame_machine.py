"""The board proper: carries out instructions against the lines, in virtual time.

Not verified on hardware: instructions other than delays, pulses and readings take no time here; a
channel in voltage mode shows its low output (the maker's library always sets both alike); a channel
that is read without being in voltage mode gives no reading; after a power-up channels are open; an
unknown opcode is passed over. The readings' gain is chosen as the most sensitive that holds.
"""

from __future__ import annotations

import logging
from functools import singledispatchmethod

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.arc_two.channels import CHANNELS, CLUSTER, CLUSTERS, HALF, HALVES
from ohmloop.drivers.arc_two.instructions import (
    AmpPrepare,
    Clear,
    CurrentRead,
    DacRange,
    Delay,
    HighSpeedConfig,
    HighSpeedPulse,
    Instruction,
    Mode,
    ModifyChannel,
    SetDac,
    UpdateChannel,
    UpdateDac,
    VoltageRead,
)
from ohmloop.drivers.arc_two.words import LSB, ZERO, current_words, voltage_words

from .board_memory import BoardMemory
from .chip_lines import ChipLines

log = logging.getLogger("ohmloop.emulator")

_READING, _AVERAGED = 10_000, 320_000  # a reading's time, ns
_OFFSET = 0.05  # of an amplifier that nothing drives and a stuck switch leaves on its line, V
_CLUSTER_OF = np.arange(CHANNELS) // CLUSTER


class FrameMachine:
    """Converters, channel switches, high-speed drivers, readings.

    Args:
        lines: the chip.

    Attributes:
        memory: where readings go.
        transients: channels that were switched to voltage mode unprepared.
    """

    def __init__(self, lines: ChipLines) -> None:
        self.lines, self.transients = lines, 0
        self.power_up()

    def power_up(self) -> None:
        """As ``configure``; what stuck comes loose."""
        self._stick = self._switch_fails = self._switch_stuck = False
        self._stuck: tuple[int, float] | None = None
        self.configure()

    def configure(self) -> None:
        """All that is not on the chip is lost; channels are open."""
        self.memory = BoardMemory()
        self._prepared = np.full((2, CHANNELS), ZERO, np.int64)
        self._latched = self._prepared.copy()
        self._step = np.full(CHANNELS, LSB)
        self._modes = np.full(CHANNELS, Mode.OPEN)
        self._grounded = np.zeros(CHANNELS, bool)
        self._ready = np.zeros(CHANNELS, bool)
        self._high = np.zeros(CLUSTERS, bool)
        self._widths = (0,) * CLUSTERS
        self._ends: list[tuple[int, int, bool]] = []
        self._drive()

    def stick(self) -> None:
        """The next channel that is driven stays where it is driven to."""
        self._stick = True

    def stick_switch(self) -> None:
        """The first row's channel stays on its amplifier when it is told to open."""
        self._switch_fails = True

    @property
    def volts(self) -> NDArray[np.float64]:
        """Voltages of all channels, V; NaN where one is open."""
        high = (self._modes == Mode.HIGH_SPEED) & self._high[_CLUSTER_OF]
        codes = np.where(high, self._latched[1], self._latched[0])
        volts = np.where(self._modes == Mode.OPEN, np.nan, (codes - ZERO) * self._step)
        volts = np.where(self._grounded, 0.0, volts)
        if self._switch_stuck and self._modes[self.lines.rows[0]] == Mode.OPEN:
            volts[self.lines.rows[0]] = _OFFSET
        if self._stuck is not None:
            volts[self._stuck[0]] = self._stuck[1]
        return volts

    def wait(self, nanoseconds: int) -> None:
        """Let time pass; pulses under way end in it."""
        clock = self.lines.clock
        until = clock.ns + nanoseconds
        while self._ends and min(self._ends)[0] <= until:
            end = min(self._ends)
            self._ends.remove(end)
            clock.ns = max(clock.ns, end[0])
            self._high[end[1]] = end[2]
            if not self._ends or min(self._ends)[0] != end[0]:
                self._drive()
        clock.ns = until

    def finish(self) -> None:
        """Let pulses under way end."""
        if self._ends:
            self.wait(max(self._ends)[0] - self.lines.clock.ns)

    @singledispatchmethod
    def do(self, instruction: Instruction) -> None:
        """Carry out one instruction; selectors, logic and offsets do nothing to the lines."""

    @do.register
    def _set_dac(self, one: SetDac) -> None:
        for half in range(HALVES):
            if one.halves >> half & 1:
                for k in range(HALF):
                    if one.lines[k]:
                        self._prepared[:, HALF * half + k] = one.levels[k]

    @do.register
    def _update_dac(self, one: UpdateDac) -> None:  # noqa: ARG002
        self._latched = self._prepared.copy()
        self._drive()

    @do.register
    def _clear(self, one: Clear) -> None:  # noqa: ARG002
        self._prepared[:] = ZERO
        self._latched[:] = ZERO
        self._drive()

    @do.register
    def _dac_range(self, one: DacRange) -> None:
        wide = _bits(one.wide)
        self._step = np.where(_bits(one.channels), np.where(wide, 2 * LSB, LSB), self._step)
        self._drive()

    @do.register
    def _prepare(self, one: AmpPrepare) -> None:
        self._ready |= _bits(one.channels)

    @do.register
    def _update_channel(self, one: UpdateChannel) -> None:
        modes = np.array(one.modes)
        unprepared = (modes == Mode.VOLTAGE) & (self._modes != Mode.VOLTAGE) & ~self._ready
        if unprepared.any():
            self.transients += int(unprepared.sum())
            log.warning("%d channels switched to voltage mode unprepared", unprepared.sum())
        away = (modes == Mode.OPEN) | (modes == Mode.HIGH_SPEED)
        self._ready &= ~away
        self._grounded &= modes != Mode.OPEN
        self._modes = np.where(modes == Mode.KEEP, self._modes, modes)
        self._switch_stuck |= self._switch_fails and modes[self.lines.rows[0]] == Mode.OPEN
        self._drive()

    @do.register
    def _modify_channel(self, one: ModifyChannel) -> None:
        self._grounded = _bits(one.ground)
        self._drive()

    @do.register
    def _configure(self, one: HighSpeedConfig) -> None:
        self._widths = one.widths

    @do.register
    def _pulse(self, one: HighSpeedPulse) -> None:
        for cluster in range(CLUSTERS):
            if not one.clusters >> cluster & 1:
                continue
            falling, width = bool(one.falling >> cluster & 1), self._widths[cluster]
            # Without a width the level changes and stays: at the high output where falling.
            self._high[cluster] = falling if not width else not falling
            if width:
                self._ends.append((self.lines.clock.ns + width, cluster, falling))
        self._drive()

    @do.register
    def _delay(self, one: Delay) -> None:
        self.wait(one.nanoseconds)

    @do.register
    def _read_currents(self, one: CurrentRead) -> None:
        wanted = _bits(one.channels) & (self._modes == Mode.VOLTAGE)
        self.wait(_READING)
        self._keep(current_words(self.lines.currents(wanted), wanted), one)

    @do.register
    def _read_voltages(self, one: VoltageRead) -> None:
        self.wait(_AVERAGED if one.averaged else _READING)
        volts = np.nan_to_num(self.volts)
        self._keep(voltage_words(volts, _bits(one.channels)), one)

    def _keep(self, words: NDArray[np.uint32], one: CurrentRead | VoltageRead) -> None:
        """Values first, then the flag that says that they are there."""
        self.memory.write(one.address, words.astype("<u4").tobytes())
        self.memory.write(one.flag_address, one.flag.to_bytes(4, "little"))

    def _drive(self) -> None:
        volts = self.volts
        if self._stick:
            driven = np.flatnonzero(np.nan_to_num(volts))
            if driven.size:
                self._stuck, self._stick = (int(driven[0]), float(volts[driven[0]])), False
        self.lines.drive(volts)


def _bits(mask: int) -> NDArray[np.bool_]:
    return np.array([bool(mask >> k & 1) for k in range(CHANNELS)])
