"""riscv from its C: tlbflush.[ch], tlb.h and the freeing of tables of pgalloc.h, with the firmware's remote fences.

How ASIDs are given out (context.c) stays in Python, and so do flushes where a model follows ASIDs.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c._common import COMMON, GatherFromC, Hook, address, flushes_nothing, wait_for_ipis, write_batch
from arch_plugins.from_c._handlers import HANDLER_RULES, NOTHING, SHOWN, SendingHands
from arch_plugins.generic import flush_cpus_by_ipi
from arch_plugins.riscv import Riscv, RiscvV61
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, send_ipis
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size
from core.tree.automata import Automata
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import cpus_in, mask_of
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, masks

FREE_612 = "riscv_tlb_remove_ptdesc __pte_free_tlb __pmd_free_tlb __pud_free_tlb __p4d_free_tlb"
FREE_61 = "pud_free __p4d_free p4d_free #__pte_free_tlb #__pmd_free_tlb #__pud_free_tlb #__p4d_free_tlb"


def manifest(version: Version) -> Manifest:
    """6.1 has its fences as functions of tlbflush.c, and frees pmd and pud tables by macros."""
    asm, old = "arch/riscv/include/asm/", version < (6, 12)
    fences = ("local_flush_tlb_all_asid", "local_flush_tlb_page_asid") if old else ()
    return Manifest(
        (
            Source(f"{asm}mmu.h"),
            Source(f"{asm}tlbflush.h", drop=("local_flush_tlb_all",)),
            Source(f"{asm}tlb.h"),
            Source(GENERIC_GATHER),
            Source("arch/riscv/mm/tlbflush.c", drop=fences),
            Source(f"{asm}pgalloc.h", keep=names_in(FREE_61 if old else FREE_612)),
        ),
        "riscv.h",
        "riscv.c",
        defines=SHOWN,
    )


async def _fence_page(of: SendingHands, word: Word) -> int:
    """SFENCE.VMA of an address: the last level of what translates it."""
    first = word.a >> PAGE_SHIFT
    first -= first % of.span
    if of.on_mm is None:
        await insn(of.mm.task.cpu, "SFENCE_va_asid", 1, Operand(first, 1, of.span, leaf=True))
    request = FlushRequest(first, first + of.span, leaf=True)
    await of.flush(request, f"SFENCE.VMA {first}")
    return 0


async def _fence_all(of: SendingHands, word: Word) -> int:
    if of.on_mm is None:
        await insn(of.mm.task.cpu, "SFENCE_all_asid", 1, EVERYTHING)
    await of.flush(FlushRequest(), "SFENCE.VMA all")
    return 0


async def _send(of: SendingHands, word: Word) -> int:
    """Interrupts of the kernel's own."""
    await send_ipis(of.mm.task, cpus_in(of.mm, word.a), of.sent())
    return 0


async def _fence_of_another(of: Hook, word: Word) -> int:
    """Of an ASID that is not the mm's: what CPUs are interrupted for is nothing."""
    await insn(of.mm.task.cpu, "SBI_ECALL")
    await flush_cpus_by_ipi(of.mm, cpus_in(of.mm, word.a), NOTHING)
    return 0


async def _remote_fence(of: Hook, word: Word) -> int:
    """The firmware interrupts each CPU, fences, and waits; above one page (tlb_range_flush_limit) it fences all.

    A size of 0 is everything at address 0 alone, and nothing elsewhere: the first page of a model is at any address.
    """
    cpus, mm = cpus_in(of.mm, word.a), of.mm
    first, nr = word.b >> PAGE_SHIFT, -(-word.c >> PAGE_SHIFT)
    if not nr:
        await insn(mm.task.cpu, "SBI_ECALL")
        await flush_cpus_by_ipi(mm, cpus, NOTHING)
        return 0
    paged = 0 < nr <= Riscv.firmware_pages
    await insn(mm.task.cpu, "SBI_ECALL")
    name, operand = ("M_SFENCE_va_asid", Operand(first, nr, leaf=True)) if paged else ("M_SFENCE_all_asid", EVERYTHING)
    for cpu in sorted(cpus):
        await insn(cpu, name, nr if paged else 1, operand)
    await flush_cpus_by_ipi(mm, cpus, FlushRequest(first, first + nr, leaf=True) if paged else FlushRequest())
    return 0


async def _read_batch(of: Hook, word: Word) -> int:
    return mask_of(of.mm, of.batch.cpus)


VOCABULARY = Vocabulary(
    (
        Rule("sfence.vma page", "", _fence_page),
        Rule("sfence.vma all", "", _fence_all),
        Rule("sbi_remote_sfence_vma", "", _remote_fence),
        Rule("sbi_remote_sfence_vma of another ASID", "", _fence_of_another),
        Rule("sfence.vma * of another ASID", "", flushes_nothing),
        *HANDLER_RULES,
        Rule("send_ipi", "*_flush_tlb_*", _send),
        Rule("wait_ipi", "*_flush_tlb_*", wait_for_ipis),
        Rule("read|READ_ONCE", "batch.cpumask", _read_batch, masks),
        Rule("write|WRITE_ONCE", "batch.cpumask", write_batch),
        hidden("atomic64_read", "mm.context.id", "the mm has an ASID of its own", just(1)),
        *COMMON,
    )
)


class _Flushes(GatherFromC):
    """The hooks of both versions."""

    hands = SendingHands

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())  # type: ignore[misc]

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        """What the hooks of `Fences` do, by the C function that has the same effect."""
        if mm.context is not None:
            await super().fence(mm, request, stride)  # type: ignore[misc]
        elif request.end is None:
            await self.run(SendingHands(mm), "enter_flush_tlb_mm")
        elif request.end - request.start == 1:
            await self.run(SendingHands(mm), "enter_flush_tlb_page", address(request.start))
        else:
            bounds = address(request.start), address(request.end)
            await self.run(SendingHands(mm), "enter_flush_tlb_range", *bounds)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.mm.context is not None:
            kind: str | None = await super().tlb_flush(tlb)  # type: ignore[misc]
            return kind
        stride = 1 if tlb.fullmm else tlb_get_unmap_size(tlb)
        await self.run_tlb_flush(tlb, stride)
        whole = not self.ranges or tlb.fullmm or tlb.need_flush_all or tlb.freed_tables  # type: ignore[attr-defined]
        return "mm" if whole else "range"


class RiscvFromC(_Flushes, Riscv):
    """6.12."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        for addr in range(start, end):  # the kernel of this tree takes one entry
            await self.run(SendingHands(mm, batch=batch), "enter_tlbbatch_add_pending", address(addr))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        await self.run(SendingHands(mm, batch=batch), "enter_tlbbatch_flush")

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await self.run(SendingHands(mm), "enter_flush_tlb_batched_pending")


class RiscvV61FromC(_Flushes, RiscvV61):
    """6.1."""


def _plugin(automata: Automata) -> Any:
    return (RiscvV61FromC if automata.unit.version < (6, 12) else RiscvFromC)(automata)


def _beside(version: Version) -> str:
    return f"arch_plugins.riscv:{'RiscvV61' if version < (6, 12) else 'Riscv'}"


BINDING = Binding("riscv", manifest, VOCABULARY, _plugin, _beside)
