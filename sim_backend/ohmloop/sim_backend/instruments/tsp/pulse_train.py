"""Trains of equal slots at once: what nearly every sweep is, played without its single events.

A train is recognised by its trigger settings: a timer that passes its start event on gives the
period, a second one the end of each pulse, a third (if any) the moment of measurement, all of them
started by the first; sweeps of several channels share them. Nothing may interfere: no fault to
come, no measurement that outlasts its pulse, no timer that goes on afterwards. Everything else is
left to ``TriggerModel``, which defines what must come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from .reading_buffer import STATUS_COMPLIANCE
from .trigger_model import IDLE, MEASURE_OVERHEAD, Sweep, Timer, TriggerModel

if TYPE_CHECKING:
    from .channel import Channel


@dataclass(frozen=True, slots=True)
class Train:
    """Equal slots, ns: how many, from one to the next, width, and measurement after the start."""

    count: int
    period: int
    width: int
    moment: int


def play_at_once(model: TriggerModel) -> bool:
    """Play the initiated sweeps, if they are a train; False leaves everything as it was."""
    train = _recognised(model)
    if train is None:
        return False
    _play(model, train)
    return True


def _recognised(model: TriggerModel) -> Train | None:
    sweeps = model.armed
    if len(model.active) != len(sweeps) or not all(_plain(sweep) for sweep in sweeps):
        return None
    first = sweeps[0]
    start, count = first.source.stimulus.value, int(first.count.value)
    end = _after(model, start, first.endpulse.stimulus.value)
    if end is None:
        return None
    period = _period(model, start, count)
    width = _ns(end)
    moments = {_moment(model, sweep, start, width) for sweep in sweeps}
    same = all(
        (s.source.stimulus.value, s.count.value, s.endpulse.stimulus.value)
        == (start, count, first.endpulse.stimulus.value)
        for s in sweeps
    )
    if period is None or not same or None in moments or not (count == 1 or width < period):
        return None
    return Train(count, period, width, max(m for m in moments if m is not None))


def _plain(sweep: Sweep) -> bool:
    channel: Any = sweep.channel
    return (
        sweep.source.action.value == 1
        and sweep.endpulse.action.value == IDLE
        and sweep.endsweep.action.value == IDLE
        and channel.idle
        and all(end.port.fixture.quiet for end in channel.ends)
        and all(q == "i" and _has_room(b, sweep) for q, b in sweep.buffers)
    )


def _has_room(buffer: Any, sweep: Sweep) -> bool:
    return bool(len(buffer.readings) + sweep.count.value <= buffer.capacity)


def _after(model: TriggerModel, start: float, event: float) -> Timer | None:
    """The timer that gives ``event`` once after each ``start``."""
    timer = _timer(model, event)
    once = timer is not None and timer.count.value == 1 and not timer.passthrough.value
    return timer if once and timer is not None and timer.stimulus.value == start else None


def _period(model: TriggerModel, start: float, count: int) -> int | None:
    """Time from one start event to the next, ns, if there are as many as points."""
    armed = {float(sweep.events["ARMED"]) for sweep in model.armed}
    if start in armed and count == 1 and len(model.armed) == 1:
        return 0
    timer = _timer(model, start)
    if timer is None or not timer.passthrough.value or timer.stimulus.value not in armed:
        return None
    # Any sweep armed earlier than the timer's own only waits; one armed later would miss the start.
    if float(model.armed[-1].events["ARMED"]) != timer.stimulus.value:
        return None
    return _ns(timer) if timer.count.value == count - 1 else None


def _moment(model: TriggerModel, sweep: Sweep, start: float, width: int) -> int | None:
    if not sweep.measure.action.value:
        return 0 if not sweep.measure.stimulus.value else None
    timer = _after(model, start, sweep.measure.stimulus.value)
    if timer is None:
        return None
    lasts = round((sweep.channel.integration + MEASURE_OVERHEAD) * 1e9)
    return _ns(timer) if _ns(timer) + lasts <= width else None


def _timer(model: TriggerModel, event: float) -> Timer | None:
    number = int(event) - model.timers[0].event
    return model.timers[number] if 0 <= number < len(model.timers) else None


def _ns(timer: Timer) -> int:
    return round(timer.delay.value * 1e9)


def _play(model: TriggerModel, train: Train) -> None:
    """Pulses reach the chips; readings reach the buffers."""
    start, sweeps = model.clock.ns, list(model.armed)
    levels = {id(s.channel): _levels(s, train.count) for s in sweeps}
    channels: list[Channel] = [s.channel for s in sweeps]  # type: ignore[misc]
    ports = {id(end.port): end.port for channel in channels for end in channel.ends}
    model.clock.ns = start + (train.count - 1) * train.period + train.width
    seen = {
        key: port.fixture.train(port.voltages(levels, train.count), port.limit, train.width / 1e9)
        for key, port in ports.items()
    }
    for sweep, channel in zip(sweeps, channels, strict=True):
        sweep.waiting, sweep.done = None, train.count
        if sweep.measure.action.value:
            _keep(sweep, channel, levels[id(channel)], seen, start + train.moment, train.period)


def _levels(sweep: Sweep, count: int) -> list[float]:
    if len(sweep.levels) == 1:
        return sweep.levels * count
    return list(islice(cycle(sweep.levels), count))


def _keep(
    sweep: Sweep, channel: Channel, levels: list[float], seen: Any, first: int, period: int
) -> None:
    (_, buffer), plain = sweep.buffers[0], channel.plain_status
    ends = [(end.sign, seen[id(end.port)]) for end in channel.ends]
    for k, level in enumerate(levels):
        current, limited = 0.0, False
        for sign, slots in ends:
            current += sign * slots[k][0]
            limited |= slots[k][1]
        status = plain | STATUS_COMPLIANCE if limited else plain
        buffer.store(channel.shown(current), status, (first + k * period) / 1e9, level)
