"""powerpc radix from its C: mm/book3s64/radix_tlb.c and the freeing of tables, on bare metal.

A tlbie is issued, and complete at this CPU's eieio; tlbsync; ptesync.  One of the page-walk cache (RIC_FLUSH_PWC) is
followed by those of a range, and makes them flush upper entries too: that is one request, as in the plugin.  How a CPU
comes to an mm (mm/mmu_context.c) stays in Python, and so does what pgtable.c does about single entries.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from arch_plugins.families.broadcast import effect_of
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import (
    ADDRESS,
    COMMON,
    GatherFromC,
    Hook,
    SizedFromC,
    flushes_nothing,
    read_active_mm,
    read_cpumask,
    read_current_mm,
    read_users,
    smp_mb,
)
from arch_plugins.powerpc_radix import PowerpcRadix
from core.hookspecs import Facts, hookimpl
from core.machine.broadcast import complete, issue
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest, csd_cell, flush_here, irqs_off_cell, send_ipis, take_ipi
from core.machine.op import Cpu, Op, Outcome, Tid, barrier
from core.machine.order import Order
from core.machine.pte import Entry, ProtNone, Pte
from core.machine.tlb import tlb_cell
from core.mm.init_mm import init_mm
from core.mm.kthread import (
    ExitLazyTlb,
    active_mm_cell,
    current_mm_cell,
    on_mm_cell,
)
from core.mm.mm import CPUMASK, Mm
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import get_and_clear_pmd
from core.tree.binding import Binding
from core.tree.gather import bits
from core.tree.hybrid import at_once, cpus_in
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.one_step import values_after
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, truth

DROPPED = """
    tlbiel_radix_set_isa300 tlbiel_all_isa300 radix__tlbiel_all __tlbiel_pid __tlbie_pid __tlbie_lpid __tlbie_lpid_guest
    __tlbiel_va __tlbie_va __tlbie_lpid_va fixup_tlbie_lpid_va fixup_tlbie_lpid _tlbie_lpid _tlbie_lpid_guest
    _tlbie_lpid_va radix__flush_tlb_lpid_page radix__flush_pwc_lpid radix__flush_all_lpid radix__flush_all_lpid_guest
    radix__flush_tlb_all ?__tlbie_pid_lpid ?__tlbie_va_lpid ?fixup_tlbie_pid_lpid ?_tlbie_pid_lpid
    ?fixup_tlbie_va_range_lpid ?__tlbie_va_range_lpid ?_tlbie_va_range_lpid ?do_h_rpt_invalidate_prt
    ?create_tlb_single_page_flush_ceiling ?;late_initcall
"""
NEEDS_FLUSH = "__pte_flags_need_flush pte_needs_flush huge_pmd_needs_flush #pte_needs_flush #huge_pmd_needs_flush"
PAGE_SHIFT = 16
KERNEL, PID = 0, 1
"""Of the kernel, and of the mm."""

PMD_AP = 1
"""Of a tlbie that flushes a huge page: mmu_psize_defs[] of shim/powerpc_radix.h."""


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12."""
    arch = "arch/powerpc/"
    return Manifest(
        (
            *smp.sources(),
            Source(f"{arch}include/asm/tlb.h"),
            Source(GENERIC_GATHER),
            Source(
                f"{arch}include/asm/book3s/64/pgalloc.h", keep=("__pte_free_tlb", "__pmd_free_tlb", "__pud_free_tlb")
            ),
            Source(f"{arch}include/asm/book3s/64/tlbflush.h", keep=names_in(NEEDS_FLUSH)),
            Source(f"{arch}mm/book3s64/pgtable.c", keep=("pgtable_free_tlb",)),
            Source(f"{arch}mm/book3s64/radix_tlb.c", drop=names_in(DROPPED)),
        ),
        "powerpc_radix.h",
        "powerpc_radix.c",
        owned=smp.OWNED,
    )


# ---- what its operations mean ------------------------------------------------------------------------------------


@dataclass
class RadixHands(Hook):
    """`walks`: the page-walk cache is flushed too. `issued` is what has been issued since the last barrier. `small`: of
    a small page, which a flush of a huge one leaves.
    """

    walks: bool = False
    small: bool = False
    issued: tuple[int, int] | None = None

    def page(self, address: int) -> int:
        """The page at an address of C."""
        return self.addr + (address - ADDRESS >> PAGE_SHIFT)


async def _active_cpus(of: RadixHands, word: Word) -> int:
    return (await read_cpumask(of, word)).bit_count()


