"""An optimizer's state as tensors and plain values: what safetensors and JSON can hold."""

from __future__ import annotations

from typing import Any

from torch import Tensor

RunState = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by path, and values fit for JSON."""


def split_state(state: dict[str, Any], root: str) -> RunState:
    """Split an optimizer's ``state_dict``.

    Returns:
        Its tensors by path, such as ``root/3/momentum_buffer``, and the rest of it.
    """
    tensors: dict[str, Tensor] = {}
    values = {key: value for key, value in state.items() if key != "state"}
    values["state"] = {}
    for index, entries in state["state"].items():
        plain = {k: v for k, v in entries.items() if not isinstance(v, Tensor)}
        values["state"][str(index)] = plain
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{root}/{index}/{name}"] = value.detach().clone()
    return tensors, values


def join_state(tensors: dict[str, Tensor], values: dict[str, Any], root: str) -> dict[str, Any]:
    """The ``state_dict`` that ``split_state`` was given, also after a round trip through JSON."""
    state = {int(index): dict(entries) for index, entries in values["state"].items()}
    for path, tensor in tensors.items():
        if path.startswith(f"{root}/"):
            index, _, name = path.removeprefix(f"{root}/").partition("/")
            state.setdefault(int(index), {})[name] = tensor
    return {**values, "state": state}
