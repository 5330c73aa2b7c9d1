"""Recording a session on a bench: the transcript's header, and the time it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from .bench import Bench
from .bench_config import BenchConfig
from .errors import BadInputError, ConfigError, OhmloopError
from .links.recorder import Recorder
from .links.transcript import VERSION, Header, RecordedInstrument
from .validation import load_yaml, validate


@contextmanager
def recorded(bench: Bench, path: str | Path | None) -> Iterator[Recorder | None]:
    """Record all links of ``bench`` that are opened inside; ``None`` records nothing.

    Raises:
        BadInputError: the file exists or cannot be made, or the bench is being recorded already.
        ConfigError: the bench file is not what was loaded.
        OhmloopError: at the end, where the transcript could not be written.
    """
    if path is None:
        yield None
        return
    if bench.recorder is not None:
        raise BadInputError(f"{path}: the bench {bench.config.name!r} is being recorded already")
    recorder = Recorder(Path(path), _header(bench))
    bench.recorder = recorder
    failed = True
    try:
        yield recorder
        failed = False
    except BaseException as error:
        recorder.left_by(error)
        raise
    finally:
        bench.recorder = None
        with suppress(OhmloopError) if failed else nullcontext():
            recorder.close()


def bench_text(bench: Bench) -> str:
    """The bench file as it stands on the disk, comments and all, without its ``emulation``.

    Raises:
        ConfigError: it is gone, or no longer says what was loaded.
    """
    found = validate(BenchConfig, load_yaml(bench.path), bench.path)
    if _comparable(found) != _comparable(bench.config):
        problem = "has changed since it was loaded; load it again, then record"
        raise ConfigError(bench.path, "", problem)
    return _without(bench.path.read_text(encoding="utf-8"), "emulation")


def _comparable(config: BenchConfig) -> dict[str, Any]:
    """All that a recording depends on. Resources are in the header, as they were used."""
    instruments = {
        name: instrument.model_copy(update={"resource": ""})
        for name, instrument in config.instruments.items()
    }
    return config.model_copy(update={"instruments": instruments, "emulation": None}).model_dump()


def _without(text: str, key: str) -> str:
    """YAML text of a mapping without a key, and without the comment lines right above it."""
    kept = {k: v for k, v in yaml.safe_load(text).items() if k != key}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    lines = text.splitlines(keepends=True)
    for name, value in root.value:
        if name.value == key:
            first, last = name.start_mark.line, _last_line(value)
            while first and lines[first - 1].startswith("#"):
                first -= 1
            del lines[first : last + 1]
    cut = "".join(lines)
    same = _loads_as(cut, kept)
    return cut if same else yaml.safe_dump(kept, sort_keys=False)  # a mapping in braces, say


def _last_line(value: yaml.Node) -> int:
    """Of a value. A block's own mark is beyond the comments that follow, so ask its last part."""
    if isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = value.end_mark
    return end.line - 1 if end.column == 0 and end.line > value.start_mark.line else end.line


def _loads_as(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _header(bench: Bench) -> Header:
    instruments = {
        name: RecordedInstrument(driver=i.driver, resource=i.resource)
        for name, i in bench.config.instruments.items()
    }
    return Header(
        transcript=VERSION,
        ohmloop=_version(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        bench=bench.config.name,
        instruments=instruments,
        file=bench_text(bench),
    )


def _version() -> str:
    try:
        return version("ohmloop")
    except PackageNotFoundError:
        return "unknown"
