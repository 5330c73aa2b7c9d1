"""Recurrent layers whose products are on a chip; everything else of a cell is digital.

A cell has two products: ``ih`` of the input and ``hh`` of the hidden state, each a layer of its own
with the rows of all gates, in torch's order. Gradients come back through time, last step first;
updates take the steps in the order of time (see ``AnalogParameter.record``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ohmloop.drivers import BadInputError

from .analog_layer import AnalogLayer

State = tuple[Tensor, ...]


class AnalogCell(nn.Module):
    """What cells share.

    Args:
        ih: product of the input: ``(batch, in)`` to ``(batch, gates x hidden)``.
        hh: product of the hidden state: ``(batch, hidden)`` to the same.
        options: of torch's cell, such as ``nonlinearity``.
    """

    digital: ClassVar[type[nn.Module]]
    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(self, ih: nn.Module, hh: nn.Module, **options: Any) -> None:
        super().__init__()
        self.ih, self.hh, self.options = ih, hh, options

    @property
    def hidden_size(self) -> int:
        """Units."""
        return int(self.hh.in_features)  # type: ignore[arg-type]

    def step(self, driven: Tensor, state: State) -> State:
        """The next state, from ``ih`` of the input, ``(batch, gates x hidden)``, and the state."""
        raise NotImplementedError

    def start(self, driven: Tensor) -> State:
        """States of zeros for a batch."""
        return (driven.new_zeros(len(driven), self.hidden_size),) * self.states

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """As of torch's cell: ``(batch, in)`` or ``(in,)``, and a state or None."""
        if x.dim() == 1:
            last = self._next(x[None], None if state is None else _each(state, lambda h: h[None]))
            return self._given(tuple(h[0] for h in last))
        return self._given(self._next(x, state))

    def _next(self, x: Tensor, state: Any) -> State:
        driven = self.ih(x)
        return self.step(driven, self.start(driven) if state is None else _tuple(state))

    def _given(self, state: State) -> Any:
        return state[0] if self.states == 1 else state

    def to_digital(self) -> nn.Module:
        """Torch's cell with the weights that the tiles read now."""
        bias = getattr(self.ih, "analog_bias", False) or self.ih.bias is not None
        cell = self.digital(self.ih.in_features, self.hidden_size, bias=bias, **self.options)
        _fill(cell.to(self.hh.weight.dtype), self)  # type: ignore[arg-type]
        return cell.train(self.training)


class AnalogRNNCell(AnalogCell):
    """``nn.RNNCell``: ``h = tanh(W_ih x + W_hh h)``, biases included."""

    digital = nn.RNNCell
    gates = 1

    def step(self, driven: Tensor, state: State) -> State:
        """One step."""
        total = driven + self.hh(state[0])
        relu = self.options.get("nonlinearity", "tanh") == "relu"
        return (torch.relu(total) if relu else torch.tanh(total),)


class AnalogLSTMCell(AnalogCell):
    """``nn.LSTMCell`` (Hochreiter and Schmidhuber, 1997, with a forget gate): state (h, c)."""

    digital = nn.LSTMCell
    gates = 4
    states = 2

    def step(self, driven: Tensor, state: State) -> State:
        """One step."""
        hidden, memory = state
        i, f, g, o = (driven + self.hh(hidden)).chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(memory), memory


