"""A PROT_NONE entry, or a NUMA hint, is present: whoever looks for a page's mapping finds it (pte_present())."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from core.machine.accessed import accessed_cell
from core.machine.op import Op
from core.machine.pte import Entry, Migration, ProtNone, Pte, Swap, pte_cell, pte_present
from core.machine.runs import one_by_one
from core.machine.schedule import run
from core.machine.tlb import ref_cell
from core.mm.aging import folio_referenced_one
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.mm.ksm import try_to_merge_one_page
from core.mm.mm import Mm, Vma
from core.mm.mprotect import change_prot_numa, protnone, wrprotect
from core.mm.page import mapcount_cell
from core.mm.reclaim import shrink_folio_list
from core.mm.rmap import folio_mkclean
from core.mm.syscalls import dup_mmap, madvise_dontneed, madvise_free, mprotect, mremap
from core.mm.task_mmu import clear_refs_write
from core.mm.userfaultfd import mwriteprotect_range
from tests.mm.noting import noting
from tests.mm.test_moving import COPY, HERE, PAGE, THERE, alone, an_mm, mapped

HINT = ProtNone(PAGE, True, True)
"""What a NUMA hint leaves of a writable, dirty entry."""

Program = Callable[[Mm], Coroutine[Op, Any, Any]]


@pytest.mark.parametrize(
    ("program", "after"),
    [
        (lambda mm: folio_mkclean(mm, PAGE), ProtNone(PAGE, False, False)),
        (lambda mm: mprotect(mm, [HERE], wrprotect), Pte(PAGE, write=False, dirty=True)),
        (lambda mm: mprotect(mm, [HERE], protnone), HINT),
        (lambda mm: mwriteprotect_range(mm, HERE, True), Pte(PAGE, write=False, dirty=True, uffd_wp=True)),
        (lambda mm: madvise_free(mm, HERE, 0, 1), ProtNone(PAGE, True, False)),
        (lambda mm: clear_refs_write(mm, 0, 1), ProtNone(PAGE, False, True)),
        (lambda mm: madvise_dontneed(mm, HERE, 0, 1), None),
    ],
    ids=["mkclean", "mprotect", "mprotect none", "userfaultfd", "MADV_FREE", "clear_refs", "MADV_DONTNEED"],
)
def test_the_entry_is_changed_as_an_accessible_one_is(program: Program, after: Entry) -> None:
    memory = mapped(HINT)
    alone(program(an_mm()), memory)
    assert memory[pte_cell(0)] == after


def test_a_second_hint_leaves_the_entry_alone() -> None:
    """change_pte_range(): "Avoid TLB flush if possible"."""
    names: list[str] = []
    memory = mapped(HINT)
    alone(noting(change_prot_numa(an_mm(), HERE), names), memory)
    assert memory[pte_cell(0)] == HINT
    assert not [name for name in names if "clear" in name or "flush [" in name]


def test_fork_copies_it_write_protected_on_both_sides() -> None:
    memory = mapped(HINT)
    memory[mapcount_cell(PAGE)] = 1
    alone(dup_mmap(an_mm(), [HERE], {0: 1}), memory)
    assert memory[pte_cell(0)] == memory[pte_cell(1)] == ProtNone(PAGE, False, True)
    assert (memory[ref_cell(PAGE)], memory[mapcount_cell(PAGE)]) == (2, 2)


def test_mremap_flushes_what_it_moves_under_both_locks() -> None:
    names: list[str] = []
    alone(noting(mremap(an_mm(), HERE, THERE), names), mapped(HINT))
    assert names.index("local flush [0, 1)") < names.index("unlock ptl[1]")


def test_reclaim_unmaps_it() -> None:
    memory = mapped(HINT, refs=2)
    alone(shrink_folio_list(an_mm(reclaims=True), UnmapBatch(), [PAGE]), memory)
    assert memory[pte_cell(0)] == Swap(PAGE)
    assert (memory[ref_cell(PAGE)], memory[mapcount_cell(PAGE)]) == (0, 0)


def test_its_accessed_bit_is_asked_for() -> None:
    memory = mapped(HINT)
    assert alone(folio_referenced_one(an_mm(), PAGE, 0), memory) is True
    assert memory[accessed_cell(0)] is False


def test_ksm_merges_its_page() -> None:
    memory = mapped(HINT)
    memory[ref_cell(COPY)] = 1
    alone(try_to_merge_one_page(an_mm(), 0, PAGE, COPY), memory)
    assert memory[pte_cell(0)] == Pte(COPY, write=False)


@pytest.mark.parametrize(
    ("second", "pages"),
    [(Pte(1, dirty=True), ((0, 1), (1, 1))), (ProtNone(1, False, False), ((0, 2),))],
    ids=["accessible", "none"],
)
def test_a_folio_is_zapped_in_stretches_of_one_protection(second: Entry, pages: tuple[tuple[int, int], ...]) -> None:
    """folio_pte_batch(): pte_same() but for the dirty, write and accessed bits."""
    memory = mapped(ProtNone(0, True, True))
    memory[pte_cell(1)], memory[ref_cell(1)], memory[mapcount_cell(1)] = second, 1, 1
    mm = replace(an_mm(), era=ERAS["6.12"], folio=lambda page: (0, 2), facts=replace(an_mm().facts, ptes_per_table=2))
    freed: list[Any] = []

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "free":
            freed.append(event[2])

    run(one_by_one(madvise_dontneed(mm, Vma(0, 2), 0, 2)), memory, lambda op, outcomes: outcomes[0], emit)
    assert (memory[pte_cell(0)], memory[pte_cell(1)]) == (None, None)
    assert freed == [pages]


@pytest.mark.parametrize("entry", [None, Swap(3), Migration(PAGE, True, True)])
def test_what_is_not_present_is_not(entry: Entry) -> None:
    assert not pte_present(entry)
    assert pte_present(HINT)
    assert pte_present(Pte(PAGE))
