"""A periphery from a file of its own: what the name of a twin can point to."""

from __future__ import annotations

from pathlib import Path

from ohmloop.drivers.validation import load_yaml, validate

from .periphery import Periphery


def load_periphery(path: Path) -> Periphery:
    """Read ``periphery.yaml``, whose keys are those of ``Periphery``.

    Raises:
        ConfigError: the file cannot be read, or a key is wrong; names both.
    """
    return validate(Periphery, load_yaml(path), path)
