"""How good a model is on samples that it never learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ohmloop.training.data.data_set import Split

Loss = Callable[[Tensor, Tensor], Tensor]

AT_ONCE = 1000
"""Samples of one product: what a convolution unfolds of all of them would not fit."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model made of some samples.

    Attributes:
        accuracy: share that it classifies rightly, 0 to 1.
        loss: mean over the samples.
        confusion: int64 ``(classes, classes)``: row = true class, column = class that it took it
            for.
    """

    accuracy: float
    loss: float
    confusion: NDArray[np.int64]


@torch.no_grad()
def judge(model: nn.Module, split: Split, loss: Loss = nn.functional.cross_entropy) -> Evaluation:
    """Evaluate a model; leaves its mode as it was.

    Args:
        model: from samples to a value for each class.
        split: samples and their classes.
        loss: mean loss of ``(outputs, classes)``.
    """
    training = model.training
    model.eval()
    try:
        return judge_answers(model, split, loss)
    finally:
        model.train(training)


@torch.no_grad()
def judge_answers(answer: Callable[[Tensor], Tensor], split: Split, loss: Loss) -> Evaluation:
    """Evaluate whatever answers samples with a value for each class.

    Args:
        answer: from ``(samples, ...)`` to ``(samples, classes)``.
        split: samples and their classes.
        loss: mean loss of ``(outputs, classes)``.
    """
    total = 0.0
    taken: list[Tensor] = []
    for start in range(0, len(split), AT_ONCE):
        x, y = split.x[start : start + AT_ONCE], split.y[start : start + AT_ONCE]
        outputs = answer(x)
        total += float(loss(outputs, y)) * len(y)
        taken.append(outputs.argmax(dim=1))
    classes = outputs.shape[1]
    found = torch.cat(taken)
    pairs = torch.bincount(split.y * classes + found, minlength=classes * classes)
    return Evaluation(
        accuracy=float((found == split.y).double().mean()),
        loss=total / len(split),
        confusion=pairs.reshape(classes, classes).numpy(),
    )


def evaluate(model: nn.Module, split: Split) -> float:
    """Share of samples that the model classifies rightly, 0 to 1; leaves its mode as it was."""
    return judge(model, split, lambda outputs, _: outputs.new_zeros(())).accuracy
