"""Images to time training with: MNIST in its own files, or random ones of the same density."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

PIXELS, CLASSES, DENSITY = 784, 10, 0.19
_IMAGES, _LABELS = 2051, 2049  # magic numbers of IDX files of bytes with 3 and 1 dimensions


class Images(NamedTuple):
    """Samples and their classes.

    Attributes:
        x: ``(samples, 784)``, float32, 0 to 1.
        y: ``(samples,)``, int64.
        name: for reports.
    """

    x: Tensor
    y: Tensor
    name: str


def mnist(folder: Path, samples: int) -> Images:
    """The first training samples of MNIST.

    Args:
        folder: with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, gzipped or not.
        samples: how many.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: it is no such file, or holds fewer samples.
    """
    pixels = _idx(folder, "train-images-idx3-ubyte", _IMAGES, samples * PIXELS)
    labels = _idx(folder, "train-labels-idx1-ubyte", _LABELS, samples)
    x = torch.from_numpy(pixels.reshape(samples, PIXELS).astype(np.float32) / 255)
    return Images(x, torch.from_numpy(labels.astype(np.int64)), "MNIST")


def synthetic(samples: int, seed: int = 0) -> Images:
    """Random images, in which as many pixels are dark as in those of MNIST; random classes."""
    rng = np.random.default_rng(seed)
    x = rng.random((samples, PIXELS), np.float32)
    x *= rng.random((samples, PIXELS), np.float32) < DENSITY
    y = rng.integers(0, CLASSES, samples)
    return Images(torch.from_numpy(x), torch.from_numpy(y), "synthetic images")


def _idx(folder: Path, name: str, magic: int, wanted: int) -> np.ndarray:
    plain, packed = folder / name, folder / f"{name}.gz"
    if packed.exists():
        data = gzip.decompress(packed.read_bytes())
    elif plain.exists():
        data = plain.read_bytes()
    else:
        raise FileNotFoundError(f"{plain}: no such file, gzipped or not")
    found = int.from_bytes(data[:4], "big")
    if found != magic:
        raise ValueError(f"{folder / name}: starts with {found}, not with {magic}")
    values = np.frombuffer(data, np.uint8, offset=4 * (1 + (found & 0xFF)))
    if values.size < wanted:
        raise ValueError(f"{folder / name}: holds {values.size} bytes of data, {wanted} are wanted")
    return values[:wanted]
