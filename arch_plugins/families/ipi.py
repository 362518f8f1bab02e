"""Synchronous interprocessor interrupts, to mm_cpumask or to every CPU.

A CPU flushes page by page up to `ceiling` instructions for pages (None: always) and everything of the mm above.
"""

from __future__ import annotations

from arch_plugins.families.access_flags import FlushesRelaxed
from arch_plugins.families.facts import Stated
from arch_plugins.families.pairs import entry_pages, whole_entries
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import hookimpl
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu, Op
from core.mm.mm import Mm, mm_cpumask
from core.mm.smp import LocalPart


class Ipi(FlushesRelaxed, Stated):
    """`page_insn` and `mm_insn` are what each CPU executes per page and for the mm."""

    ceiling: int | None = None
    page_insn, mm_insn = "flush_page", "flush_mm"
    pages_per_insn = 1
    """2 where a TLB entry is a pair of pages."""
    to_all = False
    """Every CPU is interrupted, whatever mm_cpumask says."""
    local_part: LocalPart = "meanwhile"
    """When a CPU flushes its own TLB."""
    spares_walks = False
    """A flush of pages leaves what the TLB knows of page tables."""

    def request(self, start: int, end: int, mm: Mm | None = None) -> FlushRequest:
        """The request for a range of pages; `mm` says how large page tables are."""
        pages = self.request_of_pages(start, end, mm)
        whole = self.ceiling is not None and self.insns(pages)[1] > self.ceiling
        return FlushRequest() if whole else pages

    def request_of_pages(self, start: int, end: int, mm: Mm | None = None) -> FlushRequest:
        """The request to drop the entries of these pages, with all that each of them maps."""
        pages = entry_pages(mm, self.pages_per_insn) if mm else self.pages_per_insn
        return FlushRequest(*whole_entries(start, end, pages), self.spares_walks)

    async def asked(self, mm: Mm) -> frozenset[Cpu]:
        """The CPUs that flush."""
        cpus: frozenset[Cpu] = mm.cpu_online_mask if self.to_all else await mm_cpumask(mm)
        return cpus

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        """Flush here and on the other CPUs, and wait."""
        cpus = await self.asked(mm)
        for cpu in sorted(cpus):
            await self.executed(cpu, request)
        await flush_cpus_by_ipi(mm, cpus, request, self.local_part)

    def executed(self, cpu: Cpu, request: FlushRequest) -> Op:
        """Report what `cpu` executes."""
        name, nr = self.insns(request)
        return insn(cpu, name, nr, self.operand(name, nr, request))

    def operand(self, name: str, nr: int, request: FlushRequest) -> Operand:
        """What `nr` instructions `name` invalidate: so many pages from the start of the request, or everything."""
        if name == self.mm_insn:
            return EVERYTHING
        return Operand(request.start, nr, self.pages_per_insn, self.pages_per_insn, request.leaf)

    def insns(self, request: FlushRequest) -> tuple[str, int]:
        """The instructions that one CPU executes."""
        if request.end is None:
            return self.mm_insn, 1
        return self.page_insn, -(-request.end // self.pages_per_insn) - request.start // self.pages_per_insn

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.ask(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.ask(mm, self.request(start, end, mm))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.ask(mm, self.request_of_pages(addr, addr + 1, mm))
