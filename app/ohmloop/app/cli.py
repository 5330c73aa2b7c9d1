"""The command line.

Exit status: 0 only on success; 2 for bad input (nothing was sent to a chip); 1 where something
failed on the way; 130 where somebody interrupted. An error is one line on standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ohmloop.drivers import BadInputError, OhmloopError

from .console import Screen, log_to_stderr, one_line

app = typer.Typer(
    name="ohmloop",
    help="Train neural networks on analog crossbar chips, over real instruments or a twin.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

_INTERRUPTED = 130

AsJson = Annotated[
    bool, typer.Option("--json", help="End with one JSON object on standard output.")
]
Record = Annotated[
    Path | None,
    typer.Option(
        help="New file for a transcript of all that goes over the wires.", show_default=False
    ),
]
BenchFile = Annotated[Path, typer.Argument(help="Bench file (YAML).", show_default=False)]


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for what it makes.")
    ] = Path("ohmloop-demo"),
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Seed of chip, training and pulse trains.")] = 7,
) -> None:
    """Calibrate an emulated chip over the wire, train digits on its twin and on it, compare.

    Needs no hardware and no network. Example: `ohmloop demo -o my-demo`
    """
    from .demo import demo as run

    screen = Screen(as_json)
    screen.result(run(output, screen, seed))


@app.command()
def check(
    bench: BenchFile,
    crossbar: Annotated[str, typer.Option(help="Which crossbar; all if left out.")] = "",
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration file to compare the order of lines with.")
    ] = None,
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Identify every instrument, look for open, shorted and swapped lines; pulses nothing.

    Exit status 0: fine; 1: something that makes training wrong; 2: bad input.

    Example: `ohmloop check examples/bench-tsp.yaml`
    """
    from .check import check as run

    screen = Screen(as_json)
    found = run(bench, screen, crossbar, calibration, record)
    screen.result(found)
    if not found["fine"]:
        raise typer.Exit(1)


