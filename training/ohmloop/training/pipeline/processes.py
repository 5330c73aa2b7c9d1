"""Processes, one a stage, on one machine or several: each has its own bench or twin."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from ohmloop.drivers import BadInputError, OhmloopError

from .execution import Done, Execution, Heard
from .group import Group
from .micro_batches import MicroBatches
from .schedule import RANK, Kind, Schedule
from .stage import Stage
from .threads import run_workers
from .workers import Message, Neighbours, Stop, Worker

_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_KINDS = ("forward", "backward", "update", "stop")
_DIMENSIONS = 8
_GOING, _RETURNING = 1, 2  # tags: to the next stage, and back
_IN_FLIGHT = 64  # messages that are kept until they have arrived
_LAST_WORD = 2.0  # s for telling neighbours why


class ProcessExecutor:
    """This process's stage of a pipeline whose other stages are other processes' own.

    The stage works as one of ``ThreadExecutor`` does; what goes to its neighbours goes over gloo.
    Where a stage fails, its process tells the neighbours, who finish what they are at, switch
    their outputs off and end too; one that is killed is missed by those beside it.

    Args:
        stage: of this process; its number is the rank.
        group: the processes.

    Raises:
        BadInputError: the stage is of another rank, or not as many stages as processes.
    """

    def __init__(self, stage: Stage, group: Group) -> None:
        if (stage.number, stage.count) != (group.rank, group.size):
            raise BadInputError(
                f"{stage.name} at rank {group.rank} of {group.size}: every process has one stage"
            )
        self.stages: Sequence[Stage] = [stage]
        self.count = stage.count
        self._stage, self._group = stage, group

    def run(self, schedule: Schedule, work: MicroBatches, heard: Heard | None = None) -> Execution:
        """See ``Executor``; every process gets the whole account."""
        wire = _Wire(self._stage, self._group.stop)
        worker = Worker(self._stage, schedule, work, wire.beside, self._group.stop, heard)
        try:
            wire.listen(schedule)
            run_workers([worker], self._group.stop)
            self._group.call(wire.close)
            return self._whole(schedule, worker.execution)
        except BaseException as error:
            self._stage.drop()
            self._stage.make_safe()
            wire.tell(_reason(self._stage, error))
            raise

    def infer(self, x: Tensor) -> Tensor:
        """See ``Executor``; every process gets the outputs."""
        return self._group.call(lambda: self._infer(x))

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """See ``Executor``."""
        return self._group.gather(values)

    def _infer(self, x: Tensor) -> Tensor:
        rank, last = self._stage.number, self.count - 1
        value = x if self._stage.is_first else _wanted(receive(rank - 1, _GOING)[2])
        y = self._stage.infer(value)
        if rank != last:
            wait(send(rank + 1, _GOING, "forward", 0, y))
            shape = torch.zeros(2 + _DIMENSIONS, dtype=torch.int64)
        else:
            shape = _shape(y)
        dist.broadcast(shape, last)
        outputs = y.contiguous() if rank == last else _empty(shape)
        dist.broadcast(outputs, last)
        return outputs

    def _whole(self, schedule: Schedule, own: Execution) -> Execution:
        """Everybody's account, in the order of the schedule."""
        kinds = list(RANK)
        rows = [
            [d.clock, d.stage, kinds.index(d.kind), d.micro_batch, d.version, d.start, d.end]
            for d in own.log
        ]
        losses = [[k, loss] for k, loss in own.losses.items()]
        log = [
            Done(int(c), int(m), kinds[int(kind)], int(k), int(v), start, end)
            for c, m, kind, k, v, start, end in self._group.gather_rows(_table(rows, 7)).tolist()
        ]
        log.sort(key=lambda done: (done.clock, RANK[done.kind], done.stage))
        told = {int(k): loss for k, loss in self._group.gather_rows(_table(losses, 2)).tolist()}
        return Execution(schedule.stages, 1 + log[-1].clock, log, told)


