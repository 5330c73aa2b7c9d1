"""Frames: round trips, the worked examples of the specification, and any bytes at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers.board.frames import (
    Frame,
    FrameDecoder,
    FrameError,
    cobs_decode,
    cobs_encode,
    decode_frame,
)

SPECIFICATION = Path(__file__).parents[3] / "docs" / "reference" / "pulse-board.md"
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 65535),
    st.binary(max_size=600),
    st.integers(0, 255),
)


@pytest.mark.parametrize(
    ("plain", "coded"),
    [
        ("", "01"),
        ("00", "01 01"),
        ("00 00", "01 01 01"),
        ("11 22 00 33", "03 11 22 02 33"),
        ("11 00 00 00", "02 11 01 01 01"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(255)).hex(), "01 ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02 ff"),
        ((bytes(range(2, 256)) + b"\0").hex(), "ff" + bytes(range(2, 256)).hex() + "01 01"),
    ],
)
def test_cobs_codes_as_published(plain, coded):
    assert cobs_encode(bytes.fromhex(plain)) == bytes.fromhex(coded)
    assert cobs_decode(bytes.fromhex(coded)) == bytes.fromhex(plain)


@given(st.binary(max_size=1200))
def test_cobs_takes_any_bytes_and_leaves_no_zero(data):
    coded = cobs_encode(data)
    assert 0 not in coded
    assert len(coded) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(coded) == data


@given(st.binary(max_size=300))
def test_decoding_any_bytes_gives_an_encoding_of_them_or_the_declared_error(data):
    try:
        plain = cobs_decode(data)
    except FrameError:
        return
    assert cobs_decode(cobs_encode(plain)) == plain


@given(st.lists(frames, max_size=4), st.data())
def test_frames_come_out_as_they_went_in_however_the_line_cuts_them(sent, data):
    stream = b"".join(frame.encode() for frame in sent)
    cut = data.draw(st.integers(0, len(stream)))
    decoder = FrameDecoder()
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == sent
    assert decoder.damaged == 0


@given(st.binary(max_size=400), frames)
def test_the_decoder_survives_anything_and_finds_the_next_frame(noise, frame):
    decoder = FrameDecoder()
    assert decoder.feed(noise + frame.encode())[-1] == frame


@given(frames, st.data())
def test_a_changed_byte_never_passes(frame, data):
    wire = bytearray(frame.encode())
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    assert all(found == frame for found in FrameDecoder().feed(bytes(wire) + b"\0"))


def test_what_is_too_long_is_dropped_as_it_comes():
    decoder = FrameDecoder(max_payload=100)
    for _ in range(50):
        assert decoder.feed(b"\1" * 1000) == []
    assert len(decoder._rest) <= 1200
    longest = Frame(1, 2, bytes(range(1, 101)))
    assert decoder.feed(longest.encode()) == [longest]
    assert decoder.damaged == 1
    assert decoder.feed(Frame(1, 2, bytes(range(1, 201))).encode()) == []


def bitwise_crc32(data: bytes) -> int:
    """The specification's words, bit by bit, without zlib."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def examples() -> dict[str, bytes]:
    text = SPECIFICATION.read_text(encoding="utf-8")
    found = re.findall(r"^\| `([a-z ]+)` \| `((?:[0-9a-f]{2} ?)+)` \|$", text, re.MULTILINE)
    return {name: bytes.fromhex(digits) for name, digits in found}


def test_the_checksum_is_the_one_specified():
    assert bitwise_crc32(b"123456789") == 0xCBF43926
    body = examples()["identify body"]
    assert body[-4:] == bitwise_crc32(body[:-4]).to_bytes(4, "little")


@pytest.mark.parametrize("name", ["identify", "done", "run"])
def test_the_worked_examples_are_what_the_codec_makes(name):
    wire, body = examples()[name], examples()[f"{name} body"]
    frame = decode_frame(wire.strip(b"\0"))
    assert cobs_decode(wire[1:-1]) == body
    assert frame.encode() == wire
