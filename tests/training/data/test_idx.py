"""MNIST files: what is read, and what is refused."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import Choice, idx_images
from ohmloop.training.data.idx import read_idx

REAL = os.environ.get("OHMLOOP_DATA")


@pytest.mark.parametrize("gzipped", [False, True])
def test_images_go_with_their_labels(mnist_folder, gzipped):
    data = idx_images(mnist_folder(gzipped=gzipped))
    assert (len(data.train), len(data.held_out), data.classes) == (60, 20, 10)
    assert (data.image, data.features) == ((1, 4, 5), 20)
    for split in (data.train, data.held_out):
        assert torch.equal((split.x[:, 0] * 255).round().long(), split.y)
        assert split.x.dtype == torch.float32
        assert (float(split.x.min()) >= 0, float(split.x.max()) <= 1) == (True, True)


def test_folders_and_names_as_other_tools_leave_them(mnist_folder, tmp_path):
    folder = mnist_folder()
    raw = tmp_path / "elsewhere" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*-ubyte"):
        file.rename(raw / file.name.replace("-idx", ".idx"))
    data = idx_images(tmp_path / "elsewhere", "fashion-mnist")
    assert (data.name, len(data.train)) == ("fashion-mnist", 60)
    with pytest.raises(BadInputError, match="mnist needs train-images"):
        idx_images(tmp_path / "elsewhere", "mnist")


def test_a_share_is_held_out_without_a_look_at_the_test_images(mnist_folder):
    folder = mnist_folder()
    for file in folder.glob("t10k*"):
        file.unlink()
    data = idx_images(folder, held_out=0.5)
    assert (len(data.train), len(data.held_out)) == (30, 30)
    assert torch.equal(torch.bincount(data.held_out.y), torch.full((10,), 3))


def test_missing_files_are_named_with_their_source(mnist_folder):
    folder = mnist_folder()
    (folder / "train-labels-idx1-ubyte").unlink()
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(BadInputError) as caught:
        idx_images(folder)
    text = str(caught.value)
    assert str(folder) in text
    assert "needs t10k-images-idx3-ubyte, train-labels-idx1-ubyte there" in text
    assert "https://" in text
    assert "train-images" not in text


def test_an_unknown_name(tmp_path):
    with pytest.raises(BadInputError, match="known are mnist, fashion-mnist"):
        idx_images(tmp_path, "emnist")


BAD = {
    "not an IDX file": b"\x89PNG" + bytes(40),
    "not an IDX file of unsigned bytes": bytes([0, 0, 0x0D, 1]) + struct.pack(">I", 3) + bytes(12),
    "has 3 dimensions, not 1": bytes([0, 0, 8, 3]) + bytes(12),
    "ends within its sizes": bytes([0, 0, 8, 1, 0, 0]),
    "cannot be those of images": bytes([0, 0, 8, 1]) + struct.pack(">I", 0),
    "sizes \\[4294967295\\] cannot be": bytes([0, 0, 8, 1]) + struct.pack(">I", 2**32 - 1),
    "should hold 3 values .* holds only 2": bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes(2),
    "should hold 3 values .* holds more": bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes(4),
}


@pytest.mark.parametrize(("message", "content"), BAD.items())
def test_damaged_files(tmp_path, message, content):
    for name, data in (("labels", content), ("labels.gz", gzip.compress(content))):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BadInputError, match=message) as caught:
            read_idx(path, 1)
        assert str(path) in str(caught.value)


def test_a_damaged_compression(tmp_path):
    whole = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 5000) + os.urandom(5000))
    for content in (b"no gzip at all", whole[:-2000], whole[:20] + b"\xff" * 200 + whole[220:]):
        path = tmp_path / "labels.gz"
        path.write_bytes(content)
        with pytest.raises(BadInputError, match=r"labels\.gz: cannot be read"):
            read_idx(path, 1)


def test_labels_that_do_not_fit(mnist_folder):
    folder = mnist_folder()
    labels = folder / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-1] + bytes([10]))
    with pytest.raises(BadInputError, match="label 10 is not below 10"):
        idx_images(folder)
    labels.write_bytes(whole[:4] + struct.pack(">I", 59) + whole[8:-1])
    with pytest.raises(BadInputError, match=r"has 60 images, .* 59 labels"):
        idx_images(folder)


def test_test_images_of_another_size(mnist_folder):
    folder = mnist_folder()
    kept = {f.name: f.read_bytes() for f in folder.glob("train*")}
    mnist_folder(size=6)
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    with pytest.raises(BadInputError, match="no test images of the size"):
        idx_images(folder)


@pytest.mark.skipif(not REAL, reason="OHMLOOP_DATA names no folder of real data")
def test_the_real_files():
    """The published counts, and the published mean and spread of the pixels, 0.1307 and 0.3081."""
    data = idx_images(Path(str(REAL)) / "mnist")
    assert (len(data.train), len(data.held_out), data.image) == (60000, 10000, (1, 28, 28))
    assert torch.bincount(data.train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert float(data.train.x.double().mean()) == pytest.approx(0.1307, abs=5e-5)
    assert float(data.train.x.double().std()) == pytest.approx(0.3081, abs=5e-5)
    few = idx_images(Path(str(REAL)) / "mnist", choice=Choice(samples=1000, held_out_samples=100))
    assert (len(few.train), len(few.held_out)) == (1000, 100)
    share = np.bincount(data.train.y) / 60
    assert np.abs(np.bincount(few.train.y) - share).max() < 1
