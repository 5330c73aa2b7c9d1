"""Which modules of a model are to be on chips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from torch import nn

from ohmloop.drivers import BadInputError

Rule = str | Sequence[str] | Callable[[str], bool]
"""Names: a pattern such as ``conv*`` or ``body.*``, several, or a function of the name."""

CONVERTIBLE: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.RNNCell,
    nn.LSTMCell,
    nn.GRUCell,
    nn.RNN,
    nn.LSTM,
    nn.GRU,
)
"""Kinds of layers that have an analog counterpart."""

_OPAQUE = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""These take the weights of layers inside them as they are, past the layers' own products."""


def select(
    model: nn.Module, include: Rule | None = None, exclude: Rule | None = None
) -> dict[str, nn.Module]:
    """The layers to convert by name, in order.

    A pattern that matches a module takes in all that is inside it.

    Args:
        model: any module.
        include: which; None for all that can be.
        exclude: which of those not.

    Raises:
        BadInputError: there is none, a pattern matches nothing, or a layer that is meant is used in
            two places or cannot be converted; the message names it.
    """
    found = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, CONVERTIBLE) and not _inside(model, name, _OPAQUE)
    }
    if not found:
        raise BadInputError(
            "the model has no linear layer, convolution or recurrent layer to convert"
        )
    wanted = {name for name in found if include is None or _matches(include, name)}
    wanted -= {name for name in found if exclude is not None and _matches(exclude, name)}
    _check_patterns(found, include=include, exclude=exclude)
    if not wanted:
        raise BadInputError(f"no linear layer or other is left to convert of {', '.join(found)}")
    chosen = {name: module for name, module in found.items() if name in wanted}
    _check_shared(found, chosen)
    for name, module in chosen.items():
        _check_plain(name, module)
    return chosen


def _matches(rule: Rule, name: str) -> bool:
    if callable(rule):
        return bool(rule(name))
    parts = name.split(".")
    enclosing = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    patterns = [rule] if isinstance(rule, str) else rule
    return any(fnmatchcase(n, pattern) for n in enclosing for pattern in patterns)


def _check_patterns(found: dict[str, nn.Module], **rules: Rule | None) -> None:
    for word, rule in rules.items():
        if rule is None or callable(rule):
            continue
        for pattern in [rule] if isinstance(rule, str) else rule:
            if not any(_matches(pattern, name) for name in found):
                raise BadInputError(f"{word}: {pattern!r} matches none of {', '.join(found)}")


def _check_shared(found: dict[str, nn.Module], chosen: dict[str, nn.Module]) -> None:
    """One module, or one parameter, under two names would become two that learn apart."""
    for name, module in chosen.items():
        for other, second in found.items():
            if other == name:
                continue
            if second is module:
                raise BadInputError(
                    f"layers {name} and {other} are one and the same module, which cannot be"
                    " converted: exclude them, or make them two"
                )
            tied = {id(p) for p in module.parameters()} & {id(p) for p in second.parameters()}
            if tied:
                raise BadInputError(
                    f"layers {name} and {other} share a parameter, which cannot be converted:"
                    " exclude them, or give each its own"
                )


def _check_plain(name: str, module: nn.Module) -> None:
    """Refuse what a conversion would lose silently."""
    kind = type(module).__name__
    if type(module) not in CONVERTIBLE:
        raise BadInputError(
            f"layer {name} is a {kind}, which may have ways of its own; exclude it, or make it one"
            f" of {', '.join(known.__name__ for known in CONVERTIBLE)}"
        )
    if any(
        getattr(module, hooks)
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    ):
        raise BadInputError(
            f"layer {name} has hooks (weight_norm and pruning set some), which a conversion would"
            " lose; remove them or exclude it"
        )


def _inside(model: nn.Module, name: str, kinds: tuple[type[nn.Module], ...]) -> bool:
    parts = name.split(".")
    enclosing = [".".join(parts[:end]) for end in range(len(parts))]
    return any(isinstance(model.get_submodule(outer), kinds) for outer in enclosing if name)
