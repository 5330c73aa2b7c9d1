from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def _exists(module: str) -> bool:
    place = Path(module.split(".")[1], *module.split("."))
    return (ROOT / place / "__init__.py").is_file() or (ROOT / place).with_suffix(".py").is_file()


def _present(line: str) -> str:
    return " | ".join(module for module in line.split(" | ") if _exists(module))


def _switches(table: dict[str, object]) -> list[str]:
    return [f"{key} = {value}" for key, value in table.items() if isinstance(value, bool)]


def _ini() -> str:
    """The contracts of pyproject.toml, of those layers that have modules."""
    lines = ["[importlinter]", "root_packages ="]
    lines += [f"    {module}" for module in CONFIG["root_packages"] if _exists(module)]
    lines += _switches(CONFIG)
    for number, contract in enumerate(CONFIG["contracts"]):
        lists = {key: value for key, value in contract.items() if isinstance(value, list)}
        kept = {key: [m for m in map(_present, value) if m] for key, value in lists.items()}
        if not all(kept.values()):
            continue
        lines += [f"[importlinter:contract:{number}]", f"name = {contract['name']}"]
        lines += [f"type = {contract['type']}", *_switches(contract)]
        for key, modules in kept.items():
            lines += [f"{key} =", *(f"    {module}" for module in modules)]
    return "\n".join(lines) + "\n"


def _lint(tmp_path: Path, ini: str) -> subprocess.CompletedProcess[str]:
    config = tmp_path / "contracts.ini"
    config.write_text(ini)
    code = "from importlinter.cli import lint_imports_command as c; c()"
    command = [sys.executable, "-c", code, "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers_import_only_what_they_may(tmp_path):
    done = _lint(tmp_path, _ini())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_a_broken_contract_would_be_noticed(tmp_path):
    ini = (
        "[importlinter]\nroot_packages =\n    ohmloop.drivers\n    ohmloop.sim_backend\n"
        "[importlinter:contract:1]\nname = upside down\ntype = layers\n"
        "layers =\n    ohmloop.drivers\n    ohmloop.sim_backend\n"
    )
    assert _lint(tmp_path, ini).returncode == 1


def test_contracts_cover_every_layer():
    assert CONFIG["root_packages"] == [
        f"ohmloop.{layer}" for layer in ("drivers", "sim_backend", "calibration", "training", "app")
    ]


@pytest.mark.parametrize("layer", ["drivers", "sim_backend", "calibration", "training", "app"])
def test_namespace_package_has_no_init_and_layers_are_typed(layer):
    assert not (ROOT / layer / "ohmloop" / "__init__.py").exists()
    package = ROOT / layer / "ohmloop" / layer
    if any(package.glob("*.py")):
        assert (package / "py.typed").is_file()


def test_drivers_load_without_torch_and_scipy():
    code = (
        "import sys, ohmloop.drivers, ohmloop.drivers.tsp.tsp_crossbar, ohmloop.drivers.testing;"
        "heavy = {'torch', 'scipy', 'xarray', 'ohmloop.sim_backend'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tests_have_no_packages():
    assert not list((ROOT / "tests").rglob("__init__.py"))
