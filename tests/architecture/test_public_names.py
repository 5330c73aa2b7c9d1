from __future__ import annotations

import ast
import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("drivers", "sim_backend", "calibration", "training", "app")
PACKAGES = sorted(
    ".".join(init.parent.relative_to(ROOT / layer).parts)
    for layer in LAYERS
    for init in (ROOT / layer).rglob("__init__.py")
)


def _documented_constants(package: Path) -> set[str]:
    """Names assigned at the top of a module with a string below them."""
    names: set[str] = set()
    for module in package.rglob("*.py"):
        body = ast.parse(module.read_text(encoding="utf-8")).body
        for node, below in pairwise(body):
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if is_text and isinstance(below.value.value, str):
                names |= {t.id for t in targets if isinstance(t, ast.Name)}
    return names


def test_there_are_packages():
    assert {"ohmloop.drivers", "ohmloop.sim_backend"} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_package_says_its_idea(name):
    assert import_module(name).__doc__


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_exist_and_are_sorted(name):
    package = import_module(name)
    names = getattr(package, "__all__", [])
    assert [n for n in names if not hasattr(package, n)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_documented(name):
    package = import_module(name)
    constants = _documented_constants(Path(package.__file__).parent)
    missing = []
    for public in getattr(package, "__all__", []):
        value = getattr(package, public)
        callable_ = inspect.isclass(value) or inspect.isroutine(value)
        own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        if not (own if callable_ else public in constants):
            missing.append(public)
    assert missing == []