def _counts(word: Word, cpus: int) -> Iterable[int]:
    return range(cpus + 1)


async def _leave(of: RadixHands, word: Word) -> int:
    """switch_mm_irqs_off(mm, &init_mm), and current->active_mm = &init_mm."""
    cells = (active_mm_cell(of.mm.task.cpu), on_mm_cell(of.mm.task.cpu))
    await Op("switch to init_mm", (), cells, lambda: [Outcome(None, (False, False))], order=Order.PRIVATE)
    return 0


async def _send(of: RadixHands, mask: int) -> None:
    await send_ipis(of.mm.task, cpus_in(of.mm, mask), ExitLazyTlb())


async def _ptesync(of: RadixHands, word: Word) -> int:
    await barrier(Order.PTESYNC)
    return 0


async def _complete(of: RadixHands, word: Word) -> int:
    of.issued = None
    await insn(of.mm.task.cpu, PowerpcRadix.barrier)
    await complete(of.mm.task.cpu, of.mm.everyone, of.mm.addrs, PowerpcRadix.barrier)
    return 0


async def _pid(of: RadixHands, word: Word) -> int:
    """Everything of the PID: entries of pages, what the walker has cached of tables, or both."""
    name, local = word.kind.split()[0], word.kind.startswith("tlbiel")
    ric = word.kind.rpartition("_")[2]
    if word.a != (KERNEL if of.mm.is_init_mm else PID):
        return await flushes_nothing(of, word)
    if ric == "PWC":
        of.walks = True
        await insn(of.mm.task.cpu, f"{name}_pid", 1)
        return 0
    everything = EVERYWHERE._replace(leaf=ric == "TLB", everywhere=not local)
    await insn(of.mm.task.cpu, f"{name}_pid", 1, everything)
    await _flush(of, name, FlushRequest(leaf=ric == "TLB"))
    return 0


async def _address(of: RadixHands, word: Word) -> int:
    """A page, or a huge page; a run of them is one request, at its last."""
    name, first, span = word.kind.split()[0], of.page(word.a), _span(of, word)
    local = name == "tlbiel"
    if of.small and word.b == PMD_AP:
        return await flushes_nothing(of, word)
    await insn(of.mm.task.cpu, f"{name}_va", 1, Operand(first, 1, span, leaf=not of.walks, everywhere=not local))
    start = first if of.run_from is None else of.run_from
    then = of.following
    more = then is not None and (then.kind, then.b) == (word.kind, word.b) and of.page(then.a) == first + span
    of.run_from = start if more else None
    if not more and not (of.issued and of.issued[0] <= start and first + span <= of.issued[1]):
        of.issued = (start, first + span)
        await _flush(of, name, FlushRequest(start, first + span, leaf=not of.walks))
    return 0


def _span(of: RadixHands, word: Word) -> int:
    return of.mm.span[0] if word.b == PMD_AP else 1


async def _flush(of: RadixHands, name: str, request: FlushRequest) -> None:
    cpu = of.mm.task.cpu
    if name == "tlbiel":
        await flush_here(cpu, of.mm.addrs, request, f"tlbiel: {request}")
    else:
        kind = "tlbie_va" if request.end is not None else "tlbie_pid"
        await issue(cpu, kind, request, effect_of(of.mm) if of.mm.early_broadcasts else ())


VOCABULARY = Vocabulary(
    (
        Rule("atomic_read", "mm.context.active_cpus", _active_cpus, _counts),
        Rule("atomic_read", "mm.mm_users", read_users, just(0, 1, 2)),
        Rule("current->mm", "", read_current_mm, truth),
        Rule("current->active_mm", "", read_active_mm, truth),
        Rule("switch_mm_irqs_off", "", _leave),
        *smp.rules(_send),
        Rule("barrier smp_mb", "", smp_mb),
        Rule('"ptesync"*', "", _ptesync),
        Rule('"eieio; tlbsync; ptesync"*', "", _complete),
        Rule("tlbie* pid *", "", _pid),
        Rule("tlbie* va *", "", _address),
        Rule("other tlbie* va *", "", flushes_nothing),
        hidden('"eieio; tlbsync": *', "", "what was issued is complete at a ptesync behind it"),
        hidden("PPC_*_INVALIDATE_ERAT*", "", "the ERAT, which goes with the TLB"),
        hidden("read|READ_ONCE", "mm.context.id", "the mm has a PID of its own", just(PID)),
        hidden("atomic_read", "mm.context.copros", "no coprocessor is attached", just(0)),
        hidden("atomic_add", "mm.context.active_cpus", "it goes by mm_cpumask", just(1)),
        hidden("this_cpu_add", "mm_cpumask_trim_clock*", "the mask of another process is not trimmed now", just(0)),
        *COMMON,
    )
)

