"""Functions of mm/ of a tree, cut out by name, in place of those of core/mm, on generic SMP.

Whatever they call of other functions is the model's text, also a gather: mmu_gather.c is `mmu_gather`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arch_plugins.families.needs_flush import X86Pte
from arch_plugins.from_c import _mm_entries, _mm_flushes, _mm_hugetlb, _mm_khugepaged, _mm_pages, _mm_tables
from arch_plugins.from_c._mm_entries import code
from arch_plugins.from_c._mm_hands import MmHands
from arch_plugins.from_c._mm_locks import under_its_lock
from arch_plugins.from_c._mm_sources import SPLITS_BY_FOLIO, manifest
from arch_plugins.generic import Smp
from core.hookspecs import Facts, hookimpl
from core.machine.pte import Entry, Present
from core.mm.batched_unmap import UnmapBatch
from core.mm.khugepaged import collapse_huge_page
from core.mm.madvise import madvise_cold_or_pageout_pte_range, madvise_free_pte_range
from core.mm.memory import unmap_page_range
from core.mm.migrate import migrate_vma_collect_pmd
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.mprotect import Change, accessible, prot_numa
from core.mm.mremap import move_page_tables
from core.mm.pagewalk import Action
from core.mm.reclaim import try_to_unmap_one
from core.mm.stand_in import text_of
from core.mm.userfaultfd import uffd_wp, uffd_wp_resolve
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import FromC
from core.tree.vocabulary import EVERYWHERE, Vocabulary

MOST_PAGES = 8
"""Of a range that the C is run on: its local states are as many as the square of that."""

MOST_ADVISED = 4
"""Of a range of madvise.c, which has the sizes of folios besides."""
MOST_SMALL_PAGES = 2
"""That a collapse in C takes into a huge one: of each there are as many local states as counts and entries."""

ANONYMOUS, UFFD_WP = 1, 2
"""V_ bits of shim/generic_mm.h."""


class SparingSmp(X86Pte, Smp):
    """Generic SMP that spares a flush where x86 does, so that it matters what mprotect.c and change_huge_pmd() ask."""


class MmOfTree(FromC, SparingSmp):
    """The same, with functions of mm/ from a tree."""

    one_path = True
    flushes_below = frozenset({"ptep_clear_flush", "pmdp_huge_clear_flush", "pmdp_invalidate", "pmdp_collapse_flush"})

    def whole(self, pages: int, most: int) -> bool:
        """Is a range of `pages` one that the C is run on? A search has it up to `most`, a count has any."""
        return pages <= most or self.counts_c

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    def core_functions(self, mm: Mm) -> Mapping[str, Callable[..., Any]]:
        """The functions of core.mm that the C stands for; none where tables vanish as in no kernel of its version.

        MADV_DONTNEED frees tables since v6.14, and a file's pages are collapsed without mmap_lock since v6.6.
        """
        version = self.automata.unit.version
        if (mm.era.reclaims_tables and version < (6, 14)) or (mm.collapses and version < (6, 6)):
            return {}
        mine: tuple[Callable[..., Any], ...] = (
            self.copy_pte_range,
            self.handle_pte_fault,
            self.do_anonymous_page,
            self.unmap_page_range,
            self.change_protection,
            self.move_page_tables,
            self.flush_tlb_batched_pending,
            self.set_tlb_ubc_flush_pending,
            self.try_to_unmap_flush,
            self.try_to_unmap_flush_dirty,
            self.page_vma_mkclean_one,
            self.try_to_unmap_one,
            self.try_to_migrate_one,
            self.remove_migration_pte,
            self.migrate_vma_collect_pmd,
            self.madvise_free_pte_range,
            self.madvise_cold_or_pageout_pte_range,
            self.zap_hugepage_range,
            self.collapse_huge_page,
            self.retract_page_tables,
        )
        if version >= SPLITS_BY_FOLIO:
            mine = (*mine, self.split_huge_pmd, self.split_huge_anon_pmd)
        return {function.__name__: function for function in mine}

    async def on(self, of: MmHands, name: str, *args: int) -> int:
        """Run the C function `name`."""
        shifts = (PAGE_SHIFT + span.bit_length() - 1 for span in of.mm.span)
        moves_pmd = of.mm.tables and "move_pmd" in of.mm.facts.capabilities
        program = self.run(of, f"enter_{name}", *shifts, moves_pmd | (of.faults or of.collapses) << 1, *args)
        hidden = of.deposited is not None  # entries of a table that nobody can reach yet
        alone = of.of_table or of.hugetlb  # khugepaged and hugetlb hold the locks of all who look for the entries
        return await (program if hidden or alone else under_its_lock(of.mm, program))

    async def unmap_page_range(self, tlb: MmuGather, vma: Vma, addr: int, end: int) -> None:
        """mm/memory.c."""
        if not self.whole(end - addr, MOST_PAGES):
            await text_of(unmap_page_range)(tlb, vma, addr, end)
            return
        of = MmHands(tlb.mm, base_of(tlb.mm, addr), vma, tlb)
        await self.on(of, "unmap_page_range", *bounds(of, addr, end), flags_of(vma), tlb.fullmm)

    async def copy_pte_range(self, mm: Mm, addr: int, end: int, copy: int) -> None:
        """mm/memory.c; the child's entries are those from `copy` on."""
        of = MmHands(mm, base_of(mm, addr), child=copy - addr)
        await self.on(of, "copy_pte_range", *bounds(of, addr, end))

    async def handle_pte_fault(self, mm: Mm, vma: Vma, addr: int, write: bool = True) -> bool:
        """mm/memory.c. Returns whether the access is to be tried again."""
        of = MmHands(mm, base_of(mm, addr), vma, addr=addr, faults=True, change=accessible)
        return bool(await self.on(of, "handle_pte_fault", *bounds(of, addr), flags_of(vma), write))

    async def do_anonymous_page(self, mm: Mm, addr: int, page: int, tables: Sequence[int]) -> None:
        """mm/memory.c, of a store."""
        of = MmHands(mm, base_of(mm, addr), addr=addr, faults=True, page=page, tables=tables)
        await self.on(of, "do_anonymous_page", *bounds(of, addr))

    async def split_huge_pmd(self, mm: Mm, addr: int) -> None:
        """mm/huge_memory.c, of a page of a file."""
        of = MmHands(mm, base_of(mm, addr))
        await self.on(of, "split_huge_pmd", *bounds(of, addr), 0)

    async def split_huge_anon_pmd(self, mm: Mm, addr: int, table: int) -> None:
        """mm/huge_memory.c, of anonymous memory."""
        of = MmHands(mm, base_of(mm, addr), deposited=table)
        await self.on(of, "split_huge_pmd", *bounds(of, addr), ANONYMOUS)

    async def change_protection(self, tlb: MmuGather, vma: Vma, change: Change) -> None:
        """mm/mprotect.c."""
        of = MmHands(tlb.mm, base_of(tlb.mm, vma.start), vma, tlb, change=change)
        await self.on(of, "change_protection", *bounds(of, vma.start, vma.end), flags_of(vma), CP_FLAGS.get(change, 0))

    async def move_page_tables(self, mm: Mm, vma: Vma, new_vma: Vma, need_rmap_locks: bool = False) -> None:
        """mm/mremap.c."""
        if not self.whole(vma.end - vma.start, MOST_PAGES):
            await text_of(move_page_tables)(mm, vma, new_vma, need_rmap_locks)
            return
        of = MmHands(mm, base_of(mm, min(vma.start, new_vma.start)), vma)
        size = vma.end - vma.start << PAGE_SHIFT
        await self.on(of, "move_page_tables", *bounds(of, vma.start, new_vma.start), size, need_rmap_locks)

    async def zap_hugepage_range(self, tlb: MmuGather, vma: Vma) -> None:
        """mm/hugetlb.c:__unmap_hugepage_range()."""
        of = MmHands(tlb.mm, base_of(tlb.mm, vma.start), vma, tlb, addr=vma.start, hugetlb=True)
        await self.on(of, "unmap_hugepage_range", *bounds(of, vma.start, vma.end))

    async def collapse_huge_page(self, mm: Mm, vma: Vma, addr: int, new: int) -> bool:
        """mm/khugepaged.c. Returns whether it was done."""
        if not self.whole(mm.span[0], MOST_SMALL_PAGES):
            return await text_of(collapse_huge_page)(mm, vma, addr, new)
        of = MmHands(mm, base_of(mm, addr), vma, addr=addr, becomes=new, of_table=True, collapses=True)
        return bool(await self.on(of, "collapse_huge_page", *bounds(of, addr)))

    async def retract_page_tables(self, mm: Mm, vma: Vma) -> None:
        """mm/khugepaged.c, of one area."""
        of = MmHands(mm, base_of(mm, vma.start), vma, addr=vma.start, of_table=True, collapses=True)
        await self.on(of, "retract_page_tables", *bounds(of, vma.start))

    # ---- mm/rmap.c -----------------------------------------------------------------------------------------------

    async def flush_tlb_batched_pending(self, mm: Mm) -> None:
        """Flushes what reclaim has put off."""
        await self.on(MmHands(mm), "flush_tlb_batched_pending")

    async def set_tlb_ubc_flush_pending(self, mm: Mm, ubc: UnmapBatch, pte: Present, start: int, end: int) -> None:
        """Of the entries from `start` to `end`, of which `pte` is the first."""
        of = MmHands(mm, base_of(mm, start), addr=start, nr=end - start, ubc=ubc, entry=pte)
        await self.on(of, "set_tlb_ubc_flush_pending", *bounds(of, start), code(pte))

    async def try_to_unmap_flush(self, mm: Mm, ubc: UnmapBatch) -> None:
        """The batch's deferred flush."""
        await self.on(MmHands(mm, ubc=ubc), "try_to_unmap_flush")

    async def try_to_unmap_flush_dirty(self, mm: Mm, ubc: UnmapBatch) -> None:
        """The same before I/O."""
        await self.on(MmHands(mm, ubc=ubc), "try_to_unmap_flush_dirty")

    async def page_vma_mkclean_one(self, mm: Mm, page: int, addr: int) -> bool:
        """Returns whether the mapping was dirty or writable."""
        of = MmHands(mm, base_of(mm, addr), addr=addr, page=page)
        return bool(await self.on(of, "page_vma_mkclean_one", *bounds(of, addr)))

    async def try_to_unmap_one(self, mm: Mm, ubc: UnmapBatch, page: int, addr: int) -> int:
        """One page of a folio at a time; a huge mapping is split by the text."""
        if (mm.tables and mm.folio(page)[1] == mm.span[0] > 1) or mm.era.unmaps_folios:
            return await text_of(try_to_unmap_one)(mm, ubc, page, addr)
        of = MmHands(mm, base_of(mm, addr), addr=addr, page=page, ubc=ubc)
        await self.on(of, "try_to_unmap_one", *bounds(of, addr), TTU_BATCH_FLUSH)
        return 1

    async def try_to_migrate_one(self, mm: Mm, ubc: UnmapBatch, page: int, addr: int) -> None:
        """One page of a folio at a time."""
        of = MmHands(mm, base_of(mm, addr), addr=addr, page=page, ubc=ubc)
        flags = TTU_BATCH_FLUSH if mm.era.batches_migration else 0
        await self.on(of, "try_to_migrate_one", *bounds(of, addr), flags)

    async def remove_migration_pte(self, mm: Mm, page: int, new: int, addr: int) -> None:
        """mm/migrate.c."""
        of = MmHands(mm, base_of(mm, addr), addr=addr, page=page, becomes=new)
        await self.on(of, "remove_migration_pte", *bounds(of, addr))

    async def migrate_vma_collect_pmd(self, mm: Mm, start: int, end: int) -> list[tuple[int, int]]:
        """mm/migrate_device.c. Returns (page, address) of what was collected."""
        if end - start > MOST_PAGES:
            return await text_of(migrate_vma_collect_pmd)(mm, start, end)
        of = MmHands(mm, base_of(mm, start), collected=[])
        await self.on(of, "migrate_vma_collect_pmd", *bounds(of, start, end))
        return of.collected

    # ---- mm/madvise.c --------------------------------------------------------------------------------------------

    async def madvise_free_pte_range(self, tlb: MmuGather, start: int, end: int, pmd: Entry | int) -> Action:
        """Of the entries of one table, or a huge one."""
        if not self.whole(end - start, MOST_ADVISED):
            return await text_of(madvise_free_pte_range)(tlb, start, end, pmd)
        of = MmHands(tlb.mm, base_of(tlb.mm, start), tlb=tlb, follows=True)
        await self.on(of, "madvise_free_pte_range", *bounds(of, start, end), ANONYMOUS)
        return Action.CONTINUE

    async def madvise_cold_or_pageout_pte_range(
        self, tlb: MmuGather, start: int, end: int, pmd: Entry | int, *, pageout: bool
    ) -> Action:
        """The same."""
        if not self.whole(end - start, MOST_ADVISED):
            return await text_of(madvise_cold_or_pageout_pte_range)(tlb, start, end, pmd, pageout=pageout)
        of = MmHands(tlb.mm, base_of(tlb.mm, start), tlb=tlb, follows=True)
        await self.on(of, "madvise_cold_or_pageout_pte_range", *bounds(of, start, end), 0, pageout)
        return Action.CONTINUE

    # ---- mm/pgtable-generic.c ------------------------------------------------------------------------------------

    @hookimpl
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """Returns the entry that was there."""
        of = MmHands(mm, base_of(mm, addr))
        await self.on(of, "pmdp_huge_clear_flush", *bounds(of, addr))
        result: Entry = of.upper
        return result

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        of = MmHands(mm, base_of(mm, addr))
        await self.on(of, "pmdp_invalidate", *bounds(of, addr))
        result: Entry = of.upper
        return result

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        of = MmHands(mm, base_of(mm, addr), of_table=True)
        await self.on(of, "pmdp_collapse_flush", *bounds(of, addr))
        table: int | None = of.upper
        return table

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        of = MmHands(mm, base_of(mm, addr))
        await self.on(of, "ptep_clear_flush", *bounds(of, addr))
        result: Entry = of.entry
        return result

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        of = MmHands(mm, base_of(mm, addr))
        return bool(await self.on(of, "ptep_clear_flush_young", *bounds(of, addr)))


