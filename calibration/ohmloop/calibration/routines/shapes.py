"""Pulses within the limits of a chip."""

from __future__ import annotations

from dataclasses import replace

from ohmloop.drivers import Limits, PulseConditions


def with_duty(conditions: PulseConditions, limits: Limits) -> PulseConditions:
    """The same pulses, with as long a rest after each as the duty cycle asks for."""
    widest = max(conditions.up.width, conditions.down.width)
    rest = widest * (1 / limits.duty_cycle - 1)
    if widest / (widest + conditions.rest) <= limits.duty_cycle:
        return conditions
    # A trace longer than the quotient, so that rounding does not put it beyond the limit.
    return replace(conditions, rest=rest * (1 + 1e-12))
