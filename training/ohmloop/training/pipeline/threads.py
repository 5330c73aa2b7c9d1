"""Threads, one a stage: benches wait on their wires, and while one waits others work."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from torch import Tensor

from .execution import Execution, Heard, failure
from .micro_batches import MicroBatches
from .schedule import RANK, Schedule
from .stage import Stage, check_apart
from .workers import Neighbours, Stop, StoppedError, Worker


class ThreadExecutor:
    """One thread for each stage; each stage has a chip of its own.

    When one fails, the others finish what they are at (an update is never left half-way), drop
    what is in flight, and all outputs go off.

    Args:
        stages: all of them, in order.

    Raises:
        BadInputError: two stages share a crossbar or a generator.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        check_apart(stages)
        self.stages: Sequence[Stage] = list(stages)
        self.count = len(stages)

    def run(self, schedule: Schedule, work: MicroBatches, heard: Heard | None = None) -> Execution:
        """See ``Executor``."""
        stop = Stop()
        beside = [Neighbours() for _ in self.stages]
        for m, mine in enumerate(beside):
            mine.to_before = beside[m - 1].from_next.put if m else None
            mine.to_next = beside[m + 1].from_before.put if m + 1 < self.count else None
        workers = [
            Worker(stage, schedule, work, near, stop, heard)
            for stage, near in zip(self.stages, beside, strict=True)
        ]
        try:
            run_workers(workers, stop)
        except BaseException:
            for stage in self.stages:
                stage.drop()
                stage.make_safe()
            raise
        return merged(schedule, [worker.execution for worker in workers])

    def infer(self, x: Tensor) -> Tensor:
        """See ``Executor``."""
        for stage in self.stages:
            x = stage.infer(x)
        return x

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """See ``Executor``."""
        return [list(values)]


def run_workers(workers: Sequence[Worker], stop: Stop) -> None:
    """Run each in a thread until all have ended, one way or the other.

    An interrupt asks them to stop and waits until they have: none is cut off within an update.

    Raises:
        PipelineError: the first that failed by itself.
        StoppedError: none did, but somebody asked them to stop.
    """
    errors: list[tuple[Worker, BaseException]] = []

    def body(worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as error:
            errors.append((worker, error))
            stop.set(f"{worker.stage.name} stopped: {error}")

    threads = [
        threading.Thread(target=body, args=(worker,), name=worker.stage.name) for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        _join(threads)
    except BaseException:
        stop.set("interrupted")
        _join(threads)
        raise
    for worker, error in errors:
        if not isinstance(error, StoppedError):
            if not isinstance(error, Exception):
                raise error
            raise failure(worker.stage, error) from error
    if errors:
        raise errors[0][1]


def merged(schedule: Schedule, parts: Sequence[Execution]) -> Execution:
    """One account of what all did, in the order of the schedule."""
    log = [done for part in parts for done in part.log]
    log.sort(key=lambda done: (done.clock, RANK[done.kind], done.stage))
    losses = {k: loss for part in parts for k, loss in part.losses.items()}
    clocks = 1 + max((done.clock for done in log), default=-1)
    return Execution(schedule.stages, clocks, log, losses)


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        while thread.is_alive():  # a wait without an end would not let an interrupt through
            thread.join(0.2)
