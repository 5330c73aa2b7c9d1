"""Small benches, one a family of instruments: a few cells, short time-outs, sensible limits.

For tests, campaigns, and whoever wants a bench in one line: ``small_bench("tsp")``.
"""

from __future__ import annotations

from pathlib import Path

from ohmloop.drivers import Bench, load_bench

_FOLDER = Path(__file__).parent


def families() -> list[str]:
    """Names of the families, each a kind of crossbar in a bench file."""
    return sorted(file.stem for file in _FOLDER.glob("*.yaml"))


def small_bench(family: str) -> Bench:
    """The small bench of a family.

    Raises:
        ConfigError: there is no such family.
    """
    return load_bench(_FOLDER / f"{family}.yaml")
