"""The run folder: everything a run was and did, written as it happens.

::

    runs/digits-20261123-201500/
        experiment.yaml   the frozen configuration
        journal.sqlite    pulse programs: intended, done, in doubt
        metrics.csv       one line an epoch
        events.out...     the same for TensorBoard, where that is installed
        checkpoint/       where the run goes on: state.json, tensors.safetensors (no pickle)
        best/             what is digital of the best epoch, likewise
        usage.json        what each tile was used for, and what that cost
        zero_shift.json   symmetric points found before training, where that is asked for
        confusion.json    which classes were taken for which, where that is asked for
        report.html
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, SqliteJournal

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("ohmloop")


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
        self._purge: int | None = None

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
        """Add a line to ``metrics.csv`` and to TensorBoard; a file keeps the columns it has."""
        file = self.path / "metrics.csv"
        fresh = not file.exists()
        columns = ["epoch", *values] if fresh else _columns(file)
        with file.open("a", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns, restval="nan", extrasaction="ignore")
            if fresh:
                writer.writeheader()
            writer.writerow({"epoch": step, **values})
        board = self._writer()
        if board:
            for name, value in values.items():
                board.add_scalar(name, value, step)
            board.flush()

    def keep_until(self, epoch: int) -> None:
        """Forget metrics of later epochs: the run goes on from there, and does them again."""
        self._purge = epoch + 1
        found = self._rows()
        rows = [row for row in found if float(row["epoch"]) <= epoch]
        if len(rows) == len(found):
            return
        file = self.path / "metrics.csv"
        draft = file.with_suffix(".part")
        with draft.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, _columns(file))
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(file)

    def history(self) -> list[dict[str, float]]:
        """The lines of ``metrics.csv``."""
        return [{k: float(v) for k, v in row.items()} for row in self._rows()]

    def write_json(self, name: str, values: Any) -> None:
        """Write a small file, whole or not at all."""
        draft = self.path / f"{name}.part"
        draft.write_text(json.dumps(values), encoding="utf-8")
        draft.replace(self.path / name)

    def read_json(self, name: str) -> Any:
        """What ``write_json`` wrote; None where there is nothing of it.

        Raises:
            BadInputError: it is damaged.
        """
        file = self.path / name
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadInputError(f"{file}: cannot be read: {error}") from error

    def save(
        self, tensors: Mapping[str, Tensor], state: Mapping[str, Any], name: str = "checkpoint"
    ) -> None:
        """Write a checkpoint, whole or not at all."""
        from safetensors.torch import save_file

        draft, final = self.path / f"{name}.part", self.path / name
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file({k: t.contiguous() for k, t in tensors.items()}, draft / "tensors.safetensors")
        (draft / "state.json").write_text(json.dumps(state), encoding="utf-8")
        old = self.path / f"{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        draft.rename(final)
        shutil.rmtree(old, ignore_errors=True)

    def load(self, name: str = "checkpoint") -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint, or None where there is none yet.

        Raises:
            BadInputError: it is damaged.
        """
        from safetensors.torch import load_file

        for folder in (self.path / name, self.path / f"{name}.old"):
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
        if self._board:
            self._board.close()

    def _rows(self) -> list[dict[str, str]]:
        file = self.path / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    def _writer(self) -> Any:
        """TensorBoard's; False where it is not installed."""
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                log.info(
                    "metrics go to metrics.csv alone: TensorBoard is not installed"
                    " (pip install 'ohmloop[tensorboard]')"
                )
                self._board = False
            else:
                self._board = SummaryWriter(str(self.path), purge_step=self._purge)
        return self._board


def _columns(file: Path) -> list[str]:
    with file.open(newline="", encoding="utf-8") as lines:
        return next(csv.reader(lines))
