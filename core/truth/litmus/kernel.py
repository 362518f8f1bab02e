"""Tests of the kernel's own memory model, in the kernel's primitives, as programs of one architecture.

A verdict is what the kernel promises to all architectures.  So a machine may reach less, and never more: what LKMM
forbids must not be reachable with the words of `primitives.py`, and no final state may lie outside LKMM's.

A spinlock is a cell, 0 if it is free: taking it is a compare-and-swap that waits.  How long it does is not told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.memory_model.program import (
    PLAIN,
    Address,
    BranchFlags,
    BranchIf,
    Compare,
    Compute,
    GracePeriod,
    Instruction,
    Jump,
    Load,
    Operand,
    Program,
    ReadLock,
    ReadUnlock,
    Rmw,
    StoreExclusive,
    StoreValue,
)
from core.memory_model.values import Value
from core.truth.lines import FileError
from core.truth.litmus.assembly import Assembler
from core.truth.litmus.condition import parse_value
from core.truth.litmus.primitives import KernelWord, Primitives
from core.truth.litmus.tests import LitmusTest, cells_of, registers_of

OPERATIONS = {"add": "add", "sub": "sub", "and": "and", "or": "orr", "orr": "orr", "xor": "eor", "eor": "eor"}
NEW, STATUS = "(new)", "(status)"
"""Registers that no test can have."""

Words = list[Any]


def program_of(test: LitmusTest, primitives: Primitives) -> Program:
    """The program of a test in the words of an architecture.  FileError for an instruction that is none."""
    raw = test.raw
    threads = []
    for i, words in enumerate(raw["threads"]):
        to = Assembler(f"{test.where}: thread {i}")
        compiler = _Compiler(test.where, primitives, to)
        for word in words:
            compiler.compile(word)
        to.end()
        threads.append(to.code())
    memory: dict[str, Value] = dict.fromkeys(raw.get("locks") or (), 0)
    return Program(tuple(threads), memory | cells_of(test), registers_of(test), kept=test.asked)


class _Compiler:
    """Appends the instructions of one thread."""

    def __init__(self, where: str, primitives: Primitives, to: Assembler) -> None:
        self.where, self.primitives, self.to = where, primitives, to
        self.words: dict[str, Callable[[Words], None]] = {
            "R": self.read,
            "W": self.write,
            "F": self.fence,
            "SWP": lambda x: self.atomic(x[1] or NEW, "swp", self.address(x[2]), x[3], x[4]),
            "LDOP": lambda x: self.atomic(x[2], OPERATIONS[x[1]], self.address(x[3]), x[4], x[5] if x[2] else ""),
            "CAS": self.cmpxchg,
            "ADDUNLESS": self.add_unless,
            "LOCK": self.lock,
            "UNLOCK": self.unlock,
            "TRYLOCK": self.trylock,
            "ISLOCKED": self.is_locked,
            "RCU": lambda x: self.section(x[1], ""),
            "SRCU": lambda x: self.section(x[1], x[2]),
            "MOV": lambda x: to.add(Compute(x[1], "mov", (self.operand(x[2]),))),
            "ALU": lambda x: to.add(Compute(x[1], x[2], tuple(self.operand(y) for y in x[3:]))),
            "CBZ": lambda x: to.branch(BranchIf(self.operand(x[1]), True, 0), x[2]),
            "CBNZ": lambda x: to.branch(BranchIf(self.operand(x[1]), False, 0), x[2]),
            "B": lambda x: to.branch(Jump(0), x[1]),
            "label": lambda x: to.label(x[1]),
        }

    def compile(self, words: Words) -> None:
        """Append what a primitive is.  FileError if it is none."""
        try:
            handle = self.words.get(words[0])
            if handle is not None:
                handle(words)
                return
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            pass
        raise FileError(f"{self.where}: not a primitive: {words!r:.80}")

    def operand(self, given: Any) -> Operand:
        return given if isinstance(given, str) else parse_value(self.where, given)

    def address(self, given: Any) -> Address:
        if isinstance(given, dict) and isinstance(given.get("reg"), str):
            return Address(None, given["reg"], None, False)
        if not isinstance(given, str):
            raise KeyError(given)
        return Address(given, None, None, False)

    def around(self, access: KernelWord, instruction: Instruction) -> None:
        self.to.add(*access.before, instruction, *access.after)

    def read(self, words: Words) -> None:
        kind = words[3] if len(words) > 3 else ""
        access = {"acq": self.primitives.acquire, "": KernelWord(), "deref": KernelWord(), "plain": KernelWord()}[kind]
        self.around(access, Load(words[1], self.address(words[2]), access.order))

    def write(self, words: Words) -> None:
        kind = words[3] if len(words) > 3 else ""
        access = {"rel": self.primitives.release, "": KernelWord(), "plain": KernelWord()}[kind]
        self.around(access, StoreValue(self.address(words[1]), self.operand(words[2]), access.order))

    def fence(self, words: Words) -> None:
        if words[1] == "memb":
            self.period(None)
        else:
            self.to.add(*self.primitives.fences[words[1]])

    def period(self, domain: str | None) -> None:
        self.to.add(*(self.primitives.fences["mb"] if self.primitives.weak_periods else (GracePeriod(domain),)))

    def section(self, what: str, domain: str) -> None:
        if what == "sync":
            self.period(domain)
        elif what in ("lock", "unlock"):
            self.to.add(ReadLock(domain) if what == "lock" else ReadUnlock(domain))
        else:
            raise KeyError(what)

    def atomic(self, reg: str | None, op: str, address: Address, value: Any, kind: str) -> None:
        """xchg() and fetch_op(); a void atomic has no register, and no order."""
        access = self.primitives.atomics[kind]
        operand = self.operand(value)
        if not access.pair:
            self.around(access, Rmw(reg or None, address, op, operand, access.order))
            return
        self.pair_begins(access, reg or NEW, address)
        stored = operand
        if op != "swp":
            self.to.add(Compute(STATUS, op, (reg or NEW, operand)))
            stored = STATUS
        self.pair_ends(access, address, stored)

    def pair_begins(self, access: KernelWord, reg: str, address: Address) -> None:
        """A load-exclusive, which is the acquire of the pair."""
        self.to.add(*access.before)
        order = PLAIN._replace(acquire=access.order.acquire)
        self.to.add(Load(reg, address, order, exclusive=True))

    def pair_ends(self, access: KernelWord, address: Address, value: Operand) -> None:
        """A store-exclusive, which is the release, and a branch back if it failed."""
        order = PLAIN._replace(release=access.order.release)
        self.to.add(StoreExclusive(STATUS, address, value, order, again=True))
        done = self.to.new_label()
        self.to.branch(BranchIf(STATUS, True, 0), done)
        self.to.label(done)
        self.to.add(*access.after)

    def cmpxchg(self, words: Words) -> None:
        address, old, new = self.address(words[2]), self.operand(words[3]), self.operand(words[4])
        self.compare_and_swap(self.primitives.compares[words[5]], words[1], address, old, new)

    def compare_and_swap(self, access: KernelWord, reg: str, address: Address, old: Operand, new: Operand) -> None:
        """The fences behind a cmpxchg() are skipped if it fails."""
        failed = self.to.new_label()
        if access.pair:
            self.pair_begins(access, reg, address)
            self.to.add(Compare(reg, old))
            self.to.branch(BranchFlags(False, 0), failed)
            self.pair_ends(access, address, new)
        else:
            self.to.add(*access.before, Rmw(reg, address, "swp", new, access.order, compare=old))
            if access.after:
                self.to.add(Compare(reg, old))
                self.to.branch(BranchFlags(False, 0), failed)
                self.to.add(*access.after)
        self.to.label(failed)

    def add_unless(self, words: Words) -> None:
        """raw_atomic_fetch_add_unless(): read, and cmpxchg() until it succeeds (include/linux/atomic/)."""
        _, result, address, added, unless, kind = words
        place, again, end = self.address(address), self.to.new_label(), self.to.new_label()
        self.to.label(again)
        self.to.add(Load(NEW, place), Compute(result, "mov", (0,)), Compare(NEW, self.operand(unless)))
        self.to.branch(BranchFlags(True, 0), end)
        self.to.add(Compute(result, "add", (NEW, self.operand(added))), Compute("(old)", "mov", (NEW,)))
        self.compare_and_swap(self.primitives.compares[kind], NEW, place, "(old)", result)
        self.to.add(Compare(NEW, "(old)"))
        self.to.branch(BranchFlags(False, 0), again)
        self.to.add(Compute(result, "mov", (1,)))
        self.to.label(end)

    def lock(self, words: Words) -> None:
        access, address = self.primitives.lock, self.address(words[1])
        if not access.pair:
            self.around(access, Rmw(NEW, address, "swp", 1, access.order, compare=0, spins=True))
            return
        again = self.to.new_label()
        self.to.label(again)
        self.pair_begins(access, NEW, address)
        self.to.branch(BranchIf(NEW, False, 0), again)
        self.pair_ends(access, address, 1)

    def trylock(self, words: Words) -> None:
        self.compare_and_swap(self.primitives.trylock, NEW, self.address(words[2]), 0, 1)
        self.to.add(Compute(words[1], "eq", (NEW, 0)))

    def unlock(self, words: Words) -> None:
        access = self.primitives.unlock
        self.around(access, StoreValue(self.address(words[1]), 0, access.order))

    def is_locked(self, words: Words) -> None:
        self.to.add(Load(NEW, self.address(words[2])), Compute(words[1], "ne", (NEW, 0)))
