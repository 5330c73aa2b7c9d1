"""The run folder: everything a run was and did, written as it happens.

::

    runs/digits-20261123-201500/
        experiment.yaml   the frozen configuration
        journal.sqlite    pulse programs: intended, done, in doubt
        metrics.csv       one line an epoch
        events.out...     the same for TensorBoard
        checkpoint/       the last whole epoch: state.json, tensors.safetensors (no pickle)
        report.html
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, SqliteJournal

if TYPE_CHECKING:
    from torch import Tensor


class RunFolder:
    """A folder of a run.

    Args:
        path: the folder; must exist (``create`` makes one).

    Raises:
        BadInputError: it is not a run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "experiment.yaml").is_file():
            raise BadInputError(f"{path}: not a run folder (it holds no experiment.yaml)")
        self.journal = SqliteJournal(path / "journal.sqlite")
        self._board: Any = None

    @classmethod
    def create(cls, parent: Path, name: str, experiment: str) -> RunFolder:
        """Make a new folder below ``parent``, named by ``name`` and the time.

        Raises:
            BadInputError: it cannot be made.
        """
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        slug = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
        path = parent / f"{slug}-{stamp}"
        number = 1
        while path.exists():
            number += 1
            path = parent / f"{slug}-{stamp}-{number}"
        try:
            path.mkdir(parents=True)
            (path / "experiment.yaml").write_text(experiment, encoding="utf-8")
        except OSError as error:
            raise BadInputError(f"{path}: cannot be made: {error.strerror}") from error
        return cls(path)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line to ``metrics.csv`` and to TensorBoard."""
        file = self.path / "metrics.csv"
        fresh = not file.exists()
        with file.open("a", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            if fresh:
                writer.writerow(["epoch", *values])
            writer.writerow([step, *values.values()])
        for name, value in values.items():
            self._writer().add_scalar(name, value, step)
        self._writer().flush()

    def history(self) -> list[dict[str, float]]:
        """The lines of ``metrics.csv``."""
        file = self.path / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(lines)]

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, whole or not at all."""
        from safetensors.torch import save_file

        draft, final = self.path / "checkpoint.part", self.path / "checkpoint"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file({k: t.contiguous() for k, t in tensors.items()}, draft / "tensors.safetensors")
        (draft / "state.json").write_text(json.dumps(state), encoding="utf-8")
        old = self.path / "checkpoint.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        draft.rename(final)
        shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint, or None where no epoch was finished.

        Raises:
            BadInputError: it is damaged.
        """
        from safetensors.torch import load_file

        for name in ("checkpoint", "checkpoint.old"):
            folder = self.path / name
            if not folder.is_dir():
                continue
            try:
                state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
                return load_file(folder / "tensors.safetensors"), state
            except Exception as error:
                raise BadInputError(f"{folder}: damaged checkpoint: {error}") from error
        return None

    def close(self) -> None:
        """Close files."""
        self.journal.close()
        if self._board is not None:
            self._board.close()

    def _writer(self) -> Any:
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.path))
        return self._board
