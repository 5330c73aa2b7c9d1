"""Processes that train one model: who they are, that they agree, and that they are all alive.

On ``torch.distributed`` with gloo; ``torchrun`` (or anybody who sets ``RANK``, ``WORLD_SIZE``,
``MASTER_ADDR`` and ``MASTER_PORT``) starts them.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ohmloop.drivers import BadInputError, OhmloopError

from .workers import Stop, StoppedError

T = TypeVar("T")

_c10d: Any = dist  # its stores are public, but not to type checkers

_BEAT = 0.5  # s between two signs of life
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_FORMING = timedelta(seconds=120)
_LONGEST = timedelta(days=7)  # a slow bench is no failure; signs of life tell who is gone


def launched() -> bool:
    """Whether this process is one of several that were started together."""
    return all(name in os.environ for name in _VARIABLES)


class Group:
    """The processes; a context manager.

    Every process gives a sign of life twice a second. Where one gives none for ``patience``, or
    hangs up, the others stop in order.

    Args:
        patience: s.

    Attributes:
        rank: of this process, from 0.
        size: processes.
        stop: set where somebody is gone, with the reason.

    Raises:
        BadInputError: it was not started as one of several, or the others do not come.
    """

    def __init__(self, patience: float = 10.0) -> None:
        if not launched():
            raise BadInputError(
                "processes are started together: torchrun --standalone --nproc-per-node N -m"
                " ohmloop.app.cli train EXPERIMENT"
            )
        if os.environ["MASTER_PORT"] == "0":
            raise BadInputError(
                "MASTER_PORT is 0, where nobody can be found: let torchrun choose a free port by"
                " --standalone in place of --master-port 0"
            )
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.stop, self._patience = Stop(), patience
        self._status: int | None = None
        atexit.register(self._end)
        try:
            store = _c10d.PrefixStore("pipeline", _store(self.rank, self.size))
            dist.init_process_group(
                "gloo", store=store, rank=self.rank, world_size=self.size, timeout=_LONGEST
            )
            self._pulse = _c10d.PrefixStore("alive", _store(self.rank, self.size, joining=True))
        except (RuntimeError, ValueError) as error:
            raise BadInputError(
                f"rank {self.rank}: the {self.size} processes did not come together:"
                f" {' '.join(str(error).split())}"
            ) from error
        self._left = threading.Event()
        self._answers = 0
        # Whoever holds the store may be frozen: its answer is waited for apart from the look.
        talker = threading.Thread(target=self._talk, name="alive", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        for thread in (talker, self._watcher):
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave; in order where all went well, else without waiting for anybody."""
        self._status = None if error is None else _status(error)
        if kind is None:
            self.call(dist.barrier)
        self._left.set()
        self._watcher.join(2 * _BEAT)
        if kind is None:
            dist.destroy_process_group()

    def _end(self) -> None:
        """After a failure, end the process as soon as Python has done all it had to do.

        Gloo waits without an end for a neighbour who is gone, and cannot be told to stop: the
        interpreter would hang at its own end, or be aborted.
        """
        if self._status is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self._status)

    def call(self, talk: Callable[[], T]) -> T:
        """Do what waits for other processes, but not longer than all are there.

        Raises:
            StoppedError: somebody is gone.
        """
        found: list[T] = []
        problems: list[Exception] = []

        def body() -> None:
            try:
                found.append(talk())
            except Exception as error:
                problems.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.05)
            self.stop.check()
        if problems:
            self.stop.set(f"another process hung up: {' '.join(str(problems[0]).split())}")
            raise StoppedError(self.stop.reason) from problems[0]
        return found[0]

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """What each process gave, by rank; all give as many."""
        own = torch.tensor(list(values), dtype=torch.float64)
        return [row.tolist() for row in self._gather(own)]

    def gather_rows(self, rows: Tensor) -> Tensor:
        """Rows of all processes, by rank; any number each, float64."""
        counts = [int(row[0]) for row in self.gather([rows.shape[0]])]
        padded = torch.zeros(max(counts), rows.shape[1], dtype=torch.float64)
        padded[: rows.shape[0]] = rows
        parts = self._gather(padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def tell(self, text: str) -> str:
        """What rank 0 says, at every rank; up to 250 bytes."""
        said = text.encode()
        own = torch.zeros(256, dtype=torch.uint8)
        own[: len(said)] = torch.tensor(list(said), dtype=torch.uint8)
        return bytes(self._gather(own)[0].tolist()).rstrip(b"\0").decode()

    def agree(self, on: Mapping[str, bytes]) -> None:
        """Make sure that all processes were given the same.

        Args:
            on: what it is, for the message, and its bytes.

        Raises:
            BadInputError: they were not; every process says so, before anything is pulsed.
        """
        digests = [hashlib.sha256(content).digest() for content in on.values()]
        own = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.uint8)
        everybody = [bytes(row.tolist()) for row in self._gather(own)]
        for n, what in enumerate(on):
            found = [row[32 * n : 32 * n + 32] for row in everybody]
            if odd := [rank for rank, digest in enumerate(found) if digest != found[0]]:
                ranks = ", ".join(map(str, odd))
                raise BadInputError(
                    f"the processes disagree on {what}: rank {ranks} has another than rank 0;"
                    " give all of them the same files. Nothing was pulsed"
                )

    def _gather(self, own: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(own) for _ in range(self.size)]
        self.call(lambda: dist.all_gather(parts, own))
        return parts

    def _watch(self) -> None:
        """Look whether signs of life still come and go.

        Looks are counted, not seconds: a process that did not run for a while itself looks once.
        """
        seen = in_vain = 0
        while not self._left.wait(_BEAT):
            seen, in_vain = self._answers, in_vain + 1 if self._answers == seen else 0
            if in_vain * _BEAT > self._patience:
                self.stop.set(
                    "the process that holds the group together (rank 0, or torchrun) gave no sign"
                    f" of life for {self._patience:g} s"
                )
                return

    def _talk(self) -> None:
        """Give signs of life, and look for those of the others."""
        last = dict.fromkeys(range(self.size), 0)
        seen = dict.fromkeys(range(self.size), time.monotonic())
        while not self._left.wait(_BEAT):
            try:
                self._pulse.add(str(self.rank), 1)
                beats = {rank: int(self._pulse.add(str(rank), 0)) for rank in last}
            except RuntimeError:
                self.stop.set("the process that holds the group together is gone")
                return
            now = time.monotonic()
            self._answers += 1
            for rank, beat in beats.items():
                if beat != last[rank]:
                    last[rank], seen[rank] = beat, now
                elif now - seen[rank] > self._patience:
                    self.stop.set(f"rank {rank} gave no sign of life for {self._patience:g} s")
                    return


def _status(error: BaseException) -> int:
    """What the process ends with."""
    if isinstance(error, OhmloopError):
        return error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 1


def _store(rank: int, size: int, joining: bool = False) -> Any:
    """A connection to the store that all share; torchrun holds it, else rank 0 does."""
    held = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return _c10d.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        size,
        is_master=rank == 0 and not held and not joining,
        timeout=_FORMING,
        wait_for_workers=False,
    )
