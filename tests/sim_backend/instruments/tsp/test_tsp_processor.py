from __future__ import annotations

import struct
import threading
import time

import pytest

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.tsp.reading_buffer import ReadingBuffer
from ohmloop.sim_backend.instruments.tsp.tree import Attribute, Tree
from ohmloop.sim_backend.instruments.tsp.tsp_processor import TspProcessor


@pytest.fixture
def tsp() -> TspProcessor:
    tree = Tree(
        level=Tree(value=Attribute(0.5, -1, 1)), buffer=ReadingBuffer(), localnode=Tree(model="X")
    )
    return TspProcessor("Maker, Model X, 1, 2", tree, VirtualClock(), lambda: None)


def ask(tsp: TspProcessor, *lines: str) -> str:
    return b"".join(tsp.line(line) for line in lines).decode("latin-1")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("4", "4.00000e+00"),
        ("-1.25e-7", "-1.25000e-07"),
        ("true", "true"),
        ("nil", "nil"),
        ("'a', 2", "a\t2.00000e+00"),
        ("localnode.model", "X"),
        ("level.value", "5.00000e-01"),
        ("string.format('%d', 7)", "7"),
        ("os", "nil"),
        ("io", "nil"),
    ],
)
def test_print(tsp, expression, text):
    assert ask(tsp, f"print({expression})") == text + "\n"


def test_precision_and_binary_formats(tsp):
    assert ask(tsp, "format.asciiprecision = 16", "print(1/3)") == "3.333333333333333e-01\n"
    reply = tsp.line("format.data = format.REAL64 printnumber(1/3, 2)")
    assert reply == b"#0" + struct.pack("<2d", 1 / 3, 2) + b"\n"
    tsp.line("format.byteorder = format.BIGENDIAN")
    tsp.line("format.data = format.REAL32")
    assert tsp.line("printnumber(2)") == b"#0" + struct.pack(">f", 2) + b"\n"


def test_a_missing_index_prints_not_a_reading(tsp):
    assert ask(tsp, "printbuffer(1, 2, {7})") == "7.00000e+00, 9.91000e+37\n"
    assert ask(tsp, "print(buffer.n)") == "0.00000e+00\n"


def test_common_commands(tsp):
    assert ask(tsp, "*IDN?", "*opc?") == "Maker, Model X, 1, 2\n1\n"


def test_errors_by_code(tsp):
    ask(tsp, "level.value = 5", "nonsense()", "x = = 1", "level.value = 'high'")
    assert tsp.errors.next()[0] == 1101
    assert tsp.errors.next()[0] == -286
    assert tsp.errors.next()[0] == -285
    assert tsp.errors.next()[0] == -222
    assert ask(tsp, "print(errorqueue.next())").startswith("0.00000e+00\t")


def test_a_refused_value_leaves_the_old_one_and_the_script_goes_on(tsp):
    assert ask(tsp, "level.value = -3 print(level.value)") == "5.00000e-01\n"


def test_unknown_attributes_are_nil_and_cannot_be_set(tsp):
    assert ask(tsp, "print(level.nothing)") == "nil\n"
    ask(tsp, "level.nothing = 1")
    assert tsp.errors.next()[0] == -286


def test_a_full_error_queue_ends_in_an_overflow(tsp):
    for _ in range(150):
        ask(tsp, "level.value = 5")
    codes = [tsp.errors.next()[0] for _ in range(100)]
    assert codes[-1] == -350
    assert set(codes[:-1]) == {1101}


def test_scripts_are_loaded_by_name_and_run_later(tsp):
    assert ask(tsp, "loadscript hello", "local a = 1", "print(a)", "endscript") == ""
    assert ask(tsp, "hello()", "hello()") == "1.00000e+00\n" * 2


def test_locals_do_not_outlive_their_line_and_globals_do(tsp):
    assert ask(tsp, "local a = 1", "print(a)", "b = 2", "print(b)") == "nil\n2.00000e+00\n"


def test_delay_is_exact_on_the_clock(tsp):
    ask(tsp, "for i = 1, 1000 do delay(0.0003) end")
    assert tsp.clock.ns == 300_000_000


def test_abort_ends_a_script_that_never_ends(tsp):
    done = threading.Event()

    def run() -> None:
        tsp.line("while true do delay(0.001) end")
        done.set()

    threading.Thread(target=run, daemon=True).start()
    time.sleep(0.05)
    assert not done.is_set()
    tsp.aborting = True
    assert done.wait(5)
    assert ask(tsp, "print(1)") == ""  # what was queued before the word abort is dropped
    tsp.line("abort")
    assert ask(tsp, "print(1)") == "1.00000e+00\n"
