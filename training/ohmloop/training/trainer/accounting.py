"""What training cost: pulses and readings counted; time and energy estimated from the counts.

On a chip with converters and drivers of its own, the figures that the literature compares
algorithms by (Wu et al., arXiv:2502.06309, table 3; Rasch et al., Nat. Commun. 15:7133, 2024): a
product of one sample takes 40 ns in either direction, and one slot of a pulse train 5 ns. A column
that an algorithm reads is a product. So a step of one sample with 31 slots takes 40 + 40 + 155 ns.

On the bench, pulses take what its pulse conditions say: on hardware that drives all lines together
the slots of the trains in their four phases, else one pulse after the other. A reading takes its
settling and its integration, at 50 Hz lines; products are readings where hardware makes them, and
where it does not, they are made of cells read one at a time.

Energy is what cells turn into heat, ``V^2 g t`` each, with the mean conductance of the tile's
reference map for g: weights of both signs lie around it. Pulses have the mean of ``V^2 t`` of an up
and of a down pulse (5 ns on a chip); a product has every line at the read voltage, which is an
upper bound, as most inputs are smaller than the largest. Converters, drivers, wires, half-selected
cells, switching and the host are left out, and tiles are counted one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import nn

from ohmloop.training.layers.linear import analog_layers
from ohmloop.training.tiles.protocol import Tile
from ohmloop.training.tiles.tile import AnalogTile, parts_of
from ohmloop.training.tiles.usage import Usage

PRODUCT_SECONDS = 40e-9
"""Of one sample through one tile on a chip, in either direction, s."""
SLOT_SECONDS = 5e-9
"""Of one slot of a pulse train on a chip, s."""
LINE_CYCLE = 0.02
"""At 50 Hz, s."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Estimates; see the module for what they are made of.

    Attributes:
        chip_seconds: on a chip with its own periphery, s.
        chip_joules: in its cells, J.
        bench_seconds: pulses and readings on the bench, s.
        bench_joules: in the cells there, J.
    """

    chip_seconds: float = 0.0
    chip_joules: float = 0.0
    bench_seconds: float = 0.0
    bench_joules: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        return Costs(*sums)


def costs(usage: Usage, tile: Tile) -> Costs:
    """What ``usage`` cost on a tile; nothing on one that is not on a crossbar."""
    if not isinstance(tile, AnalogTile):
        return Costs()
    crossbar, cells = tile.crossbar, tile.shape[0] * tile.shape[1]
    up, down = crossbar.conditions.up, crossbar.conditions.down
    reading, siemens = crossbar.reading, float(tile.mapping.reference.mean())
    squares, read = (up.amplitude**2 + down.amplitude**2) / 2, reading.voltage**2 * siemens
    on_bench = (up.amplitude**2 * up.width + down.amplitude**2 * down.width) / 2
    products = usage.products * cells + usage.columns_read * tile.shape[0]  # cells that conduct
    integration = reading.nplc * LINE_CYCLE
    native = usage.products if crossbar.capabilities.parallel_forward else 0
    return Costs(
        chip_seconds=(usage.products + usage.columns_read) * PRODUCT_SECONDS
        + usage.slots * SLOT_SECONDS,
        chip_joules=products * read * PRODUCT_SECONDS
        + usage.pulses * squares * siemens * SLOT_SECONDS,
        bench_seconds=usage.pulse_seconds
        + (native + usage.cells_read) * (reading.settle + integration),
        bench_joules=usage.pulses * on_bench * siemens
        + (native * cells + usage.cells_read) * read * integration,
    )


class Account:
    """What the tiles of a model were used for since now, and in the run that it goes on with.

    Args:
        model: its tiles are named by layer and number of the array, such as ``linear1/0``, and by
            number of the part, ``linear1/0.2``, where a tile is made of several.
    """

    def __init__(self, model: nn.Module) -> None:
        self._tiles = {
            f"{name or 'layer'}/{k}{part}": tile
            for name, layer in analog_layers(model).items()
            for k, whole in enumerate(layer.tiles)
            for part, tile in _numbered(whole)
        }
        self._before = {name: _used(tile) for name, tile in self._tiles.items()}
        self._carried = {name: Usage() for name in self._tiles}

    def usage(self) -> dict[str, Usage]:
        """By tile."""
        return {
            name: self._carried[name] + _used(tile) - self._before[name]
            for name, tile in self._tiles.items()
        }

    def costs(self, usage: Mapping[str, Usage] | None = None) -> dict[str, Costs]:
        """By tile; of all so far, where none is given."""
        given = self.usage() if usage is None else usage
        return {name: costs(given[name], tile) for name, tile in self._tiles.items()}

    def clipping(self, share: float = 0.0) -> dict[str, str]:
        """Tiles of whose updates more than ``share`` was clipped; a line says what would fit."""
        used = self.usage()
        return {
            name: _clipping(name, tile, used[name])
            for name, tile in self._tiles.items()
            if used[name].clipped_share > share
        }

    def state(self) -> dict[str, dict[str, Any]]:
        """Plain values; ``restore`` takes them back."""
        return {name: asdict(used) for name, used in self.usage().items()}

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Count on from a ``state``."""
        kept = {name: Usage(**state[name]) for name in self._tiles if name in state}
        self._carried = {name: kept.get(name, Usage()) for name in self._tiles}
        self._before = {name: _used(tile) for name, tile in self._tiles.items()}


def total(usage: Mapping[str, Usage]) -> Usage:
    """Of all tiles."""
    return sum(usage.values(), Usage())


def _numbered(tile: Tile) -> list[tuple[str, Tile]]:
    """Its parts on crossbars, numbered where there are several; itself where it is on none."""
    parts: list[AnalogTile] = parts_of(tile)
    if len(parts) < 2:
        return [("", parts[0] if parts else tile)]
    return [(f".{k}", part) for k, part in enumerate(parts)]


def _used(tile: Tile) -> Usage:
    """A copy of its counts; of a tile that is on no crossbar only pulses and programs."""
    if not isinstance(tile, AnalogTile):
        return Usage(pulses=tile.pulses, programs=tile.programs, doubts=tile.doubts)
    return tile.usage + Usage(cells_read=tile.crossbar.cells_read, doubts=tile.doubts)


def _clipping(name: str, tile: Tile, used: Usage) -> str:
    layer, _, array = name.rpartition("/")
    where = f"layer {layer}" + (f", array {array}" if array != "0" else "")
    text = (
        f"{where}: {100 * used.clipped_share:.2g} % of its updates needed more pulses than a train"
        " holds, and was clipped"
    )
    strongest = getattr(tile, "strongest", None)
    if strongest is None or not strongest.fits < strongest.rate:
        return text
    return (
        f"{text}; the largest rate that fits is {strongest.fits:.3g}, it was {strongest.rate:.3g}"
        " (or raise desired_bl, up to 64)"
    )
