"""Traces and models as data: what is recorded is what the explorer explores, and a trace can be walked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from core.conformance import SCENARIOS, recorded
from core.explore import check
from core.explore.cursor import Choice
from core.explore.rewalk import rewalk
from core.explore.transition_tables import TransitionTables
from core.table.rows import load
from tests.conformance.engine import Engine

ROWS = {row.name: row for row in load(None, ["smp-6.1", "smp-6.2-fix", "up", "s390"])}


class Seen:
    """What a check has shown to its observer."""

    def __init__(self) -> None:
        self.tables: Any = None
        self.path: Sequence[Choice] = ()
        self.violated = ""

    def __call__(self, tables: TransitionTables, path: Sequence[Choice], violated: str) -> None:
        self.tables, self.path, self.violated = tables, path, violated


def searched(row: str, scenario: str) -> tuple[Seen, Any, Any]:
    seen, arch = Seen(), ROWS[row].arch()
    model = SCENARIOS[scenario].build(arch, ROWS[row].era)
    verdict = check(model, observe=seen)
    return seen, verdict, model


FAILING = (("smp-6.1", "lost-dirty-dontneed"), ("up", "lost-dirty-munmap"), ("up", "mapped-twice"))


@pytest.mark.parametrize(("row", "scenario"), FAILING)
def test_a_trace_says_the_same_as_the_verdict(row: str, scenario: str) -> None:
    seen, verdict, model = searched(row, scenario)
    data = json.loads(json.dumps(recorded.trace(seen.tables, seen.path, seen.violated)))
    assert [step["step"] for step in data["steps"]] == [step.step for step in verdict.trace]
    assert data["violated"]["sentence"] == verdict.sentence
    state = [0] * len(data["cells"])
    for step, line in zip(data["steps"], verdict.trace, strict=True):
        changes = {
            (cell["shown"], cell["values"][old]["shown"], cell["values"][new]["shown"])
            for cell, old, new in zip(data["cells"], state, step["state"], strict=True)
            if old != new
        }
        assert changes == set(line.changes)
        state = step["state"]
    assert rewalk(model, data) == ""


def test_a_trace_names_kernel_functions_and_what_the_gather_holds() -> None:
    seen, _, _ = searched("smp-6.1", "lost-dirty-dontneed")
    steps = recorded.trace(seen.tables, seen.path, seen.violated)["steps"]
    clear = next(step for step in steps if step["step"] == "ptep_get_and_clear(0)")
    assert clear["functions"][-4:] == [
        "zap_upper_range",
        "unmap_page_range",
        "zap_page_range_single",
        "madvise_dontneed",
    ]
    rmap = next(step for step in steps if step["step"] == "page_remove_rmap(page0)")
    assert rmap["gather"]["range"] == "[0, 1)"
    assert rmap["gather"]["cleared"] == ("ptes",)


def test_a_trace_that_no_longer_happens_says_at_which_step_it_ends() -> None:
    seen, _, _ = searched("smp-6.1", "lost-dirty-dontneed")
    data = recorded.trace(seen.tables, seen.path, seen.violated)
    _, _, fixed = searched("smp-6.2-fix", "lost-dirty-dontneed")
    assert rewalk(fixed, data).startswith("step 25: unmap does 'send IPI")
    data["steps"][3]["state"] = [0] * len(data["cells"])
    assert "the trace has" in rewalk(searched("smp-6.1", "lost-dirty-dontneed")[2], data)


MODELS = (
    *FAILING,
    ("smp-6.2-fix", "lost-dirty-dontneed"),
    ("smp-6.2-fix", "use-after-free"),
    ("s390", "lost-dirty-munmap"),
)


@pytest.mark.parametrize(("row", "scenario"), MODELS)
def test_the_tables_have_the_states_and_steps_of_the_explorer(row: str, scenario: str) -> None:
    seen, _, model = searched(row, scenario)
    whole = check(model, reductions=(), stop_at_violation=False)
    data = json.loads(json.dumps(recorded.model(seen.tables, seen.path)))
    engine = Engine(data)
    states, edges = engine.explore()
    assert (states, edges) == (whole.states, whole.transitions) == (data["states"], data["transitions"])


@pytest.mark.parametrize(("row", "scenario"), FAILING)
def test_the_trace_leads_through_the_tables_to_the_violation(row: str, scenario: str) -> None:
    seen, _, _ = searched(row, scenario)
    engine = Engine(json.loads(json.dumps(recorded.model(seen.tables, seen.path))))
    state = engine.start
    for agent, outcome in engine.data["trace"]:
        move = engine.moves(state, agent)[outcome]
        last, state = engine.violates_by_step(move), engine.after(state, agent, move)
    assert (last or engine.violates(state)) == seen.violated


def test_a_translation_is_stale_if_it_allows_more_than_the_page_table() -> None:
    seen, _, _ = searched("smp-6.1", "lost-dirty-dontneed")
    data = recorded.trace(seen.tables, seen.path, seen.violated)
    marked = {
        (data["cells"][tlb]["values"][cached]["shown"], data["cells"][pte]["values"][entry]["shown"])
        for tlb, pte, pairs in data["stale"]
        for cached, entry in pairs
    }
    assert ("page0:rw,dirty", "-") in marked
    assert ("page0:rw,dirty", "page0:ro") in marked
    assert ("page0:ro", "page0:rw,dirty") not in marked


def test_a_model_that_is_too_large_is_not_recorded() -> None:
    seen, _, _ = searched("smp-6.1", "lost-dirty-dontneed")
    assert recorded.model(seen.tables, seen.path, max_states=100) is None


def test_every_array_is_shown_in_a_panel() -> None:
    from core.machine.memory import INITIAL, PANELS, panel_of_array

    assert {panel_of_array(array, False) for array in INITIAL} <= set(PANELS)
    assert panel_of_array("pte", False) == "tables"
    assert panel_of_array("tlb", True) == "cpu"
    assert panel_of_array("mine.queue", False) == "mm"