TTU_BATCH_FLUSH = 0x40
"""As in include/linux/rmap.h."""

CP_FLAGS: Mapping[Change, int] = {prot_numa: 2, uffd_wp: 4, uffd_wp_resolve: 8}
"""MM_CP_ flags of shim/mm_mprotect.h."""


def flags_of(vma: Vma) -> int:
    """The VMA's flags, as far as C looks at them."""
    return (not vma.shared) * ANONYMOUS | vma.uffd_wp * UFFD_WP


def bounds(of: MmHands, *addrs: int) -> list[int]:
    """Virtual pages as addresses of C."""
    return [addr - of.base << PAGE_SHIFT for addr in addrs]


def base_of(mm: Mm, addr: int) -> int:
    """The first page that the highest table maps with `addr`."""
    return addr - addr % mm.span[2]


VOCABULARY = Vocabulary(
    (
        *_mm_hugetlb.RULES,
        *_mm_khugepaged.RULES,
        *_mm_entries.RULES,
        *_mm_tables.RULES,
        *_mm_pages.RULES,
        *_mm_flushes.RULES,
        *EVERYWHERE,
    )
)

BINDING = Binding("mm", manifest, VOCABULARY, MmOfTree, lambda version: "arch_plugins.from_c.mm:SparingSmp")
