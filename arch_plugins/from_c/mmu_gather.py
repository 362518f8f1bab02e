"""mm/mmu_gather.c and include/asm-generic/tlb.h of a tree in place of core/mm/mmu_gather.py, on generic SMP.

There a table is freed as a page is; `mmu_gather_rcu` is the same where tables are freed by RCU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arch_plugins.from_c._gather_hands import PAGES, GatherHands, bound_of, flags_of, table_pointer
from arch_plugins.from_c._gather_words import VOCABULARY
from arch_plugins.generic import Generic, Smp
from core.hookspecs import Facts, hookimpl
from core.mm.encoded_page import page_pointer
from core.mm.mm import Mm, Vma, log
from core.mm.mmu_gather import Batch, MmuGather
from core.mm.swap import Table
from core.tree.binding import Binding
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import FromC, at_once
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in

ENCODED = "encode_page encode_nr_pages encoded_page_flags encoded_page_ptr encoded_nr_pages #ENCODED_PAGE_\\w+"

FREED_AT_ONCE, NAMED_SINCE = (("#define MAX_NR_FOLIOS_PER_FREE", "#define OWN_FOLIOS_PER_FREE"),), (6, 9)
"""The model has a smaller one (Mm.folios_per_free): batches there are small."""


def manifest(version: Version) -> Manifest:
    """mmu_gather.c whole; pages have no flags in 6.1."""
    encoded = (Source("include/linux/mm_types.h", keep=names_in(ENCODED)),) if version >= (6, 12) else ()
    return Manifest(
        (
            *encoded,
            Source(
                "include/linux/mm_inline.h",
                keep=names_in("inc_tlb_flush_pending dec_tlb_flush_pending mm_tlb_flush_nested"),
            ),
            Source(GENERIC_GATHER, name="asm/tlb.h"),
            Source("mm/mmu_gather.c", replace=FREED_AT_ONCE if version >= NAMED_SINCE else ()),
        ),
        "mmu_gather.h",
        "mmu_gather.c",
    )


class GatherFunctions(FromC):
    """The functions of mmu_gather.c from a tree, on an architecture that is named beside this class."""

    one_path = True

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())  # type: ignore[misc]

    def core_functions(self, mm: Mm) -> Mapping[str, Callable[..., Any]]:
        """The functions of core.mm.mmu_gather that the C stands for."""
        mine: tuple[Callable[..., Any], ...] = (
            self.gather_page,
            self.tlb_finish_mmu,
            self.tlb_flush_mmu,
            self.tlb_flush_mmu_tlbonly,
            self.tlb_gather_mmu,
            self.tlb_remove_table,
        )
        ranges: tuple[Callable[..., Any], ...] = (self.tlb_flush_pte_range, self.tlb_flush_pmd_range)
        delayed = (self.tlb_flush_rmaps,) if self.automata.unit.version >= (6, 12) else ()
        return {function.__name__: function for function in (*mine, *ranges, *delayed)}

    async def on(self, of: GatherHands, name: str, call: int = 0, call2: int = 0) -> int:
        """Run the C function `name` on a gather."""
        of.in_runs = self.counts_c
        return await self.run(of, f"enter_{name}", *of.arguments(call, call2))

    async def tlb_gather_mmu(self, mm: Mm, fullmm: bool = False) -> MmuGather:
        """The gather is made by the C."""
        tlb = MmuGather(mm, fullmm, [Batch(mm.facts.bundle)])
        await log("gather", tlb)
        await self.on(GatherHands(mm, tlb, working=True), "tlb_gather_mmu", int(fullmm))
        return tlb

    async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
        """mm/mmu_gather.c."""
        await log("finish")
        await self.on(GatherHands(tlb.mm, tlb), "tlb_finish_mmu")

    async def tlb_flush_mmu(self, tlb: MmuGather) -> None:
        """mm/mmu_gather.c."""
        await self.on(GatherHands(tlb.mm, tlb), "tlb_flush_mmu")

    async def tlb_flush_mmu_tlbonly(self, tlb: MmuGather) -> None:
        """include/asm-generic/tlb.h."""
        await self.on(GatherHands(tlb.mm, tlb), "tlb_flush_mmu_tlbonly")

    async def tlb_flush_rmaps(self, tlb: MmuGather, addr: int) -> None:
        """mm/mmu_gather.c."""
        await self.on(GatherHands(tlb.mm, tlb, addr), "tlb_flush_rmaps")

    async def tlb_remove_table(self, tlb: MmuGather, table: Table) -> None:
        """mm/mmu_gather.c; where tables are not freed by RCU, include/asm-generic/tlb.h."""
        rcu = tlb.mm.facts.rcu_table_free
        of = GatherHands(tlb.mm, tlb, what="table_batch" if rcu else "batch")
        await self.on(of, "tlb_remove_table", table_pointer(table), int(rcu))

    async def gather_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        """__tlb_remove_page_size(), __tlb_remove_folio_pages()."""
        assert nr == 1 or tlb.mm.folio(page)[1] > 1, "pages are gathered one by one"
        of = GatherHands(tlb.mm, tlb)
        return bool(await self.on(of, "gather_page", PAGES + page_pointer(page), nr << 1 | delay_rmap))

    # ---- areas -------------------------------------------------------------------------------------------------

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """include/asm-generic/tlb.h, as is the next one."""
        await self._on_range(GatherHands(tlb.mm, tlb), "enter_tlb_start_vma", vma.pfn, 0)

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        if tlb.mm.functions:
            await self.on(GatherHands(tlb.mm, tlb), "tlb_end_vma", int(vma.pfn))
        else:  # as workloads are counted: with the text, whose gather holds runs of pages
            await Generic().tlb_end_vma(tlb=tlb, vma=vma)

    # ---- the range, which nobody else sees ---------------------------------------------------------------------

    def tlb_flush_pte_range(self, tlb: MmuGather, addr: int, size: int) -> None:
        """include/asm-generic/tlb.h."""
        self._flush_range(tlb, addr, size, 0)

    def tlb_flush_pmd_range(self, tlb: MmuGather, addr: int, size: int) -> None:
        """include/asm-generic/tlb.h."""
        self._flush_range(tlb, addr, size, 1)

    def _flush_range(self, tlb: MmuGather, addr: int, size: int, level: int) -> None:
        at_once(self._on_range(GatherHands(tlb.mm, tlb), "enter_flush_range", addr, size << PAGE_SHIFT | level))

    async def _on_range(self, of: GatherHands, entry: str, addr: int, call2: int) -> int:
        tlb = of.tlb
        bounds = bound_of(tlb.start), bound_of(tlb.end)
        return await self.run(of, entry, 0, 0, 0, 0, 0, 0, *bounds, flags_of(tlb), addr << PAGE_SHIFT, call2)

    async def _free(self, tlb: MmuGather, table: Table, addr: int, level: int) -> None:
        await self._on_range(GatherHands(tlb.mm, tlb, freeing=table), "enter_free_table", addr, level)

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """include/asm-generic/tlb.h, as are the next two; __pte_free_tlb() is the architecture's."""
        await self._free(tlb, table, addr, 0)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self._free(tlb, table, addr, 1)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self._free(tlb, table, addr, 2)


class GatherOfTree(GatherFunctions, Smp):
    """Generic SMP, which frees tables as it frees pages."""


BINDING = Binding("mmu_gather", manifest, VOCABULARY, GatherOfTree, lambda version: "arch_plugins.generic:Smp")
