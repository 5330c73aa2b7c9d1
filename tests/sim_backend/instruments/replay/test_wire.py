"""Today's drivers send what is kept in ``tests/transcripts``, byte for byte.

A change on purpose is recorded anew with ``python tests/transcripts/sessions.py``.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from ohmloop.drivers import load_bench
from ohmloop.sim_backend.instruments import EmulatedBench, ReplayedBench

NAMES = ["tsp", "board", "arc-two"]


def test_every_session_is_played_here(kept):
    assert list(kept.SESSIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_drivers_send_what_they_sent(kept, name):
    with ReplayedBench(kept.transcript(name)) as replayed:
        found = kept.SESSIONS[name](replayed.bench)
    assert replayed.deviations == []
    assert replayed.rest == []
    assert replayed.transcript.remarks == ()
    assert found["applied"] == found["sent"] == [6, 22, 6]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_was_read(kept, name):
    """The replay's values are those of the emulator that was recorded, cells and noise alike."""
    bench = load_bench(kept.FOLDER / f"{name}.yaml")
    with EmulatedBench(bench, any_port=True) as emulated:
        live = kept.SESSIONS[name](emulated.bench)
    with ReplayedBench(kept.transcript(name)) as replayed:
        played = kept.SESSIONS[name](replayed.bench)
    assert live.keys() == played.keys()
    for key, value in live.items():
        np.testing.assert_allclose(value, played[key], rtol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_transcript_holds_no_emulation(kept, name):
    assert "emulation" in (kept.FOLDER / f"{name}.yaml").read_text()
    assert "emulation" not in kept.transcript(name).read_text()


def test_recording_anew_gives_the_same_file_every_time(kept, tmp_path, monkeypatch):
    for name in NAMES:
        shutil.copy(kept.FOLDER / f"{name}.yaml", tmp_path)
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    found = []
    for _ in range(2):
        kept.main()
        found.append([(tmp_path / f"{name}.jsonl").read_bytes() for name in NAMES])
    assert found[0] == found[1]
    for name in NAMES:
        with ReplayedBench(tmp_path / f"{name}.jsonl") as replayed:
            kept.SESSIONS[name](replayed.bench)
        assert (replayed.deviations, replayed.rest) == ([], [])