@app.command()
def emulate(
    bench: Annotated[
        Path | None, typer.Argument(help="Bench file (YAML).", show_default=False)
    ] = None,
    any_port: Annotated[bool, typer.Option(help="Take free ports, not those in the file.")] = False,
    chips: Annotated[
        Path | None,
        typer.Option(help="File that keeps the chips' conductances while the emulator is off."),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(help="Links as slow as real ones: lan, usb, gpib, serial-115200, ..."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Transcript to play instead of a bench file.", show_default=False),
    ] = None,
    real_time: Annotated[
        bool, typer.Option(help="Replay answers as late as they were recorded.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the instruments of a bench file on loopback, a chip behind them, until Ctrl-C.

    With --replay, the instruments of a transcript: they answer what was recorded, to nobody who
    sends anything else, and the bench file to open them with is written beside the transcript.

    Examples: `ohmloop emulate examples/bench-tsp.yaml`,
    `ohmloop emulate examples/bench-tsp.yaml --link gpib --chips chips.npz`,
    `ohmloop emulate --replay session.jsonl`
    """
    from .emulate import emulate as run
    from .replay import replay as run_replay

    if (bench is None) == (replay is None):
        raise BadInputError("give a bench file, or --replay with a transcript")
    if replay is not None:
        if any_port or chips or link:
            raise BadInputError("--any-port, --chips and --link are for a bench file, not --replay")
        run_replay(replay, Screen(as_json), real_time)
    elif bench is not None:
        if real_time:
            raise BadInputError("--real-time is for --replay; a bench file has emulation.real_time")
        run(bench, Screen(as_json), any_port, chips, link)


@app.command()
def calibrate(
    bench: Annotated[
        str | None,
        typer.Argument(help="Bench file, or bench.yaml#CROSSBAR.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Calibration file to write.", show_default=False),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="quick, standard, thorough, or a recipe file; standard if left out.",
            show_default=False,
        ),
    ] = None,
    routine: Annotated[
        list[str] | None,
        typer.Option(help="Only this routine; may be given again.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a measurement that was interrupted.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw an earlier measurement away and begin anew.")
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would take; connect to nothing.")
    ] = False,
    family: Annotated[
        str, typer.Option(help="Response function to fit, by name; auto chooses by forecasts.")
    ] = "auto",
    list_all: Annotated[bool, typer.Option("--list", help="List routines and recipes.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random pulse sequences.", min=0)] = 0,
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Measure every cell by a recipe, fit it, and write calibration file and report.

    Raw data is kept beside the output as it is measured; after an interruption, the same command
    with --resume goes on, and no pulse is given twice.

    Examples: `ohmloop calibrate examples/bench-tsp.yaml -o chip.nc`,
    `ohmloop calibrate examples/bench-tsp.yaml --recipe thorough --estimate`
    """
    from .estimate import chosen_recipe, list_routines
    from .estimate import estimate as run_estimate

    screen = Screen(as_json)
    if list_all:
        screen.result(list_routines(screen))
        return
    if bench is None:
        raise BadInputError("give a bench file, or --list")
    chosen = chosen_recipe(recipe, routine or [])
    if estimate:
        screen.result(run_estimate(bench, chosen, screen))
        return
    if output is None:
        raise BadInputError("give the calibration file to write: -o chip.nc")
    from .calibrate import calibrate as run

    screen.result(run(bench, output, screen, seed, record, chosen, resume, fresh, family))


@app.command()
def write(
    bench: Annotated[str, typer.Argument(help="Bench file, or bench.yaml#CROSSBAR.")],
    weights: Annotated[
        Path | None,
        typer.Argument(help="Map to write: .npy, .npz, .csv or .nc.", show_default=False),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="Of the numbers: S, mS, uS, nS, pS or weight.", show_default=False)
    ] = "",
    tolerance: Annotated[
        str, typer.Option(help="'0.5 uS', '1 step', '2 %' of the range, '0.02 weight'.")
    ] = "1 step",
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration file; wins over the bench file's.")
    ] = None,
    symmetric_point: Annotated[
        bool, typer.Option("--symmetric-point", help="Write the symmetric points, not a map.")
    ] = False,
    beyond: Annotated[
        str, typer.Option(help="Targets beyond a cell's range: refuse, or nearest.")
    ] = "refuse",
    w_max: Annotated[
        float | None, typer.Option(help="Largest weight to be kept; the map's own if left out.")
    ] = None,
    pulses: Annotated[int, typer.Option(help="Most pulses a cell.")] = 1000,
    rounds: Annotated[int, typer.Option(help="Most rounds of pulses and reads.")] = 100,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Result; by default WEIGHTS.written.nc.")
    ] = None,
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Bring every cell to a given conductance or weight: pulse, read, and again (write-verify).

    Exit status 0: all cells within the tolerance; 1: some are not; 2: bad input.

    Examples: `ohmloop write bench.yaml weights.npy --unit uS --tolerance "0.5 uS"`,
    `ohmloop write bench.yaml w.csv --unit weight --calibration chip.nc`,
    `ohmloop write bench.yaml#reference --symmetric-point --calibration chip.nc`
    """
    from .write import Wish
    from .write import write as run

    if (weights is None) != symmetric_point:
        raise BadInputError("give a map to write, or --symmetric-point")
    if beyond not in ("refuse", "nearest"):
        raise BadInputError(f"--beyond is refuse or nearest, not {beyond!r}")
    policy: Literal["refuse", "nearest"] = "nearest" if beyond == "nearest" else "refuse"
    wish = Wish(weights, unit, tolerance, calibration, policy, w_max, pulses, rounds, output)
    screen = Screen(as_json)
    found = run(bench, wish, screen, record)
    screen.result(found)
    if found["hit_rate"] < 1:
        raise typer.Exit(1)


@app.command()
def validate(
    bench: Annotated[str, typer.Argument(help="Bench file, or bench.yaml#CROSSBAR.")],
    chip: Annotated[Path, typer.Argument(help="Calibration file of its chip.")],
    seed: Annotated[int, typer.Option(help="Seed of pulse sequences and predictions.")] = 0,
    repeats: Annotated[int, typer.Option(help="How often each sequence is repeated.")] = 3,
    figure: Annotated[
        Path | None, typer.Option(help="Where to draw it (.png, .svg, .pdf).", show_default=False)
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away what an interrupted one has measured.")
    ] = False,
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Predict fresh pulse sequences by the twin, measure them, and say whether it may be trusted.

    Exit status 0: good, or usable with care; 1: the twin does not describe the chip; 2: bad input.
    What was measured and found is added to the calibration file. Interrupted, the same command
    goes on.

    Example: `ohmloop validate examples/bench-tsp.yaml chip.nc`
    """
    from .validate import validate as run

    screen = Screen(as_json)
    found = run(bench, chip, screen, seed, repeats, figure, record, fresh)
    screen.result(found)
    if not found["serves"]:
        raise typer.Exit(1)


@app.command()
def fit(
    data: Annotated[
        Path,
        typer.Argument(
            help="Table (CSV, TSV, gzipped), measurement (.sqlite), or calibration file (.nc).",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Calibration file to write.")],
    family: Annotated[
        str, typer.Option(help="Response function; auto takes what forecasts best.")
    ] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(help="Foreign name of a column: 'conductance=G_meas [uS]'. Repeatable."),
    ] = None,
    read_voltage: Annotated[str | None, typer.Option(help="As '0.1 V'.")] = None,
    amplitude_up: Annotated[str | None, typer.Option(help="Of pulses, as '1.5 V'.")] = None,
    amplitude_down: Annotated[str | None, typer.Option(help="As '-1.5 V'.")] = None,
    width_up: Annotated[str | None, typer.Option(help="Of pulses, as '100 ns'.")] = None,
    width_down: Annotated[str | None, typer.Option(help="As '100 ns'.")] = None,
    full_scale: Annotated[
        str | None,
        typer.Option(help="What lowest and highest of a unitless state are: '10 uS to 100 uS'."),
    ] = None,
    polarity: Annotated[
        str | None, typer.Option(help="Sign of pulse voltages that raise: positive, negative.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a table of measured pulse responses, or a measurement anew; write file and report.

    A measurement that was interrupted is fitted as far as it went.

    Examples: `ohmloop fit data.csv -o chip.nc`,
    `ohmloop fit data.csv -o chip.nc --column "conductance=G (uS)" --width-up "100 ns"`,
    `ohmloop fit chip.measurement.sqlite -o chip.nc --family piecewise-9`
    """
    from .fit import fit as run
    from .fit import parse_columns

    options = {
        "columns": parse_columns(column or ()),
        "read_voltage": read_voltage,
        "amplitude_up": amplitude_up,
        "amplitude_down": amplitude_down,
        "width_up": width_up,
        "width_down": width_down,
        "full_scale": full_scale,
        "polarity": polarity,
    }
    screen = Screen(as_json)
    screen.result(run(data, output, screen, family, options))


@app.command()
def train(
    experiment: Annotated[
        Path | None, typer.Argument(help="Experiment file (YAML).", show_default=False)
    ] = None,
    crossbar: Annotated[
        list[str] | None,
        typer.Option(
            help="Bench file, calibration file or sim:...; wins over the file. Give it again for"
            " more crossbars, over which large layers are split."
        ),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="Calibration file of each crossbar; wins over the file."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Run folder to go on with.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("runs"),
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Train on a chip or on its twin; which one is one line of the experiment file.

    Examples: `ohmloop train examples/digits.yaml`,
    `ohmloop train examples/digits.yaml --crossbar chip.nc`, `ohmloop train --resume runs/NAME`
    """
    from .train import train as run

    screen = Screen(as_json)
    screen.result(run(experiment, screen, crossbar, calibration, resume, runs, record))


@app.command(name="symmetric-point")
def symmetric_point(
    crossbar: Annotated[
        str, typer.Argument(help="Bench file, calibration file or sim:...", show_default=False)
    ],
    error: Annotated[
        str, typer.Option(help="Share of the distance to the symmetric point that may be left.")
    ] = "1%",
    budget: Annotated[
        int | None,
        typer.Option(help="Most pulses a cell may get; what theory asks for if none."),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration file of the crossbar; wins over the bench's.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File (.nc) for what was found.")
    ] = None,
    record: Record = None,
    as_json: AsJson = False,
) -> None:
    """Bring cells to their symmetric points by alternating pulses, and say which algorithms fit.

    What the cells held is lost.

    Examples: `ohmloop symmetric-point chip.nc`,
    `ohmloop symmetric-point bench.yaml --error 2% --budget 2000 -o points.nc`
    """
    from .symmetric_point import symmetric_point as run

    screen = Screen(as_json)
    screen.result(run(crossbar, screen, error, budget, calibration, output, record))


@app.command()
def pipeline(
    experiment: Annotated[Path, typer.Argument(help="Experiment file with a section pipeline.")],
    clocks: Annotated[int, typer.Option(help="Of the chart, at most.", min=1)] = 24,
    as_json: AsJson = False,
) -> None:
    """Draw who works when, and say how stale weights get; connects to nothing.

    Example: `ohmloop pipeline examples/digits-pipeline.yaml`
    """
    from .experiments import load_experiment
    from .pipelines.preview import preview as run

    screen = Screen(as_json)
    screen.result(run(load_experiment(experiment), screen, clocks))


@app.command()
def report(
    subject: Annotated[Path, typer.Argument(help="Run folder or calibration file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="HTML file; by default beside the subject."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a self-contained HTML report of a run or of a chip.

    Examples: `ohmloop report chip.nc`, `ohmloop report runs/NAME`
    """
    from .report import report as run

    screen = Screen(as_json)
    screen.result(run(subject, output, screen))


def main() -> None:
    """Entry point of the ``ohmloop`` command."""
    log_to_stderr()
    try:
        status = app(standalone_mode=False)
        if status == _INTERRUPTED:  # typer swallows the exception
            status = _fail("interrupted", _INTERRUPTED)
    except OhmloopError as error:
        status = _fail(one_line(str(error)), error.exit_status)
    except KeyboardInterrupt:
        status = _fail("interrupted", _INTERRUPTED)
    except typer.Exit as done:
        status = done.exit_code
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        status = _fail(f"{one_line(usage())}; see ohmloop --help", 2)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    return status


if __name__ == "__main__":
    main()
