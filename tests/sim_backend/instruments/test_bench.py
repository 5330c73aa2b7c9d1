from __future__ import annotations

import pytest

from ohmloop.drivers import ConfigError, load_bench
from ohmloop.sim_backend.instruments import EmulatedBench


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("127.0.0.1::5025", "192.168.0.9::5025", "loopback addresses only"),
        ("TCPIP0::127.0.0.1::5025::SOCKET", "GPIB0::26::INSTR", "cannot be emulated"),
        ("emulation: {seed: 5}", "emulation: {sed: 5}", "emulation.sed: unknown key"),
        (
            "emulation: {seed: 5}",
            "emulation: {chip: {g_max: 60}}",
            "emulation.chip.g_max: 60 has no unit",
        ),
    ],
)
def test_what_cannot_be_emulated_is_refused_by_key(bench_file, old, new, message):
    bench_file.write_text(bench_file.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        EmulatedBench(load_bench(bench_file), any_port=True)


def test_a_port_in_use_is_a_clear_error(emulated):
    with pytest.raises(ConfigError, match=r"instruments.smu.resource: port \d+ cannot be served"):
        EmulatedBench(emulated.bench)


def test_the_same_seed_makes_the_same_chip(bench_file):
    benches = [EmulatedBench(load_bench(bench_file), any_port=True) for _ in range(2)]
    one, two = (bench.cells.conductance for bench in benches)
    assert (one == two).all()
    for bench in benches:
        bench.close()
