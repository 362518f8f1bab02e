"""C that holds a lock is as few steps as others can tell apart (core.tree.locked)."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from core.machine.insn import insn
from core.machine.op import Cell, Cpu, Op, barrier
from core.machine.order import Order
from core.machine.variable import read_once, write_once
from core.tree.automaton import AutomatonRow, CAutomaton
from core.tree.hybrid import walk
from core.tree.locked import HeldLock, block
from core.tree.stretch import Ran
from core.tree.vocabulary import Rule, Vocabulary, Word
from tests.tree.last_look import LastLook

HERE = Cpu(0)
OWN, STABLE, FOREIGN = Cell("own"), Cell("stable"), Cell("foreign")
HELD = HeldLock(HERE, (OWN,), (STABLE,), (), ())


@dataclass
class Hands(LastLook):
    """The lock is held."""

    held: HeldLock = HELD


async def look(of: Hands, word: Word) -> int:
    of.found = await read_once(OWN)
    return of.found


async def fence(of: Hands, word: Word) -> int:
    await insn(HERE, "DSB")
    await barrier(Order.DSB_ISHST)
    return 0


async def broadcast(of: Hands, word: Word) -> int:
    await insn(HERE, "TLBI")
    await write_once(FOREIGN, 1)
    return 0


async def both(of: Hands, word: Word) -> int:
    await read_once(STABLE)
    await write_once(FOREIGN, 1)
    return 0


VOCABULARY = Vocabulary(
    (Rule("look", "", look), Rule("fence", "", fence), Rule("broadcast", "", broadcast), Rule("both", "", both))
)


def automaton(*words: str) -> CAutomaton:
    rows = [AutomatonRow(Word(word, ""), "mm/c.c:1", {0: at + 1}) for at, word in enumerate(words)]
    return CAutomaton((*rows, AutomatonRow(None, "", {})))


def step(c: CAutomaton, at: int = 0) -> Op | None:
    return block(c, VOCABULARY, at, Hands(), HELD)


def ran(op: Op | None) -> Ran:
    assert op is not None
    (outcome,) = op.step(*(0 for _ in op.reads))
    assert isinstance(outcome.value, Ran)
    return outcome.value


def names(program: Coroutine[Op, Any, int], most: int = 20) -> list[str]:
    """The operations of a program in memory that is 0."""
    found: list[str] = []
    answer: Any = None
    while len(found) < most:
        try:
            op = program.send(answer)
        except StopIteration:
            return found
        found.append(op.name)
        (outcome,) = op.step(*(0 for _ in op.reads))
        answer = outcome.value
    raise AssertionError(f"no end: {found}")


def test_a_barrier_is_a_step_by_itself() -> None:
    assert step(automaton("fence")) is None
    assert ran(step(automaton("look", "look", "fence", "look"))).at == 2


def test_a_report_says_nothing_of_what_follows_it() -> None:
    assert step(automaton("broadcast")) is None


def test_a_row_that_is_in_no_step_as_a_whole_is_done_by_itself() -> None:
    c = automaton("both", "look")
    assert ran(step(c)).at == 0
    held, *rows = names(walk(c, VOCABULARY, Hands()))
    assert held.startswith("with the lock held")
    assert rows[:2] == ["read stable at mm/c.c:1", "foreign = 1 at mm/c.c:1"]


def test_a_loop_in_which_nothing_changes_ends_a_step() -> None:
    waits = AutomatonRow(Word("look", ""), "mm/c.c:1", {0: 0, 1: 1})
    assert ran(step(CAutomaton((waits, AutomatonRow(None, "", {}))))).at == 0
