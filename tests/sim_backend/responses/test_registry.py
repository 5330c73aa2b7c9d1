import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ohmloop.drivers import BadInputError
from ohmloop.drivers import registry as drivers_registry
from ohmloop.sim_backend.responses import (
    RESPONSES,
    PowerStep,
    registry,
    response_class,
    response_names,
)


def test_a_name_finds_its_class():
    assert response_class("power-step") is PowerStep


def test_an_unknown_name_is_refused_with_those_known():
    with pytest.raises(BadInputError, match=r"'soft-bound'; known are .*soft-bounds, power-step"):
        response_class("soft-bound")


def test_third_parties_offer_more(monkeypatch):
    place = "ohmloop.sim_backend.responses.power_step:PowerStep"
    point = EntryPoint("their-device", place, "ohmloop.responses")

    def offered(group):
        return [point] if group == "ohmloop.responses" else []

    monkeypatch.setattr(registry, "entry_points", offered)
    monkeypatch.setattr(drivers_registry, "entry_points", offered)
    assert response_names()[-1] == "their-device"
    assert response_class("their-device") is PowerStep


def test_the_page_has_every_family_and_its_example_runs():
    page = (Path(__file__).parents[3] / "docs/reference/response-functions.md").read_text()
    assert [n for n in RESPONSES if f"`{n}` `{response_class(n).__name__}`" not in page] == []
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    cell = names["cell"]
    assert cell.dg_min == pytest.approx(0.02 * 27.5e-6 + 1e-8)
