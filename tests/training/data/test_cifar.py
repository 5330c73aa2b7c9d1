"""CIFAR archives: both versions, in a file or a folder, and pickles that are no batches."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import Choice, cifar
from ohmloop.training.data.batch_pickle import load_batch

EACH = 10
BATCHES = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]


def pixels_and_labels(seed: int, classes: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    labels = [int(label) for label in rng.integers(0, classes, EACH)]
    pixels = rng.integers(0, 256, (EACH, 3072), dtype=np.uint8)
    pixels[:, -1] = labels  # last pixel of the last channel
    return pixels, labels


def batches(name: str, binary: bool) -> dict[str, bytes]:
    names, classes = (BATCHES, 10) if name == "cifar-10" else (["train", "test"], 100)
    found = {}
    for seed, batch in enumerate(names):
        pixels, labels = pixels_and_labels(seed, classes)
        if binary:
            coarse = [] if name == "cifar-10" else [np.full(EACH, 7, np.uint8)]
            columns = [*coarse, np.array(labels, np.uint8)]
            records = np.concatenate([np.stack(columns, axis=1), pixels], axis=1)
            found[f"{batch}.bin"] = records.tobytes()
        else:
            key = b"labels" if name == "cifar-10" else b"fine_labels"
            entries = {b"data": pixels, key: labels, b"filenames": [b"a.png"] * EACH}
            found[batch] = pickle.dumps(entries, protocol=2)
    return found


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["cifar-10", "cifar-100"])
def test_archive_folder_and_unpacked_give_the_same(tmp_path, name, binary):
    files = batches(name, binary)
    version = "binary" if binary else "python"
    packed = archive(tmp_path / f"{name}-{version}.tar.gz", files)
    inner = f"{name}-batches-{'bin' if binary else 'py'}" if name == "cifar-10" else None
    unpacked = tmp_path / "other" / (inner or f"{name}-{version}")
    unpacked.mkdir(parents=True)
    for file, data in files.items():
        (unpacked / file).write_bytes(data)
    sets = [cifar(p, name) for p in (packed, tmp_path, unpacked, unpacked.parent)]
    first = sets[0]
    assert (len(first.train), len(first.held_out)) == ((len(files) - 1) * EACH, EACH)
    assert (first.image, first.classes) == ((3, 32, 32), 10 if name == "cifar-10" else 100)
    assert torch.equal((first.train.x[:, -1] * 255).round().long(), first.train.y)
    for other in sets[1:]:
        assert torch.equal(other.train.x, first.train.x)
        assert torch.equal(other.held_out.y, first.held_out.y)


def test_both_versions_agree(tmp_path):
    one = cifar(archive(tmp_path / "a.tar.gz", batches("cifar-10", True)))
    two = cifar(archive(tmp_path / "b.tar.gz", batches("cifar-10", False)))
    assert torch.equal(one.train.x, two.train.x)
    assert torch.equal(one.train.y, two.train.y)


def test_channels_stay_channels(tmp_path):
    data = cifar(archive(tmp_path / "a.tar.gz", batches("cifar-10", True)))
    pixels, _ = pixels_and_labels(0, 10)
    image = data.images().train.x[0]
    assert image.shape == (3, 32, 32)
    assert np.array_equal((image * 255).round().numpy(), pixels[0].reshape(3, 32, 32))
    assert torch.equal(data.images().flat().train.x, data.train.x)


class Evil:
    """What a pickle may hold that nobody should run."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.proof),)


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path):
    proof = tmp_path / "proof"
    files = batches("cifar-10", False)
    files["data_batch_3"] = pickle.dumps({b"data": Evil(proof)}, protocol=2)
    with pytest.raises(BadInputError, match=r"data_batch_3: .*mkdir, which no batch needs"):
        cifar(archive(tmp_path / "a.tar.gz", files))
    assert not proof.exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([1, 2], "no dictionary"),
        ({"data": np.zeros((2, 3072)), "labels": [0, 1]}, "not of unsigned bytes"),
        ({"data": np.array([None])}, "not of unsigned bytes"),
        ({"data": np.asfortranarray(np.zeros((2, 5), np.uint8))}, "row by row"),
    ],
)
def test_other_pickles(entries, message):
    with pytest.raises(ValueError, match=message):
        load_batch(pickle.dumps(entries, protocol=2))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({b"x": 1}, protocol=2)[:-3]])
def test_damaged_pickles(content):
    with pytest.raises(ValueError, match="not a batch of CIFAR"):
        load_batch(content)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "'data'"),
        ({b"data": np.zeros((2, 3072), np.uint8)}, "'labels'"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, "3072 bytes for each"),
        ({b"data": np.zeros((2, 9), np.uint8), b"labels": [0, 1]}, "3072 bytes for each"),
        ({b"data": b"no array", b"labels": []}, "3072 bytes for each"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "labels go from 10 to 10"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, -1]}, "labels go from -1 to 0"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, "x"]}, "3072 bytes for each"),
    ],
)
def test_batches_that_do_not_fit(tmp_path, entries, message):
    files = batches("cifar-10", False)
    files["test_batch"] = pickle.dumps(entries, protocol=2)
    with pytest.raises(BadInputError, match=f"test_batch: .*{message}"):
        cifar(archive(tmp_path / "a.tar.gz", files))


def test_damaged_archives_and_batches(tmp_path):
    path = archive(tmp_path / "a.tar.gz", batches("cifar-10", True))
    whole = path.read_bytes()
    for content in (b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadInputError, match="not an archive that can be read"):
            cifar(path)
    files = batches("cifar-10", True)
    files["data_batch_2.bin"] = files["data_batch_2.bin"][:-1]
    with pytest.raises(BadInputError, match="no whole number of images"):
        cifar(archive(path, files))


def test_missing_batches_are_named_with_their_source(tmp_path):
    files = batches("cifar-10", True)
    del files["data_batch_4.bin"]
    with pytest.raises(BadInputError, match=r"needs data_batch_4 .*https://www\.cs\.toronto"):
        cifar(archive(tmp_path / "a.tar.gz", files))
    with pytest.raises(BadInputError, match="needs data_batch_1, data_batch_2"):
        cifar(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="known are cifar-10, cifar-100"):
        cifar(tmp_path, "cifar")


def test_without_test_images_where_a_share_is_held_out(tmp_path):
    files = batches("cifar-10", True)
    del files["test_batch.bin"]
    data = cifar(archive(tmp_path / "a.tar.gz", files), choice=Choice(held_out=0.2))
    assert len(data.train) + len(data.held_out) == 50
