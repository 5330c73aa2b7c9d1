"""Tiny files in the formats of the real ones."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def idx_bytes(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes four IDX files; keeps what it wrote in ``written``."""

    def make(train: int = 60, test: int = 20, gzipped: bool = False, size: int = 4) -> Path:
        rng = np.random.default_rng(0)
        for part, count in (("train", train), ("t10k", test)):
            labels = np.arange(count) % 10
            pixels = rng.integers(0, 256, (count, size, size + 1))
            pixels[:, 0, 0] = labels  # so an image can be told by its label
            for kind, values in (("images-idx3", pixels), ("labels-idx1", labels)):
                data = idx_bytes(values)
                name = f"{part}-{kind}-ubyte"
                if gzipped:
                    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
                else:
                    (tmp_path / name).write_bytes(data)
        return tmp_path

    return make
