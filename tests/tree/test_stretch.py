"""C with interrupts off is as few steps as others can tell apart (core.tree.stretch), and what that rests on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arch_plugins.from_c import _x86 as x86
from arch_plugins.x86 import X86
from core.cli.tree import row_of
from core.conformance import SCENARIOS
from core.conformance.outside import described
from core.explore.learn import Automaton, LocalState
from core.explore.model import Model
from core.explore.ordered import tables_of
from core.machine.early_ack import handler_cell
from core.machine.ipi import csd_cell, irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.variable import read_once, write_once
from core.mm.era import ERAS
from core.mm.mm import CPUMASK
from core.plugins.arch import set_up
from core.table.jobs import VerdictJob
from core.tree.automaton import AutomatonRow, CAutomaton
from core.tree.claims import broken, nothing_exempt, wrong
from core.tree.errors import TreeError
from core.tree.shipped import Shipped
from core.tree.stretch import Halfway, Handler, IrqsOffRun, Reach, looks_again
from core.tree.vocabulary import Rule, Vocabulary, Word
from tests.tree.last_look import LastLook


def model_of(scenario: str) -> Model:
    """Of the plugin in Python, whose operations for other CPUs are the same."""
    return SCENARIOS[scenario].build(set_up("test", X86(), "test"), ERAS["6.12"])


def switching() -> list[str]:
    """The scenarios in which mm_cpumask is a cell."""
    arch = set_up("test", X86(), "test")
    return [name for name, one in SCENARIOS.items() if not one.lacking(arch) and CPUMASK in model_of(name).initial]


TAKE_TURNS = ("borrower-flushes", "reclaim-elsewhere")
"""Where the process has the CPU of kswapd as well, before it says `turn 1` and from its own `turn 2` on."""


def others_turn(learned: Automaton) -> frozenset[int]:
    """The states of the process of TAKE_TURNS in which kswapd has no turn."""
    if learned.thread.name != "process":
        return frozenset()
    todo = [to for state in learned.states if said(state, "schedule: turn 1") for to in state.next.values()]
    within = set()
    while todo:
        state = todo.pop()
        if state.number not in within:
            within.add(state.number)
            todo += [] if said(state, "turn 2") else state.next.values()
    return frozenset(state.number for state in learned.states) - within


def said(state: LocalState, name: str) -> bool:
    return state.op is not None and state.op.name == name


HERE, SENDER = Cpu(1), Tid(1)
OWN, LOADED, GEN, TLB, FOREIGN = Cell("own"), Cell("loaded"), Cell("gen"), Cell("tlb"), Cell("foreign")
REACH = Reach(HERE, private=(OWN,), shown=(LOADED,), others=(GEN,), cached=(TLB,))
HANDLER = replace(REACH, stored=(LOADED,))


CELLS = {"own": OWN, "loaded": LOADED, "gen": GEN, "foreign": FOREIGN, "irqs": irqs_off_cell(HERE)}


async def look(of: LastLook, word: Word) -> int:
    of.found = await read_once(CELLS[word.place])
    return 0


async def store(of: LastLook, word: Word) -> int:
    await write_once(CELLS[word.place], of.found)
    return 0


async def drop(of: LastLook, word: Word) -> int:
    await write_once(TLB, None)
    return 0


async def irqs(of: LastLook, word: Word) -> int:
    await write_once(CELLS["irqs"], word.kind == "irq_off")
    return 0


VOCABULARY = Vocabulary(
    (Rule("read", "*", look), Rule("write", "*", store), Rule("drop", "", drop), Rule("irq_o*", "", irqs))
)


def automaton(*words: str) -> CAutomaton:
    """A thread that asks for these words in their order: 'read gen'."""
    rows = [AutomatonRow(Word(*f"{word} ".split(" ")[:2]), "mm/c.c:1", {0: at + 1}) for at, word in enumerate(words)]
    return CAutomaton((*rows, AutomatonRow(None, "", {})))


def run(reach: Reach, *words: str) -> tuple[int, dict[Cell, Any]]:
    """How many of the words are in the stretch, and what memory then holds."""
    values = {OWN: 0, LOADED: 2, GEN: 7, TLB: "entry", irqs_off_cell(HERE): False}
    stretch = IrqsOffRun(automaton(*words), VOCABULARY, reach, 0, LastLook(), values)
    return stretch.run().at, stretch.values


def test_what_others_cannot_tell_apart_is_one_step() -> None:
    at, values = run(REACH, "irq_off", "read loaded", "read gen", "drop", "write own", "irq_on", "read gen")
    assert at == 6
    assert values == {OWN: 7, LOADED: 2, GEN: 7, TLB: None, irqs_off_cell(HERE): False}


@pytest.mark.parametrize(
    ("words", "in_it"),
    [
        (("irq_off", "read gen", "read gen"), 2),
        (("irq_off", "drop", "read gen"), 2),
        (("irq_off", "read own", "write loaded"), 2),
        (("irq_off", "read gen", "read foreign"), 2),
        (("irq_off", "drop", "read loaded", "drop", "write own"), 5),
    ],
    ids=str,
)
def test_what_others_can_tell_apart_ends_it(words: tuple[str, ...], in_it: int) -> None:
    assert run(REACH, *words)[0] == in_it


def test_what_is_not_in_it_has_changed_nothing() -> None:
    _, values = run(REACH, "irq_off", "read gen", "write loaded")
    assert values[LOADED] == 2
    assert values[irqs_off_cell(HERE)] is True


def handler(*words: str) -> Handler:
    made = automaton(*words)
    again = looks_again(
        made,
        {"gen": frozenset({"read"})},
        frozenset({"drop"}),
        lambda word: word.place if word == Word("write", "loaded") else "",
    )
    return Handler(
        "serve", csd_cell(SENDER, HERE), "of", HANDLER, VOCABULARY, lambda request: (made, LastLook()), again
    )


def serve(op: Op, memory: dict[Cell, Any]) -> dict[Cell, Any] | None:
    """Memory after a step of the handler, None if it is blocked."""
    outcomes = op.step(*(memory.get(cell) for cell in op.reads))
    return memory | dict(zip(op.writes, outcomes[0].written, strict=True)) if outcomes else None


START = {csd_cell(SENDER, HERE): "request", irqs_off_cell(HERE): False, OWN: 0, LOADED: 2, GEN: 7, TLB: "entry"}


def test_a_handler_that_looks_once_is_one_step_which_stores_what_others_read() -> None:
    of = handler("read own", "write loaded", "drop")
    assert not of.several
    after = serve(of.op(), START)
    assert after == START | {csd_cell(SENDER, HERE): None, LOADED: 0, TLB: None}
    assert serve(of.op(), after) is None


def test_a_handler_that_looks_twice_is_two_steps_with_interrupts_off() -> None:
    of = handler("read gen", "drop", "read gen", "write own")
    assert of.several
    between = serve(of.op(), START)
    assert between is not None
    assert between[handler_cell(HERE)] == Halfway("of", 2, 7)
    assert (between[csd_cell(SENDER, HERE)], between[irqs_off_cell(HERE)], between[TLB]) == ("request", True, None)
    after = serve(of.op(), between | {GEN: 8})
    assert after == START | {csd_cell(SENDER, HERE): None, handler_cell(HERE): None, OWN: 8, GEN: 8, TLB: None}
    other = replace(of, of="another").op()
    assert serve(other, between) is None


def steps(of: Handler) -> list[Any]:
    """What `loaded` and the translation are behind each of its steps."""
    memory, seen = START | {handler_cell(HERE): None}, []
    while (after := serve(of.op(), memory)) is not None:
        memory = after
        seen.append((memory[LOADED], memory[TLB]))
    return seen


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("read own", "write loaded", "read gen", "write loaded"), [(0, "entry"), (0, "entry"), (7, "entry")]),
        (("read own", "write loaded", "read gen", "drop"), [(0, "entry"), (0, None)]),
        (("read gen", "drop", "write loaded", "write own"), [(2, None), (7, None)]),
        (("read own", "write loaded", "drop", "write loaded"), [(0, "entry"), (0, None), (0, None)]),
    ],
    ids=str,
)
def test_a_handler_whose_stores_others_may_see_passing_takes_a_step_for_each(
    words: tuple[str, ...], seen: list[Any]
) -> None:
    of = handler(*words)
    assert of.several
    assert steps(of) == seen


@pytest.mark.parametrize(
    ("word", "place"),
    [
        (Word("write", "is_lazy[cpu0]", 1), "is_lazy[cpu0]"),
        (Word("WRITE_ONCE", "tlbstate.loaded_mm[cpu0]", x86.OTHER_MM), "tlbstate.loaded_mm[cpu0]"),
        (Word("clear_bit", "mm_cpumask"), "mm_cpumask"),
        (Word("write", "tlbstate.loaded_mm[cpu0]", x86.SWITCHING), ""),
        (Word("write", "ctxs[1].tlb_gen[cpu0]", 2), ""),
        (Word("read", "is_lazy[cpu0]"), ""),
    ],
    ids=str,
)
def test_which_stores_of_x86_others_read(word: Word, place: str) -> None:
    rule = x86.VOCABULARY.rule(word)
    assert rule is not None
    assert rule.do is not None
    assert x86.stored(word) == place


def test_interrupts_that_are_off_hold_a_handler_up() -> None:
    for words in (("read gen",), ("read gen", "read gen")):
        assert serve(handler(*words).op(), START | {irqs_off_cell(HERE): True}) is None


def test_a_handler_that_does_what_no_step_has_is_an_error() -> None:
    with pytest.raises(TreeError, match=r"mm/c\.c:1: read foreign: the model has this function as one step"):
        serve(handler("read foreign").op(), START)
    with pytest.raises(TreeError, match=r"mm/c\.c:1: read foreign: the model has no handler that does that"):
        serve(handler("read foreign", "read gen", "read gen").op(), START)


# ---- the claims about the cells of x86 ---------------------------------------------------------------------------


def claims_broken(scenario: str) -> list[str]:
    exempt = others_turn if scenario in TAKE_TURNS else nothing_exempt
    return list(broken(model_of(scenario), x86.claimed, exempt))


def test_a_claim_that_does_not_hold_is_noticed() -> None:
    op = Op("spies", REACH.reads, (LOADED,), lambda *words: [Outcome(words[-1], (1,))])
    assert list(wrong(op, REACH, [dict.fromkeys(REACH.reads, 1)])) == [
        "spies touches what is private",
        "spies changes words of another CPU",
        "spies goes by translations of another CPU",
    ]


@pytest.mark.parametrize("scenario", switching())
def test_what_a_stretch_takes_for_its_own_nobody_else_touches(scenario: str) -> None:
    assert not claims_broken(scenario)


def test_two_scenarios_are_asked_but_where_the_process_has_the_other_cpu() -> None:
    for scenario in TAKE_TURNS:
        (learned,) = (one for one in tables_of(model_of(scenario)).automata if one.thread.name == "process")
        asked = {state.op.name for state in learned.states if state.op and state.number not in others_turn(learned)}
        assert {"load(1)", "turn 2"} <= asked
        assert len(others_turn(learned)) < len(learned.states)
        assert list(broken(model_of(scenario), x86.claimed))


OUTSIDE = """
from core.conformance.scenario import Scenario
from core.conformance.scenarios.task_migration import on
from core.conformance.world import World
from core.machine.op import Cpu, Outcome, Op
from core.machine.pte import Pte
from core.machine.tlb import tlb_cell
from core.mm.kthread import on_mm_cell


