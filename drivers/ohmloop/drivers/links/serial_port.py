"""The serial line itself: pySerial behind three verbs that never wait without bound.

Any pySerial URL will do: ``/dev/ttyACM0``, ``COM3``, ``socket://127.0.0.1:5030``.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import serial

from .interrupts import interrupts_held
from .transport import Tap

_SLICE = 0.05  # longest wait of a real port before looking at the clock again, s
_CHUNK = 1 << 16
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
        self._port.write_timeout = _WRITE + (1 << 20) * 10 / baud
        self._socket: socket.socket | None = getattr(self._port, "_socket", None)
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send all of ``data``; Ctrl-C waits until it is out, so that no frame is cut in half.

        Raises:
            OSError: the line broke.
        """
        with interrupts_held():
            if self._socket is None:
                self._port.write(data)
            else:  # past pySerial, which asks the system before every piece
                self._socket.settimeout(self._port.write_timeout)
                self._socket.sendall(data)
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
        self._socket.settimeout(max(seconds, 0.0))
        try:
            data = self._socket.recv(_CHUNK)
        except (TimeoutError, BlockingIOError):
            return b""
        if not data:
            raise ConnectionResetError("closed the connection")
        return data

    def close(self) -> None:
        """Let go of the line; never raises."""
        with contextlib.suppress(*Failures):
            if self._socket is not None:
                self._socket.close()
                self._port.is_open = False  # pySerial would sleep 0.3 s for a socket's sake
            self._port.close()
