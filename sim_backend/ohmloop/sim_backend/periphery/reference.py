"""Products through a periphery in plain numpy: the definition that ``fast`` is tested against.

Noise of the cells is added at the outputs. With conductances that are independent and normal, with
variances ``s_ij²``, the current of a line ``sum_j g_ij V_j`` is exactly normal with variance
``sum_j s_ij² V_j²``: one product of squares and one random number an output stand for a fresh noisy
map for every sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .converter import Converter, InputConverter
from .lines import LineErrors
from .path import Product, SignalPath

Floats = NDArray[np.float64]
SMALLEST = 1e-30
"""Under any voltage or code; divides the inputs of a sample of zeros, V."""


def product(
    path: SignalPath,
    g: Floats,
    x: Floats,
    rng: np.random.Generator,
    variance: Floats | None,
    errors: LineErrors,
) -> Product:
    """One batch of products.

    Args:
        path: converters and management.
        g: ``(outputs, inputs)``, S.
        x: ``(batch, inputs)``, V.
        rng: the generator.
        variance: of the cells, ``(outputs, inputs)``, S².
        errors: of the lines.

    Raises:
        BadInputError: an input that is no number.
    """
    x = np.asarray(x, np.float64)
    scale_full = full_scale(path, x)
    currents = np.empty((x.shape[0], g.shape[0]))
    clipped, saturated = np.zeros(x.shape[0], np.int64), np.zeros(x.shape[0], np.int64)
    todo, repeats = np.arange(x.shape[0]), 0
    rounds = path.bound_management.max_rounds if path.bound_management.kind != "none" else 0
    for left in range(rounds, -1, -1):
        full = scale_full[todo]
        currents[todo], over = _once(path, g, x[todo], full, rng, variance, errors)
        clipped[todo] = _beyond(x[todo], full)
        saturated[todo] = over
        todo = todo[over > 0]
        if not todo.size or not left:
            break
        scale_full[todo] *= 2  # the same voltages asked for are half as much of the range
        repeats += todo.size
    return Product(currents, int(clipped.sum()), int(saturated.sum()), repeats)


def full_scale(path: SignalPath, x: Floats) -> Floats:
    """The voltage of each sample that is converted to full range, ``(batch,)``, V.

    Infinite for an input without range.
    """
    size = np.abs(x).max(axis=1, initial=0.0)
    if not np.isfinite(size).all():
        raise BadInputError("voltages must be finite")
    management, limit = path.noise_management, path.input.range
    if management.kind == "none":
        return np.full(size.shape, np.inf if limit is None else limit)
    if management.kind == "constant":
        return np.full(size.shape, management.full_scale)
    if management.kind == "average-abs-max":
        size = np.full(size.shape, size.mean() if size.size else 0.0)
    most: Floats = size if management.most is None else np.minimum(size, management.most)
    return most


def convert(converter: Converter, codes: Floats, rng: np.random.Generator) -> Floats:
    """Whole codes from codes with fractions, clipped to those there are."""
    up = rng.random(codes.shape) if converter.rounding == "stochastic" else None
    whole = np.round(codes) if up is None else np.floor(codes + up)
    limit = np.inf if converter.levels is None else converter.levels
    clipped: Floats = np.clip(whole, -limit, limit)
    return clipped


def _once(
    path: SignalPath,
    g: Floats,
    x: Floats,
    full: Floats,
    rng: np.random.Generator,
    variance: Floats | None,
    errors: LineErrors,
) -> tuple[Floats, NDArray[np.int64]]:
    """One pass: currents scaled back, and how many outputs of each sample saturated."""
    volts = _drive(path.input, x, full[:, None], rng, errors)
    noise = np.full((x.shape[0], g.shape[0]), path.output.noise**2)
    if variance is not None:
        noise += (volts * volts) @ variance.T
    currents = volts @ g.T + np.sqrt(noise) * rng.standard_normal(noise.shape)
    if errors.output_gain is not None:
        currents *= 1 + errors.output_gain
    if errors.output_offset is not None:
        currents += errors.output_offset
    return _sense(path, currents, full[:, None], rng)


def _drive(
    source: InputConverter, x: Floats, full: Floats, rng: np.random.Generator, errors: LineErrors
) -> Floats:
    """Voltages at the driven lines; ``full``, ``(batch, 1)``, becomes the range."""
    if source.range is None:
        volts = x
    elif source.levels is None:
        unit = np.maximum(full / source.range, SMALLEST)
        volts = np.clip(x / unit, -source.range, source.range)
    else:
        unit = np.maximum(full / source.levels, SMALLEST)
        volts = convert(source, x / unit, rng) * (source.range / source.levels)
    if errors.input_gain is not None:
        volts = volts * (1 + errors.input_gain)
    if errors.input_offset is not None:
        volts = volts + errors.input_offset
    if source.noise:
        volts = volts + source.noise * rng.standard_normal(volts.shape)
    return volts


def _sense(
    path: SignalPath, currents: Floats, full: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Currents as converted and scaled back, and saturations of each sample."""
    sense, limit = path.output, path.input.range
    bound = np.inf if sense.range is None else sense.range
    over = (np.abs(currents) > bound).sum(axis=1)
    if sense.step is None:
        back = 1.0 if limit is None else full / limit
        return np.clip(currents, -bound, bound) * back, over
    codes = convert(sense, currents / sense.step, rng)
    return codes * (sense.step if limit is None else full * (sense.step / limit)), over


def _beyond(x: Floats, full: Floats) -> NDArray[np.int64]:
    beyond: NDArray[np.int64] = (np.abs(x) > full[:, None]).sum(axis=1)
    return beyond
