"""CIFAR-10 and CIFAR-100 from their standard archives, the Python or the binary version.

32x32 pixels, three channels one after the other, row by row (Krizhevsky, "Learning multiple layers
of features from tiny images", 2009). Nothing is unpacked to disk, and a batch that is a pickle is
read by ``batch_pickle``, which runs nothing.
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ohmloop.drivers import BadInputError

from .batch_pickle import load_batch
from .data_set import DataSet
from .images import Choice, Images, image_set

_IMAGE = (3, 32, 32)
_PIXELS = 3072
_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"
_LARGEST = 2**28  # bytes: the largest batch has 154 million


class _Layout(NamedTuple):
    classes: int
    train: tuple[str, ...]
    test: str
    archive: str
    label: str  # entry of a pickled batch
    label_bytes: int  # before the pixels of a binary record; the last one counts


_LAYOUTS = {
    "cifar-10": _Layout(
        10, tuple(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "cifar-10", "labels", 1
    ),
    "cifar-100": _Layout(100, ("train",), "test", "cifar-100", "fine_labels", 2),
}
CIFAR_SETS = tuple(_LAYOUTS)
"""Data sets of this kind, by name."""


def cifar(path: Path | str, name: str = "cifar-10", *, choice: Choice | None = None) -> DataSet:
    """CIFAR-10, or CIFAR-100 with its 100 fine classes: 50000 images to learn from.

    Args:
        path: ``cifar-10-python.tar.gz`` or ``cifar-10-binary.tar.gz``, the folder in which one of
            them lies, or the folder that unpacking it makes; ``cifar-100-...`` likewise.
        name: ``cifar-10`` or ``cifar-100``.
        choice: how many, what is held out, and on which scale.

    Raises:
        BadInputError: an unknown name, a batch that is missing or damaged, or a choice that cannot
            be met; says which batch, where it belongs and where it comes from.
    """
    if name not in _LAYOUTS:
        raise BadInputError(f"no data set {name!r}; known are {', '.join(_LAYOUTS)}")
    layout, chosen, where = _LAYOUTS[name], choice or Choice(), Path(path)
    batches = layout.train + ((layout.test,) if chosen.needs_test else ())
    found = _read(where, layout, batches)
    missing = [batch for batch in batches if batch not in found]
    if missing:
        raise BadInputError(
            f"{where}: {name} needs {', '.join(missing)} (or the same with .bin) there, or the"
            f" archive {layout.archive}-python.tar.gz or -binary.tar.gz; it comes from {_URL}"
        )
    images = {b: _decoded(data, f"{where}: {b}", layout) for b, data in found.items()}
    train = [images[batch] for batch in layout.train]
    together = Images(
        np.concatenate([part.pixels for part in train]),
        np.concatenate([part.labels for part in train]),
    )
    return image_set(name, together, images.get(layout.test), layout.classes, chosen)


def _read(where: Path, layout: _Layout, batches: tuple[str, ...]) -> dict[str, tuple[bytes, bool]]:
    """Content of every batch that is there, and whether it is the binary version."""
    if where.is_file():
        return _from_archive(where, batches)
    unpacked = (f"{layout.archive}-batches-py", f"{layout.archive}-batches-bin")
    inside = (*unpacked, f"{layout.archive}-python", f"{layout.archive}-binary")
    for folder in (where, *(where / name for name in inside)):
        for suffix in ("", ".bin"):
            files = {batch: folder / f"{batch}{suffix}" for batch in batches}
            if any(file.is_file() for file in files.values()):
                there = {b: file for b, file in files.items() if file.is_file()}
                return {b: (_content(file), bool(suffix)) for b, file in there.items()}
    for version in ("python", "binary"):
        archive = where / f"{layout.archive}-{version}.tar.gz"
        if archive.is_file():
            return _from_archive(archive, batches)
    return {}


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInputError(f"{file}: cannot be read: {error.strerror}") from error


def _from_archive(archive: Path, batches: tuple[str, ...]) -> dict[str, tuple[bytes, bool]]:
    """Members are found by the last part of their names and read, never unpacked."""
    found: dict[str, tuple[bytes, bool]] = {}
    try:
        with tarfile.open(archive) as members:
            for member in members:
                name = PurePosixPath(member.name).name
                batch = name.removesuffix(".bin")
                if not member.isfile() or batch not in batches:
                    continue
                if member.size > _LARGEST:
                    raise BadInputError(f"{archive}: {member.name} is too large for a batch")
                file = members.extractfile(member)
                assert file is not None  # it is a file
                found[batch] = (file.read(), name != batch)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{archive}: not an archive that can be read: {error}") from error
    return found


def _decoded(content: tuple[bytes, bool], where: str, layout: _Layout) -> Images:
    data, binary = content
    images = _binary(data, where, layout) if binary else _pickled(data, where, layout)
    if not len(images.labels):
        raise BadInputError(f"{where}: holds no image")
    least, most = int(images.labels.min()), int(images.labels.max())
    if least < 0 or most >= layout.classes:
        raise BadInputError(
            f"{where}: labels go from {least} to {most}, not from 0 to {layout.classes - 1}"
        )
    return images


def _binary(data: bytes, where: str, layout: _Layout) -> Images:
    record = layout.label_bytes + _PIXELS
    if len(data) % record:
        raise BadInputError(f"{where}: {len(data)} bytes are no whole number of images")
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    labels = rows[:, layout.label_bytes - 1].astype(np.int64)
    return Images(rows[:, layout.label_bytes :].reshape(-1, *_IMAGE), labels)


def _pickled(data: bytes, where: str, layout: _Layout) -> Images:
    try:
        entries = load_batch(data)
        pixels, labels = entries["data"], np.array(entries[layout.label])
    except (ValueError, KeyError) as error:
        raise BadInputError(f"{where}: {error}") from error
    fits = isinstance(pixels, np.ndarray) and pixels.shape == (labels.size, _PIXELS)
    if not fits or labels.ndim != 1 or labels.dtype.kind != "i":
        raise BadInputError(f"{where}: its data are no {_PIXELS} bytes for each of its labels")
    return Images(pixels.reshape(-1, *_IMAGE), labels.astype(np.int64))
