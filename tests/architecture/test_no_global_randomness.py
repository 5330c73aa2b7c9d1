"""Every random number comes from a generator that was passed in: no hidden global state."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("drivers", "sim_backend", "calibration", "training", "app")
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))

NUMPY = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
# Keeping the state of torch's own generator is no draw: dropout has no other, and runs resume.
TORCH_GLOBAL = {"manual_seed", "seed"}
TORCH_DRAWS = {"rand", "randn", "randint", "randperm", "bernoulli", "normal", "multinomial"}
TORCH_DRAWS |= {f"{name}_like" for name in ("rand", "randn", "randint")}


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _import_problems(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name == "random"]
    if isinstance(node, ast.ImportFrom) and not node.level:
        names = {a.name for a in node.names}
        if node.module == "random":
            return ["random"]
        if node.module == "numpy.random":
            return sorted(names - NUMPY)
        if node.module == "torch":
            return sorted(names & TORCH_GLOBAL)
    return []


def _call_problem(node: ast.Call) -> str | None:
    name = _dotted(node.func)
    parts = name.split(".")
    if parts[-3:-1] == ["np", "random"] or parts[-3:-1] == ["numpy", "random"]:
        unseeded = parts[-1] == "default_rng" and not node.args and not node.keywords
        return name if unseeded or parts[-1] not in NUMPY else None
    if parts[0] in {"torch", "_torch"} or "_torch" in parts:
        given = any(keyword.arg == "generator" for keyword in node.keywords)
        if len(parts) <= 3 and parts[-1] in TORCH_GLOBAL:
            return name
        return name if parts[-1] in TORCH_DRAWS and not given else None
    return None


def problems(source: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        found += _import_problems(node)
        if isinstance(node, ast.Call) and (problem := _call_problem(node)):
            found.append(problem)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_source_draws_from_no_global_generator(path):
    assert problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import choice",
        "from numpy.random import rand",
        "np.random.seed(1)",
        "numpy.random.normal()",
        "np.random.default_rng()",
        "torch.manual_seed(0)",
        "torch.cuda.manual_seed(0)",
        "torch.rand(3)",
        "from torch import manual_seed",
    ],
)
def test_offences_are_noticed(source):
    assert problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "np.random.default_rng(seed)",
        "np.random.default_rng(seed=0)",
        "rng.normal()",
        "rng: np.random.Generator",
        "torch.rand(3, generator=g)",
        "torch.Generator().manual_seed(0)",
    ],
)
def test_seeded_generators_are_allowed(source):
    assert problems(source) == []
