from __future__ import annotations

import pytest

from ohmloop.app.experiments.pulses import Pulses
from ohmloop.drivers import ConfigError
from ohmloop.drivers.validation import Record, validate
from ohmloop.training import DeterministicPulses, ImplicitPulses, PulseSettings


class Holder(Record):
    pulses: Pulses


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, PulseSettings()),
        ({"type": "stochastic", "desired_bl": 7}, PulseSettings(7)),
        ({"type": "deterministic"}, DeterministicPulses()),
        ({"type": "deterministic", "bl_management": True}, DeterministicPulses(31, True, True)),
        ({"type": "implicit", "desired_bl": 100}, ImplicitPulses(100)),
    ],
)
def test_rules_by_name(given, rule):
    assert validate(Holder, {"pulses": given}, "x.yaml").pulses.rule() == rule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "random"}, "pulses: input tag 'random'.*'implicit'"),
        ({"desired_bl": 65}, r"pulses\.stochastic\.desired_bl"),
        ({"type": "implicit", "update_management": True}, "update_management: unknown key"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(ConfigError, match=message) as caught:
        validate(Holder, {"pulses": given}, "x.yaml")
    assert "\n" not in str(caught.value)
