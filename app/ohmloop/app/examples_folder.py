"""Where the example files are: in the installed package, or at the root of a checkout."""

from __future__ import annotations

from pathlib import Path


def example(name: str) -> Path:
    """Path of an example file.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "examples", here.parents[2] / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(name)