async def spies(mm):
    if SPIES:
        await Op("forgets for another", (), (tlb_cell(Cpu(1), 0),), lambda: [Outcome(None, (None,))])
    else:
        await Op("looks", (on_mm_cell(Cpu(1)),), (), lambda there: [Outcome(None)])


async def flushes(mm):
    await mm.hook.flush_tlb_mm(mm=mm)


def build(arch, era):
    world = World(arch, era, {0: Pte(0)}, more=on(2))
    world.task("one", spies)
    world.task("two", flushes)
    made = world.model("spied")
    world.attach(Cpu(0), Cpu(1))
    return made


SPIED = Scenario("spied", "t", "o", build)
"""


@pytest.mark.parametrize("spies", [False, True])
def test_a_scenario_from_outside_is_asked_what_stretches_rest_on(spies: bool, tmp_path: Path) -> None:
    file = tmp_path / "spied.py"
    file.write_text(OUTSIDE.replace("SPIES", str(spies)))
    found = VerdictJob(row_of("x86", Shipped("6.12.117"), ""), described(f"{file}:SPIED")).run()
    said = (
        "one: forgets for another changes words of another CPU, which C with interrupts off takes for its own "
        "(core/tree/stretch.py)"
    )
    assert (found.verdict, said in found.reason) == ("error" if spies else "pass", spies), found.reason
