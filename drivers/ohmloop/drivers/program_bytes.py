"""The byte format of pulse programs: version 1.

``OHMP`` · uint16 version · uint32 header length · JSON header · arrays, little-endian, C order,
in the order the header lists them · 4-byte CRC-32 of all before it. No pickle: reading a program
runs no code, and a byte that flips is noticed.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conditions import PulseConditions, PulseShape
from .errors import ProgramError

_MAGIC, _VERSION = b"OHMP", 1
_HEAD = struct.Struct("<4sHI")
_DTYPES = {"<i4", "<u8", "|i1"}

Parts = tuple[str, dict[str, NDArray[Any]], dict[str, int], PulseConditions | None]


def pack(
    kind: str,
    arrays: Mapping[str, NDArray[Any]],
    scalars: Mapping[str, int],
    conditions: PulseConditions | None,
) -> bytes:
    """Write the parts of a program as bytes."""
    little = {name: _little(array) for name, array in arrays.items()}
    header = {
        "kind": kind,
        "arrays": [[name, a.dtype.str, list(a.shape)] for name, a in little.items()],
        "scalars": dict(scalars),
        "conditions": _conditions_out(conditions),
    }
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    body = b"".join([_HEAD.pack(_MAGIC, _VERSION, len(text)), text])
    body += b"".join(a.tobytes() for a in little.values())
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: bytes) -> Parts:
    """Read the parts of a program back.

    Raises:
        ProgramError: not a program, a newer version, or damaged.
    """
    header, offset = _header(data)
    arrays: dict[str, NDArray[Any]] = {}
    try:
        for name, dtype, shape in header["arrays"]:
            if dtype not in _DTYPES:
                raise ProgramError(f"pulse program holds an array of type {dtype!r}")
            size = np.dtype(dtype).itemsize * prod(shape)
            part = data[offset : offset + size]
            arrays[name] = np.frombuffer(part, dtype=dtype).reshape(shape)
            offset += size
        if offset != len(data) - 4:
            raise ProgramError("pulse program is damaged: it is longer or shorter than it says")
        return header["kind"], arrays, header["scalars"], _conditions_in(header["conditions"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ProgramError):
            raise
        raise ProgramError(f"pulse program is damaged: {error}") from error


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if len(data) < _HEAD.size + 4 or not data.startswith(_MAGIC):
        raise ProgramError("these bytes are not a pulse program")
    _, version, length = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ProgramError(f"pulse program of format {version}; this ohmloop reads {_VERSION}")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ProgramError("pulse program is damaged: its checksum does not match")
    try:
        return json.loads(data[_HEAD.size : _HEAD.size + length]), _HEAD.size + length
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"pulse program is damaged: {error}") from error


def _little(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _conditions_out(c: PulseConditions | None) -> list[float] | None:
    if c is None:
        return None
    values = (c.up.amplitude, c.up.width, c.down.amplitude, c.down.width, c.rest)
    return [float(value) for value in values]


def _conditions_in(values: list[float] | None) -> PulseConditions | None:
    if values is None:
        return None
    up_v, up_t, down_v, down_t, rest = (float(value) for value in values)
    return PulseConditions(PulseShape(up_v, up_t), PulseShape(down_v, down_t), rest)
