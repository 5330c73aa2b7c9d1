"""Recurrent layers: as torch's in outputs, gradients through time, and training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from ohmloop.drivers import BadInputError
from ohmloop.training import (
    AnalogLSTM,
    AnalogLSTMCell,
    analog_layers,
    analog_tiles,
    convert_to_analog,
    to_digital,
)

LAYERS = [
    nn.RNN(3, 4),
    nn.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True),
    nn.LSTM(3, 4, num_layers=2),
    nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
    nn.GRU(3, 4, bidirectional=True),
]
CELLS = [
    nn.RNNCell(3, 4),
    nn.RNNCell(3, 4, bias=False, nonlinearity="relu"),
    nn.LSTMCell(3, 4),
    nn.GRUCell(3, 4),
]


def sequence() -> torch.Tensor:
    return torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def along(cell: nn.Module, x: torch.Tensor) -> torch.Tensor:
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs)


@pytest.mark.parametrize("bias", ["digital", "analog"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layers_learn_as_torch_does(train_alike, layer, bias) -> None:
    digital, analog = train_alike(layer, lambda m, x: m(x)[0], sequence(), bias=bias)
    copied = to_digital(analog)
    assert type(copied) is type(layer)
    for name, wanted in digital.state_dict().items():
        torch.testing.assert_close(copied.state_dict()[name].double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cells_learn_as_torch_does(train_alike, cell) -> None:
    digital, analog = train_alike(cell, along, sequence())
    copied = to_digital(analog)
    assert type(copied) is type(cell)
    for name, wanted in digital.state_dict().items():
        torch.testing.assert_close(copied.state_dict()[name].double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_states_go_in_and_come_out_as_in_torch(exact, layer) -> None:
    layer, x = layer.double(), sequence()
    analog = exact(layer)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    batch = x.shape[0] if layer.batch_first else x.shape[1]
    hidden = torch.randn(count, batch, 4).double()
    state = (hidden, -hidden) if isinstance(layer, nn.LSTM) else hidden
    torch.testing.assert_close(analog(x, state), layer(x, state))
    torch.testing.assert_close(analog(x[:, 0]), layer(x[:, 0]))
    one = tuple(h[:, 0] for h in state) if isinstance(state, tuple) else state[:, 0]
    torch.testing.assert_close(analog(x[:, 0], one), layer(x[:, 0], one))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_cell_without_a_batch(exact, cell) -> None:
    cell, x = cell.double(), sequence()[0, 0]
    analog = exact(cell)
    torch.testing.assert_close(analog(x), cell(x))
    state = analog(x)
    torch.testing.assert_close(analog(x, state), cell(x, state))


def test_records_are_in_the_order_of_time(exact) -> None:
    """Gradients come last step first; the update must not."""
    analog = exact(nn.LSTM(1, 2))
    x = torch.arange(1.0, 6.0, dtype=torch.float64).reshape(5, 1, 1)
    y, _ = analog(x)
    y.sum().backward()
    cell = analog.cells[0]
    steps, _ = cell.ih.weight.take_records()
    assert steps.flatten().tolist() == [1, 2, 3, 4, 5]
    hidden, d = cell.hh.weight.take_records()
    np.testing.assert_allclose(hidden[0], 0)
    np.testing.assert_allclose(hidden[1:], y[:-1, 0].detach())
    assert d.shape == (5, 8)
    assert cell.hh.weight.take_records() is None


def test_two_backward_passes_stay_in_order(exact) -> None:
    cell = exact(nn.RNNCell(1, 1))
    for first in (1.0, 3.0):
        x = torch.tensor([[[first]], [[first + 1]]], dtype=torch.float64)
        along(cell, x).sum().backward()
    x, _ = cell.ih.weight.take_records()
    assert x.flatten().tolist() == [1, 2, 3, 4]


def test_an_lstm_on_a_chip(real) -> None:
    model = nn.ModuleDict({"memory": nn.LSTM(3, 4), "head": nn.Linear(4, 2)})
    convert_to_analog(model, real(40, 12))
    assert isinstance(model["memory"], AnalogLSTM)
    assert isinstance(model["memory"].cells[0], AnalogLSTMCell)
    assert list(analog_layers(model)) == ["memory.cells.0.ih", "memory.cells.0.hh", "head"]
    assert [tile.shape for tile in analog_tiles(model)] == [(16, 3), (16, 4), (2, 4)]
    y, (h, c) = model["memory"](sequence().float())
    assert (y.shape, h.shape, c.shape) == ((5, 2, 4), (1, 2, 4), (1, 2, 4))


def test_what_recurrent_layers_do_not_do(real, exact) -> None:
    with pytest.raises(BadInputError, match=r"layer itself: .*proj_size"):
        convert_to_analog(nn.LSTM(3, 4, proj_size=2), real(40, 12))
    with pytest.raises(BadInputError, match="padded"):
        exact(nn.GRU(3, 4))(pack_sequence([sequence()[:, 0]]))


def test_dropout_between_layers_is_kept(exact) -> None:
    analog = exact(nn.GRU(3, 4, num_layers=2, dropout=0.9))
    torch.manual_seed(0)
    first, second = analog(sequence())[0], analog(sequence())[0]
    assert not torch.equal(first, second)
    analog.eval()
    assert torch.equal(analog(sequence())[0], analog(sequence())[0])
