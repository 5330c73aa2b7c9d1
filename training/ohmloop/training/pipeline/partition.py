"""Which layers go to which stage: balanced by cost, or by hand."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.linear import AnalogLinear

Cost = Callable[[nn.Module], float]


def by_hand(model: nn.Sequential, stages: Sequence[Sequence[str]]) -> list[nn.Sequential]:
    """Stages as somebody listed them.

    Args:
        model: named layers.
        stages: names of layers, all of them, in order.

    Raises:
        BadInputError: says which layer is unknown, missing, twice or out of order.
    """
    names = [name for name, _ in model.named_children()]
    listed = [name for stage in stages for name in stage]
    known = f"the model has {', '.join(names)}"
    if unknown := [name for name in listed if name not in names]:
        raise BadInputError(f"pipeline.stages: no layer {unknown[0]!r}; {known}")
    if twice := [name for name in listed if listed.count(name) > 1]:
        raise BadInputError(f"pipeline.stages: layer {twice[0]!r} is listed twice; {known}")
    if missing := [name for name in names if name not in listed]:
        raise BadInputError(f"pipeline.stages: layer {missing[0]!r} is in no stage; {known}")
    if listed != names:
        wrong = next(a for a, b in zip(listed, names, strict=True) if a != b)
        raise BadInputError(f"pipeline.stages: layer {wrong!r} is out of order; {known}")
    if not all(stages):
        raise BadInputError(
            f"pipeline.stages: stage {list(map(len, stages)).index(0) + 1} is empty"
        )
    return _cut(model, [len(stage) for stage in stages])


def balanced(
    model: nn.Sequential, stages: int, costs: Mapping[str, float] | None = None
) -> list[nn.Sequential]:
    """Stages whose costliest is as cheap as can be.

    A stage is a run of layers. Those without a weight matrix go with the one before them (at the
    front, with the one behind), so that no chip gets nothing.

    Args:
        model: named layers.
        stages: how many.
        costs: of layers, by name; what is not named costs nothing. By default, its weights.

    Raises:
        BadInputError: more stages than layers with weights, an unknown layer, or a negative cost.
    """
    groups = _groups(model)
    if not 1 <= stages <= len(groups):
        names = ", ".join(_heavy_names(model))
        raise BadInputError(
            f"pipeline.stages: {stages} stages for {len(groups)} layers with weights ({names});"
            " every stage needs one or more"
        )
    known = dict(weights(model)) if costs is None else _checked(model, costs)
    totals = [sum(known.get(name, 0.0) for name in group) for group in groups]
    lengths = [sum(len(g) for g in groups[a:b]) for a, b in best_cuts(totals, stages)]
    return _cut(model, lengths)


def best_cuts(costs: Sequence[float], parts: int) -> list[tuple[int, int]]:
    """Cut a row of costs into parts so that the largest sum is the smallest that there is.

    Dynamic programming over ends of parts; of equally good cuts, the one whose sums of squares
    are smallest, so that what is left is spread too.

    Args:
        costs: 0 or more each.
        parts: 1 to ``len(costs)``.

    Returns:
        From and to (exclusive) of each part; none is empty.
    """
    total = [0.0]
    for cost in costs:
        total.append(total[-1] + cost)
    count = len(costs)
    best: list[dict[int, tuple[float, float, int]]] = [{0: (0.0, 0.0, 0)}]
    for part in range(1, parts + 1):
        row: dict[int, tuple[float, float, int]] = {}
        for end in range(part, count - (parts - part) + 1):
            row[end] = min(
                (max(best[-1][cut][0], s), best[-1][cut][1] + s * s, cut)
                for cut in best[-1]
                if cut < end
                for s in (total[end] - total[cut],)
            )
        best.append(row)
    cuts, end = [], count
    for part in range(parts, 0, -1):
        begin = best[part][end][2]
        cuts.append((begin, end))
        end = begin
    return cuts[::-1]


def weights(model: nn.Sequential) -> dict[str, float]:
    """Weights of each layer: what a bench that reads cell by cell takes its time for."""
    return {name: float(_weights(layer)) for name, layer in model.named_children()}


def measured(
    model: nn.Sequential,
    x: Tensor,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Seconds that each layer takes forward and backward, in the median; it learns nothing.

    Args:
        model: on its chips, or digital.
        x: a micro-batch of inputs.
        repeats: how often each is measured.
        clock: s.
    """
    found: dict[str, float] = {}
    for name, layer in model.named_children():
        taken = []
        for _ in range(repeats):
            leaf = x.detach().requires_grad_()
            begin = clock()
            y = layer(leaf)
            torch.autograd.grad(y, leaf, torch.ones_like(y))
            taken.append(clock() - begin)
        found[name] = median(taken)
        x = y.detach()
        for part in layer.modules():
            if isinstance(part, AnalogLinear):
                part.weight.forget()
    return found


def _cut(model: nn.Sequential, lengths: Sequence[int]) -> list[nn.Sequential]:
    children = iter(model.named_children())
    return [nn.Sequential(OrderedDict(next(children) for _ in range(n))) for n in lengths]


def _groups(model: nn.Sequential) -> list[list[str]]:
    """A layer with weights, and those without that go with it."""
    groups: list[list[str]] = []
    front: list[str] = []
    for name, layer in model.named_children():
        if _weights(layer):
            groups.append([*front, name])
            front = []
        elif groups:
            groups[-1].append(name)
        else:
            front.append(name)
    return groups


def _heavy_names(model: nn.Sequential) -> list[str]:
    return [name for name, layer in model.named_children() if _weights(layer)]


def _weights(layer: nn.Module) -> int:
    """Elements of weight matrices: biases and norms are digital and go with anybody."""
    analog = sum(
        len(part.tiles) * part.out_features * part.in_features
        for part in layer.modules()
        if isinstance(part, AnalogLinear)
    )
    return analog + sum(p.numel() for p in layer.parameters() if p.dim() > 1)


def _checked(model: nn.Sequential, costs: Mapping[str, float]) -> dict[str, float]:
    names = [name for name, _ in model.named_children()]
    for name, cost in costs.items():
        if name not in names:
            raise BadInputError(
                f"pipeline.costs: no layer {name!r}; the model has {', '.join(names)}"
            )
        if not cost >= 0:
            raise BadInputError(f"pipeline.costs: layer {name!r} cannot cost {cost}")
    return dict(costs)
