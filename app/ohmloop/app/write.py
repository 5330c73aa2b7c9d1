"""``ohmloop write``: bring a chip's cells to given conductances or weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError, Characteristics, Crossbar, load_bench, open_crossbar

from .console import Screen
from .signals import orderly_interrupts

if TYPE_CHECKING:
    import xarray as xr

    from ohmloop.calibration.writing import Request, Written
    from ohmloop.calibration.writing.request import Beyond


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for.

    Attributes:
        map: file of the map; None for the symmetric points.
        unit: of the numbers in it, or empty where the file tells it.
        tolerance: as text.
        calibration: chip file; the bench file's own if None.
        beyond: ``refuse`` or ``nearest``.
        w_max: largest weight that is to be kept; the largest one in the map if None.
        pulses: most pulses a cell.
        rounds: most rounds.
        output: file of what came out; beside the map if None.
    """

    map: Path | None
    unit: str
    tolerance: str
    calibration: Path | None
    beyond: Beyond
    w_max: float | None
    pulses: int
    rounds: int
    output: Path | None


def write(name: str, wish: Wish, screen: Screen, record: Path | None = None) -> dict[str, Any]:
    """Write a map and report what could not be reached; what is wrong is said before.

    Raises:
        BadInputError: the map, its unit, the tolerance or the budget; nothing was sent to the chip.
        InstrumentError: the bench failed; what was reached is kept.
    """
    from ohmloop.calibration.writing import Budget, write_verify

    budget = Budget(pulses=wish.pulses, rounds=wish.rounds)
    output = _output(wish)
    chip_file, shape = _subject(name, wish.calibration)
    asked = None
    if chip_file is not None or shape is not None:  # a twin of nobody tells when it is opened
        asked = _asked(wish, _known(chip_file), name)
        _check_shape(asked, shape)
    with orderly_interrupts():
        given = str(wish.calibration) if wish.calibration else None
        with open_crossbar(name, calibration=given, record=record) as chip:
            if asked is None:
                asked = _asked(wish, chip.characteristics, name)
            _check_shape(asked, chip.shape)
            with screen.progress("writing") as progress:
                written = write_verify(
                    chip,
                    asked.target,
                    asked.tolerance,
                    usable=asked.usable,
                    reachable=asked.reachable,
                    response=_response(chip_file),
                    budget=budget,
                    tell=progress,
                    keep=lambda part: _save(part, chip, output),
                )
        _save(written, chip, output)
    return _say(written, output, screen)


def _asked(wish: Wish, known: Characteristics | None, name: str) -> Request:
    from ohmloop.calibration.writing import WEIGHT, request, tolerance_map

    if wish.map is None:
        if known is None:
            raise BadInputError(
                "--symmetric-point: the symmetric points are not known; calibrate first, and give"
                " --calibration CHIP.nc"
            )
        target, per_weight = known.symmetric_point, 0.0
    else:
        values, unit, factor = _load(wish)
        target, per_weight = values * factor, 0.0
        if unit == WEIGHT:
            target, per_weight = _weights(values, wish.w_max, known, name)
    tolerance = tolerance_map(wish.tolerance, target.shape, _fitting(known, target), per_weight)
    return request(target, tolerance, known, wish.beyond)


def _fitting(known: Characteristics | None, target: Any) -> Characteristics | None:
    """What is known, unless it is of another shape, which is said in its own words."""
    if known is not None and known.shape != target.shape:
        raise BadInputError(
            f"the map is {' x '.join(map(str, target.shape))}, the calibration is of"
            f" {' x '.join(map(str, known.shape))} cells"
        )
    return known


def _load(wish: Wish) -> tuple[Any, str, float]:
    """The map's numbers, their unit, and what one of it is in siemens."""
    from ohmloop.calibration.writing import UNITS, load_target

    assert wish.map is not None
    values, own = load_target(wish.map)
    unit = wish.unit or own
    if unit not in UNITS:
        problem = f"unit {unit!r} is not known" if unit else "the file does not tell its unit"
        raise BadInputError(f"{wish.map}: {problem}; give --unit, one of {', '.join(UNITS)}")
    if own is not None and unit != own:
        raise BadInputError(f"{wish.map}: its numbers are in {own!r}, --unit says {unit!r}")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        bad = int((~np.isfinite(values)).sum())
        raise BadInputError(
            f"{wish.map}: {bad} values are not finite numbers, the first at row {row}, column"
            f" {column}"
        )
    return values, unit, UNITS[unit]


