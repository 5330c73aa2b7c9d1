from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, ConfigError, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.chip_state import load_chips, save_chips


def pulse(emulated: EmulatedBench, count: int) -> None:
    with open_on_bench(emulated.bench) as chip:
        chip.pulse(CellPulses(np.full((4, 6), count)))
        chip.read()


def test_a_chip_goes_on_where_it_was_noise_included(bench_file, tmp_path):
    kept = tmp_path / "chips.npz"
    with EmulatedBench(load_bench(bench_file), any_port=True) as whole:
        pulse(whole, 3)
        pulse(whole, -2)
    with EmulatedBench(load_bench(bench_file), any_port=True) as first:
        pulse(first, 3)
        save_chips(kept, first.chips)
    with EmulatedBench(load_bench(bench_file), any_port=True) as second:
        load_chips(kept, second.chips)
        pulse(second, -2)
        assert np.array_equal(second.cells.conductance, whole.cells.conductance)
        assert second.pulses_applied == whole.pulses_applied


def test_another_chip_or_no_state_at_all_is_refused(emulated, bench_file, tmp_path):
    kept = tmp_path / "chips.npz"
    save_chips(kept, emulated.chips)
    bench_file.write_text(bench_file.read_text().replace("1A01..1A04", "1A01..1A03"))
    bench_file.write_text(bench_file.read_text().replace("[4, 6]", "[3, 6]"))
    with EmulatedBench(load_bench(bench_file), any_port=True) as other:
        with pytest.raises(ConfigError, match="no state of a chip 'array' of 18 cells"):
            load_chips(kept, other.chips)
        for damaged in (b"", b"nonsense", kept.read_bytes()[:100]):
            kept.write_bytes(damaged)
            with pytest.raises(ConfigError, match="not a state of chips"):
                load_chips(kept, other.chips)
