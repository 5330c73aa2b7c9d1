"""Whatever a bench file holds, it is a sound ``Bench`` or one ``ConfigError`` of one line."""

from __future__ import annotations

import copy
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ohmloop.drivers import Bench, ConfigError, load_bench
from ohmloop.drivers.bench_config import BenchConfig
from ohmloop.drivers.validation import validate

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("bench-*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in EXAMPLES]
FILES = [yaml.safe_load(text) for text in TEXTS]
QUICK = settings(
    max_examples=int(os.environ.get("OHMLOOP_FUZZ", "150")),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Steps = tuple[Any, ...]


def load(folder: Path, content: str | bytes) -> Bench | None:
    """The bench, or None where it was refused as it should be."""
    path = folder / "bench.yaml"
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    return judge(path, lambda: load_bench(path))


def load_data(data: Any) -> Bench | None:
    """The same for what is no text any more, which takes less time."""
    path = Path("bench.yaml")
    return judge(path, lambda: Bench(path, validate(BenchConfig, data, path)))


def judge(path: Path, make: Callable[[], Bench]) -> Bench | None:
    try:
        bench = make()
    except ConfigError as error:
        refused = error
    else:
        assert_sound(bench)
        return bench
    message = str(refused)
    assert message.startswith(f"{path}: ")
    assert message.splitlines() == [message]
    assert len(message) < 2000
    assert refused.problem
    return None


def assert_sound(bench: Bench) -> None:
    """What whoever opens the bench relies on."""
    config = bench.config
    assert config.crossbars
    for name, instrument in config.instruments.items():
        assert name.strip() == name != ""
        assert isinstance(instrument.resource, str)
        assert instrument.resource.isprintable()
    assert is_number(config.visa.timeout) and config.visa.timeout > 0  # noqa: PT018
    for name, crossbar in config.crossbars.items():
        assert all(type(lines) is int and lines > 0 for lines in crossbar.shape)
        assert_conditions(bench, name)
        assert_wiring(crossbar)
        ledger = bench.ledger_path(name)
        assert ledger is None or ledger.parent == bench.path.parent
        assert bench.instruments_of(name) <= set(config.instruments)


def assert_conditions(bench: Bench, name: str) -> None:
    conditions, reading = bench.conditions_of(name), bench.reading_of(name)
    limits = bench.limits_of(name)
    for pulse in (conditions.up, conditions.down):
        assert is_number(pulse.amplitude) and is_number(pulse.width)  # noqa: PT018
        assert 0 < abs(pulse.amplitude) <= limits.voltage < math.inf
        assert 0 < pulse.width <= limits.width < math.inf
        assert pulse.width / (pulse.width + conditions.rest) <= limits.duty_cycle <= 1
    assert is_number(conditions.rest) and conditions.rest >= 0  # noqa: PT018
    assert 0 < abs(reading.voltage) <= limits.read_voltage < math.inf
    assert is_number(reading.settle) and reading.settle >= 0  # noqa: PT018
    assert 0.001 <= reading.nplc <= 25
    assert 0 < limits.current < math.inf
    for most in (limits.pulses_per_program, limits.pulses_per_cell):
        assert most == math.inf or (type(most) is int and most > 0)


def assert_wiring(crossbar: Any) -> None:
    """Crosspoints of kind ``tsp``: one for every line, none twice."""
    if crossbar.kind != "tsp":
        return
    from ohmloop.drivers.wiring import expand

    rows, columns = (expand(crossbar.wiring[key]) for key in ("rows", "columns"))
    assert (len(rows), len(columns)) == crossbar.shape
    assert len({*rows, *columns}) == len(rows) + len(columns)


def is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def leaves(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*steps, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*steps, number))
    else:
        yield steps, value


def places(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """Every key and item, also those that hold others."""
    if steps:
        yield steps
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*steps, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*steps, number))


def put(data: Any, steps: Steps, new: Any) -> Any:
    changed = copy.deepcopy(data)
    holder = changed
    for step in steps[:-1]:
        holder = holder[step]
    holder[steps[-1]] = new
    return changed


