"""Every property of a model has a name of its own."""

from __future__ import annotations

import pytest

from core.conformance import SUITE, LargeRun
from core.conformance.names import told_apart
from core.conformance.properties import all_freed, dirty_known_at_end, no_lost_dirty
from core.explore.model import Model, Property
from core.machine.op import Cell
from core.table.rows import load


def asks(name: str, *cells: str) -> Property:
    return Property(name, "", tuple(Cell(cell) for cell in cells), lambda *values: True)


def names(properties: tuple[Property, ...]) -> list[str]:
    return [prop.name for prop in properties]


def test_what_must_always_hold_keeps_its_name_beside_what_must_hold_at_the_end() -> None:
    always, finally_, _ = told_apart([no_lost_dirty(0, [0])], [dirty_known_at_end(0, [0])], [])
    assert names(always) == ["no-lost-dirty"]
    assert names(finally_) == ["no-lost-dirty at the end"]


def test_several_of_a_kind_are_called_after_what_they_alone_read() -> None:
    _, freed, _ = told_apart([], [all_freed(0, 0), all_freed(1, 1), asks("balanced", "lock")], [])
    assert names(freed) == ["all-freed of ref[0]", "all-freed of ref[1]", "balanced"]


def test_those_that_read_the_same_are_numbered() -> None:
    always, _, _ = told_apart([asks("a", "x"), asks("a", "x"), asks("a", "x", "y")], [], [])
    assert names(always) == ["a", "a, 2", "a of y"]


def test_only_the_name_changes() -> None:
    one, two = no_lost_dirty(0, [0]), no_lost_dirty(1, [0])
    always, _, _ = told_apart([one, two], [], [])
    assert [(p.sentence, p.reads, p.holds) for p in always] == [(p.sentence, p.reads, p.holds) for p in (one, two)]


def test_a_model_refuses_two_properties_of_one_name() -> None:
    with pytest.raises(ValueError, match="model m: two properties are called 'a'"):
        Model("m", (), {}, always=(asks("a", "x"),), finally_=(asks("a", "y"),))


@pytest.mark.parametrize("name", ["smp-6.2-fix", "s390", "up"])
def test_every_scenario_has_a_model_so(name: str) -> None:
    row = next(row for row in load(None) if row.name == name)
    arch, shared = row.arch(), 0
    for scenario in SUITE.values():
        if not isinstance(scenario, LargeRun) and not scenario.lacking(arch):
            model = scenario.build(arch, row.era)  # raises, if two share one
            shared += any(" of " in prop.name for prop in model.finally_)
    assert shared > 5
