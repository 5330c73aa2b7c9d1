"""Subsets, what is held out, and scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training import Choice, DataSet, Split, idx_images
from ohmloop.training.data.sampling import stratified


def test_subsets_are_seeded_and_in_proportion(mnist_folder):
    folder = mnist_folder(train=200)
    few = [idx_images(folder, choice=Choice(samples=50, seed=s)) for s in (1, 1, 2)]
    assert torch.equal(few[0].train.x, few[1].train.x)
    assert not torch.equal(few[0].train.x, few[2].train.x)
    assert torch.bincount(few[0].train.y).tolist() == [5] * 10
    assert len(few[0].held_out) == 20


def test_fewer_samples_leave_what_is_held_out_alone(mnist_folder):
    folder = mnist_folder(train=200)
    sets = [idx_images(folder, choice=Choice(0.25, samples)) for samples in (None, 100, 20)]
    assert all(torch.equal(s.held_out.x, sets[0].held_out.x) for s in sets)
    held = {row.numpy().tobytes() for row in sets[0].held_out.x}
    assert not any(row.numpy().tobytes() in held for row in sets[0].train.x)


@pytest.mark.parametrize("count", [7, 50, 99, 100])
def test_stratified_keeps_proportions_to_a_sample(count):
    labels = np.repeat([0, 1, 2], [70, 29, 1])
    picked = stratified(labels, count, np.random.default_rng(0), "few")
    assert picked.size == count == np.unique(picked).size
    got = np.bincount(labels[picked], minlength=3)
    assert (got >= 1).all()
    assert np.abs(got - count * np.array([0.7, 0.29, 0.01])).max() <= 1


@pytest.mark.parametrize("count", [2, 101])
def test_subsets_that_cannot_be(count):
    with pytest.raises(BadInputError, match=f"samples: {count} samples cannot be taken"):
        stratified(np.repeat([0, 1, 2], [70, 29, 1]), count, np.random.default_rng(0), "samples")


def test_the_standard_scale_is_that_of_the_training_images(mnist_folder):
    folder = mnist_folder(train=100)
    data = idx_images(folder, choice=Choice(normalisation="standard", samples=50))
    assert float(data.train.x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.train.x.std(correction=0)) == pytest.approx(1, abs=1e-5)
    unit = idx_images(folder, choice=Choice(samples=50))
    scale = float(unit.train.x.std(correction=0))
    expected = (unit.held_out.x - unit.train.x.mean()) / scale
    assert torch.allclose(data.held_out.x, expected, atol=1e-5)


def test_other_scales_are_refused(mnist_folder):
    with pytest.raises(BadInputError, match="normalisation 'loud'"):
        idx_images(mnist_folder(), choice=Choice(normalisation="loud"))


def test_images_and_flat_samples():
    split = Split(torch.arange(24.0).reshape(2, 12), torch.zeros(2, dtype=torch.int64))
    data = DataSet("few", split, split, 1, image=(3, 2, 2))
    assert data.images().train.x.shape == (2, 3, 2, 2)
    assert data.images().features == data.features == 12
    with pytest.raises(BadInputError, match="no image"):
        DataSet("few", split, split, 1, image=(3, 2, 3))
    with pytest.raises(BadInputError, match="no images"):
        DataSet("few", split, split, 1).images()
