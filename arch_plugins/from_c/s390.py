"""s390 from its C: pgtable.c, tlb.h, tlbflush.h, mmu_context.h, under the machine of `arch_plugins.s390`.

An entry of C is told apart only as far as the code looks at it: valid or not.  What it maps stays with the hook
(`Hands.entry`), so tables do not depend on pages.  IPTE sets the invalid bit and purges TLBs; the store of an empty
entry that follows changes nothing that a CPU could see, and is no operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arch_plugins.families import at_clear as family
from arch_plugins.from_c._common import ADDRESS, COMMON, GatherFromC, Hook, flushes_nothing, own_bit
from arch_plugins.s390 import S390
from core.hookspecs import Facts, hookimpl
from core.machine.insn import EVERYWHERE as ALL
from core.machine.insn import Operand, insn
from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, ProtNone, Pte, ptep_get, set_pte
from core.machine.tlb import invalidate
from core.mm.huge_memory import invalid, pmdp_get, xchg_pmd
from core.mm.mm import CPUMASK, Mm, log
from core.mm.mmu_gather import MmuGather
from core.tree.binding import Binding
from core.tree.gather import bits
from core.tree.hybrid import cpus_in, mask_of
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, masks, truth

# ---- what is built -------------------------------------------------------------------------------------------

PGTABLE_H = names_in(
    """
    #_PAGE_\\w+ #_SEGMENT_ENTRY_\\w+ #_REGION\\w+ #_ASCE_\\w+ #IPTE_\\w+ #IDTE_\\w+
    mm_p4d_folded mm_pud_folded mm_pmd_folded mm_has_pgste mm_is_protected set_pte set_pmd set_pud set_pte_bit
    clear_pte_bit
    set_pmd_bit clear_pmd_bit pte_present pmd_present pte_write pte_young pte_same pte_wrprotect pte_mkold pmd_wrprotect
    ptep_test_and_clear_young ptep_clear_flush_young ptep_get_and_clear ptep_clear_flush ptep_get_and_clear_full
    ptep_set_wrprotect ?pte_allow_rdp ptep_set_access_flags pmdp_huge_get_and_clear pmdp_huge_get_and_clear_full
    pmdp_invalidate pmdp_collapse_flush
    """
)


def manifest(version: Version) -> Manifest:
    """The same files in 6.1 and 6.12."""
    asm = "arch/s390/include/asm/"
    return Manifest(
        (
            Source(f"{asm}mmu.h"),
            Source(f"{asm}pgtable.h", keep=PGTABLE_H),
            Source(f"{asm}tlbflush.h", drop=("__tlb_flush_local", "__tlb_flush_idte")),
            Source(f"{asm}tlb.h"),
            Source(GENERIC_GATHER),
            Source(f"{asm}mmu_context.h", drop=("init_new_context",)),
            Source("arch/s390/mm/pgtable.c", drop=("pgprot_writecombine", "?pgprot_writethrough")),
        ),
        "s390.h",
        "s390.c",
    )


# ---- what its operations mean --------------------------------------------------------------------------------

VALID, INVALID = 0x1234567003F, 0x400
"""A present entry with all rights, and _PAGE_INVALID."""

VALID_PMD, INVALID_PMD = 0x1234500003, 0x20


@dataclass
class Hands(Hook):
    """What the C has done so far: `entry` is the entry as it was read, `cleared` whether the model has emptied it.

    `becomes` is what a huge entry is changed to.
    """

    nr: int = 1
    becomes: Callable[[Entry], object] = lambda pmd: None
    entry: Any = None
    cleared: bool = False
    flushed: bool = False


async def _read_pte(of: Hands, word: Word) -> int:
    of.entry = await ptep_get(of.addr)
    return VALID if isinstance(of.entry, Pte) else INVALID


async def _write_pte(of: Hands, word: Word) -> int:
    """set_pte(): an entry with the invalid bit is empty for the hardware; it is stored once."""
    if not word.a & INVALID:
        await set_pte(of.addr, of.mm.hook.pte_wrprotect(mm=of.mm, pte=of.entry))
    elif not of.cleared:
        of.cleared = True
        await set_pte(of.addr, None, of.nr, event=("clear", of.addr, of.nr))
    return 0


async def _ipte(of: Hands, word: Word) -> int:
    local = word.kind == "ipte,local"
    of.cleared = True
    if word.b != ADDRESS:  # the entry is invalid, and what is purged is of another page
        of.entry = await ptep_get(of.addr)
        await set_pte(of.addr, None, of.nr, event=("clear", of.addr, of.nr))
        return VALID
    of.entry = await family.ipte(of.mm, of.addr, of.nr, local=local)
    await insn(of.mm.task.cpu, "IPTE", of.nr, Operand(of.addr, of.nr, everywhere=not local))
    if not local:
        await log("pte_flush", of.addr, of.nr)
    return VALID


async def _read_pmd(of: Hands, word: Word) -> int:
    of.entry = await pmdp_get(of.mm, of.addr)
    return INVALID_PMD if of.entry is None or isinstance(of.entry, ProtNone) else VALID_PMD


async def _write_pmd(of: Hands, word: Word) -> int:
    if not of.cleared:
        of.cleared = True
        of.entry = await xchg_pmd(of.mm, of.addr)
    return 0


async def _idte_pmd(of: Hands, word: Word) -> int:
    local = word.kind == "idte pmd,local"
    of.cleared = True
    of.entry = await family.idte_pmd(of.mm, of.addr, of.becomes, local=local)
    await insn(of.mm.task.cpu, "IDTE", 1, Operand(of.addr, 1, everywhere=not local))
    return VALID_PMD


async def _idte_asce(of: Hands, word: Word) -> int:
    """Everything of the mm, on every CPU."""
    of.flushed = True
    await insn(of.mm.task.cpu, "IDTE", 1, ALL)
    await invalidate(sorted({of.mm.task.cpu, *of.mm.online}), of.mm.addrs, "IDTE")
    return 0


async def _everything(of: Hands, word: Word) -> int:
    """CSP: everything, on every CPU."""
    of.flushed = True
    await insn(of.mm.task.cpu, "CSP", 1, ALL)
    await invalidate(sorted({of.mm.task.cpu, *of.mm.online}), of.mm.addrs, "CSP")
    return 0


async def _own(of: Hands, word: Word) -> int:
    """PTLB: everything, on this CPU."""
    await insn(of.mm.task.cpu, "PTLB")
    await invalidate((of.mm.task.cpu,), of.mm.addrs, "PTLB")
    return 0


async def _lock(of: Hands, word: Word) -> int:
    await spin_lock(family.CONTEXT_LOCK, of.mm.task)
    return 0


async def _unlock(of: Hands, word: Word) -> int:
    await spin_unlock(family.CONTEXT_LOCK, of.mm.task)
    return 0


async def _read_flush_mm(of: Hands, word: Word) -> int:
    return int(await Op("read flush_mm", (family.FLUSH_MM,), (), lambda owed: [Outcome(owed)], order=Order.PLAIN))


async def _write_flush_mm(of: Hands, word: Word) -> int:
    await family.set_flush_mm(bool(word.a))
    return 0


async def _count_flusher(of: Hands, word: Word) -> int:
    await family.count_flusher(of.mm, -1 if word.a >> 63 else +1)
    return 0


async def _no_flusher(of: Hands, word: Word) -> int:
    """The wait in finish_arch_post_lock_switch(): blocked while anyone flushes."""
    if of.mm.cpus is None:
        await Op(
            "wait for flush_count", (family.FLUSH_COUNT,), (), lambda n: [] if n else [Outcome(None)], order=Order.PLAIN
        )
    return 0


async def _read_attach_mask(of: Hands, word: Word) -> int:
    return mask_of(of.mm, await family.cpu_attach_mask(of.mm))


async def _change_attach_mask(of: Hands, word: Word) -> int:
    if of.mm.cpus is None:
        here = of.mm.task.cpu
        await (family.join(family.ATTACH_MASK, here) if word.kind == "set_bit" else family.detach(of.mm))
    return 0


async def _join_cpumask(of: Hands, word: Word) -> int:
    if of.mm.cpus is None:
        await family.join(CPUMASK, of.mm.task.cpu)
    return 0


async def _write_cpumask(of: Hands, word: Word) -> int:
    if of.mm.cpus is None:
        await family.set_cpumask(cpus_in(of.mm, word.a))
    return 0


CONTEXT = "mm.context."
ATOMIC = "set_bit|clear_bit"

VOCABULARY = Vocabulary(
    (
        Rule("read|READ_ONCE", "pte", _read_pte, just(VALID, INVALID)),
        Rule("write|WRITE_ONCE", "pte", _write_pte),
        Rule("ipte|ipte,local", "pte", _ipte, just(VALID)),
        Rule("read|READ_ONCE", "pmd", _read_pmd, just(VALID_PMD, INVALID_PMD)),
        Rule("write|WRITE_ONCE", "pmd", _write_pmd),
        Rule("idte pmd|idte pmd,local", "pmd", _idte_pmd, just(VALID_PMD)),
        Rule("idte asce", "*", _idte_asce),
        Rule("csp", "", _everything),
        Rule("ptlb", "", _own),
        Rule("idte of another asce", "", flushes_nothing),
        Rule("lock", f"{CONTEXT}lock", _lock),
        Rule("unlock", f"{CONTEXT}lock", _unlock),
        Rule("read|READ_ONCE", f"{CONTEXT}flush_mm", _read_flush_mm, truth),
        Rule("write|WRITE_ONCE", f"{CONTEXT}flush_mm", _write_flush_mm),
        Rule("atomic_add", f"{CONTEXT}flush_count", _count_flusher),
        Rule("atomic_read", f"{CONTEXT}flush_count", _no_flusher, truth),
        Rule("read|READ_ONCE", f"{CONTEXT}cpu_attach_mask", _read_attach_mask, masks),
        Rule(ATOMIC, f"{CONTEXT}cpu_attach_mask", _change_attach_mask, when=own_bit),
        Rule("set_bit", "mm_cpumask", _join_cpumask, when=own_bit),
        Rule("write|WRITE_ONCE", "mm_cpumask", _write_cpumask),
        hidden("read|READ_ONCE", f"{CONTEXT}gmap_asce", "no guest runs on the mm"),
        hidden("read|READ_ONCE", f"{CONTEXT}asce", "which ASCE: there is one mm", just(0x1000)),
        hidden("read|READ_ONCE", f"{CONTEXT}asce_limit", "tables of five levels", just(1 << 63)),
        hidden("*", "other_mm*", "another mm's words"),
        hidden("*", "lowcores*", "the lowcore, which only its CPU reads"),
        hidden("lctlg", "*", "control register 7: user code runs behind switch_mm"),
        *COMMON,
    )
)


# ---- the hooks -----------------------------------------------------------------------------------------------


class S390FromC(GatherFromC, S390):
    """Every hook of `arch_plugins.s390` that touches entries, masks or TLBs."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await self.run(Hands(prev), "enter_detach")
        if next is not None:
            await self.run(Hands(next), "enter_attach")

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        of = Hands(mm, addr, nr=nr)
        entry = "enter_ptep_get_and_clear_full" if full else "enter_ptep_get_and_clear"
        await self.run(of, entry, ADDRESS, int(full))
        result: Entry = of.entry
        return result

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        of = Hands(mm, addr)
        await self.run(of, "enter_pmdp_huge_get_and_clear", ADDRESS, int(full))
        result: Entry = of.entry
        return result

    @hookimpl
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        of = Hands(mm, addr)
        await self.run(of, "enter_pmdp_collapse_flush", ADDRESS)  # the same pmdp_huge_get_and_clear()
        result: Entry = of.entry
        return result

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        of = Hands(mm, addr, becomes=invalid)
        await self.run(of, "enter_pmdp_invalidate", ADDRESS)
        result: Entry = of.entry
        return result

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        of = Hands(mm, addr)
        await self.run(of, "enter_pmdp_collapse_flush", ADDRESS)
        table: int | None = of.entry
        return table

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        of = Hands(mm, addr)
        await self.run(of, "enter_ptep_clear_flush", ADDRESS)
        result: Entry = of.entry
        return result

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        await self.run(Hands(mm, addr), "enter_ptep_set_wrprotect", ADDRESS)

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await family.free_now(tlb.mm, page, nr)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        of = Hands(tlb.mm)
        await self.run(of, "enter_tlb_flush", ADDRESS, ADDRESS + 0x1000, bits(tlb))
        return "lazy_mm" if of.flushed else "lazy_noop"

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.run(Hands(mm), "enter_flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.run(Hands(mm), "enter_flush_tlb_range", ADDRESS, ADDRESS + 0x2000)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.run(Hands(mm, addr), "enter_flush_tlb_page", ADDRESS)


BINDING = Binding("s390", manifest, VOCABULARY, S390FromC, lambda version: "arch_plugins.s390:S390")