class AnalogGRUCell(AnalogCell):
    """``nn.GRUCell`` (Cho et al., arXiv:1406.1078, the reset gate after the product)."""

    digital = nn.GRUCell
    gates = 3

    def step(self, driven: Tensor, state: State) -> State:
        """One step."""
        (hidden,) = state
        from_input, from_hidden = driven.chunk(3, dim=1), self.hh(hidden).chunk(3, dim=1)
        r, z = (torch.sigmoid(a + b) for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
        new = torch.tanh(from_input[2] + r * from_hidden[2])
        return ((1 - z) * new + z * hidden,)


class AnalogRecurrent(nn.Module):
    """Cells along a sequence: layers, and both directions where torch's layer has both.

    The products of all inputs of a sequence are made at once, those of hidden states step by step.

    Args:
        cells: layer by layer, each forwards and then, if there is such, backwards.
        like: a torch layer of the same geometry; its weights are not looked at.
    """

    digital: ClassVar[type[nn.Module]]
    cell: ClassVar[type[AnalogCell]]

    def __init__(self, cells: Sequence[nn.Module], like: nn.RNNBase) -> None:
        super().__init__()
        check_recurrent(like)
        self.cells = nn.ModuleList(cells)
        self.directions = 2 if like.bidirectional else 1
        self.batch_first, self.dropout = like.batch_first, like.dropout
        self.input_size, self.hidden_size = like.input_size, like.hidden_size
        self.bias, self.num_layers = like.bias, like.num_layers

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """As of torch's layer: ``(steps, batch, in)``, or batch first, or without a batch.

        Raises:
            BadInputError: a packed sequence, or another shape.
        """
        if isinstance(x, PackedSequence) or x.dim() not in (2, 3):
            raise BadInputError("an analog recurrent layer takes padded sequences, as tensors")
        if x.dim() == 2:
            given = None if state is None else _each(state, lambda h: h[:, None])
            y, last = self._run(x[:, None], given)
            return y[:, 0], self._given([h[:, 0] for h in last])
        y, last = self._run(x.transpose(0, 1) if self.batch_first else x, state)
        return y.transpose(0, 1) if self.batch_first else y, self._given(last)

    def _run(self, x: Tensor, state: Any) -> tuple[Tensor, list[Tensor]]:
        states: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = nn.functional.dropout(x, self.dropout, self.training)
            ways = []
            for way in range(self.directions):
                at = layer * self.directions + way
                start = None if state is None else tuple(h[at] for h in _tuple(state))
                y, last = self._along(at, x.flip(0) if way else x, start)
                ways.append(y.flip(0) if way else y)
                states.append(last)
            x = torch.cat(ways, dim=2)
        return x, [torch.stack(parts) for parts in zip(*states, strict=True)]

    def _along(self, at: int, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        cell = self.cells[at]
        assert isinstance(cell, AnalogCell)
        driven = cell.ih(x)
        state = cell.start(driven[0]) if state is None else state
        outputs = []
        for step in driven:
            state = cell.step(step, state)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def _given(self, states: list[Tensor]) -> Any:
        return states[0] if len(states) == 1 else tuple(states)

    def to_digital(self) -> nn.Module:
        """Torch's layer with the weights that the tiles read now."""
        layer = self.digital(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout,
            bidirectional=self.directions == 2,
            **self.cells[0].options,  # type: ignore[arg-type]
        )
        layer.to(self.cells[0].hh.weight.dtype)  # type: ignore[union-attr,arg-type]
        for at, cell in enumerate(self.cells):
            _fill(layer, cell, _suffix(at, self.directions))
        return layer.train(self.training)


class AnalogRNN(AnalogRecurrent):
    """``nn.RNN`` on tiles."""

    digital, cell = nn.RNN, AnalogRNNCell


class AnalogLSTM(AnalogRecurrent):
    """``nn.LSTM`` on tiles."""

    digital, cell = nn.LSTM, AnalogLSTMCell


class AnalogGRU(AnalogRecurrent):
    """``nn.GRU`` on tiles."""

    digital, cell = nn.GRU, AnalogGRUCell


_CELLS: dict[type[nn.Module], type[AnalogCell]] = {
    kind.digital: kind for kind in (AnalogRNNCell, AnalogLSTMCell, AnalogGRUCell)
}
_LAYERS: dict[type[nn.Module], type[AnalogRecurrent]] = {
    kind.digital: kind for kind in (AnalogRNN, AnalogLSTM, AnalogGRU)
}


def opened(module: nn.Module) -> nn.Module | None:
    """A recurrent torch module with its products as ``nn.Linear`` of their own; None for others.

    Raises:
        BadInputError: it is one with a projection.
    """
    if isinstance(module, nn.RNNCellBase):
        return _cell(_CELLS[type(module)], module, "", _options(module))
    if not isinstance(module, nn.RNNBase):
        return None
    check_recurrent(module)
    kind = _LAYERS[type(module)]
    directions = 2 if module.bidirectional else 1
    cells = [
        _cell(kind.cell, module, _suffix(at, directions), _options(module))
        for at in range(module.num_layers * directions)
    ]
    return kind(cells, module).train(module.training)


def check_recurrent(like: nn.RNNBase) -> None:
    """Refuse what cells here do not do.

    Raises:
        BadInputError: the layer has a projection.
    """
    if getattr(like, "proj_size", 0):
        raise BadInputError("a recurrent layer with proj_size cannot be analog: exclude it")


def _cell(
    kind: type[AnalogCell], module: nn.Module, suffix: str, options: dict[str, Any]
) -> AnalogCell:
    parts = []
    for name in ("ih", "hh"):
        weight = getattr(module, f"weight_{name}{suffix}")
        bias = getattr(module, f"bias_{name}{suffix}", None)
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
        linear.weight = weight
        if bias is not None:
            linear.bias = bias
        parts.append(linear.train(module.training))
    return kind(*parts, **options).train(module.training)


def _options(module: nn.Module) -> dict[str, Any]:
    return {"nonlinearity": module.nonlinearity} if hasattr(module, "nonlinearity") else {}


def _suffix(at: int, directions: int) -> str:
    return f"_l{at // directions}" + ("_reverse" if at % directions else "")


@torch.no_grad()
def _fill(module: nn.Module, cell: nn.Module, suffix: str = "") -> None:
    for name in ("ih", "hh"):
        product = getattr(cell, name)
        weight, bias = (
            product.read() if isinstance(product, AnalogLayer) else (product.weight, product.bias)
        )
        getattr(module, f"weight_{name}{suffix}").copy_(weight)
        if bias is not None:
            getattr(module, f"bias_{name}{suffix}").copy_(bias)


def _tuple(state: Any) -> State:
    return tuple(state) if isinstance(state, tuple | list) else (state,)


def _each(state: Any, change: Any) -> State:
    return tuple(change(part) for part in _tuple(state))
