"""The command processor of a TSP instrument: a real Lua 5.1, fed line by line.

Faithful to the instruments in what a driver can notice: every line is a chunk of its own; number
format; ``loadscript``/``endscript``; ``abort``; the error queue; a run-time error (-286) ends a
chunk, any other error is queued and the chunk goes on (2600BS-901-01, section 8). Not verified on
an instrument: error codes other than -285 and -286.
"""

from __future__ import annotations

import contextlib
import math
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from lupa import lua51

from ohmloop.sim_backend.clock import VirtualClock

from .reading_buffer import Column, ReadingBuffer
from .tree import Attribute, Computed, Report, Tree

SYNTAX, RUNTIME, QUEUE_OVERFLOW = -285, -286, -350
RECOVERABLE, SERIOUS = 20, 30
NOT_A_READING = 9.91e37
_QUEUE_SIZE = 100
_STALLED = 0.01  # between looks whether a sweep that hangs is aborted, s

_PROXY = """
function(members, get, set)
  return setmetatable(members, {
    __index = function(_, k) return get(k) end,
    __newindex = function(_, k, v) set(k, v) end,
  })
end
"""
_FORBIDDEN = ("io", "os", "require", "package", "module", "dofile", "loadfile", "debug", "python")


class AbortedError(Exception):
    """The word ``abort`` arrived while a chunk ran."""


class ErrorQueue:
    """Oldest first; full, its last entry becomes an overflow."""

    def __init__(self, node: int = 1) -> None:
        self.entries: deque[tuple[int, str, int, int]] = deque()
        self.node = node

    def push(self, code: int, message: str, severity: int = RECOVERABLE) -> None:
        """Queue an error."""
        if len(self.entries) >= _QUEUE_SIZE:
            self.entries[-1] = (QUEUE_OVERFLOW, "Queue overflow", SERIOUS, self.node)
        else:
            self.entries.append((code, message, severity, self.node))

    def next(self) -> tuple[int, str, int, int]:
        """The oldest error, or code 0."""
        return self.entries.popleft() if self.entries else (0, "Queue Is Empty", 0, self.node)


class Overlapped(Protocol):
    """What goes on beside the script: sweeps."""

    @property
    def pending(self) -> bool:
        """Whether anything happens by itself while time goes on."""

    def run(self, interruptible: Callable[[], None], until: int | None = None) -> bool:
        """Let it happen, to its end or to a time (ns); True if nothing is left."""

    def abort(self) -> None:
        """Stop it."""


