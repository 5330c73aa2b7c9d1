"""Many copies of a twin in one population, each with parameters that the calibration leaves open.

A chip file says how well each parameter of each cell is known: by ``parameter_covariance``
``(row, column, parameter, other)`` where it has it, else by the maps ``*_stderr``, taken as
independent (then uncertainties that cancel in a step do not, and intervals come out too wide).
Parameters that cannot be negative are drawn on a logarithmic scale, as they are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.covariance import COVARIANCE
from ohmloop.sim_backend import Population
from ohmloop.sim_backend.chip_file import population_of

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

_NOISES = ("dg_std", "read_std", "dg_add")


class TwinCopies:
    """Draws copies of a chip file's cells.

    Args:
        chip: the chip record.
    """

    def __init__(self, chip: xr.Dataset) -> None:
        self.population = population_of(chip)
        response = self.population.response
        own = {f.name: np.asarray(getattr(response, f.name)) for f in fields(response)}
        noises = {n: np.asarray(getattr(self.population, n)) for n in _NOISES}
        known = _by_entry(own | noises)
        self._low = {n: limits[0] for n, limits in response.limits.items()}
        self._high = {n: limits[1] for n, limits in response.limits.items()}
        self.names, self._root = _uncertainty(chip, known)
        means = [known[n].astype(np.float64) for n in self.names]
        self._means = np.stack(means, axis=-1) if means else np.zeros((*self.population.shape, 0))

    def draw(self, rows: Rows, copies: int, rng: np.random.Generator) -> Population:
        """Copies of some rows, one below the other: ``(copies * rows, columns)``.

        Args:
            rows: which.
            copies: how many.
            rng: draws the parameters.
        """
        tiled = picked(self.population, np.tile(rows, copies))
        if not self.names:
            return tiled
        means, root = self._means[rows], self._root[rows]
        z = rng.standard_normal((copies, *means.shape))
        moved = np.einsum("rcij,mrcj->mrci", root, z)
        drawn = {}
        for i, name in enumerate(self.names):
            values = self._moved(name, means[..., i], moved[..., i])
            drawn[name] = values.reshape(copies * rows.size, -1).astype(np.float32)
        return _with(tiled, _whole(drawn, tiled.response))

    def _moved(self, name: str, mean: Array, by: Array) -> Array:
        whole = name.partition("[")[0]
        low, high = self._low.get(whole, 0.0), self._high.get(whole, np.inf)
        if low == 0:
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(mean > 0, by / mean, 0.0)
            by = mean * np.expm1(np.clip(share, -3, 3))
        values: Array = np.clip(mean + by, low, high)
        return values


def _uncertainty(chip: xr.Dataset, known: Mapping[str, Any]) -> tuple[list[str], Array]:
    """Names of what is uncertain, and a root of its covariance, ``(rows, columns, p, p)``."""
    if COVARIANCE in chip:
        all_names = [str(name) for name in chip["parameter"].to_numpy()]
        at = [i for i, name in enumerate(all_names) if name in known]
        covariance = chip[COVARIANCE].to_numpy()[:, :, at][:, :, :, at].astype(np.float64)
        return [all_names[i] for i in at], _root(np.nan_to_num(covariance))
    maps = {
        n: np.asarray(chip[f"{n}_stderr"])
        for n in {name.partition("[")[0] for name in known}
        if f"{n}_stderr" in chip
    }
    found = _by_entry(maps)
    names = [n for n in known if n in found]
    errors = [np.nan_to_num(found[n]) for n in names]
    shape = (*next(iter(known.values())).shape, len(names))
    diagonal = np.stack(errors, axis=-1) if names else np.zeros(shape)
    return names, diagonal[..., None] * np.eye(len(names))


def _by_entry(maps: Mapping[str, Any]) -> dict[str, Any]:
    """Maps by name, tables entry by entry: ``table_up[0]`` and so on."""
    found: dict[str, Any] = {}
    for name, values in maps.items():
        if values.ndim == 2:
            found[name] = values
        else:
            found |= {f"{name}[{i}]": values[..., i] for i in range(values.shape[-1])}
    return found


def _whole(drawn: dict[str, Any], response: Any) -> dict[str, Any]:
    """Entries of tables put into their tables again."""
    found: dict[str, Any] = {}
    for name, values in drawn.items():
        table, _, entry = name.partition("[")
        if not entry:
            found[name] = values
            continue
        found.setdefault(table, getattr(response, table).copy())[..., int(entry[:-1])] = values
    return found


def _root(covariance: Array) -> Array:
    """A symmetric root, of matrices scaled to unit diagonals first."""
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", covariance), 0))
    safe = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / (safe[..., :, None] * safe[..., None, :]))
    root = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    scaled: Array = safe[..., :, None] * root
    return scaled


def _with(population: Population, drawn: dict[str, Any]) -> Population:
    """With drawn maps; bounds that crossed are left as they were."""
    own = {f.name for f in fields(population.response)}
    low, high = (drawn.get(n, getattr(population, n)) for n in ("g_min", "g_max"))
    crossed = ~(low < high)
    if crossed.any():
        for name in {"g_min", "g_max"} & set(drawn):
            drawn[name] = np.where(crossed, getattr(population, name), drawn[name])
    response = replace(population.response, **{n: v for n, v in drawn.items() if n in own})
    rest = {n: v for n, v in drawn.items() if n not in own}
    return replace(population, response=response, **rest)


def picked(population: Population, rows: Rows) -> Population:
    """Some rows of a population, in any order, any of them more than once."""

    def of(part: Any) -> Any:
        return replace(part, **{f.name: getattr(part, f.name)[rows] for f in fields(part)})

    noises = ("dg_std", "read_std", "dg_add", "dg_slope", "dg_rest")
    own = (*noises, "conductance", "endurance", "defects")
    return replace(
        population,
        response=of(population.response),
        effects=tuple(map(of, population.effects)),
        **{name: getattr(population, name)[rows] for name in own},
    )