# ---- the hooks ---------------------------------------------------------------------------------------------------


_EXEC, _WRITE, _READ, _DIRTY, _UFFD_WP, _PTE, _PRESENT = (1 << bit for bit in (0, 1, 2, 7, 53, 62, 63))
"""arch/powerpc/include/asm/book3s/64/pgtable.h."""


def flags(entry: Entry) -> int:
    """A page-table entry as the hardware has it."""
    if isinstance(entry, Pte):
        allowed = _READ | entry.write * _WRITE | (not entry.nx) * _EXEC
        return entry.frame << PAGE_SHIFT | _PRESENT | _PTE | allowed | entry.dirty * _DIRTY | entry.uffd_wp * _UFFD_WP
    if isinstance(entry, ProtNone):
        return entry.frame << PAGE_SHIFT | _PRESENT | _PTE | entry.dirty * _DIRTY
    return 0


class PowerpcRadixFromC(SizedFromC, GatherFromC, PowerpcRadix):
    """The flushes, and what a CPU does that is asked to leave the mm."""

    page_shift = PAGE_SHIFT

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(RadixHands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if stride > 1:
            start, end = start - start % stride, end + -end % stride
            entry, base = "enter_flush_pmd_tlb_range", start
        else:
            entry, base = "enter_flush_tlb_range", start - start % mm.span[0]
        at, to = (ADDRESS + (page - base << PAGE_SHIFT) for page in (start, end))
        await self.run(RadixHands(mm, base), entry, at, to)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(RadixHands(mm, addr, small=True), "enter_flush_tlb_page", ADDRESS)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        await self.run(RadixHands(init_mm(mm)), "enter_flush_tlb_kernel_range")

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        size = tlb.page_size or 1
        start, end = (0, 1) if tlb.fullmm else (tlb.start - tlb.start % size, tlb.end + -tlb.end % size)
        of = RadixHands(tlb.mm, start, tlb=tlb)
        to = ADDRESS + (end - start << PAGE_SHIFT)
        await self.run(of, "enter_radix_tlb_flush", ADDRESS, to, bits(tlb), size << PAGE_SHIFT)
        return "mm" if tlb.fullmm else "range"

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return bool(at_once(self.run(RadixHands(mm), "enter_pte_needs_flush", flags(oldpte), flags(newpte))))

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return bool(at_once(self.run(RadixHands(mm), "enter_huge_pmd_needs_flush", flags(oldpmd), flags(newpmd))))

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        table: int | None = await get_and_clear_pmd(mm, addr)
        if mm.facts.page_size == 4096:
            await self.flush_all_mm(mm)
        else:
            await self.run(RadixHands(mm, addr), "enter_flush_tlb_collapsed_pmd", ADDRESS)
        return table

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """do_exit_flush_lazy_tlb() as one step: only the sender, which waits, looks at what it changes."""
        if mm.cpus is not None:
            return take_ipi(sender, cpu, mm.addrs)
        there = mm.on(replace(mm.task, cpu=cpu))
        csd, irqs_off = csd_cell(sender, cpu), irqs_off_cell(cpu)
        cells = (active_mm_cell(cpu), on_mm_cell(cpu), CPUMASK, *(tlb_cell(cpu, addr) for addr in mm.addrs))
        read = (current_mm_cell(cpu), *cells)

        def step(request: object, off: bool, *words: Hashable) -> list[Outcome]:
            if not isinstance(request, ExitLazyTlb) or off:
                return []
            program = self.run(RadixHands(there), "enter_exit_lazy_flush_tlb")
            after = values_after(program, dict(zip(read, words, strict=True)))
            return [Outcome(None, (None, *(after[cell] for cell in cells)))]

        name = f"IPI of T{sender}: exit lazy TLB"
        return Op(name, (csd, irqs_off, *read), (csd, *cells), step, order=Order.HANDLER)


def _beside(version: Version) -> str:
    return f"arch_plugins.powerpc_radix:{'PowerpcRadixV61' if version < (6, 12) else 'PowerpcRadix'}"


BINDING = Binding("powerpc-radix", manifest, VOCABULARY, PowerpcRadixFromC, _beside)
