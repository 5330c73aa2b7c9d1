from __future__ import annotations

import json

import pytest


def test_check_identifies_everything_and_pulses_nothing(ohmloop, live_bench_file, emulated):
    result = ohmloop("check", live_bench_file, "--json")
    assert result.status == 0
    found = json.loads(result.out)
    assert "2636B" in found["instruments"]["smu"]
    assert found["crossbar"]["rows"] == 4
    assert 0 < found["crossbar"]["read_noise"] < 0.05
    assert emulated.pulses_applied == 0
    assert not emulated.outputs_on


def test_check_for_a_person(ohmloop, live_bench_file):
    result = ohmloop("check", live_bench_file)
    assert result.status == 0
    assert "every cell was read, outputs are off" in result.out


# What is replaced, by what, and the message that follows the file's name.
BAD = [
    ("amplitude: 1.5 V", "amplitude: 1.5", "pulses.up.amplitude: 1.5 has no unit"),
    ("amplitude: 1.5 V", "amplitude: 3 A", "pulses.up.amplitude: '3 A' is not a voltage"),
    ("name: small bench", "nme: small bench", "nme: unknown key"),
    ("channel: a", "chanel: a", "instruments.smu.options.chanel: unknown key"),
    ("shape: [4, 6]", "shape: [5, 6]", "crossbars.array.wiring.rows: wires 4 rows"),
    ("voltage: 2 V", "voltage: 1 V", "pulses: the up pulse of 1.5 V is beyond limits.voltage, 1 V"),
    ("read_voltage: 300 mV", "read_voltage: 50 mV", "read.voltage: a read at 100 mV"),
    ("driver: keithley-2600b", "driver: keithley-9", "instruments.smu.driver: no 'keithley-9'"),
    ("1A01..1A04", "1A01..1J04", "crossbars.array.wiring.rows: '1J04' is not a crosspoint"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[new for _, new, _ in BAD])
def test_bad_input_is_one_line_with_file_and_key_and_sends_nothing(
    ohmloop, live_bench_file, emulated, old, new, message
):
    text = live_bench_file.read_text()
    assert old in text
    live_bench_file.write_text(text.replace(old, new, 1))
    result = ohmloop("check", live_bench_file)
    assert result.status == 2
    assert result.err.startswith(f"error: {live_bench_file}: {message}")
    assert result.err.count("\n") == 1
    assert result.out == ""
    assert all(server.bytes_received == 0 for server in emulated.servers.values())


def test_nobody_answers(ohmloop, bench_file):
    bench_file.write_text(bench_file.read_text().replace("::5025::", "::9::"))
    result = ohmloop("check", bench_file, "--json")
    assert result.status == 2
    assert result.err.startswith("error: smu (TCPIP0::127.0.0.1::9::SOCKET): nobody answers")
    assert result.err.count("\n") == 1


def test_another_model_answers(ohmloop, live_bench_file, emulated):
    text = live_bench_file.read_text()
    smu, matrix = (emulated.servers[name].port for name in ("smu", "matrix"))
    live_bench_file.write_text(text.replace(str(smu), str(matrix)))
    result = ohmloop("check", live_bench_file, "--json")
    assert result.status == 2
    assert "smu" in result.err
    assert "707B" in result.err
    assert result.err.count("\n") == 1
    assert emulated.pulses_applied == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "Missing argument"),
        (["chek", "x"], "No such command 'chek'"),
        (["check", "x.yaml", "--fast"], "No such option"),
        (["check", "missing.yaml"], "missing.yaml: no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(ohmloop, arguments, message):
    result = ohmloop(*arguments)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["demo", "check", "emulate", "calibrate", "train", "report"])
def test_every_command_has_help_with_an_example(ohmloop, command):
    result = ohmloop(command, "--help")
    assert result.status == 0
    assert f"ohmloop {command}" in " ".join(result.out.split())
    assert "Example" in result.out