class TspProcessor:
    """One instrument's interpreter.

    Args:
        identity: reply to ``*IDN?``.
        tree: what the instrument offers to scripts, besides what every TSP instrument has.
        clock: the bench's time; ``delay`` moves it.
        reset: back to power-on state, outputs off.

    Attributes:
        overlapped: what runs beside the script, if anything can.
    """

    def __init__(
        self, identity: str, tree: Tree, clock: VirtualClock, reset: Callable[[], None]
    ) -> None:
        self.identity, self.clock = identity, clock
        self.errors = ErrorQueue()
        self.aborting = False
        self.overlapped: Overlapped | None = None
        self._reset, self._out = reset, bytearray()
        self._script: tuple[str, list[str]] | None = None
        self._format = _format_tree()
        self._tree = tree
        self._nodes: dict[int, Tree] = {1: tree}
        self._relink: dict[int, Callable[[], None]] = {}
        self._boot()

    def _boot(self) -> None:
        self._lua = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
        self._proxy = self._lua.eval(_PROXY)
        self._install(self._tree)

    def line(self, line: str) -> bytes:
        """Process one line; returns what the instrument sends back, often nothing."""
        self._out.clear()
        with contextlib.suppress(AbortedError):
            self._process(line.strip("\r"))
        return bytes(self._out)

    def message(self, data: bytes) -> bytes:
        """One line as bytes."""
        return self.line(data.decode("latin-1"))

    def urgent(self, data: bytes) -> bool:
        """The word ``abort`` stops a chunk that runs."""
        found = data.strip() == b"abort"
        self.aborting |= found
        return found

    def power_cycle(self) -> None:
        """Outputs off; a new interpreter, which knows no script and no link."""
        self._reset()
        self._script, self.aborting = None, False
        self.errors.entries.clear()
        self._format = _format_tree()
        self._boot()

    def attach(self, node: int, tree: Tree, relink: Callable[[], None] | None = None) -> None:
        """Make ``tree`` reachable as ``node[node]``, once scripts call ``tsplink.reset()``.

        Args:
            node: its number.
            tree: what it offers.
            relink: told when the link starts anew.
        """
        self._nodes[node] = tree
        if relink:
            self._relink[node] = relink

    def _process(self, line: str) -> None:
        word = line.strip()
        if self._script is not None:
            self._collect(word, line)
        elif word == "abort":
            self.aborting = False
            if self.overlapped:
                self.overlapped.abort()
        elif word.startswith("*"):
            self._common(word.upper())
        elif word.startswith(("loadscript", "loadandrunscript")):
            kind, _, name = word.partition(" ")
            self._script = (name.strip() if kind == "loadscript" else "", [])
        elif word:
            self._run(line)

    def _collect(self, word: str, line: str) -> None:
        assert self._script is not None
        name, lines = self._script
        if word != "endscript":
            lines.append(line)
            return
        self._script = None
        source = "\n".join(lines)
        if not name:
            self._run(source)
            return
        function = self._compile(source)
        if function is not None:
            self._lua.globals()[name] = function

    def _common(self, word: str) -> None:
        if word in {"*OPC?", "*WAI"}:
            self._wait_complete()
        replies = {"*IDN?": self.identity, "*OPC?": "1", "*ESR?": "0", "*STB?": "0", "*TST?": "0"}
        if word in replies:
            self._out += replies[word].encode() + b"\n"
        elif word == "*CLS":
            self.errors.entries.clear()
        elif word == "*RST":
            self._reset()
        elif word not in {"*OPC", "*WAI"}:
            self.errors.push(SYNTAX, "TSP Syntax error at line 1: unexpected symbol near `*'")

    def _run(self, source: str) -> None:
        if self.aborting:
            return
        function = self._compile(source)
        if function is None:
            return
        try:
            function()
        except AbortedError:
            raise
        except (lua51.LuaError, TypeError, ValueError, KeyError, AttributeError) as error:
            if self.aborting:
                raise AbortedError from None
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.errors.push(RUNTIME, f"TSP Runtime error at line 1: {text}")

    def _compile(self, source: str) -> Any:
        load = self._lua.globals()["loadstring"]
        result = load(source, "=script")
        function, message = result if isinstance(result, tuple) else (result, None)
        if function is None:
            self.errors.push(SYNTAX, f"TSP Syntax error at line 1: {message}")
        return function

    def _report(self, code: int, message: str) -> None:
        self.errors.push(code, message)

    def _install(self, tree: Tree) -> None:
        g = self._lua.globals()
        for name in _FORBIDDEN:
            g[name] = None
        self._node_table = self._lua.table()
        shared = {
            "errorqueue": self._error_tree(),
            "format": self._format,
            "tsplink": Tree(reset=self._link, node=Attribute(1, 1, 64)),
            "status": Tree(reset=lambda *_: None),
        }
        for name, member in (shared | tree.members).items():
            g[name] = self._show(member)
        g["node"] = self._node_table
        g["print"], g["printnumber"], g["printbuffer"] = (
            self._print, self._print_number, self._print_buffer,
        )  # fmt: skip
        g["delay"], g["waitcomplete"] = self._delay, self._wait_complete
        g["reset"] = lambda *_: self._reset()

    def _error_tree(self) -> Tree:
        return Tree(
            count=Computed(lambda: len(self.errors.entries)),
            next=lambda *_: self.errors.next(),
            clear=lambda *_: self.errors.entries.clear(),
        )

    def _link(self, *_: Any) -> int:
        """``tsplink.reset()``: every node on the cable becomes reachable."""
        for number, tree in self._nodes.items():
            self._node_table[number] = self._show(tree)
            self._relink.get(number, lambda: None)()
        return len(self._nodes)

    def _show(self, member: Any) -> Any:
        """A member as Lua sees it: trees as proxy tables, the rest as it is."""
        if isinstance(member, list) and not isinstance(member, Column):
            return self._lua.table(*map(self._show, member))
        if not isinstance(member, Tree):
            return member
        dynamic = {n: m for n, m in member.members.items() if isinstance(m, Attribute | Computed)}
        fixed = self._lua.table()
        for name, inner in member.members.items():
            if name not in dynamic:
                fixed[name] = self._show(inner)
        fixed["_tree"] = _Handle(member)
        return self._proxy(fixed, self._getter(dynamic), self._setter(dynamic))

    def _getter(self, dynamic: dict[str, Any]) -> Callable[[str], Any]:
        def get(name: str) -> Any:
            if self.aborting:
                raise AbortedError
            found = dynamic.get(name)
            return None if found is None else found.get()

        return get

    def _setter(self, dynamic: dict[str, Any]) -> Callable[[str, Any], None]:
        report: Report = self._report

        def set_(name: str, value: Any) -> None:
            if self.aborting:
                raise AbortedError
            found = dynamic.get(name)
            if found is None:
                raise AttributeError(f"cannot modify {name!r}")
            found.set(value, report)

        return set_

    def _interruptible(self) -> None:
        if self.aborting:
            raise AbortedError

    def _delay(self, seconds: float = 0.0, *_: Any) -> None:
        self._interruptible()
        if seconds < 0:
            self._report(1102, "Parameter too small")
            return
        if self.overlapped and self.overlapped.pending:
            stop = self.clock.ns + round(seconds * 1e9)
            self.overlapped.run(self._interruptible, until=stop)
            self.clock.ns = max(self.clock.ns, stop)
        else:
            self.clock.sleep(seconds)

    def _wait_complete(self, *_: Any) -> None:
        """Until all sweeps have ended; one that waits for an event that never comes, for ever."""
        self._interruptible()
        while self.overlapped and not self.overlapped.run(self._interruptible):
            self._interruptible()
            time.sleep(_STALLED)

    def _print(self, *values: Any) -> None:
        self._out += "\t".join(map(self._text, values)).encode("latin-1") + b"\n"

    def _text(self, value: Any) -> str:
        if value is None:
            return "nil"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return ascii_number(value, int(self._format.value("asciiprecision")))
        return value if isinstance(value, str) else str(value)

    def _print_number(self, *values: Any) -> None:
        self._emit([float(v) for v in values])

    def _print_buffer(self, start: int, stop: int, *sources: Any) -> None:
        values: list[float] = []
        columns = [_column(source) for source in sources]
        for index in range(int(start), int(stop) + 1):
            for source in columns:
                found = _element(source, index)
                values.append(NOT_A_READING if found is None else float(found))
        self._emit(values)

    def _emit(self, values: list[float]) -> None:
        kind = int(self._format.value("data"))
        if kind == ASCII:
            digits = int(self._format.value("asciiprecision"))
            self._out += ", ".join(ascii_number(v, digits) for v in values).encode() + b"\n"
            return
        order = "<" if int(self._format.value("byteorder")) == LITTLE else ">"
        letter = "f" if kind == REAL32 else "d"
        self._out += b"#0" + struct.pack(f"{order}{len(values)}{letter}", *values) + b"\n"


