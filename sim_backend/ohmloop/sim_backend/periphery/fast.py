"""Products through a periphery on torch tensors: as ``reference``, with few passes over memory.

Noise is added by the matrix product itself, saturation is looked for in one pass over the outputs,
and bound management goes on only with the samples that saturated. On a CPU the usual converters and
management are compiled (``kernels``); all else, and other devices, are tensor operations.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ohmloop.drivers import BadInputError

from . import kernels
from .converter import Converter, InputConverter, OutputConverter
from .lines import LineErrors
from .path import Product, SignalPath
from .reference import SMALLEST


def product(
    path: SignalPath,
    g: Tensor,
    x: Tensor,
    rng: torch.Generator,
    variance: Tensor | None,
    errors: LineErrors,
) -> Product:
    """One batch of products; see ``reference.product``.

    Args:
        path: converters and management.
        g: ``(outputs, inputs)``, S.
        x: ``(batch, inputs)``, V, of the type of ``g``.
        rng: the generator, on the device of ``g``.
        variance: of the cells, ``(outputs, inputs)``, S².
        errors: of the lines.

    Raises:
        BadInputError: an input that is no number.
    """
    g, x = g.detach(), x.detach()
    if not x.numel():
        return Product(x.new_zeros(x.shape[0], g.shape[0]), 0, 0, 0)
    full: Tensor | float
    if kernels.usable(path, g):
        volts, full, beyond = kernels.drive(path, x)
    else:
        full, beyond = full_scale(path, x)
        volts = converted(path.input, x, full, beyond, rng)
    currents, over = _through(path, g, volts, full, rng, variance, errors)
    repeats = 0
    left = path.bound_management.max_rounds if path.bound_management.kind != "none" else 0
    if over is not None and left:
        full = full.clone() if isinstance(full, Tensor) else x.new_full((x.shape[0], 1), full)
        todo = torch.nonzero(over).ravel()
        while todo.numel() and left:
            left -= 1
            repeats += todo.numel()
            full[todo] *= 2
            volts = converted(path.input, x[todo], full[todo], beyond, rng)
            again, still = _through(path, g, volts, full[todo], rng, variance, errors)
            currents[todo] = again
            over[todo] = over.new_zeros(todo.numel()) if still is None else still
            todo = torch.nonzero(over).ravel()
    clipped = int((x.abs() > full).sum()) if beyond else 0
    return Product(currents, clipped, 0 if over is None else int(over.sum()), repeats)


def full_scale(path: SignalPath, x: Tensor) -> tuple[Tensor | float, bool]:
    """Full scale of all samples, or of each, ``(batch, 1)``, V; whether an input may be beyond."""
    management, limit = path.noise_management, path.input.range
    if management.kind in ("none", "constant"):
        value = management.full_scale or (math.inf if limit is None else limit)
        return value, _checked(x.abs().max()) > value
    size = x.abs().amax(dim=1, keepdim=True)
    _checked(size.max())
    average = management.kind == "average-abs-max"
    full = size.mean(dim=0, keepdim=True).expand_as(size).contiguous() if average else size
    if management.most is not None:
        full = full.clamp(max=management.most)
    return full, average or management.most is not None


def _checked(largest: Tensor) -> float:
    value = float(largest)
    if not math.isfinite(value):
        raise BadInputError("voltages must be finite")
    return value


def _through(
    path: SignalPath,
    g: Tensor,
    volts: Tensor,
    full: Tensor | float,
    rng: torch.Generator,
    variance: Tensor | None,
    errors: LineErrors,
) -> tuple[Tensor, Tensor | None]:
    """From converted voltages, which are changed, to currents that are scaled back.

    Returns:
        The currents, and how many outputs of each sample saturated; None where none did.
    """
    _disturb(path.input, volts, rng, errors)
    currents = _multiply(path.output, g, volts, rng, variance)
    if errors.output_gain is not None:
        currents *= 1 + errors.output_gain
    if errors.output_offset is not None:
        currents += errors.output_offset
    if isinstance(full, Tensor) and kernels.usable(path, g):
        return currents, kernels.sense(path, currents, full)
    over = _saturated(path.output, currents)
    return _sense(path, currents, full, rng, over is not None), over


def converted(
    source: InputConverter,
    x: Tensor,
    full: Tensor | float,
    beyond: bool,
    rng: torch.Generator | None,
) -> Tensor:
    """Converted voltages, in a tensor of their own."""
    if source.range is None:
        volts = x.clone()
    elif source.levels is not None:
        volts = _convert(source, x / _not_zero(full / source.levels), rng, beyond)
        volts *= source.range / source.levels
    else:
        volts = x / _not_zero(full / source.range)
        if beyond:
            volts.clamp_(-source.range, source.range)
    return volts


def _disturb(
    source: InputConverter, volts: Tensor, rng: torch.Generator, errors: LineErrors
) -> None:
    """Errors and noise of the driven lines, in place."""
    if errors.input_gain is not None:
        volts *= 1 + errors.input_gain
    if errors.input_offset is not None:
        volts += errors.input_offset
    if source.noise:
        noise = torch.empty_like(volts).normal_(generator=rng)
        volts.add_(noise, alpha=source.noise)


def _multiply(
    sense: OutputConverter,
    g: Tensor,
    volts: Tensor,
    rng: torch.Generator,
    variance: Tensor | None,
) -> Tensor:
    """Currents with the noise of the cells and of the outputs."""
    if variance is None and not sense.noise:
        return volts @ g.T
    noise = volts.new_empty(volts.shape[0], g.shape[0]).normal_(generator=rng)
    if variance is None:
        return noise.addmm_(volts, g.T, beta=sense.noise)
    spread = (volts * volts) @ variance.T
    noise *= spread.add_(sense.noise**2).sqrt_()
    return noise.addmm_(volts, g.T)


def _saturated(sense: OutputConverter, currents: Tensor) -> Tensor | None:
    """How many outputs of each sample, ``(batch,)``, are beyond the range; None where none is."""
    if sense.range is None:
        return None
    low, high = torch.aminmax(currents)
    if max(-float(low), float(high)) <= sense.range:
        return None
    return (currents.abs() > sense.range).sum(dim=1)


def _sense(
    path: SignalPath, currents: Tensor, full: Tensor | float, rng: torch.Generator, clip: bool
) -> Tensor:
    """Currents as converted and scaled back, in place."""
    sense, limit = path.output, path.input.range
    if sense.step is not None:
        currents = _convert(sense, currents.div_(sense.step), rng, clip)
        return currents.mul_(sense.step if limit is None else full * (sense.step / limit))
    if clip and sense.range is not None:
        currents.clamp_(-sense.range, sense.range)
    if limit is None or (isinstance(full, float) and full == limit):
        return currents
    return currents.mul_(full / limit)


def _not_zero(unit: Tensor | float) -> Tensor | float:
    """A sample of zeros stays one."""
    return unit.clamp_(min=SMALLEST) if isinstance(unit, Tensor) else unit


def _convert(
    converter: Converter, codes: Tensor, rng: torch.Generator | None, clip: bool
) -> Tensor:
    """Whole codes, in place."""
    if converter.rounding == "stochastic":
        codes.add_(torch.empty_like(codes).uniform_(generator=rng)).floor_()
        clip = True  # the sum may round up to the next code
    else:
        codes.round_()
    if clip and converter.levels is not None:
        codes.clamp_(-converter.levels, converter.levels)
    return codes
