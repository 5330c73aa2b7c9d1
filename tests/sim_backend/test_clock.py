import time

import pytest

from ohmloop.sim_backend.clock import VirtualClock


def test_sleep_advances_time_without_waiting():
    clock = VirtualClock()
    started = time.perf_counter()
    clock.sleep(3600.0)
    assert time.perf_counter() - started < 1.0
    assert clock.now == 3600.0


def test_short_waits_add_up_exactly():
    clock = VirtualClock()
    for _ in range(100_000):
        clock.sleep(0.1e-6)
    assert clock.ns == 10_000_000


def test_width_read_off_the_clock_is_the_width_asked_for():
    clock = VirtualClock()
    clock.sleep(12345.678)
    before = clock.ns
    clock.sleep(1e-3)
    assert clock.ns - before == 1_000_000


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-10])
def test_time_never_runs_backward(seconds):
    clock = VirtualClock()
    clock.sleep(1.0)
    clock.sleep(seconds)
    assert clock.now == 1.0
