from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from ohmloop.drivers import ConfigError
from ohmloop.drivers.units import Volts
from ohmloop.drivers.validation import Record, load_yaml, validate


class Inner(Record):
    volts: Volts


class Outer(Record):
    count: Annotated[int, Field(gt=0)]
    parts: dict[str, Inner] = Field(default_factory=dict)


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "some.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_yaml_mapping_is_read(tmp_path):
    assert load_yaml(_file(tmp_path, "a: {b: [1, 2.5]}\nc: µ")) == {"a": {"b": [1, 2.5]}, "c": "µ"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "must be a mapping"),
        ("# only a comment\n", "must be a mapping"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("a: 1\nb: [1, 2", "not valid YAML at line 2"),
        ("a: 1\n\tb: 2", "not valid YAML at line 2"),
        ("a: 1\nb: 2\na: 3", "at line 3: key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "key 'b' is given twice"),
        ("[1, 2]: 3", "a key must be a word"),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a: *nowhere", "not valid YAML"),
        (b"a: \xff\xfe", "cannot be read"),
        (b"a: \x00", "not valid YAML"),
    ],
)
def test_bad_file_is_one_line_naming_the_file(tmp_path, content, problem):
    path = _file(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert "\n" not in message


def test_missing_file_and_folder_are_config_errors(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path)


@pytest.mark.parametrize(
    ("data", "key", "problem"),
    [
        ({}, "count", "is missing"),
        ({"count": 1, "cuont": 2}, "cuont", "unknown key; known are count, parts"),
        ({"count": 0}, "count", "input should be greater than 0, not 0"),
        ({"count": "many"}, "count", "not 'many'"),
        ({"count": 1, "parts": {"x": {"volts": 3}}}, "parts.x.volts", "3 has no unit"),
        ({"count": 1, "parts": {"x": {"volts": "3 A"}}}, "parts.x.volts", "'3 A' is not a voltage"),
        ({"count": 1, "parts": {"x": {"volts": "1 V", "y": 1}}}, "parts.x.y", "unknown key"),
        ({1: 2, "count": 1}, "1", ""),
    ],
)
def test_wrong_data_names_its_key(data, key, problem):
    with pytest.raises(ConfigError) as caught:
        validate(Outer, data, "f.yaml")
    assert caught.value.key == key
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


def test_prefix_goes_before_the_key_and_further_problems_are_counted():
    with pytest.raises(ConfigError) as caught:
        validate(Outer, {"odd": 1, "even": 2}, "f.yaml", "a.b")
    assert caught.value.key == "a.b.odd"
    assert str(caught.value).endswith("(and 2 more)")


def test_records_are_frozen():
    record = validate(Inner, {"volts": "1 V"}, "f")
    with pytest.raises(ValidationError):
        record.volts = 2.0


class Numbers(Record):
    count: int = 0
    shares: dict[str, tuple[int, float]] = Field(default_factory=dict)
    maybe: float | None = None
    voltage: Volts = 0.0
    either: int | str = 0
    channel: Literal[1, 2] = 1
    flag: Literal[0, "auto"] = 0
    inner: list[Inner] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"count": True}, "x.count"),
        ({"count": "5"}, "x.count"),
        ({"shares": {"a": [1, False]}}, "x.shares.a.1"),
        ({"maybe": "2"}, "x.maybe"),
        ({"channel": True}, "x.channel"),
    ],
)
def test_what_only_looks_like_a_number_is_refused(data, key):
    with pytest.raises(ConfigError, match="must be a number, not") as caught:
        validate(Numbers, data, "f", "x")
    assert caught.value.key == key


def test_text_is_no_offence_where_text_may_stand_or_all_is_text():
    given = {"voltage": "1 V", "either": "5", "maybe": None, "channel": 2, "flag": "auto"}
    found = validate(Numbers, given, "f")
    assert (found.voltage, found.either, found.maybe) == (1.0, "5", None)
    assert validate(Numbers, {"count": "5"}, "name", all_text=True).count == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with pytest.raises(ConfigError, match="finite number"):
        validate(Numbers, {"maybe": value}, "f")


def test_a_message_is_one_line_of_bearable_length(tmp_path):
    error = ConfigError("f", "a\nb", "long " * 1000)
    assert str(error).splitlines() == [str(error)]
    assert len(str(error)) < 700
