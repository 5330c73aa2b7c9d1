from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.sim_backend.instruments.replay.languages import Frames, Text, language_of
from ohmloop.sim_backend.instruments.replay.requests import Requests

THEN = b'\nabort\nprint("ohmloop-0123abcd", smua.source.output)\n'
NOW = b'\nabort\nprint("ohmloop-beefbeef", smua.source.output)\n'


def test_who_speaks_what():
    assert isinstance(language_of("pulse-board"), Frames)
    assert isinstance(language_of("arc-two"), Requests)
    assert isinstance(language_of("keithley-2600b"), Text)
    assert isinstance(language_of("of-a-package"), Text)
    assert language_of("pulse-board") is not language_of("pulse-board")


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\0", b"\xff"])).map(b"".join))
def test_nothing_is_lost_in_splitting(data):
    assert b"".join(Text().split(data)) == data
    assert b"".join(Frames().split(data)) == data


def test_messages_are_lines_with_their_ends():
    assert Text().split(b"a\r\nb\rc\n\nd") == [b"a\r\n", b"b\rc\n", b"\n", b"d"]


def test_a_marker_may_differ_and_is_put_into_the_reply():
    text = Text()
    assert text.same(NOW, THEN)
    assert text.reply(b"ohmloop-0123abcd\t0.0\n") == b"ohmloop-beefbeef\t0.0\n"
    assert text.reply(b"1.5\n") == b"1.5\n"


@pytest.mark.parametrize(
    "other",
    [
        NOW.replace(b"smua", b"smub"),
        NOW.replace(b"beefbeef", b"beefbee"),
        NOW.replace(b"beefbeef", b"beefbeefe"),
        NOW.replace(b"beefbeef", b"beefBEEF"),
        NOW.replace(b"ohmloop-", b"ohmlooq-"),
        NOW[:-1],
    ],
)
def test_nothing_but_a_marker_may_differ(other):
    assert not Text().same(other, THEN)


def test_a_drawn_name_may_differ_and_is_put_into_the_reply():
    text = Text()
    assert text.same(b'ohmloop.run("beefbeef-1",3)\n', b'ohmloop.run("0123abcd-1",3)\n')
    assert text.reply(b"0123abcd-1,3,done,6,0,0\n") == b"beefbeef-1,3,done,6,0,0\n"
    assert not text.same(b'ohmloop.run("beefbeef-2",3)\n', b'ohmloop.run("0123abcd-1",3)\n')


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (b"ohmloop-########", b"ohmloop-0123abcd"),
        (b"12345678", b"12345679"),
        (b"x12345678-1", b"x12345679-1"),
        (b"a,b-1", b"0123abcd-1"),
        (b"beefbeef-1 beefbeef-1", b"0123abcd-1 0123abc-1"),
    ],
)
def test_what_only_looks_drawn_may_not_differ(now, then):
    assert not Text().same(now, then)


@pytest.mark.parametrize("count", range(len(NOW)))
def test_the_beginning_of_a_message_is_waited_on(count):
    assert Text().take(NOW[:count], THEN) == 0


def test_a_message_ends_where_the_recorded_one_did():
    assert Text().take(NOW + b"more", THEN) == len(NOW)
    assert Text().take(b"print(12)\nx", b"print(1)\n") == len(b"print(12)\n")
    assert Text().take(b"print(12)", b"print(1)\n") == len(b"print(12)")


def _frame(number: int, payload: bytes = b"\1\0\2", kind: int = 5, version: int = 1) -> bytes:
    return Frame(kind, number, payload, version).encode()


def test_frames_may_count_from_another_number():
    frames = Frames()
    assert frames.same(_frame(65535), _frame(10))
    assert frames.same(_frame(0), _frame(11))
    reply = frames.reply(_frame(11, b"\0" * 300, 0x84))
    assert FrameDecoder().feed(reply) == [Frame(0x84, 0, b"\0" * 300)]


def test_a_new_host_counts_anew():
    frames = Frames()
    assert frames.same(_frame(100), _frame(10))
    assert not frames.same(_frame(7), _frame(11))
    frames.connected()
    assert frames.same(_frame(7), _frame(11))


@pytest.mark.parametrize(
    "other",
    [_frame(9, b"\1\0\3"), _frame(9, kind=6), _frame(9, version=2), b"\0\5\1\0", _frame(9)[:-3]],
)
def test_nothing_but_the_number_may_differ(other):
    assert not Frames().same(other, _frame(10))


def test_damaged_frames_are_played_as_they_came():
    frames = Frames()
    frames.same(_frame(20), _frame(10))
    damaged = bytearray(_frame(10))
    damaged[5] ^= 0x40
    half = _frame(10)[:7]
    assert frames.reply(bytes(damaged)) == bytes(damaged)
    assert frames.reply(half) == half
    assert frames.reply(bytes(damaged) + _frame(10)) == bytes(damaged) + _frame(20)


@given(st.binary(max_size=600), st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 3))
def test_a_frame_is_taken_whole_whatever_its_length(payload, now, then, pause):
    frame = _frame(now, payload)
    frames, cut = Frames(), min(pause, len(frame) - 1)
    assert frames.take(frame[:cut], _frame(then, payload)) == 0
    assert frames.take(frame[:-1], _frame(then, payload)) == 0
    assert frames.take(frame + b"\0\5", _frame(then, payload)) == len(frame)
    assert frames.same(frame, _frame(then, payload))
    assert frames.reply(_frame(then, payload)) == frame
