from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration import MeasurementStore, Recipe, load_recipe, measure
from ohmloop.calibration.measuring import check_budget, costs, packaged_recipes
from ohmloop.calibration.routines.pulse_response import PulseResponse
from ohmloop.drivers import BadInputError, ConfigError, Limits, WearLedger
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

SHAPE = (3, 4)


def chip(limits: Limits | None = None) -> TwinCrossbar:
    return TwinCrossbar(
        sample(PopulationSpec(), SHAPE, np.random.default_rng(1)), seed=0, limits=limits
    )


def recipe(text: str, tmp_path) -> Recipe:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_recipe(str(path))


@pytest.mark.parametrize("name", packaged_recipes())
def test_ours_can_be_read_and_written_and_read_again(name, tmp_path):
    ours = load_recipe(name)
    again = recipe(ours.text(), tmp_path)
    assert [e.routine for e in again.entries] == [e.routine for e in ours.entries]
    assert ours.description


def test_packaged_ones_in_order():
    assert packaged_recipes() == ["quick", "standard", "thorough"]
    sizes = [
        sum(c.actions for c in costs(load_recipe(n), chip()).values()) for n in packaged_recipes()
    ]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("routines: []", "routines: is empty"),
        ("routines: [nonsense]", "routines.0: no routine 'nonsense'; known are continuity"),
        ("routines: [{pulse_response: {cycels: 2}}]", r"routines\.0\.pulse_response\.cycels: unkn"),
        ("routines: [{pulse_response: {cycles: two}}]", r"routines\.0\.pulse_response\.cycles: "),
        ("routines: [{pulse_response: {pulses_per_read: 20}}]", "three readings a train"),
        ("routines: [continuity, continuity]", r"routines\.1\.continuity: is given twice"),
        ("routines: [{continuity: {}, held_out: {}}]", "routines.0: must be the name"),
        ("routine: [continuity]", "routine: unknown key"),
        ("routines: [{symmetric_point: {reads: 10}}]", "multiples of 8"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(text, message, tmp_path):
    with pytest.raises(ConfigError, match=r"mine\.yaml: .*" + message):
        recipe(text, tmp_path)


def test_no_such_recipe():
    with pytest.raises(ConfigError, match="known are quick, standard, thorough"):
        load_recipe("slow")
    with pytest.raises(ConfigError, match="no such file"):
        load_recipe("slow.yaml")


def test_some_routines_alone():
    some = load_recipe("thorough").only(["held_out", "continuity"])
    assert some.names == ["held_out", "continuity"]
    assert some.entries[0].routine == load_recipe("thorough").entries[3].routine
    with pytest.raises(BadInputError, match="no routine 'else'"):
        some.only(["else"])


def test_too_many_pulses_are_refused_before_anything_is_sent(tmp_path):
    asked = recipe("routines: [{pulse_response: {pulses_per_read: 8}}]", tmp_path)
    sent = chip(Limits(pulses_per_program=7))
    store = MeasurementStore()
    with pytest.raises(
        ConfigError, match=r"mine\.yaml: routines\.0\.pulse_response\.pulses_per_read: 8 pulses"
    ):
        measure(asked, sent, store)
    assert sent.pulses_sent == 0
    assert not store.steps()


def test_a_cells_life_is_not_overdrawn():
    sent = chip(Limits(pulses_per_cell=700))
    asked = load_recipe("standard")
    life = sum(cost.life for cost in costs(asked, sent).values())
    assert 700 < life < 800
    with pytest.raises(ConfigError, match=r"routines\.3\.held_out: would give a cell up to 90"):
        check_budget(asked, sent)
    check_budget(asked.only(["pulse_response"]), sent)


@pytest.mark.parametrize("name", ["continuity", "pulse_response", "symmetric_point", "held_out"])
def test_cost_is_what_is_measured(name):
    sent, store = chip(), MeasurementStore()
    entry = load_recipe("standard").only([name])
    cost = costs(entry, sent)[name]
    measure(entry, sent, store)
    steps = store.steps()
    programs = [s for s in steps if s.program is not None]
    assert len(programs) == cost.programs
    assert len(steps) - len(programs) == cost.maps
    cells = SHAPE[0] * SHAPE[1]
    assert sum(s.result.size for s in steps if s.program is None) / cells == cost.reads
    assert sent.pulses_sent / cells == pytest.approx(cost.pulses, rel=0.1)
    assert sent.wear.max() <= cost.life
    most = max((int(s.program.per_cell.max()) for s in programs), default=0)
    assert most == cost.most_per_program


def test_cells_of_some_lines_alone():
    sent, store = chip(), MeasurementStore()
    routine = PulseResponse(rows=(0, 2), columns=(1,), cycles=1)
    measure(Recipe.of(routine), sent, store)
    assert (sent.wear > 0).sum() == 2
    with pytest.raises(BadInputError, match="rows: the crossbar has 3"):
        measure(Recipe.of(PulseResponse(rows=(3,))), sent, MeasurementStore())


def test_progress_ends_at_the_total():
    told = []
    measure(
        load_recipe("quick"), chip(), MeasurementStore(), progress=lambda *args: told.append(args)
    )
    assert [t[0] for t in told] == list(range(1, len(told) + 1))
    assert {t[1] for t in told} == {len(told)}
    assert all(" left" in t[2] for t in told)


def test_wear_is_a_copy():
    one = chip()
    one.wear[:] = 9
    assert not one.wear.any()
    assert WearLedger(SHAPE).pulses.shape == SHAPE