def drop(data: Any, steps: Steps) -> Any:
    changed = copy.deepcopy(data)
    holder = changed
    for step in steps[:-1]:
        holder = holder[step]
    del holder[steps[-1]]
    return changed


# --- every number of every example, replaced by nonsense --------------------------------------

QUANTITY = re.compile(r"[-+]?[\d.]+ [a-zA-Z]+")
NUMBERS = [
    (number, steps, value)
    for number, data in enumerate(FILES)
    for steps, value in leaves(data)
    if steps[0] != "emulation"
    and (type(value) in (int, float) or (isinstance(value, str) and QUANTITY.fullmatch(value)))
]
NONSENSE = [
    True, False, math.nan, math.inf, -math.inf, "", " ", [], {}, [1], {"a": 1}, "7", "nan", "inf",
    "nan V", "inf s", "-inf A", "1e999 V", "1e-999 s", "1 V 2", "1 + 1 V", "2 * 3 s", "1,5 V",
    "5 %", "0x10 V", "1 V\n", "1 °C", "1 degC", "5 in", "0 s s", "--1 V", "1 V/s", "ten V",
    "1j V", "9" * 5000 + " V", "1 \x00V", "1 e", "10**400",
]  # fmt: skip
SHARES = 1 if "OHMLOOP_FUZZ" in os.environ else 3


@pytest.mark.parametrize(
    ("number", "steps", "value"),
    NUMBERS,
    ids=[f"{EXAMPLES[n].stem}-{'.'.join(map(str, s))}" for n, s, _ in NUMBERS],
)
def test_a_number_that_is_none_is_refused_by_its_key(number, steps, value):
    """Each file's share of the nonsense: the same keys are in all files."""
    for nonsense in NONSENSE[number % SHARES :: SHARES]:
        bench = load_data(put(FILES[number], steps, nonsense))
        # Blanks round a quantity do no harm, and a limit may be far above what is used.
        assert bench is None or str(nonsense).strip() == "1 V", (steps, value, nonsense)


@pytest.mark.parametrize("sign", ["-", "0"])
def test_only_amplitudes_and_read_voltages_may_be_negative_and_few_zero(sign):
    may = {("amplitude", "-"), ("voltage", "-"), ("rest", "0"), ("settle", "0")}
    for number, steps, value in NUMBERS:
        if steps[0] == "instruments":  # what an option may be is its driver's business
            continue
        if isinstance(value, str):
            new = value.replace("-", "") if value[0] == "-" else f"-{value}"
            new = new if sign == "-" else re.sub(r"[-\d.]+", "0", value, count=1)
        else:
            new = -value if sign == "-" else 0
        accepted = load_data(put(FILES[number], steps, new)) is not None
        assert not accepted or ((steps[-1], sign) in may and steps[0] != "limits"), (steps, new)


# --- random mutations of the examples ---------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([str(n) for n in NONSENSE]),
    st.builds(
        "{} {}".format,
        st.floats(-1e6, 1e6) | st.integers(-1000, 1000),
        st.sampled_from(["V", "mV", "s", "ms", "us", "A", "mA", "S", "ohm", "kV", "h", "e"]),
    ),
)
STRUCTURES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [str(step) for data in FILES for path in places(data) for step in path if isinstance(step, str)]
) | st.text(max_size=8)


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    data = copy.deepcopy(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 3))):
        steps = draw(st.sampled_from(list(places(data)) or [("name",)]))
        how = draw(st.sampled_from(["put", "drop", "copy", "rename", "wrap", "own"]))
        if how == "drop":
            data = drop(data, steps)
        elif how == "copy":
            _, value = draw(st.sampled_from(list(leaves(data)) or [((), 1)]))
            data = put(data, steps, value)
        elif how == "rename" and isinstance(steps[-1], str):
            data = put(drop(data, steps), (*steps[:-1], draw(KEYS)), draw(STRUCTURES))
        elif how == "wrap":
            data = put(data, steps, draw(st.sampled_from([[1], {"a": 1}, [[]]])))
        elif how == "own" and data.get("crossbars"):
            data = own_conditions(draw, data)
        else:
            data = put(data, steps, draw(STRUCTURES))
    return data


