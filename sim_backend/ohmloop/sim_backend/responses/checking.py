"""Parameters that cannot be are refused by name, with the first cell that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

if TYPE_CHECKING:
    from .response_function import ResponseFunction


def check_parameters(response: ResponseFunction) -> None:
    """Every parameter finite and within its limits, bounds in order, arrays of one shape.

    Raises:
        BadInputError: says which parameter, which value, which cell.
    """
    check_limits(response, response.limits)
    below, above = np.broadcast_arrays(on_host(response.g_min), on_host(response.g_max))
    if not (below < above).all():
        refuse(response, "g_min", below, ~(below < above), "it must lie below g_max")


def check_limits(response: Any, limits: Mapping[str, tuple[float, float]]) -> None:
    """Every parameter finite and within its limits, arrays of one shape.

    Args:
        response: a dataclass with a ``name`` and fields made by ``parameter``.
        limits: lowest and highest value of each.

    Raises:
        BadInputError: says which parameter, which value, which cell.
    """
    shape: tuple[int, ...] = ()
    for entry in fields(response):
        values = on_host(getattr(response, entry.name))
        cells = values.shape[: values.ndim - entry.metadata.get("axes", 0)]
        if cells and shape and cells != shape:
            raise BadInputError(
                f"{response.name}: {entry.name} is of {cells} cells, parameters before it of"
                f" {shape}; give one number, or one for each cell"
            )
        shape = shape or cells
        low, high = limits[entry.name]
        endless = entry.metadata.get("endless", False)
        least, most = values.min(initial=np.inf), values.max(initial=-np.inf)
        if low <= least and most <= high and -np.inf < least and (endless or most < np.inf):
            continue  # nearly always, and cheap; only what is wrong is looked at cell by cell
        bad = ~(np.isfinite(values) | (endless & (values == np.inf)))
        refuse(response, entry.name, values, bad, "it must be finite")
        refuse(response, entry.name, values, (values < low) | (values > high), _between(low, high))


def refuse(response: Any, name: str, values: NDArray[Any], bad: Any, rule: str) -> None:
    """Raise where ``bad`` is true anywhere."""
    if not np.any(bad):
        return
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), np.shape(bad)))
    axes = {f.name: f.metadata.get("axes", 0) for f in fields(response)}[name]
    cell, node = place[: len(place) - axes], place[len(place) - axes :]
    where = f" in cell ({', '.join(map(str, cell))})" if cell else ""
    where += f" at node {node[0]}" if node else ""
    raise BadInputError(f"{response.name}: {name} is {values[place]:.6g}{where}; {rule}")


def as_numpy(values: Any) -> NDArray[Any]:
    """Numbers, arrays or tensors as float64 on the host."""
    return np.asarray(on_host(values), np.float64)


def on_host(values: Any) -> NDArray[Any]:
    """Numbers, arrays or tensors as numpy, in their own precision."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def _between(low: float, high: float) -> str:
    if high == np.inf:
        return "it must not be negative" if low == 0 else f"it must be at least {low:g}"
    return f"it must be at most {high:g}" if low == -np.inf else f"it must be {low:g} to {high:g}"
