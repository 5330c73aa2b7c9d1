"""The benchmark of an epoch: its images, its contestants on our side, and its verdict."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import torch
from benchmarks import epoch
from benchmarks.images import DENSITY, PIXELS, mnist, synthetic

from ohmloop.training import analog_layers


def write_idx(folder, count=4, images_magic=2051):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (count, PIXELS), np.uint8)
    labels = rng.integers(0, 10, count, np.uint8)
    images = struct.pack(">4I", images_magic, count, 28, 28) + pixels.tobytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(
        struct.pack(">2I", 2049, count) + labels.tobytes()
    )
    return pixels, labels


def test_mnist_is_read_packed_or_not(tmp_path):
    pixels, labels = write_idx(tmp_path)
    images = mnist(tmp_path, 3)
    np.testing.assert_allclose(images.x.numpy(), pixels[:3] / 255, rtol=1e-6)
    assert images.y.tolist() == labels[:3].tolist()


def test_files_that_are_not_mnist_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte: no such file"):
        mnist(tmp_path, 1)
    write_idx(tmp_path)
    with pytest.raises(ValueError, match=r"holds 3136 bytes of data, 3920 are wanted"):
        mnist(tmp_path, 5)
    write_idx(tmp_path, images_magic=2049)
    with pytest.raises(ValueError, match="starts with 2049, not with 2051"):
        mnist(tmp_path, 1)


def test_synthetic_images_have_the_density():
    # H0: the share of bright pixels of 784,000 is DENSITY: 5 standard errors, false alarm 6e-7.
    images = synthetic(1000)
    share = float((images.x > 0).double().mean())
    assert share == pytest.approx(DENSITY, abs=5 * (DENSITY * (1 - DENSITY) / 784_000) ** 0.5)
    assert torch.equal(images.x, synthetic(1000).x)


@pytest.mark.campaign
@pytest.mark.parametrize("algorithm", epoch.ALGORITHMS)
def test_our_side_starts_from_the_digital_weights_and_trains(algorithm):
    runner = epoch.Runner("ohmloop", algorithm, epoch.ours)
    digital = dict(epoch.digital().named_children())
    for name, layer in analog_layers(runner.model).items():
        tile = layer.weight.main
        assert tile.dw_min == pytest.approx(epoch.DW_MIN, rel=0.1)
        start, off = digital[name].weight.detach().numpy(), epoch.DW_MIN
        assert np.mean(np.abs(tile.weights() - start) <= off) > 0.95
    epoch.take_turns([runner], synthetic(100), rounds=2)
    assert len(runner.seconds) == len(runner.losses) == 2
    assert all(0 < loss < 5 for loss in runner.losses)
    assert all(t.pulses > 0 for layer in analog_layers(runner.model).values() for t in layer.tiles)


def raced(algorithm, side, seconds):
    runner = object.__new__(epoch.Runner)
    runner.side, runner.algorithm, runner.seconds = side, algorithm, seconds
    runner.losses = [2.3] * len(seconds)
    return runner


def test_the_verdict_is_each_algorithm_s(capsys):
    sgd, taka = epoch.ALGORITHMS
    runners = [
        raced(sgd, "ohmloop", [1.0, 1.0]),
        raced(sgd, "aihwkit", [2.0, 2.2]),
        raced(taka, "ohmloop", [1.0, 1.0]),
        raced(taka, "aihwkit", [2.5, 1.4]),
    ]
    assert epoch.report(runners, 1000) == ["Tiki-Taka: 1.95 times faster, not 2"]
    said = capsys.readouterr().out
    assert "Analog SGD: 2.10 times faster (slices 2.00 to 2.20, median 2.10)" in said
    assert "projected" in said
    assert epoch.report(runners[:1], 60_000) == []
    assert "projected" not in capsys.readouterr().out
