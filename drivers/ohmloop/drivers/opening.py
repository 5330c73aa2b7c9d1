"""Opening a crossbar that a bench file describes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .bench import Bench, load_bench
from .characteristics import Characteristics
from .crossbar import Crossbar
from .links.recorder import Recorder
from .recording import recorded
from .registry import CHIP_FILE, crossbar_kind, load


def open_bench_crossbar(name: str, **options: Any) -> Crossbar:
    """Open ``bench.yaml`` or ``bench.yaml#crossbar``; see ``open_crossbar``."""
    file, _, crossbar = name.partition("#")
    return open_on_bench(load_bench(file), crossbar, **options)


def open_on_bench(
    bench: Bench,
    crossbar: str = "",
    calibration: str | None = None,
    seed: int | None = None,
    record: str | Path | None = None,
) -> Crossbar:
    """Open a crossbar of a bench that is loaded already.

    Args:
        bench: the bench.
        crossbar: its name; may be empty where there is only one.
        calibration: chip file that overrides the one the bench file names.
        seed: accepted and unused, so that bench and twin open alike: a chip has its own noise.
        record: file for a transcript of all that goes over the wire until the crossbar is closed.

    Raises:
        BadInputError: ``record`` exists already, or the bench is being recorded.
    """
    del seed
    name = bench.crossbar_name(crossbar)
    config = bench.config.crossbars[name]
    known = _characteristics(bench, calibration, config.calibration)
    kind = crossbar_kind(config.kind, bench.path, f"crossbars.{name}.kind")
    with ExitStack() as stack:
        stack.enter_context(recorded(bench, record))
        opened = kind.open(bench, name, characteristics=known)
        if isinstance(bench.recorder, Recorder):
            opened.recording = bench.recorder
        opened.at_close.append(stack.pop_all().close)
    return opened


def _characteristics(
    bench: Bench, given: str | None, configured: str | None
) -> Characteristics | None:
    path = Path(given) if given else configured and bench.path.parent / configured
    if not path:
        return None
    found: Characteristics = load(CHIP_FILE)(path)
    return found
