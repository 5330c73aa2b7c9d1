"""Reads the pickles that CIFAR comes in, and nothing else that a pickle could hold.

A pickle may call anything that it can name. Here it can name four things, and gets placeholders of
ours for all of them: no code of numpy's or of anybody else runs on what the file says.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Type:
    """Stands for ``numpy.dtype``; keeps its name."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        self.name = name.decode("latin-1") if isinstance(name, bytes) else name

    def __setstate__(self, state: Any) -> None:
        """Byte order and such, which unsigned bytes have not."""


class _Values:
    """Stands for an array; keeps its shape and bytes."""

    def __init__(self, *_: Any) -> None:
        self.shape: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.kind, self.by_column, self.data = state

    def array(self) -> NDArray[np.uint8]:
        """The array itself.

        Raises:
            ValueError: it is not one of unsigned bytes.
        """
        kind, data = getattr(self, "kind", None), getattr(self, "data", None)
        if not isinstance(kind, _Type) or kind.name not in ("u1", "uint8"):
            raise ValueError("an array that is not of unsigned bytes")
        if not isinstance(data, bytes) or self.by_column:
            raise ValueError("an array whose values are not bytes, row by row")
        return np.frombuffer(data, np.uint8).reshape(self.shape)


def _encoded(text: str, _encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes for Python 2."""
    return text.encode("latin-1")


_PLACEHOLDERS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Values,
    ("numpy._core.multiarray", "_reconstruct"): _Values,
    ("numpy", "ndarray"): _Values,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLACEHOLDERS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return _PLACEHOLDERS[module, name]


def load_batch(data: bytes) -> dict[str, Any]:
    """The entries of a batch by name: arrays of unsigned bytes, lists, numbers and bytes.

    Raises:
        ValueError: not a pickle of a dictionary, or one that asks for anything else.
    """
    try:
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"not a batch of CIFAR: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("not a batch of CIFAR: no dictionary")
    named = {k.decode("latin-1") if isinstance(k, bytes) else str(k): v for k, v in found.items()}
    return {k: v.array() if isinstance(v, _Values) else v for k, v in named.items()}
