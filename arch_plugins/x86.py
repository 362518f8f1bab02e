"""x86-64 of 6.12.117, and without SMP: INVLPG per stride up to the ceiling, above it a load of CR3.

arch/x86/mm/tlb.c:flush_tlb_mm_range() asks mm_cpumask by IPI and skips CPUs that are lazy unless page tables were
freed; a lazy CPU that is asked switches to init_mm (a load of CR3) and leaves the mask.  Which CPUs are lazy is a
property of the plugin's instance, `lazy`: none where every task of the mm runs.

6.12.117 has should_flush_tlb() and should_trim_cpumask() from 6.14.  The former matters (LOADED_MM_SWITCHING counts as
the mm); the latter does not, for a CPU still leaves the mask as it leaves the mm: one interrupt more in a second.
"""

from __future__ import annotations

from arch_plugins.families.mm_range import MmRange
from arch_plugins.generic import flush_cpus_by_ipi
from arch_plugins.x86_618 import FLUSH_EVENT, get_flush_tlb_info, kernel_request
from core.hookspecs import Facts, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, local_ptep_get_and_clear
from core.mm.mm import Mm, log
from core.mm.smp import on_each_cpu

SMP_CAPABILITIES = frozenset({"batched_unmap", "huge_vmap", "lazy_tlb", "ordered_clear", "tlb_gen"})

LEFT = Cell(declare("left_mask", frozenset(), of_mm=True))
"""CPUs that have left mm_cpumask since the start."""


def left_mask(leaving: frozenset[Cpu]) -> Op:
    """Which CPUs have left the mask so far; those in `leaving` leave it now. switch_mm_irqs_off()."""
    return Op("leave mm_cpumask", (LEFT,), (LEFT,), lambda left: [Outcome(left, (left | leaving,))], order=Order.ATOMIC)


class X86(MmRange):
    """x86-64 with IPIs."""

    smp, rcu, lazy = True, True, frozenset[Cpu]()

    def __init__(self, lazy: frozenset[Cpu] = frozenset()) -> None:
        self.lazy = lazy

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            smp=self.smp,
            memory_model="tso",
            rcu_table_free=self.rcu,
            merge_vmas=True,
            runtime_p4d=True,
            kernel="6.12.117",
            family="synchronous IPI to mm_cpumask" if self.smp else "uniprocessor",
            capabilities=frozenset({"gup_fast", "move_pmd", "per_vma_lock", "shares_pmd_tables", "thp"})
            | (SMP_CAPABILITIES if self.smp else frozenset()),
            sources=("arch/x86/include/asm/tlb.h", "arch/x86/include/asm/tlbflush.h", "arch/x86/mm/tlb.c"),
        )

    async def flush_tlb_mm_range(self, mm: Mm, start: int, end: int | None, stride: int, freed_tables: bool) -> None:
        """flush_tlb_mm_range(), and flush_tlb_func() on every CPU that is sent an IPI."""
        info = get_flush_tlb_info(start, end, stride, freed_tables)
        await log(FLUSH_EVENT, info)
        if mm.cpus is None:
            await self.flush_mask(mm, FlushRequest(info.start, info.end), freed_tables, stride)
            return
        cpus = mm.cpus if self.smp else frozenset({mm.task.cpu})
        if self.lazy:
            cpus -= await left_mask(self.lazy if freed_tables else frozenset())
        for cpu in sorted(cpus):
            if cpu not in self.lazy:
                strides = 0 if info.end is None else -(-(info.end - info.start) // stride)
                of = Operand(info.start, strides, stride) if strides else EVERYTHING
                for name, nr in self.insns(strides):
                    await insn(cpu, name, nr, of)
            elif freed_tables:
                await insn(cpu, "MOV_CR3", 1, EVERYTHING)
        await self.flush_cpus(mm, cpus if freed_tables else cpus - self.lazy, FlushRequest(info.start, info.end))

    def insns(self, nr: int) -> list[tuple[str, int]]:
        """The instructions that a CPU executes for `nr` strides, 0 for everything. flush_tlb_func()."""
        return [("INVLPG", nr)] if nr else [("MOV_CR3", 1)]

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """On every CPU: INVLPG of each page, or native_flush_tlb_global(): INVPCID of all, global or not."""
        request = kernel_request(start, end)
        for cpu in sorted(mm.cpu_online_mask):
            if request.end is None:
                await insn(cpu, "INVPCID_ALL", 1, EVERYTHING)
            for name, nr in self.insns(end - start) if request.end is not None else ():
                await insn(cpu, name, nr, Operand(start, end - start))
        await on_each_cpu(mm, request)

    async def flush_everything(self, mm: Mm, cpus: frozenset[Cpu]) -> None:
        """A batch frees no table: lazy CPUs are left out."""
        for cpu in sorted(cpus - self.lazy):
            for name, nr in self.insns(0):
                await insn(cpu, name, nr, EVERYTHING)
        await self.flush_cpus(mm, cpus - self.lazy, FlushRequest())

    async def flush_cpus(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest) -> None:
        """flush_tlb_multi(), where the CPUs of the mask stay the same."""
        await flush_cpus_by_ipi(mm, cpus, request)

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """No flush: the next use of an entry that stays cached is not noticed, which is all."""
        return bool(await test_and_clear_young(addr))


class X86Up(X86):
    """CONFIG_SMP=n: the same instructions, here only; page tables are queued like pages."""

    smp, rcu = False, False

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """pgtable_64.h:native_ptep_get_and_clear(): without SMP a load and a store."""
        return await local_ptep_get_and_clear(addr, nr)


class X86Pti(X86):
    """With page-table isolation and INVPCID: user code runs under a PCID of its own, which is flushed as well.

    native_flush_tlb_one_user(): INVPCID of the page under the user PCID.  A flush of everything is noted
    (invalidate_user_asid()) and done as the CPU returns to user mode (SWITCH_TO_USER_CR3): the kernel uses no entry of
    the user PCID before that, so which of the two it is no other CPU can tell.
    """

    def insns(self, nr: int) -> list[tuple[str, int]]:
        return [("INVLPG", nr), ("INVPCID_ADDR", nr)] if nr else [("MOV_CR3", 2)]
