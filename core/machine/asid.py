"""A TLB whose entries are tagged by ASIDs.

An ASID is what a look-up adds to the address, so it is the upper part of the address here: what a CPU remembers of page
`addr` under ASID `asid` is its TLB cell of `tagged(asid, addr)`, and a flush of an ASID is one of a range.

Data types
    cell ('ttbr', cpu)      the ASID that `cpu` looks up and fills under, or None where no user page table is loaded
    AsidRequest(asid, of)   forget what `of` covers, of one ASID
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.machine.ipi import Request
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import pte_cell
from core.machine.tlb import tlb_cell, user_load

SPAN = 100
"""Pages of an address space: page 0 of ASID 4 is 400 in a trace."""


def tagged(asid: int, addr: int) -> int:
    """Page `addr` of the address space that runs under `asid`."""
    return asid * SPAN + addr


def ttbr_cell(cpu: Cpu) -> Cell:
    """What the CPU is on."""
    return Cell("ttbr", cpu)


def load_ttbr(cpu: Cpu, asid: int) -> Op:
    """Go on under `asid`, with the page tables that belong to it."""
    return Op(f"load TTBR0, ASID {asid}", (), (ttbr_cell(cpu),), lambda: [Outcome(None, (asid,))])


@dataclass(frozen=True, slots=True)
class AsidRequest:
    """Not a tuple, so that it equals no FlushRequest."""

    asid: int
    of: Request

    def covers(self, addr: int) -> bool:
        """Whether the tagged page `addr` is to be forgotten."""
        return addr // SPAN == self.asid and self.of.covers(addr % SPAN)

    def forgets(self, addr: int, entry: object) -> bool:
        """Whether what a CPU remembers of it is."""
        return addr // SPAN == self.asid and self.of.forgets(addr % SPAN, entry)

    def __str__(self) -> str:
        return f"{self.of} of ASID {self.asid}"


def load_tagged(cpu: Cpu, addr: int, asids: Sequence[int], frames: Sequence[int], hw_dirty: bool) -> Op:
    """One load of user code under the ASID that the CPU is on, one of `asids`: core.machine.tlb.user_load()."""
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
    return Op(plain.name, reads, (*cells, pte_cell(addr)), step, may_schedule=plain.may_schedule)
