"""When what is compiled is used."""

from __future__ import annotations

import pytest

from ohmloop.drivers import compiled


@pytest.mark.parametrize(
    ("modules", "numbers", "worth"),
    [({}, 1 << 18, True), ({}, (1 << 18) - 1, False), ({"numba": None}, 1, True)],
)
def test_much_is_worth_loading_the_compiler_and_anything_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch, modules: dict, numbers: int, worth: bool
) -> None:
    monkeypatch.setattr(compiled, "sys", type("some", (), {"modules": modules}))
    assert compiled.worth_compiling(numbers) is worth
