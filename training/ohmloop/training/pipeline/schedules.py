"""The schedules there are, by name.

With M stages, B micro-batches a mini-batch and K micro-batches in all, one clock a pass:

====================== ============= ============ ==========================================
schedule               clocks        staleness    update
====================== ============= ============ ==========================================
sequential             2 M B         0            one a mini-batch
synchronous            2 (M + B - 1) 0            one a mini-batch, when all gradients are there
one-forward-one-back   2 (M + B - 1) 0            the same; keeps M - m + 1 activations, not B
asynchronous           2 (K + M - 1) M - m        one a micro-batch, right after its backward pass
====================== ============= ============ ==========================================

(m = 1..M. Clocks of the first three are those of one mini-batch.) All forward, then all backward:
GPipe, Huang et al., arXiv:1811.06965. One forward, one backward: PipeDream-flush, Narayanan et
al., arXiv:2006.09503. Asynchronous, without stashed weights, on analog chips: Wu et al.,
arXiv:2410.15155.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ohmloop.drivers import BadInputError

from .schedule import Action, Event, Kind, Schedule, causes, ordered


def sequential(stages: int, batches: Sequence[int]) -> Schedule:
    """No pipeline: one stage works at a time. The yardstick.

    Args:
        stages: M.
        batches: micro-batches of each mini-batch.

    Raises:
        BadInputError: a count below 1.
    """
    _check_counts(stages, batches)
    actions: list[Action] = []
    clock = first = 0
    for count in batches:
        for k in range(first, first + count):
            for m in range(stages):
                actions.append(Action(clock + m, m, "forward", k))
                actions.append(Action(clock + 2 * stages - 1 - m, m, "backward", k))
            clock += 2 * stages
        first += count
        actions += [Action(clock - 1, m, "update", first - 1) for m in range(stages)]
    return Schedule("sequential", stages, first, ordered(actions), flush=True, serial=True)


def synchronous(stages: int, batches: Sequence[int]) -> Schedule:
    """All forward, then all backward, then one update: see ``sequential`` for arguments."""
    _check_counts(stages, batches)
    actions: list[Action] = []
    clock = first = 0
    for count in batches:
        half = stages + count - 1
        for b in range(count):
            for m in range(stages):
                actions.append(Action(clock + b + m, m, "forward", first + b))
                back = clock + half + b + stages - 1 - m
                actions.append(Action(back, m, "backward", first + b))
        clock, first = clock + 2 * half, first + count
        actions += [Action(clock - 1, m, "update", first - 1) for m in range(stages)]
    return Schedule("synchronous", stages, first, ordered(actions), flush=True)


def one_forward_one_backward(stages: int, batches: Sequence[int]) -> Schedule:
    """As synchronous, but a stage goes back as soon as it can, and so keeps fewer activations."""
    _check_counts(stages, batches)
    actions: list[Action] = []
    clock = first = 0
    for count in batches:
        orders = [_one_by_one(m, stages, count) for m in range(stages)]
        timed = earliest(orders)
        actions += [Action(clock + a.clock, a.stage, a.kind, first + a.micro_batch) for a in timed]
        clock, first = clock + max(a.clock for a in timed) + 1, first + count
        actions += [Action(clock - 1, m, "update", first - 1) for m in range(stages)]
    return Schedule("1f1b", stages, first, ordered(actions), flush=True)


def asynchronous(stages: int, batches: Sequence[int]) -> Schedule:
    """Every stage computes at every clock, with whatever weights are there, and updates at once.

    Mini-batches mean nothing here: every micro-batch has an update of its own.
    """
    _check_counts(stages, batches)
    actions: list[Action] = []
    for k in range(sum(batches)):
        for m in range(stages):
            back = 2 * (k + stages) - 1 - m
            actions.append(Action(2 * k + m, m, "forward", k))
            actions.append(Action(back, m, "backward", k))
            actions.append(Action(back, m, "update", k))
    return Schedule("asynchronous", stages, sum(batches), ordered(actions))


def inference(stages: int, count: int) -> Schedule:
    """Forward passes alone: micro-batch after micro-batch, ``M + count - 1`` clocks."""
    _check_counts(stages, [count])
    actions = [Action(k + m, m, "forward", k) for k in range(count) for m in range(stages)]
    return Schedule("inference", stages, count, ordered(actions))


Maker = Callable[[int, Sequence[int]], Schedule]

SCHEDULES: Mapping[str, Maker] = {
    "sequential": sequential,
    "synchronous": synchronous,
    "1f1b": one_forward_one_backward,
    "asynchronous": asynchronous,
}
"""By the name that an experiment file gives."""


def clocks(name: str, stages: int, batches: Sequence[int]) -> int:
    """The formula: clocks of a schedule, without making one.

    Raises:
        BadInputError: no such schedule.
    """
    if name == "sequential":
        return 2 * stages * sum(batches)
    if name in ("synchronous", "1f1b"):
        return sum(2 * (stages + count - 1) for count in batches)
    if name == "asynchronous":
        return 2 * (sum(batches) + stages - 1)
    raise BadInputError(f"no schedule {name!r}; known are {', '.join(SCHEDULES)}")


def earliest(orders: Sequence[Sequence[tuple[Kind, int]]]) -> list[Action]:
    """Clocks for passes whose order is given stage by stage: each as early as its causes allow.

    Args:
        orders: kind and micro-batch, for each stage.

    Raises:
        BadInputError: the orders wait for each other.
    """
    frame = Schedule("by order", len(orders), 0, ())
    done: dict[Event, int] = {}
    at = [0] * len(orders)
    free = [0] * len(orders)
    found: list[Action] = []
    total = sum(len(order) for order in orders)
    while len(found) < total:
        before = len(found)
        for m, order in enumerate(orders):
            while at[m] < len(order):
                kind, k = order[at[m]]
                needs = causes(frame, Action(0, m, kind, k))
                if not all(need in done for need in needs):
                    break
                clock = max([free[m], *(done[need] + 1 for need in needs)])
                found.append(Action(clock, m, kind, k))
                done[m, kind, k], free[m], at[m] = clock, clock + 1, at[m] + 1
        if len(found) == before:
            raise BadInputError("the orders of the stages wait for each other")
    return found


def _one_by_one(stage: int, stages: int, count: int) -> list[tuple[Kind, int]]:
    """Forward passes until the first gradient comes, then by turns, then what is left."""
    ahead = min(stages - 1 - stage, count)
    order: list[tuple[Kind, int]] = [("forward", k) for k in range(ahead)]
    for k in range(count):
        if k + ahead < count:
            order.append(("forward", k + ahead))
        order.append(("backward", k))
    return order


def _check_counts(stages: int, batches: Sequence[int]) -> None:
    if stages < 1 or not batches or min(batches) < 1:
        raise BadInputError(
            f"a schedule needs a stage and a micro-batch or more, not {stages} stages and"
            f" mini-batches of {list(batches)[:8]}"
        )
