"""A litmus test of the two programs of a scenario: what an arm64 reviewer would run through herd7.

How it works.  Each program is run alone, from the scenario's initial state, which gives a straight line of operations.
Those that the other program, or a walker, can see become instructions of Armv8:

    an entry that is written    STR, or SWP with the order of the exchange, to the entry of its page
    a barrier                   itself
    an invalidation, its DSB    TLBI and DSB ISH
    user code                   LDR or STR, which walks; behind an invalidation of its own CPU it is an exception return
                                later, which synchronises as ISB does
    put_page() to 0             DMB ISH, and a store of the next owner through a mapping of its own: 1
    a word of one program       kept if it orders something: an atomic operation or a release, to a cell of its own

The condition says that user code has reached the page behind its next owner: it loads 1, or its own store, 2, comes
last.  That is what use-after-free means.  It is expected exactly where the explorer has found it.

What does not fit is an error that says why: more than two programs, a cell of memory that both access beside entries
and pages (a lock, mm_cpumask), an interrupt, an architecture other than arm64, another property.

What is lost.  A branch on a loaded value is no instruction here, so the order that it gives is not there either.  No
operation that is kept depends on one: the programs store what they store whatever they have read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.explore.model import Model, Thread
from core.machine.ipi import FlushRequest
from core.machine.memory import GHOSTS, USER
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import PTE, Pte
from core.machine.tlb import REF, USE_AFTER_FREE

Words = list[Any]

BARRIERS: Mapping[Order, Words] = {
    Order.SMP_MB: ["DMB", "ish"],
    Order.SMP_RMB: ["DMB", "ishld"],
    Order.SMP_WMB: ["DMB", "ishst"],
    Order.SMP_MB_AFTER_ATOMIC: ["DMB", "ish"],
    Order.SMP_MB_AFTER_SPINLOCK: ["DMB", "ish"],
    Order.DMB_ISH: ["DMB", "ish"],
    Order.DMB_ISHLD: ["DMB", "ishld"],
    Order.DMB_ISHST: ["DMB", "ishst"],
    Order.DSB_ISH: ["DSB", "ish"],
    Order.DSB_ISHLD: ["DSB", "ishld"],
    Order.DSB_ISHST: ["DSB", "ishst"],
    Order.ISB: ["ISB"],
}
ATOMIC = {Order.ATOMIC: "", Order.ATOMIC_ACQUIRE: "a", Order.ATOMIC_RELEASE: "l", Order.FULL: "al"}
"""The suffix of the atomic instruction, by the order of the operation."""

INVALIDATIONS = {
    "TLBI_VALE1IS": "vale1is",
    "TLBI_VAE1IS": "vae1is",
    "TLBI_VAALE1IS": "vaale1is",
    "TLBI_VAAE1IS": "vaae1is",
    "TLBI_ASIDE1IS": "vmalle1is",
}
"""By the name of the instruction.  The test has one address space, so TLBI ASIDE1IS is of everything."""

NEW, STORED = 1, 2
"""What the next owner of a page stores to it, and what user code stores."""


class DoesNotFit(Exception):
    """Why a scenario cannot be a litmus test of two programs."""


@dataclass
class Solo:
    """A program run alone: its operations, each with its outcome."""

    thread: Thread
    steps: list[tuple[Op, Outcome]] = field(default_factory=list)

    @property
    def shared(self) -> frozenset[Cell]:
        """The cells of kernel memory that it accesses, entries apart."""
        cells = (cell for op, _ in self.steps for cell in (*op.reads, *op.writes))
        return frozenset(cell for cell in cells if cell.array not in GHOSTS | USER | {PTE})


MOST = 200
"""Operations of a program at most."""


def alone(model: Model, thread: Thread) -> Solo:
    """The thread's program with nobody else; of several outcomes the ordinary one.  DoesNotFit if it has to wait."""
    run, memory, program = Solo(thread), dict[Cell, Any](), thread.program()
    value: Any = None
    try:
        while len(run.steps) < MOST:
            op = program.send(value)
            outcomes = op.step(*(memory[c] if c in memory else model.initial[c] for c in op.reads))
            if not outcomes:
                raise DoesNotFit(f"{thread.name} waits for another program: {op.name}")
            memory.update(zip(op.writes, outcomes[0].written, strict=True))
            run.steps.append((op, outcomes[0]))
            value = outcomes[0].value
    except StopIteration:
        return run
    finally:
        program.close()
    raise DoesNotFit(f"{thread.name} has more than {MOST} operations")


