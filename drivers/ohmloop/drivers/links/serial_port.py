"""The serial line itself: pySerial behind three verbs that never wait without bound.

Any pySerial URL will do: ``/dev/ttyACM0``, ``COM3``, ``socket://127.0.0.1:5030``.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import serial

from .interrupts import interrupts_held
from .sockets import PlainSocket, SilenceError
from .transport import Tap

_SLICE = 0.05  # longest wait of a real port before looking at the clock again, s
_WRITE = 10.0  # longest time for a port to take bytes, beyond what the baud rate explains, s

Failures = (OSError, ValueError, serial.SerialException)
"""What a port raises when it is not there, breaks, or is not one."""


class SerialPort:
    """An open serial line, 8 data bits, no parity, 1 stop bit.

    Args:
        resource: pySerial URL.
        baud: bit/s; without meaning for sockets.
        tap: sees every byte.

    Raises:
        OSError: it cannot be opened.
        ValueError: the URL is none.
    """

    def __init__(self, resource: str, baud: int, tap: Tap | None = None) -> None:
        self._tap = tap
        # Exclusive: two hosts on one board would take each other's program numbers.
        self._port: Any = serial.serial_for_url(
            resource, baudrate=baud, timeout=_SLICE, exclusive=True
        )
        patience = _WRITE + (1 << 20) * 10 / baud
        self._port.write_timeout = patience
        # Sockets go past pySerial, which asks the system before every piece.
        opened: socket.socket | None = getattr(self._port, "_socket", None)
        self._socket = None if opened is None else PlainSocket(opened, patience)

    def write(self, data: bytes) -> None:
        """Send all of ``data``; Ctrl-C waits until it is out, so that no frame is cut in half.

        Raises:
            OSError: the line broke.
        """
        if self._socket is None:
            with interrupts_held():
                self._port.write(data)
        else:
            self._socket.send(data)
        if self._tap:
            self._tap.sent(data)

    def read(self, seconds: float) -> bytes:
        """What has arrived, or nothing after about ``seconds``.

        Raises:
            OSError: the line broke, or the peer hung up.
        """
        data = self._read(seconds)
        if data and self._tap:
            self._tap.received(data)
        return data

    def _read(self, seconds: float) -> bytes:
        if self._socket is None:
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        try:
            return self._socket.receive(time.monotonic() + seconds)
        except SilenceError:
            return b""

    def close(self) -> None:
        """Let go of the line; never raises."""
        with contextlib.suppress(*Failures):
            if self._socket is not None:
                self._socket.close()
                self._port.is_open = False  # pySerial would sleep 0.3 s for a socket's sake
            self._port.close()
