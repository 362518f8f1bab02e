"""A litmus test of the programs of a scenario whose flushes are interrupts: RISC-V and x86, without translation tables.

herd7 has tables for Armv8 alone, so here a walk is a load of the entry, and an interrupt a message.

    an entry             a cell that holds the address of its page, or 0
    a TLB entry          a register of the CPU whose user code fills it
    user code            fills that register if it is empty, by a load of the entry; ends if it stays empty (a fault);
                         then loads from the page, or stores 2 to it
    send an IPI          the full barrier of smp_call_function_many(), and a store to a cell of sender and target
    take it              wherever the target looks, which is before each of its steps and at its end: it loads that
                         cell; if the message is there, a full barrier, the registers are emptied, the cell is cleared
    wait for it          loads the cell with acquire; while the message is there the execution is given up
    a lock of several    as the architecture takes it; while it is held the execution is given up
    mm_cpumask           a bit for each CPU; where a program reads what another changes, it branches on what it finds
    put_page() to 0      a full barrier, and a store of the next owner: 1
    a word of one program   kept if it orders something, as in `core.truth.litmus.from_scenario`

An execution that is given up is none: every program has to be done.  Nothing is lost, for one that looks later is there
as well.

The condition says that user code has reached a page behind its next owner.  A walk is a plain load, so on a weak
machine it may be early: more than the explorer has, whose walk is one step with its access.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from core.explore.model import Model
from core.machine.ipi import CSD, IRQS_OFF, Request
from core.machine.meaning import order_of
from core.machine.memory import GHOSTS, USER
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.pte import PTE, Pte
from core.machine.tlb import REF
from core.mm.mm import CPUMASK
from core.truth.litmus.dialects import DIALECTS, X86, Dialect
from core.truth.litmus.from_scenario import NEW, STORED, DoesNotFit, Words
from core.truth.litmus.solo import Alone, after, every, masks, pages, run, shared

LOCKS = ("ptl", "PG_locked")
"""Arrays of cells that are exclusive locks."""


def interrupt_test(name: str, model: Model, reached: bool, architecture: str, watched: bool = False) -> dict[str, Any]:
    """A test in the format of the files; `reached`: use-after-free is found.  DoesNotFit with the reason.

    `watched`: a register m0, m1 ... of each thread says which of its accesses were made.
    """
    making = _Making(model, DIALECTS[architecture], watched)
    threads = [making.thread(number) for number in range(len(model.threads))]
    if not making.freed or not making.used:
        raise DoesNotFit("no page is freed by one program and used by the other" if making.used else "no user code")
    return {
        "id": name,
        "tier": 1,
        "threads": threads,
        "init": {"mem": making.memory(), "regs": {}},
        "condition": [
            "and",
            *(["eq", ["reg", number, "done"], 1] for number in sorted(making.ends)),
            ["or", *making.used],
        ],
        "expected": "allowed" if reached else "forbidden",
    }


class _Making:
    """A test in the making.

    `masks` are the values that mm_cpumask may have, `requests` what the messages from one to
    another ask for, `freed` the pages that are
    given back, `frames` all pages, `words` the cells of one program that are kept, `used` the ways in which user code
    can have reached a page behind its next owner, `ends` the threads that say when they are done.
    """

    def __init__(self, model: Model, dialect: Dialect, watched: bool) -> None:
        self.model, self.dialect, self.watched = model, dialect, watched
        self.requests: dict[Cell, list[Request]] = {}
        self.freed: dict[int, None] = {}
        self.frames: dict[int, None] = {}
        self.entries: dict[int, Any] = {}
        self.words: dict[str, int] = {}
        self.used: list[Words] = []
        self.ends: set[int] = set()
        self.labels = 0
        alone = [[run(model, thread, (), False)] for thread in model.threads]
        self.masks = masks(model, [one for (one,) in alone])
        self.forking = CPUMASK in shared(alone)
        if self.forking:
            alone = [[*every(model, thread, self.masks)] for thread in model.threads]
        self.shared = shared(alone)
        self.pages = {thread.cpu: pages(runs) for thread, runs in zip(model.threads, alone, strict=True)}
        self.number = {cell: max(sent) for cell, sent in _sends(alone).items()}
        for op, outcome in (step for runs in alone for one in runs for step in one.steps):
            for cell, request in zip(op.writes, outcome.written, strict=True):
                if cell.array == CSD and request not in self.requests.setdefault(cell, []):
                    self.requests[cell].append(cast(Request, request))

    # ---- one thread ----------------------------------------------------------------------------------------------

    def thread(self, number: int) -> list[Words]:
        """The code of one program."""
        code = self._from(number, (), 0)
        done = [["MOV", "done", 1]] if number in self.ends else []
        return [*code, ["label", "fault"], *done, ["label", "stuck"], *self._polls(number)]

    def _from(self, number: int, masks: tuple[Any, ...], start: int) -> list[Words]:
        """The code behind step `start`, of the run in which these masks are found."""
        found, made = run(self.model, self.model.threads[number], masks, self.forking), list[Words]()
        for at, (op, outcome) in enumerate(found.steps[start:], start):
            if op.order is Order.WALK:
                access = sum(before.order is Order.WALK for before, _ in found.steps[:at])
                words = [*self._user(number, access, op, outcome)]
            else:
                words = [*self._instructions(number, op, outcome)]
            made += [*self._polls(number), *words] if words else []
        if not found.forks:
            return [*made, ["B", "fault"]] if masks else made
        return [*made, *self._polls(number), *self._forked(number, masks, len(found.steps))]

    def _forked(self, number: int, masks: tuple[Any, ...], at: int) -> Iterator[Words]:
        """What the program does for each mask that it may find."""
        yield ["R", "t", self._word(CPUMASK)]
        ways = [(self._label(), mask) for mask in self.masks]
        for label, mask in ways:
            yield ["ALU", "u", "eor", "t", _bits(mask)]
            yield ["CBZ", "u", label]
        yield ["B", "stuck"]
        for label, mask in ways:
            yield ["label", label]
            yield from self._from(number, (*masks, mask), at)

    def _polls(self, number: int) -> Iterator[Words]:
        """Interrupts that have come."""
        thread = self.model.threads[number]
        for cell, requests in self.requests.items():
            sender, target = cast(tuple[Tid, Cpu], cell.index)
            if target != thread.cpu or sender == thread.tid:
                continue
            label = self._label()
            for _ in range(self.number[cell]):  # so many may have come since the last look, one after the other
                yield from self._poll(cell, requests, label, target)
            yield ["label", label]

    def _poll(self, cell: Cell, requests: list[Request], none: str, target: Cpu) -> Iterator[Words]:
        """One look for a message, and what its handler does; to label `none` if there is none."""
        yield ["R", "t", self._word(cell)]
        yield ["CBZ", "t", none]
        yield self.dialect.full
        for message, request in enumerate(requests, 1):
            dropped = [["MOV", f"tlb{page}", 0] for page in self.pages[target] if request.covers(page)]
            yield from dropped if len(requests) == 1 else self._if("t", message, dropped)
        yield ["W", self._word(cell), 0]

    def _if(self, register: str, value: int, code: list[Words]) -> Iterator[Words]:
        """The code, where the register has this value."""
        label = self._label()
        yield ["ALU", "u", "eor", register, value]
        yield ["CBNZ", "u", label]
        yield from (*code, ["label", label])

    def _label(self) -> str:
        self.labels += 1
        return f"L{self.labels}"

    # ---- one operation -------------------------------------------------------------------------------------------

    def _instructions(self, thread: int, op: Op, outcome: Outcome) -> Iterable[Words]:
        arrays, order = {cell.array for cell in op.writes}, order_of(op)
        writes = dict(zip(op.writes, outcome.written, strict=True))
        if IRQS_OFF in arrays or order in (Order.FLUSH_ALL, Order.COMPLETE, Order.WRITE_CR3):
            raise DoesNotFit(f"{op.name} is no instruction of the test")
        if order.barrier:
            return [self.dialect.barriers[order]] if order in self.dialect.barriers else []
        if order is Order.FLUSH:
            return [self.dialect.full, *self._emptied(thread, op)]
        if CSD in arrays:
            return [self.dialect.full, *self._sent(writes)]
        if any(cell.array == CSD for cell in op.reads):
            return self._waits(thread, op)
        if REF in arrays:
            return self._given_back(writes)
        if PTE in arrays:
            return self._entry(op, writes)
        return self._memory(thread, op)

    def _user(self, thread: int, number: int, op: Op, outcome: Outcome) -> Iterator[Words]:
        writes = dict(zip(op.writes, outcome.written, strict=True))
        entry = next((cell for cell in op.reads if cell.array == PTE), None)
        mapped = self.model.initial[entry] if entry is not None else None
        if entry is None or not isinstance(mapped, Pte):
            raise DoesNotFit(f"{op.name} does not go through an entry that is mapped at the start")
        page = self._page(entry)
        if outcome.value == "fault" or writes.get(entry, mapped) != mapped:
            raise DoesNotFit(f"{op.name} changes its entry, or faults with nobody else there")
        have, cached = self._label(), f"tlb{page}"
        yield from (["CBNZ", cached, have], ["R", cached, f"pte_{page}"], ["label", have], ["CBZ", cached, "fault"])
        if any(cell.array in USER for cell in op.writes):
            yield ["W", {"reg": cached}, STORED]
            self.used.append(["eq", ["mem", self._frame(mapped.frame)], STORED])
        else:
            yield ["R", f"r{number}", {"reg": cached}]
            self.used.append(["eq", ["reg", thread, f"r{number}"], NEW])
        if self.watched:
            yield ["MOV", f"m{number}", 1]

    def _emptied(self, thread: int, op: Op) -> Iterator[Words]:
        own = self.model.threads[thread].cpu
        dropped = [cell.index for cell in op.writes if cell.array == "tlb"]
        for page in self.pages[own]:
            if (own, page) in dropped:
                yield ["MOV", f"tlb{page}", 0]

    def _is_served(self, cell: Cell) -> bool:
        """Does a program of the test run on the CPU that the message is for?  An idle CPU serves it at once."""
        _, target = cast(tuple[Tid, Cpu], cell.index)
        return any(thread.cpu == target for thread in self.model.threads)

    def _sent(self, writes: Mapping[Cell, Any]) -> Iterator[Words]:
        for cell, request in writes.items():
            if self._is_served(cell):
                yield ["W", self._word(cell), self.requests[cell].index(request) + 1]

    def _waits(self, thread: int, op: Op) -> Iterator[Words]:
        for cell in op.reads:
            if cell.array == CSD and self._is_served(cell):
                self.ends.add(thread)
                yield ["R", "t", self._word(cell)]
                yield ["CBNZ", "t", "stuck"]
        yield from self.dialect.acquire

    def _given_back(self, writes: Mapping[Cell, Any]) -> Iterator[Words]:
        for cell, left in writes.items():
            if cell.array == REF and left == 0 and isinstance(cell.index, int):
                self.freed[cell.index] = None
                yield from (self.dialect.full, ["W", self._frame(cell.index), NEW])

    def _entry(self, op: Op, writes: Mapping[Cell, Any]) -> Iterator[Words]:
        cell = next(cell for cell in op.writes if cell.array == PTE)
        value, name = writes[cell], f"pte_{self._page(cell)}"
        to = {"&": self._frame(value.frame)} if isinstance(value, Pte) else 0
        yield from self._changes(name, to, order_of(op), cell in op.reads)

    def _changes(self, name: str, value: Any, order: Order, atomic: bool) -> Iterator[Words]:
        """A store, or an exchange, with what orders it."""
        full, releases = order is Order.FULL, order in (Order.RELEASE, Order.ATOMIC_RELEASE)
        yield from self.dialect.release if releases else ()
        if atomic and order not in (Order.PLAIN, Order.RELEASE):
            yield ["SWP", None, name, value, *(self.dialect.ordered if full else ())]
        else:
            yield ["W", name, value]
        yield from self.dialect.acquire if order is Order.ATOMIC_ACQUIRE else ()

    def _memory(self, thread: int, op: Op) -> Iterable[Words]:
        memory = [cell for cell in op.writes if cell.array not in GHOSTS]
        order, common = order_of(op), self.shared & {*op.reads, *op.writes}
        if common & {CPUMASK}:
            return self._mask(op)
        if common:
            return self._lock(thread, op, min(common, key=str))
        if order in (Order.PRIVATE, Order.PLAIN, Order.ACQUIRE, Order.ATOMIC):
            return []
        return self._changes(
            self._word(memory[0] if memory else Cell("ordered", thread)), 0, order, order is not Order.RELEASE
        )

    def _mask(self, op: Op) -> Iterator[Words]:
        """A bit that is set or cleared; what is only read is where the program forks."""
        if CPUMASK not in op.writes:
            return
        if self.dialect is X86:
            raise DoesNotFit("a CPU joins mm_cpumask, or leaves it")
        every = frozenset[int]().union(*self.masks)
        joins = after(self.model, op, frozenset())
        changed = joins or every - after(self.model, op, every)
        order = self.dialect.ordered if order_of(op) is Order.FULL else ()
        yield ["LDOP", "set" if joins else "clr", None, self._word(CPUMASK), _bits(changed), *order]

    def _lock(self, thread: int, op: Op, cell: Cell) -> Iterator[Words]:
        order = order_of(op)
        if cell.array not in LOCKS or order not in (Order.ATOMIC_ACQUIRE, Order.ATOMIC_RELEASE, Order.RELEASE):
            raise DoesNotFit(f"several programs access {cell}")
        self.ends.add(thread)
        if order is Order.ATOMIC_ACQUIRE:
            yield ["SWP", "t", self._word(cell), 1]
            yield ["CBNZ", "t", "stuck"]
            yield from self.dialect.acquire
        else:
            yield from self._changes(self._word(cell), 0, Order.RELEASE, False)

    # ---- cells ---------------------------------------------------------------------------------------------------

    def _page(self, entry: Cell) -> int:
        if not isinstance(entry.index, int):
            raise DoesNotFit(f"entry {entry} is not of a virtual page")
        self.entries[entry.index] = self.model.initial[entry]
        return entry.index

    def _frame(self, frame: int) -> str:
        self.frames[frame] = None
        return f"f{frame}"

    def _word(self, cell: Cell) -> str:
        name = "".join(c if c.isalnum() else "_" for c in str(cell)).strip("_")
        self.words[name] = _bits(self.model.initial[CPUMASK]) if cell == CPUMASK else 0
        return name

    def memory(self) -> dict[str, Any]:
        """All cells, with their initial values."""
        entries = {
            f"pte_{page}": {"&": self._frame(value.frame)} if isinstance(value, Pte) else 0
            for page, value in sorted(self.entries.items())
        }
        return {**entries, **dict.fromkeys((f"f{frame}" for frame in self.frames), 0), **self.words}


def _sends(alone: Sequence[Sequence[Alone]]) -> dict[Cell, list[int]]:
    """How often each message is sent, in each run of its sender."""
    found: dict[Cell, list[int]] = {}
    for one in itertools.chain(*alone):
        for cell, number in Counter(cell for op, _ in one.steps for cell in op.writes if cell.array == CSD).items():
            found.setdefault(cell, []).append(number)
    return found


def _bits(mask: Any) -> int:
    return sum(1 << cpu for cpu in mask)
