"""C with interrupts off is as few steps as others can tell apart (core.tree.stretch), and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from arch_plugins.from_c import _x86 as x86
from arch_plugins.x86 import X86
from core.conformance import SCENARIOS
from core.explore import Limits
from core.explore.ordered import tables_of
from core.explore.reached import Reached
from core.machine.early_ack import handler_cell
from core.machine.ipi import csd_cell, irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.task import Task
from core.machine.variable import read_once, write_once
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import set_up
from core.tree.automaton import AutomatonRow, CAutomaton
from core.tree.errors import TreeError
from core.tree.stretch import Halfway, Handler, IrqsOffRun, Reach, looks_again
from core.tree.vocabulary import Rule, Vocabulary, Word

SWITCHING = [
    "any-order",
    "batch-join",
    "borrower-flushes",
    "exec-then-flush",
    "hugetlb-walk",
    "kthread-dontneed",
    "kthread-use-mm",
    "lazy-back",
    "lazy-batch",
    "lazy-collapse",
    "lazy-exit",
    "lazy-tso",
    "lazy-twice",
    "lazy-walk",
    "reclaim-elsewhere",
    "switch-asid",
    "switch-back",
    "switch-full",
    "switch-gen",
    "switch-gen-stays",
    "switch-range",
    "switch-reclaim",
    "switch-round",
    "switch-tso",
    "switch-twice",
    "task-moves",
    "task-moves-lazily",
    "this-cpu",
    "two-mms",
]
"""Scenarios in which mm_cpumask is a cell."""

TAKE_TURNS = {"borrower-flushes": "process", "reclaim-elsewhere": "process"}
"""Where a task has the CPU of another as well, by turns (`turn()` of the scenario): never both of them at once."""

HERE, SENDER = Cpu(1), Tid(1)
OWN, LOADED, GEN, TLB, FOREIGN = Cell("own"), Cell("loaded"), Cell("gen"), Cell("tlb"), Cell("foreign")
REACH = Reach(HERE, private=(OWN,), shown=(LOADED,), others=(GEN,), cached=(TLB,))
HANDLER = replace(REACH, stored=(LOADED,))


@dataclass
class Hands:
    """What the last look has found."""

    found: int = 0
    following: Word | None = None

    def copy(self) -> Hands:
        return replace(self)

    def saved(self) -> int:
        return self.found

    def restore(self, saved: int) -> None:
        self.found = saved


CELLS = {"own": OWN, "loaded": LOADED, "gen": GEN, "foreign": FOREIGN, "irqs": irqs_off_cell(HERE)}


async def look(of: Hands, word: Word) -> int:
    of.found = await read_once(CELLS[word.place])
    return 0


async def store(of: Hands, word: Word) -> int:
    await write_once(CELLS[word.place], of.found)
    return 0


async def drop(of: Hands, word: Word) -> int:
    await write_once(TLB, None)
    return 0


async def irqs(of: Hands, word: Word) -> int:
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
    stretch = IrqsOffRun(automaton(*words), VOCABULARY, reach, 0, Hands(), values)
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
    return Handler("serve", csd_cell(SENDER, HERE), "of", HANDLER, VOCABULARY, lambda request: (made, Hands()), again)


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
    """What threads and daemons of x86 touch, change or return of other CPUs' words though a stretch rests on it."""
    arch = set_up("test", X86(), "test")
    model = SCENARIOS[scenario].build(arch, ERAS["6.12"])
    tables = tables_of(model)
    reached = Reached(tables, Limits(max_states=20_000))
    cpus = sorted({thread.cpu for thread in model.threads})
    addrs = sorted({cell.index[1] for cell in model.initial if cell.array == "tlb"})  # type: ignore[index]
    found = []
    for number, learned in enumerate(tables.automata):
        for state in learned.states:
            for cpu in cpus if learned.thread.name != TAKE_TURNS.get(scenario) else ():
                if state.op is not None and cpu != (learned.thread.cpu if state.op.cpu is None else state.op.cpu):
                    memories = reached.memories(number, state.number, state.op.reads, frozenset())
                    found += [f"{learned.thread.name}: {one}" for one in wrong(state.op, claimed(cpu, addrs), memories)]
    for daemon in model.daemons:
        for cpu in cpus:
            reach = claimed(cpu, addrs)
            if daemon.cpu != cpu:
                memories = reached.memories(None, 0, daemon.op.reads, frozenset())
                found += [f"{daemon.name}: {one}" for one in wrong(daemon.op, reach, memories)]
            elif set(daemon.op.writes) - set(reach.cached) and irqs_off_cell(cpu) not in daemon.op.reads:
                found.append(f"{daemon.name} goes on while interrupts are off")
    return found


def claimed(cpu: Cpu, addrs: Any) -> Reach:
    mm: Any = Mm(X86().arch_facts(), ERAS["6.12"], None, Task("t", Tid(9), cpu), addrs=tuple(addrs), cpus=None)  # type: ignore[arg-type]
    return x86.reach_of(mm)


def wrong(op: Op, reach: Reach, memories: Any) -> list[str]:
    said = []
    if {*op.reads, *op.writes} & {*reach.private}:
        said.append(f"{op.name} touches what is private")
    if set(op.writes) & {*reach.shown, *reach.cached}:
        said.append(f"{op.name} changes words of another CPU")
    for memory in memories if set(op.reads) & set(reach.cached) else ():
        with_it, without = (
            op.step(*(None if none and cell in reach.cached else memory[cell] for cell in op.reads))
            for none in (False, True)
        )
        if [(o.value, o.written) for o in with_it] != [(o.value, o.written) for o in without]:
            said.append(f"{op.name} goes by translations of another CPU")
        if any(o.violated for o in without) and not any(o.violated for o in with_it):
            said.append(f"{op.name} finds more where less is cached")
    return said


def test_a_claim_that_does_not_hold_is_noticed() -> None:
    op = Op("spies", REACH.reads, (LOADED,), lambda *words: [Outcome(words[-1], (1,))])
    assert wrong(op, REACH, [dict.fromkeys(REACH.reads, 1)]) == [
        "spies touches what is private",
        "spies changes words of another CPU",
        "spies goes by translations of another CPU",
    ]


@pytest.mark.parametrize("scenario", ["switch-gen"])
def test_what_a_stretch_takes_for_its_own_nobody_else_touches(scenario: str) -> None:
    assert not claims_broken(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SWITCHING)
def test_what_a_stretch_takes_for_its_own_nobody_else_touches_anywhere(scenario: str) -> None:
    assert not claims_broken(scenario)
