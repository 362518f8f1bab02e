"""The TLB of each CPU, and what user code and the hardware walker do with it.

Data types
    Entry(frame, write, dirty)   a cached translation: the page, whether it may be written, and whether the dirty bit is
                                 known to be set (then a store goes straight to memory)
    Upper(table)                 a cached entry of an upper level
    cell ('tlb', (cpu, addr))    what `cpu` has cached of virtual page `addr`, or None
    cell ('newer', frame)        is memory newer than the disk?  The only thing modelled of a page's contents
    cell ('ref', frame)          references to the page; at 0 it belongs to the allocator again

A memory access is one atomic step from lookup to memory: interrupts, and so shootdowns, are taken between instructions.
A CPU may use a translation for as long as it has it cached, whatever the page table says by then; that is the problem
which every flush has to solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell

USE_AFTER_FREE = "use-after-free"


class Entry(NamedTuple):
    """A cached translation to page `frame`. `dirty`: the dirty bit of the PTE is known to be set; `cont`: the PTE was
    one of a contiguous block.
    """

    frame: int
    write: bool
    dirty: bool
    cont: bool = False

    def __str__(self) -> str:
        flags = f"{',dirty' if self.dirty else ''}{',cont' if self.cont else ''}"
        return f"page{self.frame}:{'rw' if self.write else 'ro'}{flags}"


class Upper(NamedTuple):
    """A cached upper-level entry: the CPU knows only which page table maps an address (Intel SDM 3A, 4.10.3)."""

    table: int

    def __str__(self) -> str:
        return f"table{self.table}"


TLB = declare("tlb", None, "ghost")


def tlb_cell(cpu: Cpu, addr: int) -> Cell:
    """What `cpu` has cached of virtual page `addr`."""
    return Cell(TLB, (cpu, addr))


NEWER = declare("newer", False, "user", panel="page")


def newer_cell(frame: int) -> Cell:
    """Is the page's memory newer than the disk?"""
    return Cell(NEWER, frame)


REF = declare("ref", 1, "ghost", panel="page")


def ref_cell(frame: int, nr: int = 1) -> Cell:
    """The page's reference count."""
    return Cell(REF, frame, nr)


def walk(pte: object, store: bool, hw_dirty: bool) -> tuple[Entry, object] | None:
    """What the hardware walker makes of a PTE: (TLB entry, new PTE), or None for a fault.

    With a hardware dirty bit, a store through a writable clean PTE sets the bit during the walk (x86, arm64 DBM).
    Without one, a PTE is writable for the hardware only once software has marked it dirty.
    """
    if not isinstance(pte, Pte):
        return None
    if not store:
        return Entry(pte.frame, pte.write and (hw_dirty or pte.dirty), pte.dirty, pte.cont), pte
    if not pte.write or not (hw_dirty or pte.dirty):
        return None
    return Entry(pte.frame, True, True, pte.cont), pte._replace(dirty=True)


def _access(cpu: Cpu, addr: int, frames: Sequence[int], store: bool, hw_dirty: bool, pte_at: Cell) -> Op:
    entry_cell = tlb_cell(cpu, addr)
    refs = tuple(ref_cell(f) for f in frames)
    newers = tuple(newer_cell(f) for f in frames) if store else ()

    def step(entry: Entry | None, pte: object, *state: object) -> list[Outcome]:
        ref, newer = state[: len(refs)], list(state[len(refs) :])
        hit = entry is not None and (not store or (entry.write and entry.dirty))
        if not hit:
            walked = walk(pte, store, hw_dirty)
            if walked is None:  # a page fault also invalidates the TLB entry (Intel SDM 3A, 4.10.4.1)
                return [Outcome("fault", (None, pte, *newer))]
            entry, pte = walked
        assert entry is not None
        at = frames.index(entry.frame)
        stored: tuple[tuple[Cell, Cell], ...] = ()
        if store:
            newer[at], stored = True, ((newers[at], entry_cell),)
        return [Outcome("ok", (entry, pte, *newer), USE_AFTER_FREE if ref[at] == 0 else "", stored)]

    return Op(
        f"{'store' if store else 'load'}({addr})",
        (entry_cell, pte_at, *refs, *newers),
        (entry_cell, pte_at, *newers),
        step,
        may_schedule="user",
        order=Order.WALK,
    )


def user_store(cpu: Cpu, addr: int, frames: Sequence[int], hw_dirty: bool, huge: Cell | None = None) -> Op:
    """One store instruction of user code to virtual page `addr`. Returns 'ok' or 'fault'.

    `frames` are the pages that `addr` can ever map in this model; `huge` is the cell of the upper-level entry that maps
    it instead of a PTE.  A store to a page that has been freed violates use-after-free.
    """
    return _access(cpu, addr, frames, True, hw_dirty, huge or pte_cell(addr))


def user_load(cpu: Cpu, addr: int, frames: Sequence[int], hw_dirty: bool, huge: Cell | None = None) -> Op:
    """One load instruction of user code from virtual page `addr`; otherwise as `user_store`."""
    return _access(cpu, addr, frames, False, hw_dirty, huge or pte_cell(addr))


def speculative_fill(cpu: Cpu, addr: int, hw_dirty: bool) -> Op:
    """Daemon: the walker may cache any present translation at any time, whether or not an instruction uses it.

    A speculative walk never sets the dirty bit (Intel SDM 3A, 4.10.2.3).
    """
    cell = tlb_cell(cpu, addr)

    def step(entry: Entry | None, pte: object) -> list[Outcome]:
        walked = walk(pte, False, hw_dirty)
        return [] if entry is not None or walked is None else [Outcome(None, (walked[0],))]

    return Op(f"speculative fill({addr})", (cell, pte_cell(addr)), (cell,), step, order=Order.WALK)


def invalidate(
    cpus: Sequence[Cpu],
    addrs: Sequence[int],
    name: str,
    event: tuple[object, ...] | None = None,
    order: Order | None = None,
) -> Op:
    """Drop `addrs` from the TLBs of `cpus` in one step: a local instruction, or a broadcast that is then complete.

    `order` is FLUSH for one CPU and FLUSH_ALL for several, if it is not given: a hypervisor flushes others one by one.
    """
    cells = tuple(tlb_cell(cpu, addr) for cpu in cpus for addr in addrs)
    order = order or (Order.FLUSH if len(cpus) == 1 else Order.FLUSH_ALL)
    outcome = Outcome(None, (None,) * len(cells), awaits=frozenset(cells))
    return Op(name, (), cells, lambda: [outcome], event=event, order=order)
