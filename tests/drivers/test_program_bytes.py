from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ProgramError,
    PulseConditions,
    PulseProgram,
    PulseShape,
)
from ohmloop.drivers.program_bytes import pack, unpack

CONDITIONS = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.2, 2e-3), 5e-4)
CELLS = CellPulses(np.array([[1, -2, 3]]), conditions=CONDITIONS).to_bytes()
SIGNS = np.ones((2, 3), np.int8)
TRAINS = np.arange(6, dtype=np.uint64).reshape(2, 3)
COINCIDENCE = CoincidencePulses(TRAINS, TRAINS, SIGNS, SIGNS, 3).to_bytes()


def _signed(header: object, body: bytes, magic: bytes = b"OHMP", version: int = 1) -> bytes:
    """Bytes with a checksum that matches, whatever they say."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = struct.pack("<4sHI", magic, version, len(text)) + text + body
    return data + struct.pack("<I", zlib.crc32(data))


def _header(**changes: object) -> dict[str, object]:
    header: dict[str, object] = {
        "kind": "cells",
        "arrays": [["pulse_counts", "<i4", [1, 3]]],
        "scalars": {},
        "conditions": None,
    }
    return {**header, **changes}


BODY = np.array([1, -2, 3], "<i4").tobytes()


def test_layout_is_as_documented():
    assert PulseProgram.from_bytes(_signed(_header(), BODY)) == CellPulses(np.array([[1, -2, 3]]))


def test_format_is_stable():
    # Journals of released versions hold these bytes: they must be read for ever.
    data = CellPulses(np.array([[1, -2]])).to_bytes()
    assert data[:4] == b"OHMP"
    assert CellPulses(np.array([[1, -2]])).digest == "f56fe6d63fa6e9019630bc075eff75e0"


def test_unpack_gives_back_what_was_packed():
    arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.ones((1, 1), np.int8)}
    kind, out, scalars, conditions = unpack(pack("k", arrays, {"n": 3}, CONDITIONS))
    assert (kind, scalars, conditions) == ("k", {"n": 3}, CONDITIONS)
    assert out["a"].dtype == np.dtype("<i4")
    np.testing.assert_array_equal(out["a"], arrays["a"])
    np.testing.assert_array_equal(out["b"], arrays["b"])


@pytest.mark.parametrize("whole", [CELLS, COINCIDENCE], ids=["cells", "coincidence"])
def test_every_single_flipped_bit_is_noticed(whole):
    for place in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(ProgramError):
            PulseProgram.from_bytes(bytes(damaged))


@pytest.mark.parametrize("whole", [CELLS, COINCIDENCE], ids=["cells", "coincidence"])
def test_every_truncation_is_noticed(whole):
    for end in range(len(whole)):
        with pytest.raises(ProgramError):
            PulseProgram.from_bytes(whole[:end])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_program_error(data):
    with pytest.raises(ProgramError):
        PulseProgram.from_bytes(data)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
array_entries = st.tuples(
    st.sampled_from(["pulse_counts", "row_trains", "conditions"]) | json_values,
    st.sampled_from(["<i4", "<u8", "|i1", "|O", "<f8"]) | json_values,
    st.lists(st.integers(-3, 3) | st.just(10**30), max_size=3) | json_values,
).map(list)
header_changes = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["cells", "coincidence", "other"]) | json_values,
        "arrays": st.lists(array_entries, max_size=3) | json_values,
        "scalars": st.dictionaries(st.sampled_from(["length", "x"]), json_values) | json_values,
        "conditions": st.lists(scalars, min_size=5, max_size=5) | json_values,
    },
)


@given(header_changes, st.binary(max_size=24))
@settings(max_examples=400, deadline=None)
@example({"kind": []}, BODY)
@example({"arrays": [["pulse_counts", "<i4", [0, 10**30]]]}, b"")
@example({"arrays": [["pulse_counts", "<i4", [-1, 3]]]}, BODY)
@example({"scalars": {"length": 1}}, BODY)
@example({"conditions": ["a", "b", "c", "d", "e"]}, BODY)
@example({"conditions": [None] * 5}, BODY)
@example({"conditions": [10**400] * 5}, BODY)
def test_forged_headers_give_a_program_or_a_program_error(changes, body):
    try:
        program = PulseProgram.from_bytes(_signed(_header(**changes), body))
    except ProgramError:
        return
    assert PulseProgram.from_bytes(program.to_bytes()) == program


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a pulse program"),
        (_signed(_header(), BODY, magic=b"OHMX"), "not a pulse program"),
        (_signed(_header(), BODY, version=2), "of format 2; this ohmloop reads 1"),
        (_signed(b"{", BODY), "damaged"),
        (_signed([], BODY), "damaged"),
        (_signed(b"[" * 100_000, BODY), "damaged"),
        (_signed(_header(kind="x"), BODY), "unknown kind of pulse program 'x'"),
        (_signed(_header(arrays=[["pulse_counts", "|O", [1, 3]]]), BODY), "array of type '|O'"),
        (_signed(_header(arrays=[["odd", "<i4", [1, 3]]]), BODY), "lacks or has odd fields"),
        (_signed(_header(arrays=[]), b""), "lacks or has odd fields"),
        (_signed(_header(), BODY + b"more"), "longer or shorter than it says"),
        (_signed(_header(), BODY[:-4]), "damaged"),
    ],
)
def test_problems_are_named(data, problem):
    with pytest.raises(ProgramError, match=problem.replace("|", r"\|")) as caught:
        PulseProgram.from_bytes(data)
    assert "\n" not in str(caught.value)


def test_only_integers_travel():
    with pytest.raises(ProgramError, match="array of type '<f8'"):
        unpack(pack("cells", {"a": np.ones((1, 1))}, {}, None))
