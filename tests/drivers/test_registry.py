import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ohmloop.drivers import BadInputError, ConfigError, open_crossbar, registry


@pytest.fixture
def entry_points(monkeypatch):
    offered: dict[str, list[EntryPoint]] = {}
    monkeypatch.setattr(registry, "entry_points", lambda group: offered.get(group, []))
    return offered


@pytest.mark.parametrize("table", [registry.INSTRUMENTS, registry.CROSSBARS, registry.SOURCES])
def test_every_name_in_the_tables_loads(table):
    for target in table.values():
        assert callable(registry.load(target))
    assert callable(registry.load(registry.CHIP_FILE))


def test_unknown_driver_and_kind_list_what_is_known(entry_points):
    entry_points["ohmloop.instruments"] = [EntryPoint("acme-1", "m:n", "ohmloop.instruments")]
    with pytest.raises(
        ConfigError, match=r"f\.yaml: instruments\.x\.driver: no 'keithly'"
    ) as caught:
        registry.instrument_driver("keithly", Path("f.yaml"), "instruments.x.driver")
    assert "keithley-2600b" in str(caught.value)
    assert "acme-1" in str(caught.value)
    with pytest.raises(ConfigError, match="no 'cube'; known are tsp"):
        registry.crossbar_kind("cube", Path("f.yaml"), "crossbars.x.kind")


def test_entry_points_extend_the_tables(entry_points):
    point = EntryPoint("mine", "collections:OrderedDict", "ohmloop.crossbars")
    entry_points["ohmloop.crossbars"] = [point]
    from collections import OrderedDict

    assert registry.crossbar_kind("mine", Path("f"), "k") is OrderedDict


def test_own_names_win_over_entry_points(entry_points):
    point = EntryPoint("tsp", "collections:OrderedDict", "ohmloop.crossbars")
    entry_points["ohmloop.crossbars"] = [point]
    assert registry.crossbar_kind("tsp", Path("f"), "k").__name__ == "TspKind"


def test_sources_are_extended_by_entry_points(entry_points):
    calls = []
    module = sys.modules[__name__]
    module.open_mine = lambda name, **options: calls.append((name, options)) or "crossbar"
    point = EntryPoint("mine:", f"{__name__}:open_mine", "ohmloop.sources")
    entry_points["ohmloop.sources"] = [point]
    assert open_crossbar("mine:x", seed=3) == "crossbar"
    assert calls == [("mine:x", {"seed": 3})]


@pytest.mark.parametrize("name", ["", "bench", "bench.txt", "yaml", "bench.txt#a.yaml"])
def test_name_of_nothing_says_what_to_give(name):
    with pytest.raises(BadInputError, match="names no crossbar: give a bench file"):
        open_crossbar(name)


@pytest.mark.parametrize("name", ["none.yaml", "none.yml", "none.yaml#left", "none.nc"])
def test_suffix_selects_what_opens_a_file(tmp_path, name):
    with pytest.raises(BadInputError, match="no such file"):
        open_crossbar(str(tmp_path / name))


def test_simulation_opens_by_name():
    with open_crossbar("sim:soft-bounds?shape=2x5&seed=1") as crossbar:
        assert crossbar.shape == (2, 5)
