"""What the tiles of each stage were used for and what that cost, known to all processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

from ohmloop.training.tiles.usage import Usage
from ohmloop.training.trainer.accounting import Account, Costs, total

from .execution import Executor


@dataclass(frozen=True, slots=True)
class StageUse:
    """Of one stage; see ``Usage`` and ``Costs``.

    Attributes:
        pulses: applied.
        doubts: programs of which nobody could tell how much was applied.
        products: forward and backward, of one sample each.
        cells_read: measured one at a time.
        updates: mini-batches pulsed.
        clipped: sum over them of the share that could not be pulsed.
        chip_seconds: estimated, s.
        chip_joules: estimated, J.
        bench_seconds: estimated, s.
        bench_joules: estimated, J.
    """

    pulses: int = 0
    doubts: int = 0
    products: int = 0
    cells_read: int = 0
    updates: int = 0
    clipped: float = 0.0
    chip_seconds: float = 0.0
    chip_joules: float = 0.0
    bench_seconds: float = 0.0
    bench_joules: float = 0.0

    @classmethod
    def of(cls, used: Usage, cost: Costs) -> StageUse:
        """From what its tiles were used for together."""
        return cls(
            used.pulses,
            used.doubts,
            used.products,
            used.cells_read,
            used.updates,
            used.clipped,
            cost.chip_seconds,
            cost.chip_joules,
            cost.bench_seconds,
            cost.bench_joules,
        )

    def __add__(self, other: StageUse) -> StageUse:
        return StageUse(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def clipped_share(self) -> float:
        """Mean share of the updates that could not be pulsed, 0 to 1."""
        return self.clipped / self.updates if self.updates else 0.0


def stage_uses(executor: Executor, account: Account, before: Mapping[str, Usage]) -> list[StageUse]:
    """Of every stage of all processes, in order.

    Args:
        executor: with the stages of this process.
        account: of their tiles, whose names begin with ``stage_name``.
        before: what was used until then.
    """
    used = {name: now - before[name] for name, now in account.usage().items()}
    cost = account.costs(used)
    row: list[float] = []
    for stage in executor.stages:
        own = [name for name in used if _stage_of(name) == stage_name(stage.number)]
        use = StageUse.of(
            total({name: used[name] for name in own}), sum((cost[n] for n in own), Costs())
        )
        row += [float(value) for value in astuple(use)]
    width = len(fields(StageUse))
    values = [value for given in executor.gather(row) for value in given]
    return [_use(values[k : k + width]) for k in range(0, len(values), width)]


def stage_name(number: int) -> str:
    """Of a stage from 0, in names of tiles and of what is saved: ``stage1``."""
    return f"stage{number + 1}"


def _stage_of(tile: str) -> str:
    """``stage2.linear1/0`` is of ``stage2``."""
    return tile.partition("/")[0].partition(".")[0]


def _use(values: Sequence[float]) -> StageUse:
    """As they were before they travelled: counts are whole numbers."""
    return StageUse(*(int(v) for v in values[:5]), *values[5:])
