"""Weight matrices of a model on crossbars: which room each takes, and the tiles made there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ohmloop.drivers import BadInputError, Crossbar
from ohmloop.training.tiles.mapping import Map, w_max_for
from ohmloop.training.tiles.placement import CrossbarPool, NoRoomError, Shape
from ohmloop.training.tiles.plan import Reference, TilePlan
from ohmloop.training.tiles.protocol import WritableTile

Plans = Mapping[str, Sequence[TilePlan]]
"""By name of the matrix, a plan for each array."""


def make_tiles(
    matrices: Mapping[str, Map],
    pool: CrossbarPool,
    arrays: int,
    omega: float,
    reference: Reference,
    block: Shape | None,
) -> dict[str, list[WritableTile]]:
    """Room for all matrices, and tiles on it; nothing is pulsed.

    Args:
        matrices: by name of the layer, ``(out, in)``.
        pool: where they go; what they take is taken from it.
        arrays: tiles of each.
        omega: the range of a tile is the largest weight divided by this.
        reference: what stands for weight 0, see ``TilePlan``.
        block: most outputs and inputs of a tile; by default what the largest crossbar has.

    Returns:
        The tiles of each, from the fastest array to the main one.

    Raises:
        BadInputError: no room for one, or a crossbar is not calibrated; the message names the
            layer.
    """
    ranges = {name: w_max_for(weights, omega) for name, weights in matrices.items()}
    shapes = {name: shape_of(weights) for name, weights in matrices.items()}
    plans = plans_of(shapes, pool, arrays, reference, block)
    crossbars = iter(find_room(plans, pool).values())
    tiles: dict[str, list[WritableTile]] = {}
    for name, of_layer in plans.items():
        try:
            tiles[name] = [plan.make(crossbars, ranges[name]) for plan in of_layer]
        except BadInputError as error:
            raise BadInputError(f"layer {name or 'itself'}: {error}") from error
    return tiles


def plans_of(
    shapes: Mapping[str, Shape],
    pool: CrossbarPool,
    arrays: int,
    reference: Reference,
    block: Shape | None,
) -> Plans:
    """A plan for each array of every matrix; see ``make_tiles``."""
    return {
        name: [
            TilePlan.of(f"layer {name or 'itself'}, array {k}", shape, pool, reference, block)
            for k in range(arrays)
        ]
        for name, shape in shapes.items()
    }


def find_room(plans: Plans, pool: CrossbarPool) -> dict[str, Crossbar]:
    """Crossbars of all plans together, in the order in which tiles are made of them.

    Raises:
        BadInputError: no room for one; says so of the matrix too that it is a block of.
    """
    wanted = [plan.wanted for of_layer in plans.values() for plan in of_layer]
    try:
        return pool.place({name: shape for each in wanted for name, shape in each.items()})
    except NoRoomError as error:
        plan = next(p for of_layer in plans.values() for p in of_layer if error.tile in p.wanted)
        outputs, inputs = sum(plan.heights), sum(plan.widths)
        if pool.holds((outputs, inputs)):
            raise
        raise BadInputError(
            f"{error}; in one piece there is no room for its {outputs} outputs x {inputs} inputs"
            " either"
        ) from error


def shape_of(weights: Map) -> Shape:
    """Outputs and inputs."""
    return weights.shape[0], weights.shape[1]
