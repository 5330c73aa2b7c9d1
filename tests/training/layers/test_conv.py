"""Convolutions: as torch's in outputs, gradients and training; patches are samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ohmloop.drivers import BadInputError, Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import (
    AGAD,
    AnalogConv1d,
    AnalogConv2d,
    AnalogSGD,
    MixedPrecision,
    TikiTaka,
    analog_tiles,
    convert_to_analog,
    to_digital,
)
from ohmloop.training.layers import conv as module
from ohmloop.training.tiles.tile import parts_of

GEOMETRIES = [
    nn.Conv2d(2, 3, 3),
    nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    nn.Conv2d(2, 3, (5, 3), padding="same", bias=False),
    nn.Conv2d(2, 3, 2, padding="valid"),
    nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"),
    nn.Conv1d(2, 3, 3, stride=2, padding=2, dilation=2),
    nn.Conv1d(2, 3, 4, padding="same", padding_mode="replicate"),
]


GROUPED = [
    nn.Conv2d(2, 2, 3, groups=2),
    nn.Conv2d(2, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2),
    nn.Conv2d(2, 4, 3, padding="same", bias=False, groups=2),
    nn.Conv1d(2, 4, 3, dilation=2, groups=2),
]


def image_for(conv: nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(
        (2, 2, 7, 6) if isinstance(conv, nn.Conv2d) else (2, 2, 9), generator=generator
    )


@pytest.mark.parametrize(
    ("conv", "bias"),
    [(conv, bias) for conv in GEOMETRIES for bias in ("digital", "analog")]
    + [(conv, "digital") for conv in GROUPED],
    ids=str,
)
def test_outputs_gradients_and_updates_are_those_of_torch(train_alike, conv, bias) -> None:
    digital, analog = train_alike(
        conv, lambda model, x: model(x), image_for(conv), lr=1e-3, bias=bias
    )
    assert isinstance(analog, AnalogConv2d | AnalogConv1d)
    weight, found = analog.read()
    torch.testing.assert_close(weight.reshape(digital.weight.shape), digital.weight.detach())
    if digital.bias is not None:
        torch.testing.assert_close(found, digital.bias.detach())


@pytest.mark.parametrize("conv", GEOMETRIES + GROUPED, ids=str)
def test_a_digital_copy_is_the_layer(exact, conv) -> None:
    copied, x = to_digital(exact(conv)), image_for(conv).double()
    assert type(copied) is type(conv)
    assert str(copied) == str(conv)
    torch.testing.assert_close(copied.double()(x), conv.double()(x))


def test_one_image_without_a_batch(exact) -> None:
    conv = nn.Conv2d(2, 3, 3)
    x = image_for(conv).double()
    torch.testing.assert_close(exact(conv)(x[0]), conv.double()(x[0]))


def test_patches_are_samples_in_the_order_of_images_and_rows(exact) -> None:
    layer = exact(nn.Conv2d(1, 1, 2, bias=False))
    image = torch.arange(18, dtype=torch.float64).reshape(2, 1, 3, 3)
    layer(image).sum().backward()
    x, d = layer.weight.take_records()
    assert x[:, 0].tolist() == [0, 1, 3, 4, 9, 10, 12, 13]
    assert x[1].tolist() == [1, 2, 4, 5]
    assert d.shape == (8, 1)


def test_without_gradients_images_go_in_portions(exact, monkeypatch) -> None:
    conv = nn.Conv2d(2, 3, 3)
    layer, x, sizes = exact(conv), torch.randn(5, 2, 7, 6).double(), []
    wanted = layer(x)
    monkeypatch.setattr(module, "_MOST_VALUES", 2 * 5 * 4 * 18)
    product = layer.product
    monkeypatch.setattr(layer, "product", lambda p: (sizes.append(len(p)), product(p))[1])
    with torch.no_grad():
        torch.testing.assert_close(layer(x), wanted.detach())
    assert sizes == [40, 40, 20]
    layer(x)
    assert sizes[3:] == [100]


def test_groups_with_an_analog_bias_are_refused_by_name_before_anything_is_pulsed(real) -> None:
    chip = real(20, 20)
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 4, 3, groups=2))
    with pytest.raises(BadInputError, match=r"layer 1: 2 groups .*exclude the layer"):
        convert_to_analog(model, chip, bias="analog")
    assert chip.pulses_sent == 0
    convert_to_analog(model, chip, exclude="1")
    assert type(model[1]) is nn.Conv2d


def test_a_group_that_finds_no_room_is_named(real) -> None:
    with pytest.raises(BadInputError, match=r"layer itself, group 1, array 0: no room for its 2"):
        convert_to_analog(nn.Conv2d(2, 4, 3, groups=2), real(3, 9))


@pytest.mark.parametrize("make", [AnalogSGD, TikiTaka, MixedPrecision, AGAD])
@pytest.mark.parametrize("block", [None, (2, 5)])
def test_groups_learn_on_crossbars_and_on_nothing_but_their_own_cells(real, make, block) -> None:
    arrays = 1 if make in (AnalogSGD, MixedPrecision) else 2
    chip = real(16, 27)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2))
    model = convert_to_analog(model, chip, arrays=arrays, omega=0.3, block=block)
    assert model[0].read()[0].shape == (4, 9)
    before = chip.conductance
    optimizer = make(model.parameters(), lr=0.1, rng=np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        optimizer.zero_grad()
        model(torch.randn(2, 2, 6, 6, generator=generator)).pow(2).mean().backward()
        optimizer.step()
    moved = int((chip.conductance != before).sum())
    assert 30 <= moved <= 36 * arrays
    for tile in analog_tiles(model):
        read = tile.weights()
        assert not read[:2, 9:].any()
        assert not read[2:, :9].any()
        assert ((tile.read_columns([0, 10]) != 0) == (read[:, [0, 10]] != 0)).all()
        assert sum(part.shape[0] * part.shape[1] for part in parts_of(tile)) == 4 * 9


@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (2, 7), (1, 1, 2, 7, 7)])
def test_images_that_do_not_fit(exact, shape) -> None:
    with pytest.raises(BadInputError, match=r"takes \(batch, 2"):
        exact(nn.Conv2d(2, 3, 3))(torch.zeros(shape))


def test_on_a_fine_twin_a_step_is_that_of_torch(fine) -> None:
    """No noise, ten thousand steps in the range: errors are those of closed-loop writing."""
    conv = nn.Conv2d(2, 4, 3)
    with torch.no_grad():
        conv.weight.mul_(0.3)
    x = image_for(conv)
    analog = convert_to_analog(nn.Sequential(conv), fine(4, 18), omega=0.3)
    (tile,) = analog_tiles(analog)
    before = tile.weights()
    digital = to_digital(analog)
    torch.testing.assert_close(analog(x), digital(x), rtol=0, atol=1e-4)
    for model in (analog, digital):
        model(x).pow(2).mean().backward()
    x_all, d_all = analog[0].weight.records[0]
    optimizer = AnalogSGD(analog.parameters(), lr=0.5, rng=np.random.default_rng(3))
    optimizer.step()
    wanted = -0.5 * digital[0].weight.grad.flatten(1).numpy()
    # H0: pulse counts are binomial about the wanted ones; 6 sigma over 72 cells: 1.4e-7.
    path = 0.5 * np.abs(d_all).T @ np.abs(x_all)
    slack = 6 * np.sqrt(path * tile.dw_min) + 0.4 * path  # response falls with |w| up to 0.3
    assert (np.abs(tile.weights() - before - wanted) <= slack).all()
    assert np.abs(wanted).max() > 5 * tile.dw_min


def test_masked_cells_of_a_convolution_are_spared_and_training_goes_on() -> None:
    shape = (6, 18)
    cells = sample(PopulationSpec(), shape, np.random.default_rng(2))
    usable = np.random.default_rng(3).random(shape) > 0.2
    chip = TwinCrossbar(
        cells, seed=1, capabilities=Capabilities(), characteristics=cells.characteristics(usable)
    )
    before = chip.conductance
    model = convert_to_analog(nn.Sequential(nn.Conv2d(2, 6, 3)), chip, omega=0.3)
    written = chip.conductance
    optimizer = AnalogSGD(model.parameters(), lr=0.1, rng=np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        optimizer.zero_grad()
        model(torch.randn(2, 2, 6, 6, generator=generator)).pow(2).mean().backward()
        optimizer.step()
    np.testing.assert_array_equal(chip.conductance[~usable], before[~usable])
    assert (chip.conductance[usable] != written[usable]).mean() > 0.7