def _weights(
    values: Any, w_max: float | None, known: Characteristics | None, name: str
) -> tuple[Any, float]:
    """Conductances of weights, by the mapping that training uses, and of one unit of weight."""
    if known is None:
        raise BadInputError("weights need a calibration of the cells: give --calibration CHIP.nc")
    from ohmloop.training.tiles.mapping import Mapping

    known = _fitting(known, values) or known
    mapping = Mapping.from_characteristics(known, w_max or float(np.abs(values).max()) or 1.0, name)
    target = mapping.reference + values * mapping.siemens_per_weight
    return target, mapping.siemens_per_weight


def _check_shape(asked: Request, shape: tuple[int, int] | None) -> None:
    if shape is not None and asked.target.shape != shape:
        sizes = (" x ".join(map(str, s)) for s in (asked.target.shape, shape))
        raise BadInputError("the map is {}, the crossbar is {} cells".format(*sizes))


def _subject(name: str, given: Path | None) -> tuple[Path | None, tuple[int, int] | None]:
    """The calibration that goes with a crossbar, and the shape of one on a bench."""
    file, _, crossbar = name.partition("#")
    path = Path(file)
    if path.suffix not in (".yaml", ".yml"):
        return given or (path if path.suffix == ".nc" else None), None
    bench = load_bench(file)
    config = bench.config.crossbars[bench.crossbar_name(crossbar)]
    configured = bench.path.parent / config.calibration if config.calibration else None
    rows, columns = config.shape
    return given or configured, (rows, columns)


def _data(path: Path) -> xr.Dataset:
    from ohmloop.sim_backend.chip_file import load_chip

    return load_chip(path)


def _known(path: Path | None) -> Characteristics | None:
    if path is None:
        return None
    from ohmloop.sim_backend.chip_file import characteristics_of

    return characteristics_of(_data(path))


def _response(path: Path | None) -> Any:
    """The response functions of a calibration, flat and in double precision."""
    if path is None:
        return None
    from ohmloop.sim_backend.chip_file import population_of

    population = population_of(_data(path))
    values = (v.astype(np.float64) for v in population.flat_parameters())
    return type(population.response)(*values)


def _output(wish: Wish) -> Path:
    if wish.output is not None:
        output = wish.output
    elif wish.map is not None:
        output = wish.map.with_suffix(".written.nc")
    else:
        output = Path("symmetric-point.written.nc")
    if not output.parent.is_dir():
        raise BadInputError(f"{output}: there is no folder {output.parent}")
    if output.suffix != ".nc" or output.is_dir():
        raise BadInputError(f"{output}: what was written is kept in something.nc")
    return output


def _save(written: Written, chip: Crossbar, output: Path) -> None:
    """The result and its figure, each whole or not at all."""
    from ohmloop.calibration.writing import figure
    from ohmloop.sim_backend import save_chip

    save_chip(written.dataset().assign_attrs(crossbar=chip.name), output)
    figure(written).savefig(output.with_suffix(".png"), dpi=150)


def _say(written: Written, output: Path, screen: Screen) -> dict[str, Any]:
    counts = written.counts
    screen.table(
        "written",
        ("cells", "what became of them"),
        [(str(n), outcome.meaning) for outcome, n in counts.items()],
    )
    for note in written.notes:
        screen.say(note)
    screen.say(f"{written.summary}\nresult: {output}\nfigure: {output.with_suffix('.png')}")
    usable = written.usable
    return {
        "hit_rate": written.hit_rate,
        "outcomes": {outcome.name.lower(): n for outcome, n in counts.items()},
        "rounds": written.rounds,
        "pulses": int(written.pulses.sum()),
        "pulses_per_cell": float(written.pulses[usable].mean()) if usable.any() else 0.0,
        "read_noise_S": written.read_noise,
        "notes": list(written.notes),
        "file": str(output),
        "figure": str(output.with_suffix(".png")),
    }
