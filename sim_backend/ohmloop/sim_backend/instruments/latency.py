"""How long links take: typical figures, so that speed at the wire can be measured without hardware.

A message costs ``turnaround`` and its bytes, a reply its bytes; the waiting is real. What the
instrument itself takes (integration, relays, pulses) passes in virtual time, and is waited for too
where ``real_time`` is asked for.

Sources: ``lan``: measured loopback round trip of 0.1 ms and the 0.3 ms in which a Series 2600B
takes a short command (datasheet rates 2602B/2636B), 100 Mbit/s Ethernet. ``usb`` and ``gpib``:
times a message of the ADCMT 6240B manual's table (USB 18 to 25 ms, GPIB 3 to 9 ms), their lower
ends; bytes at USB 2.0 full speed, 12 Mbit/s, and at IEEE 488.1's usual 500 kB/s. Serial: 10 bits a
byte, and the 1 ms latency timer of USB-serial adapters at their fastest setting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkModel:
    """One kind of link.

    Attributes:
        turnaround: for every message, s.
        byte: for every byte, either way, s.
    """

    turnaround: float = 0.0
    byte: float = 0.0

    def receive(self, count: int) -> None:
        """Wait as long as a message of ``count`` bytes takes to arrive."""
        self._wait(self.turnaround + count * self.byte)

    def send(self, count: int) -> None:
        """Wait as long as a reply of ``count`` bytes takes to leave."""
        self._wait(count * self.byte)

    @staticmethod
    def _wait(seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


LINKS: Mapping[str, LinkModel] = {
    "none": LinkModel(),
    "lan": LinkModel(0.4e-3, 8 / 100e6),
    "usb": LinkModel(18e-3, 8 / 12e6),
    "gpib": LinkModel(3e-3, 1 / 500e3),
    "serial-115200": LinkModel(1e-3, 10 / 115_200),
    "serial-921600": LinkModel(1e-3, 10 / 921_600),
}
"""By the name that a bench file's ``emulation.link`` gives."""
