from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ohmloop.drivers import Bench, load_bench, recorded
from ohmloop.sim_backend.instruments import EmulatedBench

FOLDER = Path(__file__).parents[3] / "transcripts"


@pytest.fixture(scope="session")
def kept() -> ModuleType:
    """The sessions whose transcripts are kept, ``tests/transcripts/sessions.py``."""
    spec = importlib.util.spec_from_file_location("kept_sessions", FOLDER / "sessions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Do = Callable[[Bench], Any]
Prepare = Callable[[EmulatedBench], None]


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., tuple[Path, Any]]:
    """Do something on an emulated bench; returns its transcript and what it came to."""

    def do(name: str, session: Do, prepare: Prepare = lambda _: None, *changes: Any) -> Any:
        text = (FOLDER / f"{name}.yaml").read_text()
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        file, path = tmp_path / f"{name}.yaml", tmp_path / "session.jsonl"
        file.write_text(text)
        with EmulatedBench(load_bench(file), any_port=True) as emulated:
            prepare(emulated)
            with recorded(emulated.bench, path):
                result = session(emulated.bench)
        return path, result

    return do
