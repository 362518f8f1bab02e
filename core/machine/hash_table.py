"""The hash table of powerpc book3s64 without radix: hardware walks it, and software fills it from the Linux page table.

A TLB miss looks the address up in the hash table.  If there is no entry the CPU faults, and hash_page() inserts what
the Linux PTE says, without holding the page-table lock.  Code that clears the Linux PTE has to remove the hash entry as
well. There must never be two hash entries for one address: the hardware may use either, or raise a machine check.

A store through a hash entry without write permission faults too, and the handler reads the Linux PTE as it is by then.

Data types
    cell ('hpte', (addr, frame))    'rw' or 'ro' if the table has an entry that maps virtual page `addr` to page
                                    `frame`, None if not; 'cleared' if the Linux PTE has been cleared since, and the
                                    hash entry still translates loads
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import USE_AFTER_FREE, Entry, ref_cell, tlb_cell

HPTE = declare("hpte", None, panel="tables")


def hpte_cell(addr: int, frame: int) -> Cell:
    """The hash entry that maps virtual page `addr` to page `frame`."""
    return Cell(HPTE, (addr, frame))


def access_hashed(cpu: Cpu, addr: int, frames: Sequence[int], store: bool) -> Op:
    """One load or store of user code at virtual page `addr`, which can map any of `frames`. Returns 'ok' or 'fault'."""
    cell = tlb_cell(cpu, addr)
    hptes, refs = tuple(hpte_cell(addr, f) for f in frames), tuple(ref_cell(f) for f in frames)

    def step(entry: Entry | None, *state: Any) -> list[Outcome]:
        there, counts = state[: len(frames)], state[len(frames) :]
        walked = [Entry(f, hpte == "rw", True) for f, hpte in zip(frames, there, strict=True) if hpte is not None]
        fitting = [e for e in ([entry] if entry is not None else walked) if e.write or not store]
        return [Outcome("ok", (e,), "" if counts[frames.index(e.frame)] else USE_AFTER_FREE) for e in fitting] or [
            Outcome("fault", (None,))
        ]

    return Op(
        f"{'store' if store else 'load'}({addr})",
        (cell, *hptes, *refs),
        (cell,),
        step,
        may_schedule="user",
        order=Order.WALK,
    )


def hash_page(addr: int, frames: Sequence[int]) -> Op:
    """hash_page(): insert what the Linux PTE says; atomic by H_PAGE_BUSY. Returns False if nothing is mapped."""
    cells = tuple(hpte_cell(addr, f) for f in frames)

    def step(pte: object, *hptes: object) -> list[Outcome]:
        if not isinstance(pte, Pte):
            return [Outcome(False, hptes)]
        new = "rw" if pte.write else "ro"
        made = tuple(new if f == pte.frame else hpte for f, hpte in zip(frames, hptes, strict=True))
        return [Outcome(True, made)]

    return Op(f"hash_page({addr})", (pte_cell(addr), *cells), cells, step, order=Order.FULL)


def pte_update(addr: int, frames: Sequence[int]) -> Op:
    """pte_update(): clear the Linux PTE and return it; marks its hash entry, if any (H_PAGE_HASHPTE), for removal."""
    pte, cells = pte_cell(addr), tuple(hpte_cell(addr, f) for f in frames)

    def step(old: object, *hptes: object) -> list[Outcome]:
        return [Outcome(old, (None, *(None if hpte is None else "cleared" for hpte in hptes)))]

    return Op(f"pte_update({addr})", (pte, *cells), (pte, *cells), step, event=("clear", addr, 1), order=Order.ATOMIC)


def hpte_invalidate(addrs: Sequence[int], frames: Sequence[int]) -> Op:
    """Remove the hash entries of `addrs` whose Linux PTEs have been cleared. Flushes no TLB."""
    cells = tuple(hpte_cell(a, f) for a in addrs for f in frames)

    def step(*hptes: object) -> list[Outcome]:
        return [Outcome(None, tuple(None if hpte == "cleared" else hpte for hpte in hptes))]

    return Op("hpte_invalidate", cells, cells, step, order=Order.FULL)