ASCII, REAL32, REAL64 = 1, 2, 3
BIG, LITTLE = 0, 1


def _format_tree() -> Tree:
    return Tree(
        ASCII=ASCII, REAL32=REAL32, SREAL=REAL32, REAL64=REAL64, REAL=REAL64, DREAL=REAL64,
        NORMAL=BIG, BIGENDIAN=BIG, NETWORK=BIG, SWAPPED=LITTLE, LITTLEENDIAN=LITTLE,
        data=Attribute(ASCII, allowed=(ASCII, REAL32, REAL64)),
        byteorder=Attribute(LITTLE, allowed=(BIG, LITTLE)),
        asciiprecision=Attribute(6, 1, 16),
    )  # fmt: skip


def ascii_number(value: float, digits: int) -> str:
    """A number as the instruments print it: ``ascii_number(4, 6)`` is ``4.00000e+00``."""
    if math.isinf(value) or math.isnan(value):
        return f"{NOT_A_READING:.{digits - 1}e}"
    return f"{value:.{digits - 1}e}"


class _Handle:
    """Carries a tree through Lua, so that a function gets back what a script hands it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree


def tree_of(proxy: Any) -> Tree | None:
    """The tree behind a Lua proxy, or None."""
    try:
        handle = proxy["_tree"]
    except (TypeError, KeyError):
        return None
    return handle.tree if isinstance(handle, _Handle) else None


def _column(source: Any) -> Any:
    """What ``printbuffer`` prints of a source: of a reading buffer, its readings."""
    tree = None if isinstance(source, Column) else tree_of(source)
    return tree.readings if isinstance(tree, ReadingBuffer) else source


def _element(source: Any, index: int) -> float | None:
    value = source[index]
    return None if value is None else float(value)
