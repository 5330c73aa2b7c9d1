"""What runs came to, in one JSON file: written after every step forward, so a kill costs little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ohmloop.drivers import BadInputError


@dataclass(frozen=True)
class Run:
    """One run of one algorithm.

    Attributes:
        part: which table it belongs to.
        algorithm: by name.
        at: bound tau of the weights, or asymmetry c.
        seed: of everything random.
        setting: what else tells it from other runs, such as the number of images.
        figures: what it came to.
        progress: how far it went, in steps of its own kind: a longer run replaces a shorter one.
        finished: false where it was killed on its way.
    """

    part: str
    algorithm: str
    at: float
    seed: int
    setting: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    progress: float = 0.0
    finished: bool = False

    @property
    def key(self) -> str:
        """The same for runs of which one would replace the other."""
        return json.dumps([self.part, self.algorithm, self.at, self.seed, self.setting])

    def got(self, progress: float, finished: bool, **figures: Any) -> Run:
        """Further on."""
        return replace(self, figures=figures, progress=progress, finished=finished)


class Results:
    """The runs of a file, which need not exist yet.

    Raises:
        BadInputError: the file is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._runs: dict[str, Run] = {}
        if not path.exists():
            return
        try:
            found = [Run(**one) for one in json.loads(path.read_text(encoding="utf-8"))["runs"]]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadInputError(f"{path}: not a file of results: {error}") from error
        self._runs = {run.key: run for run in found}

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs.values())

    def finished(self, run: Run) -> bool:
        """Whether this run was made, and came to its end."""
        known = self._runs.get(run.key)
        return known is not None and known.finished

    def put(self, run: Run) -> None:
        """Keep a run, unless a longer one is known, and write the file, whole or not at all."""
        known = self._runs.get(run.key)
        if known is not None and known.progress > run.progress:
            return
        self._runs[run.key] = run
        lines = ",\n".join(json.dumps(asdict(one)) for one in self)
        draft = self.path.with_name(self.path.name + ".part")
        draft.write_text(f'{{"runs": [\n{lines}\n]}}\n', encoding="utf-8")
        draft.replace(self.path)
