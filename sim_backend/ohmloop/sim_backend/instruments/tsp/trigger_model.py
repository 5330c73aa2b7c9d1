"""The trigger model of a 2600B, event by event: timers, and a sweep for each channel.

2600BS-901-01, section 4 (triggering) and section 7: a sweep waits for its source event, sources,
waits for its measure event, measures, waits for its end-pulse event, ends the pulse, and so on for
``count`` points. Event detectors remember one event; they are cleared when a sweep is initiated.
A pulse does not end before its measurement has. This is the plain definition; ``pulse_train`` plays
the usual case at once and must give the same.

Not modelled: event blenders, digital lines, arm layers of more than one count. Not verified on an
instrument: the overhead of a measurement, the event numbers, the error numbers.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ohmloop.sim_backend.clock import VirtualClock

from .reading_buffer import FULL, ReadingBuffer
from .tree import Attribute, Flag, Report, Tree
from .tsp_processor import tree_of

NOT_CONFIGURED, OUTPUT_OFF, SWEEPING = 1409, 1410, 1411
IDLE, HOLD = 0, 1
MEASURE_OVERHEAD = 40e-6  # of a measurement, besides integration, s
_TIMERS = 8

Event = int


class Source(Protocol):
    """What a sweep needs of its channel."""

    @property
    def on(self) -> bool:
        """Whether the output is on."""

    @property
    def full_scale(self) -> float:
        """Largest level of the source range, V."""

    @property
    def integration(self) -> float:
        """Integration time of a measurement, s."""

    def sweep_to(self, level: float | None) -> None:
        """Source a level of the sweep; None is the idle level."""

    def keep_reading(self, quantity: str, buffer: ReadingBuffer) -> bool:
        """Measure now, into a buffer; False where it is full."""


class Timer:
    """``trigger.timer[N]``."""

    def __init__(self, model: TriggerModel, event: Event) -> None:
        self._model, self.event = model, event
        touched = model.touched
        self.delay = Attribute(10e-6, 5e-7, 1e5, on_change=touched)
        self.count = Attribute(1, 0, 1_048_575)
        self.passthrough = Flag(False, on_change=touched)
        self.stimulus = Attribute(0, 0, on_change=touched)
        self.overrun = Flag(False)
        self.tree = Tree(
            delay=self.delay,
            count=self.count,
            passthrough=self.passthrough,
            stimulus=self.stimulus,
            overrun=self.overrun,
            EVENT_ID=event,
            clear=lambda *_: self.clear(),
            reset=lambda *_: self.reset(),
        )
        self._left = 0.0

    def clear(self) -> None:
        """Forget events and overruns."""
        self.overrun.value = 0.0

    def stop(self) -> None:
        """No event more of those to come."""
        self._left = 0.0

    def reset(self) -> None:
        """Settings of power-on."""
        self._model.touched()
        self.tree.reset()
        self.stop()

    def trigger(self) -> None:
        """Its stimulus has happened; while it counts, that is an overrun."""
        if self._left:
            self.overrun.value = 1.0
            return
        self._left = self.count.value or math.inf
        if self.passthrough.value:
            self._model.emit(self.event)
        self._model.at(self.delay.value, self._expired)

    def _expired(self) -> None:
        if not self._left:
            return
        self._left -= 1
        if self._left:
            self._model.at(self.delay.value, self._expired)
        self._model.emit(self.event)


class Layer:
    """``source``, ``measure`` or ``endpulse``: an action and the event it waits for."""

    def __init__(self, actions: tuple[float, ...], touched: Callable[[], None]) -> None:
        self.action = Attribute(0, allowed=actions, on_change=touched)
        self.stimulus = Attribute(0, 0, on_change=touched)
        self.detected = False

    def members(self) -> dict[str, Any]:
        """For the tree."""
        return {"action": self.action, "stimulus": self.stimulus, "set": lambda *_: self.detect()}

    def detect(self) -> None:
        """Its event happened."""
        self.detected = True

    def passes(self) -> bool:
        """Whether to go on; forgets the event."""
        if not self.stimulus.value:
            return True
        passes, self.detected = self.detected, False
        return passes


class Sweep:
    """``smuX.trigger``.

    Args:
        source: the channel.
        model: the instrument's trigger model.
        first: number of its first event.
        report: takes errors.
    """

    def __init__(self, source: Source, model: TriggerModel, first: Event, report: Report) -> None:
        self.channel, self._model, self._report = source, model, report
        names = ("ARMED", "SOURCE_COMPLETE", "MEASURE_COMPLETE", "PULSE_COMPLETE",
                 "SWEEP_COMPLETE", "IDLE")  # fmt: skip
        self.events = {name: first + n for n, name in enumerate(names)}
        touched = model.touched
        self.source, self.measure = Layer((0, 1), touched), Layer((0, 1), touched)
        self.endpulse, self.endsweep = Layer((IDLE, HOLD), touched), Layer((IDLE, HOLD), touched)
        self.count, self.arm_count = Attribute(1, 1, 2**32 - 1), Attribute(1, 1, 1)
        self.arm_stimulus = Attribute(0, 0, 0)
        self.levels: list[float] = []
        self.buffers: list[tuple[str, ReadingBuffer]] = []
        self.waiting: Layer | None = None
        self.busy, self.done = False, 0
        self.tree = self._tree()

    def _tree(self) -> Tree:
        return Tree(
            count=self.count,
            autoclear=Attribute(0, allowed=(0, 1)),
            arm=Tree(count=self.arm_count, stimulus=self.arm_stimulus),
            source=Tree(
                **self.source.members(),
                limiti=Attribute(0, 0, 3),
                limitv=Attribute(0, 0, 200),
                listv=lambda *a: self._list(a[0] if a else None),
                linearv=self._linear,
            ),
            measure=Tree(
                **self.measure.members(),
                i=lambda *a: self._into(("i", *a)),
                v=lambda *a: self._into(("v", *a)),
                iv=lambda *a: self._into(("iv", *a)),
            ),
            endpulse=Tree(**self.endpulse.members()),
            endsweep=Tree(action=self.endsweep.action),
            initiate=lambda *_: self.initiate(),
            **{f"{name}_EVENT_ID": number for name, number in self.events.items()},
        )

    @property
    def active(self) -> bool:
        """Whether it was initiated and has not ended."""
        return self.waiting is not None or self.busy

    def reset(self) -> None:
        """Power-on state."""
        self.abort()
        self._model.touched()
        self.tree.reset()
        self.levels, self.buffers = [], []

    def abort(self) -> None:
        """Stop at once; back to the idle level."""
        if self.active:
            self.waiting, self.busy = None, False
            self.channel.sweep_to(None)

    def initiate(self) -> None:
        """Start, or report what is missing."""
        problem = self._problem()
        if problem:
            self._report(*problem)
            return
        self.forget()
        if self.measure.action.value:
            for _, buffer in self.buffers:
                buffer.begin()
        self.done, self.waiting = 0, self.source
        self._model.started(self)

    def forget(self) -> None:
        """Clear the event detectors."""
        for layer in (self.source, self.measure, self.endpulse):
            layer.detected = False

    def _problem(self) -> tuple[int, str] | None:
        if self.active:
            return SWEEPING, "Sweep already in progress"
        if not self.channel.on:
            return OUTPUT_OFF, "Sweep with the output off"
        if self.source.action.value and not self.levels:
            return NOT_CONFIGURED, "Source sweep not configured"
        if self.measure.action.value and not self.buffers:
            return NOT_CONFIGURED, "Sweep measurement without a buffer"
        if self.source.action.value and max(map(abs, self.levels)) > self.channel.full_scale:
            return 1101, "Parameter too big: a sweep level is beyond the source range"
        return None

    def detect(self, event: Event) -> None:
        """An event happened somewhere."""
        for layer in (self.source, self.measure, self.endpulse):
            if layer.stimulus.value == event:
                layer.detect()

    def advance(self) -> None:
        """Go on as far as no event is waited for."""
        while self.waiting is not None and self.waiting.passes():
            if self.waiting is self.source:
                self._start_point()
            elif self.waiting is self.measure:
                self._start_measuring()
            else:
                self._end_point()

    def _start_point(self) -> None:
        self.waiting = self.measure
        if self.source.action.value:
            self.channel.sweep_to(self.levels[self.done % len(self.levels)])
        self._model.emit(self.events["SOURCE_COMPLETE"])

    def _start_measuring(self) -> None:
        if not self.measure.action.value:
            self.waiting = self.endpulse
            return
        self.waiting, self.busy = None, True
        for quantity, buffer in self.buffers:
            if not self.channel.keep_reading(quantity, buffer):
                self._report(FULL, "Reading buffer full")
        self._model.at(self.channel.integration + MEASURE_OVERHEAD, self._measured)

    def _measured(self) -> None:
        if not self.busy:
            return
        self.busy, self.waiting = False, self.endpulse
        self._model.emit(self.events["MEASURE_COMPLETE"])

    def _end_point(self) -> None:
        self.done += 1
        if self.endpulse.action.value == IDLE:
            self.channel.sweep_to(None)
        last = self.done >= self.count.value
        self.waiting = None if last else self.source
        self._model.emit(self.events["PULSE_COMPLETE"])
        if last:
            if self.endsweep.action.value == IDLE:
                self.channel.sweep_to(None)
            self._model.emit(self.events["SWEEP_COMPLETE"])
            self._model.emit(self.events["IDLE"])

    def _list(self, table: Any) -> None:
        values = [float(v) for v in table.values()] if hasattr(table, "values") else []
        if values:
            self.levels = values
        else:
            self._report(-222, "Parameter data out of range")

    def _linear(self, first: float, last: float, points: float) -> None:
        n = int(points)
        self.levels = [first + (last - first) * k / max(1, n - 1) for k in range(n)]

    def _into(self, arguments: Sequence[Any]) -> None:
        quantity, *proxies = arguments
        buffers = [tree_of(p) for p in proxies]
        if len(buffers) != len(quantity) or not all(isinstance(b, ReadingBuffer) for b in buffers):
            self._report(-222, "Parameter data out of range: a reading buffer was expected")
            return
        self.buffers = [(q, b) for q, b in zip(quantity, buffers, strict=True)
                        if isinstance(b, ReadingBuffer)]  # fmt: skip


class TriggerModel:
    """Events of one instrument, in virtual time.

    Args:
        clock: the bench's time.

    Attributes:
        fast: plays the initiated sweeps at once, or says that it cannot.
        plan: what it has found out about the settings; forgotten when they change.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.plan: Any = None
        self.timers = [Timer(self, 51 + n) for n in range(_TIMERS)]
        self.sweeps: dict[str, Sweep] = {}
        self.fast: Callable[[TriggerModel], bool] = lambda _: False
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._armed: list[Sweep] = []

    def tree(self) -> Tree:
        """``trigger``."""
        return Tree(timer=[timer.tree for timer in self.timers])

    def channel_sweep(self, name: str, source: Source, report: Report) -> Sweep:
        """The sweep of a channel."""
        first = 1 + 10 * len(self.sweeps)
        self.sweeps[name] = Sweep(source, self, first, report)
        return self.sweeps[name]

    def touched(self) -> None:
        """A setting has changed."""
        self.plan = None

    @property
    def active(self) -> list[Sweep]:
        """Sweeps that were initiated and have not ended."""
        return [sweep for sweep in self.sweeps.values() if sweep.active]

    @property
    def pending(self) -> bool:
        """Whether anything happens by itself while time goes on."""
        return bool(self._armed or self._heap)

    @property
    def armed(self) -> Sequence[Sweep]:
        """Sweeps that were initiated since time last went on, in that order."""
        return self._armed

    def started(self, sweep: Sweep) -> None:
        """A sweep was initiated; it goes on when the script lets time pass."""
        self._armed.append(sweep)

    def at(self, delay: float, call: Callable[[], None]) -> None:
        """Call after ``delay`` (s)."""
        self._order += 1
        heapq.heappush(self._heap, (self.clock.ns + round(delay * 1e9), self._order, call))

    def emit(self, event: Event) -> None:
        """Something happened: timers start, sweeps notice."""
        for timer in self.timers:
            if timer.stimulus.value == event:
                timer.trigger()
        for sweep in self.sweeps.values():
            sweep.detect(event)

    def run(self, interruptible: Callable[[], None], until: int | None = None) -> bool:
        """Let events happen, to the end of all sweeps or to a time (ns); True if none is left."""
        if self._armed and until is None and not self._heap and self.fast(self):
            self._armed.clear()
            return True
        armed, self._armed = self._armed, []
        for number, sweep in enumerate(armed):
            self.emit(sweep.events["ARMED"])
            for later in armed[number + 1 :]:
                later.forget()  # it was not initiated yet
        self._advance()
        while self._heap and (self.active or until is not None):
            if until is not None and self._heap[0][0] > until:
                break
            interruptible()
            when, _, call = heapq.heappop(self._heap)
            self.clock.ns = max(self.clock.ns, when)
            call()
            self._advance()
        return not self.active

    def abort(self) -> None:
        """All sweeps stop, all timers forget."""
        self._armed.clear()
        self._heap.clear()
        for timer in self.timers:
            timer.stop()
        for sweep in self.sweeps.values():
            sweep.abort()

    def reset(self) -> None:
        """Power-on state."""
        self.abort()
        for timer in self.timers:
            timer.reset()
        for sweep in self.sweeps.values():
            sweep.reset()

    def _advance(self) -> None:
        for sweep in self.sweeps.values():
            sweep.advance()
