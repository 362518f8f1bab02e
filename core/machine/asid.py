"""A TLB whose entries are tagged with ASIDs.

A lookup matches the ASID as well as the address, so the ASID is the upper part of the address here: what a CPU caches
of virtual page `addr` under ASID `asid` is its TLB cell of `tagged(asid, addr)`, and a flush of an ASID is a range
flush.

Data types
    cell ('ttbr', cpu)      the ASID under which `cpu` looks up and fills entries, None if no user page table is loaded
    AsidRequest(asid, of)   a flush request `of`, limited to one ASID
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.machine.ipi import Request
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_cell
from core.machine.tlb import tlb_cell, user_load

SPAN = 100
"""Virtual pages of one address space: virtual page 0 of ASID 4 is 400 in a trace."""


def tagged(asid: int, addr: int) -> int:
    """The tagged number of virtual page `addr` under `asid`."""
    return asid * SPAN + addr


def ttbr_cell(cpu: Cpu) -> Cell:
    """The ASID that the CPU runs under."""
    return Cell("ttbr", cpu)


def load_ttbr(cpu: Cpu, asid: int) -> Op:
    """Load TTBR0: from here on `cpu` runs under `asid` and walks the page tables that belong to it."""
    return Op(f"load TTBR0, ASID {asid}", (), (ttbr_cell(cpu),), lambda: [Outcome(None, (asid,))], order=Order.PRIVATE)


@dataclass(frozen=True, slots=True)
class AsidRequest:
    """A flush request limited to one ASID.  A dataclass, so that it never equals a FlushRequest, which is a tuple."""

    asid: int
    of: Request

    def covers(self, addr: int) -> bool:
        """Does it flush the tagged virtual page `addr`?"""
        return addr // SPAN == self.asid and self.of.covers(addr % SPAN)

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of the tagged virtual page `addr`?"""
        return addr // SPAN == self.asid and self.of.forgets(addr % SPAN, entry)

    def __str__(self) -> str:
        return f"{self.of} of ASID {self.asid}"


def load_tagged(cpu: Cpu, addr: int, asids: Sequence[int], frames: Sequence[int], hw_dirty: bool) -> Op:
    """core.machine.tlb.user_load() under the ASID that the CPU runs under, which is one of `asids`."""
    cells = tuple(tlb_cell(cpu, tagged(asid, addr)) for asid in asids)
    plain = user_load(cpu, addr, frames, hw_dirty)
    rest = plain.reads[1:]

    def step(asid: int, *values: Any) -> list[Outcome]:
        entries, state = list(values[: len(cells)]), values[len(cells) :]
        at = asids.index(asid)
        outcomes = []
        for outcome in plain.step(entries[at], *state):
            entries[at] = outcome.written[0]
            outcomes.append(outcome._replace(written=(*entries, *outcome.written[1:])))
        return outcomes

    reads = (ttbr_cell(cpu), *cells, *rest)
    return Op(plain.name, reads, (*cells, pte_cell(addr)), step, may_schedule=plain.may_schedule, order=plain.order)