def litmus_test(name: str, model: Model, reached: bool) -> dict[str, Any]:
    """A test in the format of the files; `reached`: use-after-free is found.  DoesNotFit with the reason."""
    if len(model.threads) != 2:
        raise DoesNotFit(f"it has {len(model.threads)} programs, expected 2")
    runs = [alone(model, thread) for thread in model.threads]
    both = runs[0].shared & runs[1].shared
    if both:
        raise DoesNotFit(f"{runs[0].thread.name} and {runs[1].thread.name} both access {min(both, key=str)}")
    making = _Making(model)
    threads = [making.thread(run) for run in runs]
    if not making.freed or not making.used:
        raise DoesNotFit("no page is freed by one program and used by the other" if making.used else "no user code")
    return {
        "id": name,
        "tier": 1,
        "threads": threads,
        "fault_mode": "stop",
        "init": {"mem": making.memory(), "pte": making.entries(), "regs": {}},
        "hw": ["HA HD" if making.updates else ""] * 2,
        "el0": [],
        "condition": ["or", *making.used],
        "expected": "allowed" if reached else "forbidden",
    }


class _Making:
    """A test in the making.

    `freed` are the pages that are given back, `pages` the entry of each virtual page, `words` the cells of one program
    that are kept, `used` the ways in which user code can have reached a page behind its next owner, `updates` whether
    the hardware sets the dirty state for one of its stores.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.freed: dict[int, None] = {}
        self.pages: dict[int, Pte] = {}
        self.words: dict[str, None] = {}
        self.used: list[Words] = []
        self.updates = False

    def thread(self, run: Solo) -> list[Words]:
        """The instructions of one program."""
        number, made = self.model.threads.index(run.thread), list[Words]()
        for op, outcome in run.steps:
            words = list(self._instructions(number, len(made), op, outcome))
            if op.order is Order.WALK and ["TLBI"] in [word[:1] for word in made if word != ["ISB"]]:
                words = [["ISB"], *words]
            made += words
        return made

    def _instructions(self, thread: int, at: int, op: Op, outcome: Outcome) -> Iterable[Words]:
        writes = dict(zip(op.writes, outcome.written, strict=True))
        arrays = {cell.array for cell in op.writes}
        if op.order is Order.WALK:
            return self._user(thread, at, op, writes)
        if op.order in (Order.HANDLER, Order.FLUSH, Order.FLUSH_ALL) or "csd" in arrays:
            raise DoesNotFit(f"{op.name} is no instruction of the test: it needs TLBI ...IS")
        if op.order is Order.COMPLETE:
            return [["DSB", "ish"]]
        if op.order is not None and op.order.barrier:
            return [BARRIERS[op.order]] if op.order in BARRIERS else _no(op)
        if "broadcast" in arrays:
            return self._invalidation(op, outcome)
        if REF in arrays:
            return [*self._given_back(op, writes)]
        if PTE in arrays:
            return [self._entry(at, op, writes)]
        return self._word(at, op)

    def _user(self, thread: int, at: int, op: Op, writes: Mapping[Cell, Any]) -> Iterable[Words]:
        entry = next(cell for cell in op.reads if cell.array == PTE)
        page = self._page(entry.index)
        if any(cell.array in USER for cell in op.writes):
            walked = writes.get(entry)
            self.updates |= isinstance(walked, Pte) and walked.dirty and not self.pages[page].dirty
            self.used.append(["eq", ["mem", _frame(self.pages[page].frame)], STORED])
            return [["W", f"p{page}", STORED]]
        self.used.append(["eq", ["reg", thread, f"r{at}"], NEW])
        return [["R", f"r{at}", f"p{page}"]]

    def _page(self, addr: Any) -> int:
        if not isinstance(addr, int):
            raise DoesNotFit(f"entry {addr} is not of a virtual page")
        pte = self.model.initial[Cell(PTE, addr)]
        if not isinstance(pte, Pte):
            raise DoesNotFit(f"virtual page {addr} is not mapped at the start")
        self.pages[addr] = pte
        return addr

    def _entry(self, at: int, op: Op, writes: Mapping[Cell, Any]) -> Words:
        cell = next(cell for cell in op.writes if cell.array == PTE)
        name, value = f"p{self._page(cell.index)}", _descriptor(writes[cell], self.pages[self._page(cell.index)])
        suffix = _suffix(op)
        if cell in op.reads and suffix is not None:
            return ["SWPpte", f"r{at}", name, value, suffix]
        return ["Wpte", name, value]

    def _given_back(self, op: Op, writes: Mapping[Cell, Any]) -> Iterable[Words]:
        for cell, left in writes.items():
            if cell.array == REF and left == 0 and isinstance(cell.index, int):
                self.freed[cell.index] = None
                yield from (["DMB", "ish"], ["W", _frame(cell.index), NEW])

    def _invalidation(self, op: Op, outcome: Outcome) -> Iterable[Words]:
        name = op.name.partition(":")[0]
        if name not in INVALIDATIONS:
            raise DoesNotFit(f"{name} has no place in a test")
        request = outcome.written[0][-1]  # type: ignore[index]
        if name == "TLBI_ASIDE1IS" or not isinstance(request, FlushRequest):
            return [["TLBI", "vmalle1is"]]
        known = [cell.index for cell in self.model.initial if cell.array == PTE and isinstance(cell.index, int)]
        return [["TLBI", INVALIDATIONS[name], f"p{addr}"] for addr in sorted(known) if request.covers(addr)]

    def _word(self, at: int, op: Op) -> Iterable[Words]:
        memory = [cell for cell in op.writes if cell.array not in GHOSTS]
        suffix, releases = _suffix(op), op.order is Order.RELEASE
        if not suffix and not releases:
            return []
        name = self._named(memory[0] if memory else Cell("ordered"))
        return [["W", name, 0, "rel"] if releases else ["SWP", f"r{at}", name, 1, suffix]]

    def _named(self, cell: Cell) -> str:
        name = "".join(c if c.isalnum() else "_" for c in str(cell)).strip("_")
        self.words[name] = None
        return name

    def memory(self) -> dict[str, int]:
        """Physical pages by name, 0 at the start."""
        return dict.fromkeys([*(_frame(pte.frame) for pte in self.pages.values()), *self.words], 0)

    def entries(self) -> dict[str, dict[str, Any]]:
        """The entry of each virtual page: those of the scenario, the next owner's, and those of single words."""
        found = {f"p{addr}": _descriptor(pte, pte) for addr, pte in sorted(self.pages.items())}
        found.update({_frame(frame): _mapping(_frame(frame)) for frame in self.freed})
        found.update({name: _mapping(name) for name in self.words})
        return found


def _suffix(op: Op) -> str | None:
    """That of an atomic operation; None if it is none."""
    return None if op.order is None else ATOMIC.get(op.order)


def _no(op: Op) -> Sequence[Words]:
    raise DoesNotFit(f"{op.name} is no barrier of Armv8")


def _frame(frame: int) -> str:
    """A physical page, and the virtual page by which its next owner uses it."""
    return f"f{frame}"


def _mapping(page: str, valid: int = 1, writable: int = 1, dbm: int = 0) -> dict[str, Any]:
    return {"oa": page, "valid": valid, "af": 1, "db": writable, "dbm": dbm, "el0": 1}


def _descriptor(value: object, before: Pte) -> dict[str, Any]:
    """An entry; what the walker faults on is invalid, of the page that was mapped `before`.  A store through one that
    is writable and clean makes it dirty, or faults, as the hardware does it or not."""
    if isinstance(value, Pte):
        return _mapping(_frame(value.frame), 1, int(value.write and value.dirty), int(value.write and not value.dirty))
    return _mapping(_frame(before.frame), 0)


__all__ = ["USE_AFTER_FREE", "DoesNotFit", "litmus_test"]
