"""MNIST and its relatives from their standard IDX files.

An IDX file is two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of
dimensions, a big-endian 32-bit size for each, and the values, last dimension fastest (LeCun, Cortes
and Burges, "The MNIST database of handwritten digits", 1998).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .data_set import DataSet
from .images import Choice, Images, image_set

CLASSES = 10
_UNSIGNED_BYTES = 8
_LARGEST = 2**30  # values: an MNIST file has 47 million


class _Source(NamedTuple):
    folder: str
    url: str


_SOURCES = {
    "mnist": _Source("MNIST", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    "fashion-mnist": _Source("FashionMNIST", "https://github.com/zalandoresearch/fashion-mnist"),
}
IDX_SETS = tuple(_SOURCES)
"""Data sets that are kept in IDX files, by name."""


def idx_images(
    folder: Path | str,
    name: str = "mnist",
    *,
    held_out: float | None = None,
    choice: Choice | None = None,
) -> DataSet:
    """MNIST or Fashion-MNIST: 28x28 pixels, ten classes, 60000 images to learn from.

    Args:
        folder: where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two
            ``t10k-`` files are, gzipped (``.gz``) or not; or above ``MNIST/raw``, where torchvision
            puts them.
        name: ``mnist`` or ``fashion-mnist``.
        held_out: share of the training images to judge by; None takes the ``t10k-`` files.
        choice: all that can be chosen; goes before ``held_out``.

    Raises:
        BadInputError: an unknown name, a file that is missing or damaged, or a choice that cannot
            be met; says which file, where it belongs and where it comes from.
    """
    if name not in _SOURCES:
        raise BadInputError(f"no data set {name!r} in IDX files; known are {', '.join(_SOURCES)}")
    chosen = choice or Choice(held_out)
    parts = ("train", "t10k") if chosen.needs_test else ("train",)
    found = _find(Path(folder), name, parts)
    images = [_images(found[part, "images"], found[part, "labels"]) for part in parts]
    return image_set(name, images[0], images[1] if len(images) > 1 else None, CLASSES, chosen)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The values of an IDX file of unsigned bytes, gzipped or not.

    Args:
        path: the file.
        dimensions: how many it must have.

    Raises:
        BadInputError: it is none, has other dimensions, or not as many values as it says.
    """
    try:
        with _opened(path) as file:
            return _values(file, path, dimensions)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{path}: cannot be read: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _values(file: IO[bytes], path: Path, dimensions: int) -> NDArray[np.uint8]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _UNSIGNED_BYTES:
        raise BadInputError(f"{path}: not an IDX file of unsigned bytes (it begins {head.hex()})")
    if head[3] != dimensions:
        raise BadInputError(f"{path}: has {head[3]} dimensions, not {dimensions}")
    given = file.read(4 * dimensions)
    if len(given) < 4 * dimensions:
        raise BadInputError(f"{path}: ends within its sizes")
    sizes = [int(size) for size in np.frombuffer(given, ">u4")]
    count = int(np.prod(sizes, dtype=object))
    if not 0 < count <= _LARGEST:
        raise BadInputError(f"{path}: sizes {sizes} cannot be those of images or labels")
    data = file.read(count + 1)  # one more, which must not be there
    if len(data) != count:
        held = "more" if len(data) > count else f"only {len(data)}"
        raise BadInputError(f"{path}: should hold {count} values for sizes {sizes}, holds {held}")
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _images(pixels: Path, labels: Path) -> Images:
    images, classes = read_idx(pixels, 3), read_idx(labels, 1)
    if len(images) != len(classes):
        raise BadInputError(f"{pixels} has {len(images)} images, {labels} {len(classes)} labels")
    if int(classes.max()) >= CLASSES:
        raise BadInputError(f"{labels}: label {int(classes.max())} is not below {CLASSES}")
    return Images(images[:, None], classes.astype(np.int64))


def _find(folder: Path, name: str, parts: tuple[str, ...]) -> dict[tuple[str, str], Path]:
    """The file of every part and kind.

    Raises:
        BadInputError: names all that are missing.
    """
    inside = folder / _SOURCES[name].folder / "raw"
    places = (folder, inside)
    wanted = {(part, "images"): f"{part}-images-idx3-ubyte" for part in parts}
    wanted |= {(part, "labels"): f"{part}-labels-idx1-ubyte" for part in parts}
    found: dict[tuple[str, str], Path] = {}
    for key, stem in wanted.items():
        spellings = (stem, f"{stem}.gz", stem.replace("-idx", ".idx"))
        existing = (place / file for place in places for file in spellings)
        path = next((path for path in existing if path.is_file()), None)
        if path is not None:
            found[key] = path
    missing = [stem for key, stem in wanted.items() if key not in found]
    if missing:
        raise BadInputError(
            f"{folder}: {name} needs {', '.join(missing)} there, each as it is or with .gz;"
            f" they come from {_SOURCES[name].url}"
        )
    return found
