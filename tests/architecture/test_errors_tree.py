from __future__ import annotations

import inspect
import re

from ohmloop.drivers import errors

LINE = re.compile(r"^ {4}([│├└─ ]*)(\w+Error)\b(.*)$")


def _drawn() -> dict[str, tuple[str | None, int]]:
    """Name -> (parent, exit status) as drawn; a status holds for all below it."""
    tree: dict[str, tuple[str | None, int]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (match := LINE.match(line)):
            continue
        depth, name = len(match[1]) // 4, match[2]
        above = above[:depth]
        parent = above[-1] if above else None
        status = re.search(r"exit status (\d)", match[3])
        inherited = tree[parent][1] if parent else 1
        tree[name] = (parent, int(status[1]) if status else inherited)
        above.append(name)
    return tree


def _classes() -> dict[str, type]:
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in found if kind.__module__ == errors.__name__}


def test_drawing_shows_every_class_and_no_other():
    assert set(_drawn()) == set(_classes())


def test_drawing_shows_the_parents():
    for name, (parent, _) in _drawn().items():
        base = _classes()[name].__bases__[0]
        assert base.__name__ == (parent or "Exception"), name


def test_drawing_shows_the_exit_status():
    for name, (_, status) in _drawn().items():
        assert _classes()[name].exit_status == status, name


def test_every_error_is_documented_and_public():
    import ohmloop.drivers as drivers

    for name, kind in _classes().items():
        assert kind.__doc__, name
        assert name in drivers.__all__
