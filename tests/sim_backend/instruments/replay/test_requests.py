from __future__ import annotations

import struct

import pytest

from ohmloop.drivers.arc_two.endpoint import FIFO, FLAGS, Reply, Request, Status, Verb
from ohmloop.drivers.arc_two.instructions import CurrentRead, Delay, UpdateDac, VoltageRead, encode
from ohmloop.sim_backend.instruments.replay.requests import Requests


def flush(number: int, *flags: int, delay: int = 5, channels: int = 0xF) -> bytes:
    """A write of a flush with two readings at most."""
    kinds = (
        lambda k, flag: CurrentRead(channels, 256 * k, FLAGS + 4 * k, flag),
        lambda k, flag: VoltageRead(channels, False, 256 * k, FLAGS + 4 * k, flag),
    )
    readings = [kinds[k](k, flag) for k, flag in enumerate(flags)]
    frames = encode([UpdateDac(), Delay(delay), *readings])
    return Request(Verb.WRITE, number, FIFO, len(frames), frames).encode()


def read(number: int, length: int = 12, address: int = FLAGS) -> bytes:
    return Request(Verb.READ, number, address, length).encode()


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


THEN, NOW = flush(65535, 101, 103), flush(9, 201, 203)


@pytest.fixture
def spoken() -> Requests:
    """A flush was written."""
    requests = Requests()
    assert requests.same(NOW, THEN)
    return requests


def test_numbers_and_flags_may_differ_and_come_back_in_replies(spoken):
    assert spoken.reply(Reply(Status.OK, 65535).encode()) == Reply(Status.OK, 9).encode()
    assert spoken.same(read(10), read(0))
    recorded = Reply(Status.OK, 0, words(101, 77, 103)).encode()
    # 103 stands where no flag of this flush goes: the memory held something else there.
    assert spoken.reply(recorded) == Reply(Status.OK, 10, words(201, 77, 103)).encode()
    assert spoken.same(read(11), read(1))
    recorded = Reply(Status.OK, 1, words(101, 103, 0)).encode()
    assert spoken.reply(recorded) == Reply(Status.OK, 11, words(201, 203, 0)).encode()


def test_a_value_that_looks_like_a_flag_stays_one(spoken):
    assert spoken.same(read(10, 4, 0), read(0, 4, 0))
    reply = spoken.reply(Reply(Status.OK, 0, words(101)).encode())
    assert reply == Reply(Status.OK, 10, words(101)).encode()


def test_flags_outlive_the_link_and_numbers_begin_anew(spoken):
    spoken.connected()
    assert spoken.same(read(40, 8), read(7, 8))
    reply = spoken.reply(Reply(Status.OK, 7, words(101, 103)).encode())
    assert reply == Reply(Status.OK, 40, words(201, 203)).encode()


def test_another_flush_in_the_same_place_has_flags_of_its_own(spoken):
    assert spoken.same(flush(10, 301, 303), flush(0, 111, 113))
    assert spoken.same(read(11, 8), read(1, 8))
    reply = spoken.reply(Reply(Status.OK, 1, words(111, 103)).encode())
    assert reply == Reply(Status.OK, 11, words(301, 103)).encode()


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (flush(10, 1, 3, delay=6), flush(0, 1, 3)),
        (flush(10, 1, 3, channels=7), flush(0, 1, 3)),
        (flush(10, 1), flush(0, 1, 3)),
        (flush(11, 1, 3), flush(0, 1, 3)),  # a number is left out
        (flush(10, 205, 203), flush(0, 101, 103)),  # the same flag was another one before
        (read(10, 8), read(0, 12)),
        (read(10, 12, FLAGS + 4), read(0)),
        (Request(Verb.HELLO, 10).encode(), read(0)),
        (read(10)[:-1] + b"?", read(0)),
    ],
)
def test_nothing_else_may_differ(spoken, now, then):
    assert not spoken.same(now, then)


def test_requests_are_taken_whole():
    requests, data = Requests(), NOW + read(10)
    assert requests.split(data + b"A2Q1") == [NOW, read(10), b"A2Q1"]
    assert requests.take(data, THEN) == len(NOW)
    assert requests.take(NOW[:-1], THEN) == requests.take(b"A2", THEN) == 0
    assert requests.take(data, THEN[:30]) == 30  # its link broke there
    assert requests.take(b"*IDN? and whatever else\n", THEN) == 24


@pytest.mark.parametrize("noise", [b"", b"A2R", b"noise, no reply of anybody", None])
def test_what_is_no_whole_reply_stays_as_it_came(spoken, noise):
    whole = Reply(Status.OK, 65535, b"1234").encode()
    noise = whole[:-1] + b"?" if noise is None else noise
    assert spoken.reply(whole + noise) == Reply(Status.OK, 9, b"1234").encode() + noise


def test_messages_are_shown_without_what_may_differ():
    shown = Requests().show(THEN)
    assert shown == Requests().show(flush(65535, 1, 3))
    assert "UpdateDac(), Delay(steps=5), CurrentRead(channels=15, address=0" in shown
    assert shown.endswith("number 65535")
    assert Requests().show(b"?") == "no request: b'?'"
    assert "READ of 12 bytes at 0x78000000" in Requests().show(read(3))
