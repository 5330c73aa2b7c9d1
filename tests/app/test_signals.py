import os
import signal
import time

import pytest

from ohmloop.app.signals import orderly_interrupts


def _interrupted(before=lambda: os.kill(os.getpid(), signal.SIGINT), seconds: float = 5.0) -> None:
    """Wait, after ``before``, for an interrupt."""
    before()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def test_the_first_interrupt_stops_and_the_others_do_not(capsys):
    with orderly_interrupts():
        with pytest.raises(KeyboardInterrupt):
            _interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert "already stopping" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["numba.core.compiler", "llvmlite.binding.executionengine"])
def test_an_interrupt_waits_until_the_compiler_is_done(module):
    scope = {"__name__": module, "os": os, "signal": signal, "time": time, "steps": []}
    source = """
def compile():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.3)
    steps.append("compiled")
"""
    exec(source, scope)
    with orderly_interrupts(), pytest.raises(KeyboardInterrupt):
        _interrupted(scope["compile"])
    assert scope["steps"] == ["compiled"]