class _Wire:
    """A stage's two neighbours: a thread receives from each, and sending waits for nobody."""

    def __init__(self, stage: Stage, stop: Stop) -> None:
        self._rank, self._stop = stage.number, stop
        self.beside = Neighbours()
        self._threads: list[threading.Thread] = []
        self._pending: list[list[tuple[dist.Work, Tensor]]] = []
        self._before = None if stage.is_first else stage.number - 1
        self._next = None if stage.is_last else stage.number + 1
        if self._before is not None:
            self.beside.to_before = self._sender(self._before, _RETURNING)
        if self._next is not None:
            self.beside.to_next = self._sender(self._next, _GOING)

    def listen(self, schedule: Schedule) -> None:
        """Receive what the schedule says will come."""
        own = schedule.of_stage(self._rank)
        passes = sum(action.kind == "forward" for action in own)
        words = sum(action.kind == "update" for action in own) if schedule.flush else 0
        if self._before is not None:
            self._start(self._before, _GOING, self.beside.from_before, passes + words)
        if self._next is not None:
            self._start(self._next, _RETURNING, self.beside.from_next, passes)

    def close(self) -> None:
        """Wait until all that was sent has arrived, and all that was to come has come."""
        for parts in self._pending:
            wait(parts)
        for thread in self._threads:
            thread.join()

    def tell(self, reason: str) -> None:
        """Tell both neighbours why this stage stops, if they still listen."""

        def body() -> None:
            text = torch.frombuffer(bytearray(reason.encode()), dtype=torch.uint8)
            for peer, tag in ((self._before, _RETURNING), (self._next, _GOING)):
                if peer is not None:
                    self._pending.append(send(peer, tag, "stop", 0, text.double()))
            for parts in self._pending:
                wait(parts)

        thread = threading.Thread(target=_quietly(body), daemon=True)
        thread.start()
        thread.join(_LAST_WORD)

    def _sender(self, peer: int, tag: int) -> Callable[[Message], None]:
        def deliver(message: Message) -> None:
            self._pending.append(send(peer, tag, *message))
            if len(self._pending) > _IN_FLIGHT:  # so old that it must have arrived
                wait(self._pending.pop(0))

        return deliver

    def _start(self, peer: int, tag: int, box: queue.SimpleQueue[Message], count: int) -> None:
        def body() -> None:
            try:
                for _ in range(count):
                    kind, micro_batch, value = receive(peer, tag)
                    if kind == "stop":
                        self._stop.set(bytes(_wanted(value).byte().tolist()).decode())
                        return
                    box.put(Message(cast(Kind, kind), micro_batch, value))
            except RuntimeError as error:
                cause = " ".join(str(error).split())
                self._stop.set(f"stage {peer + 1} hung up (rank {peer} is gone): {cause}")

        thread = threading.Thread(target=body, name=f"from rank {peer}", daemon=True)
        thread.start()
        self._threads.append(thread)


def send(
    peer: int, tag: int, kind: str, micro_batch: int, value: Tensor | None
) -> list[tuple[dist.Work, Tensor]]:
    """Send a message: its head, then its value; waits for nobody."""
    head = torch.tensor([_KINDS.index(kind), micro_batch, value is not None])
    parts = [head]
    if value is not None:
        parts += [_shape(value), value.detach().cpu().contiguous()]
    sent = [(dist.isend(part, peer, tag=tag), part) for part in parts]
    return [(work, part) for work, part in sent if work is not None]


def wait(parts: Sequence[tuple[dist.Work, Tensor]]) -> None:
    """Until it has arrived."""
    for work, _ in parts:
        work.wait()


def receive(peer: int, tag: int) -> tuple[str, int, Tensor | None]:
    """The next message of a neighbour.

    Raises:
        RuntimeError: it is gone.
    """
    head = torch.zeros(3, dtype=torch.int64)
    dist.recv(head, peer, tag=tag)
    kind, micro_batch, has_value = (int(v) for v in head)
    if not has_value:
        return _KINDS[kind], micro_batch, None
    shape = torch.zeros(2 + _DIMENSIONS, dtype=torch.int64)
    dist.recv(shape, peer, tag=tag)
    value = _empty(shape)
    dist.recv(value, peer, tag=tag)
    return _KINDS[kind], micro_batch, value


def _shape(value: Tensor) -> Tensor:
    if value.dtype not in _TYPES or value.dim() > _DIMENSIONS:
        raise BadInputError(
            f"stages send tensors of floating point and up to {_DIMENSIONS} dimensions,"
            f" not {value.dim()} of {value.dtype}"
        )
    sizes = [*value.shape, *[0] * (_DIMENSIONS - value.dim())]
    return torch.tensor([_TYPES.index(value.dtype), value.dim(), *sizes])


def _empty(shape: Tensor) -> Tensor:
    kind, dimensions, *sizes = (int(v) for v in shape)
    return torch.empty(sizes[:dimensions], dtype=_TYPES[kind])


def _table(rows: Sequence[Sequence[float]], columns: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, columns)


def _wanted(value: Tensor | None) -> Tensor:
    if value is None:
        raise OhmloopError("a neighbour sent a message without a value")
    return value


def _reason(stage: Stage, error: BaseException) -> str:
    said = str(error) or type(error).__name__
    return said if stage.name in said else f"{stage.name} stopped: {said}"


def _quietly(talk: Callable[[], None]) -> Callable[[], None]:
    """A last word to somebody who may not be there any more."""

    def body() -> None:
        try:
            talk()
        except RuntimeError:
            return

    return body
