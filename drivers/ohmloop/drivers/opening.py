"""Opening a crossbar that a bench file describes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .bench import NO_OWN, Bench, load_bench
from .characteristics import Characteristics
from .crossbar import Crossbar
from .errors import ConfigError
from .instrument import all_awake
from .links.recorder import Recorder
from .recording import recorded
from .registry import CHIP_FILE, crossbar_kind, load
from .wear import Claim


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
        BadInputError: no such crossbar, its chip's pulses are counted and it is in use, ``record``
            exists already, or the bench is being recorded.
        InstrumentError: the bench does not answer as it should.
    """
    del seed
    name = bench.crossbar_name(crossbar)
    config = bench.config.crossbars[name]
    known = _characteristics(bench, calibration, config.calibration)
    kind = crossbar_kind(config.kind, bench.path, f"crossbars.{name}.kind")
    with ExitStack() as stack:
        stack.enter_context(recorded(bench, record))
        if claimed := claim(bench, name):  # before an instrument is touched that others may use
            stack.callback(claimed.release)
        opened = kind.open(bench.of(name), name, characteristics=known)
        all_awake()
        if isinstance(bench.recorder, Recorder):
            opened.recording = bench.recorder
        opened.at_close.append(stack.pop_all().close)
    _check_goes_by(bench, name, opened)
    return opened


def _check_goes_by(bench: Bench, name: str, opened: Crossbar) -> None:
    """Close what goes by the bench where the crossbar has its own, or counts for one run only."""
    own = (bench.limits_of(name), bench.conditions_of(name), bench.reading_of(name))
    if bench.has_own(name) and own != (opened.limits, opened.conditions, opened.reading):
        opened.close()
        raise ConfigError(bench.path, f"crossbars.{name}", NO_OWN)
    if opened.ledger_path != bench.ledger_path(name):
        opened.close()
        problem = "the pulses of a cell's life are to be counted, but this kind keeps no ledger"
        raise ConfigError(bench.path, f"crossbars.{name}.kind", problem)


def claim(bench: Bench, name: str) -> Claim | None:
    """Claim a chip whose pulses are counted for life; None where they are not.

    Raises:
        BadInputError: it is in use.
    """
    path = bench.ledger_path(name)
    return Claim(path, f"{bench.path}#{name}") if path else None


def _characteristics(
    bench: Bench, given: str | None, configured: str | None
) -> Characteristics | None:
    path = Path(given) if given else configured and bench.path.parent / configured
    if not path:
        return None
    found: Characteristics = load(CHIP_FILE)(path)
    return found