def own_conditions(draw: st.DrawFn, data: Any) -> Any:
    crossbars = data["crossbars"] if isinstance(data["crossbars"], dict) else {}
    names = [n for n, c in crossbars.items() if isinstance(c, dict)]
    if not names:
        return data
    section = draw(st.sampled_from(["pulses", "read", "limits"]))
    inner = draw(st.dictionaries(KEYS, STRUCTURES, max_size=3))
    return put(data, ("crossbars", draw(st.sampled_from(names)), section), inner)


@QUICK
@given(data=mutations())
def test_mutated_examples(tmp_path, data):
    load(tmp_path, yaml.safe_dump(data, allow_unicode=True))


@QUICK
@given(data=STRUCTURES)
def test_random_structures(tmp_path, data):
    load(tmp_path, yaml.safe_dump(data))


@QUICK
@given(
    text=st.sampled_from(TEXTS),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.text(max_size=6) | KEYS), max_size=4
    ),
)
def test_examples_with_letters_changed(tmp_path, text, edits):
    for where, gone, new in edits:
        start = int(where * len(text))
        text = text[:start] + new + text[start + gone :]
    load(tmp_path, text)


ODD = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbfname: x", b"a: !!int ''", b"a: 0x_", b"a: !!timestamp x",
    b"a: !!binary x", b"a: !!bool x", b"a: !!float x", b"a: !!python/object:os.system x",
    b"a: &a [*a]", b"? [1]\n: 2", b"? {a: 1}\n: 2", b"<<: 5", b"a: *b", b"--- a\n--- b", b"!",
    b"{" * 2000, b"[" * 20_000, b"a: " + b"9" * 5000, b"name: |\n  two\n  lines\n", b"%YAML 9.9\n",
    b"a: &a {b: 1}\n<<: [*a, 5]", b"\t", b"a:\n\tb: 1", b".nan: 1", b"2020-13-45: 1", b"1:30: 2",
]  # fmt: skip


@pytest.mark.parametrize("content", ODD, ids=[repr(content[:20]) for content in ODD])
def test_odd_files(tmp_path, content):
    assert load(tmp_path, content) is None


@QUICK
@given(content=st.binary(max_size=60))
@example(b"\x85")
def test_random_bytes(tmp_path, content):
    assert load(tmp_path, content) is None


def test_aliases_that_multiply_are_refused_at_once(tmp_path):
    layers = ["a0: &a0 [x, x]"]
    layers += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert load(tmp_path, "\n".join([*layers, "name: *a39"])) is None
    assert (
        load(tmp_path, "\n".join(layers) + "\n" + TEXTS[0].replace("name: ", "name: *a39 #"))
        is None
    )


@pytest.mark.parametrize("name", ["\0", "no/such/folder/bench.yaml", "."])
def test_odd_file_names(name):
    with pytest.raises(ConfigError):
        load_bench(name)


@pytest.mark.parametrize("text", TEXTS, ids=[path.stem for path in EXAMPLES])
def test_examples_themselves_are_sound(tmp_path, text):
    assert load(tmp_path, text) is not None


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("duty_cycle: true", "limits.duty_cycle", "must be a number, not True"),
        ('duty_cycle: "0.5"', "limits.duty_cycle", "must be a number, not '0.5'"),
        ("duty_cycle: 0.6, pulses_per_cell: 010", "limits.pulses_per_cell", "not '010'"),
        ("duty_cycle: 0.6, pulses_per_cell: 1:30", "limits.pulses_per_cell", "not '1:30'"),
        ("duty_cycle: 0.6, pulses_per_cell: 2.5", "limits.pulses_per_cell", "fractional"),
    ],
)
def test_what_looks_like_a_number(tmp_path, text, key, problem):
    path = tmp_path / "bench.yaml"
    path.write_text(TEXTS[-1].replace("duty_cycle: 0.6", text.replace(", ", "\n  ")))
    with pytest.raises(ConfigError) as caught:
        load_bench(path)
    assert caught.value.key == key
    assert problem in caught.value.problem
