"""Trains of equal slots at once: what nearly every sweep is, played without its single events.

A train is recognised by its trigger settings: a timer that passes its start event on gives the
period, a second one the end of each pulse, a third (if any) the moment of measurement, all of them
started by the first; sweeps of several channels share them. Nothing may interfere: no fault to
come, no measurement that outlasts its pulse, no timer that goes on afterwards. Everything else is
left to ``TriggerModel``, which defines what must come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from .reading_buffer import STATUS_COMPLIANCE
from .trigger_model import IDLE, MEASURE_OVERHEAD, Sweep, Timer, TriggerModel
from .tsp_processor import NOT_A_READING

if TYPE_CHECKING:
    from .channel import Channel


@dataclass(frozen=True, slots=True)
class Plan:
    """What trigger settings amount to, whatever the number of points.

    Attributes:
        sweeps: those concerned, in the order in which they are initiated.
        starter: the timer that gives the start events; None for a single pulse.
        period: from one pulse to the next, ns.
        width: of a pulse, ns.
        moment: of the measurement after the start, ns, by sweep.
        single: the timers that have to give one event each.
    """

    sweeps: tuple[Sweep, ...]
    starter: Timer | None
    period: int
    width: int
    moment: tuple[int, ...]
    single: tuple[Timer, ...]


def play_at_once(model: TriggerModel) -> bool:
    """Play the initiated sweeps, if they are a train; False leaves everything as it was."""
    plan = model.plan
    if plan is None or plan.sweeps != tuple(model.armed):
        plan = model.plan = _plan(model)
    if plan is None or not _applies(plan):
        return False
    _play(model, plan)
    return True


def _applies(plan: Plan) -> bool:
    """Whether it holds now: numbers of points, faults to come, room for readings."""
    count = plan.sweeps[0].count.value
    starts = plan.starter.count.value + 1 if plan.starter else 1
    if count != starts or any(timer.count.value != 1 for timer in plan.single):
        return False
    for sweep in plan.sweeps:
        channel: Any = sweep.channel
        if sweep.count.value != count or not channel.idle:
            return False
        for end in channel.ends:
            if not end.port.fixture.quiet:
                return False
        for quantity, buffer in sweep.buffers:
            if quantity != "i" or len(buffer.readings) + count > buffer.capacity:
                return False
    return True


def _plan(model: TriggerModel) -> Plan | None:
    sweeps = tuple(model.armed)
    first = sweeps[0]
    start, stop = first.source.stimulus.value, first.endpulse.stimulus.value
    end = _after(model, start, stop)
    same = all(
        (s.source.stimulus.value, s.endpulse.stimulus.value) == (start, stop) for s in sweeps
    )
    plain = all(
        s.source.action.value == 1 and s.endpulse.action.value == s.endsweep.action.value == IDLE
        for s in sweeps
    )
    if end is None or not same or not plain:
        return None
    width = _ns(end)
    moments = [_moment(model, sweep, start, width) for sweep in sweeps]
    known = tuple(m for m in moments if m is not None)
    # Sweeps initiated earlier only wait for the last one, whose start starts everything.
    armed = float(sweeps[-1].events["ARMED"])
    if len(known) != len(moments):
        return None
    single = (end, *filter(None, (_timer(model, s.measure.stimulus.value) for s in sweeps)))
    timer = None if start == armed else _timer(model, start)
    if any(t.stimulus.value and t not in (timer, *single) for t in model.timers):
        return None
    if timer is None:
        return Plan(sweeps, None, 0, width, known, single) if start == armed else None
    if not timer.passthrough.value or timer.stimulus.value != armed or width >= _ns(timer):
        return None
    return Plan(sweeps, timer, _ns(timer), width, known, single)


def _after(model: TriggerModel, start: float, event: float) -> Timer | None:
    """The timer that gives ``event`` once after each ``start``."""
    timer = _timer(model, event)
    if timer is None or timer.passthrough.value:
        return None
    return timer if timer.stimulus.value == start else None


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


def _play(model: TriggerModel, plan: Plan) -> None:
    """Pulses reach the chips; readings reach the buffers."""
    start, count = model.clock.ns, int(plan.sweeps[0].count.value)
    channels: list[Channel] = [s.channel for s in plan.sweeps]  # type: ignore[misc]
    levels = {id(c): _levels(s.levels, count) for c, s in zip(channels, plan.sweeps, strict=True)}
    ports = {id(end.port): end.port for channel in channels for end in channel.ends}
    model.clock.ns = start + (count - 1) * plan.period + plan.width
    seen = {
        key: port.fixture.train(port.voltages(levels, count), port.limit, plan.width / 1e9)
        for key, port in ports.items()
    }
    for sweep, channel, moment in zip(plan.sweeps, channels, plan.moment, strict=True):
        sweep.waiting, sweep.done = None, count
        if sweep.measure.action.value:
            times = range(start + moment, start + moment + count * plan.period, plan.period or 1)
            _keep(sweep, channel, levels[id(channel)], seen, times)


def _levels(given: list[float], count: int) -> list[float]:
    return given * count if len(given) == 1 else list(islice(cycle(given), count))


def _keep(
    sweep: Sweep, channel: Channel, levels: list[float], seen: Any, times: Sequence[int]
) -> None:
    (_, buffer), plain, ceiling = sweep.buffers[0], channel.plain_status, channel.ceiling
    currents, limited = _currents(channel, seen, len(levels))
    shown = [c if -ceiling <= c <= ceiling else NOT_A_READING for c in currents]
    statuses = [plain] * len(levels)
    for k in limited:
        statuses[k] |= STATUS_COMPLIANCE
    if not buffer.detailed:
        buffer.readings.extend(shown)
        buffer.statuses.extend(statuses)
        return
    for k, level in enumerate(levels):
        ns = times[k] if k else times.start  # type: ignore[attr-defined]
        buffer.store(shown[k], statuses[k], ns / 1e9, level)


def _currents(channel: Channel, seen: Any, count: int) -> tuple[list[float], list[int]]:
    """What flows out of a channel in each slot, and in which it is at its limit."""
    if len(channel.ends) == 1 and channel.ends[0].sign == 1:
        found: tuple[list[float], list[int]] = seen[id(channel.ends[0].port)]
        return found
    currents, limited = [0.0] * count, set[int]()
    for end in channel.ends:
        flowing, at_limit = seen[id(end.port)]
        currents = [sum_ + end.sign * c for sum_, c in zip(currents, flowing, strict=True)]
        limited.update(at_limit)
    return currents, sorted(limited)
