"""Moving, copying and protecting, one CPU at a time: where the page is mapped afterwards, and who holds what."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from arch_plugins.generic import Smp
from core.base.asked import changed
from core.conformance import SCENARIOS, judge
from core.machine.memory import Memory
from core.machine.op import Cpu, Op, Tid
from core.machine.pte import Entry as PteEntry
from core.machine.pte import ProtNone, Pte, Swap, pte_cell
from core.machine.schedule import ScheduleError, run
from core.machine.task import Task
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.machine.walk import user_load_through
from core.mm.era import ERAS
from core.mm.hugetlb import huge_pmd_unshare, share_count_cell
from core.mm.khugepaged import retract_page_tables
from core.mm.ksm import try_to_merge_one_page
from core.mm.memory import do_numa_page, handle_write_fault, swap_pte_batch, wp_page_copy, writable_pte_batch
from core.mm.migrate import migrate_vma
from core.mm.mm import PENDING, Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.mprotect import change_prot_numa, wrprotect
from core.mm.page import mapcount_cell, pg_dirty_cell, pg_locked_cell
from core.mm.pgtable import upper_entry
from core.mm.syscalls import madvise_free, mprotect, mremap, truncate_pagecache
from core.mm.task_mmu import clear_refs_write
from core.mm.userfaultfd import mwriteprotect_range
from core.plugins.arch import set_up
from tests.mm.noting import noting

ME, PAGE, COPY = Cpu(0), 0, 1
HERE, THERE = Vma(0, 1), Vma(1, 2)
SOMEBODY = Tid(2)


def an_mm(anon: bool = True, **more: Any) -> Mm:
    """An mm of generic SMP that only CPU 0 runs, whose tables have one entry each."""
    arch = set_up("smp", Smp(), "test", {"ptes_per_table": 1})
    given: dict[str, Any] = {"mappings": {PAGE: (0, 1)}, "copies": {PAGE: COPY}, **more}
    return Mm(
        arch.facts,
        ERAS["6.2-fix"],
        arch.hook,
        Task("t", Tid(1), ME),
        addrs=(0, 1),
        is_anon=lambda page: anon,
        cpus=frozenset({ME}),
        **given,
    )


def mapped(pte: Any, refs: int = 1) -> Memory:
    """`pte` at address 0, cached as it is."""
    memory = Memory()
    memory[pte_cell(0)] = pte
    memory[tlb_cell(ME, 0)] = Entry(PAGE, True, True)
    memory[ref_cell(PAGE)] = refs
    memory[ref_cell(COPY)] = memory[mapcount_cell(COPY)] = 0
    return memory


def alone(program: Coroutine[Op, Any, Any], memory: Memory) -> Any:
    """Run it with nobody else around; nothing may be pending afterwards."""
    value = run(program, memory, lambda op, outcomes: outcomes[0], lambda event: None)
    assert memory[PENDING] == 0
    return value


def test_mremap_takes_the_dirty_bit_along_and_flushes_the_old_address() -> None:
    memory = mapped(Pte(PAGE, dirty=True))
    alone(mremap(an_mm(), HERE, THERE), memory)
    assert memory[pte_cell(0)] is None
    assert memory[pte_cell(1)] == Pte(PAGE, dirty=True)
    assert memory[tlb_cell(ME, 0)] is None
    assert (memory[ref_cell(PAGE)], memory[mapcount_cell(PAGE)]) == (1, 1)


def tables(memory: Memory) -> Memory:
    """The same behind a table that can be moved."""
    memory[upper_entry(0, 0)], memory[upper_entry(0, 1)] = 0, None
    return memory


def test_a_moved_table_is_found_at_its_new_address() -> None:
    memory = tables(mapped(Pte(PAGE)))
    alone(mremap(an_mm(tables=True), HERE, THERE, ceiling=1), memory)
    assert (memory[upper_entry(0, 0)], memory[upper_entry(0, 1)]) == (None, 0)
    assert memory[tlb_cell(ME, 0)] is None
    there = user_load_through(ME, 1, upper_entry(0, 1), {0: pte_cell(0)}, [PAGE])
    here = user_load_through(ME, 0, upper_entry(0, 0), {0: pte_cell(0)}, [PAGE])
    assert alone(_one(there), memory) == "ok"
    assert alone(_one(here), memory) == "fault"


async def _one(op: Op) -> Any:
    return await op


def test_a_load_through_a_table_reaches_freed_pages_only_through_the_tlb() -> None:
    memory = tables(mapped(None, refs=0))
    op = user_load_through(ME, 0, upper_entry(0, 0), {0: pte_cell(0)}, [PAGE])
    with pytest.raises(ScheduleError, match="use-after-free"):
        alone(_one(op), memory)
    memory[tlb_cell(ME, 0)] = None
    assert alone(_one(op), memory) == "fault"


def test_a_retracted_table_is_not_moved() -> None:
    memory, mm = tables(mapped(None)), an_mm(tables=True)
    alone(retract_page_tables(mm, HERE), memory)
    alone(retract_page_tables(mm, HERE), memory)
    alone(mremap(mm, HERE, THERE, ceiling=1), memory)
    assert (memory[upper_entry(0, 0)], memory[upper_entry(0, 1)]) == (None, None)


def test_a_page_that_a_device_does_not_take_comes_back_dirty() -> None:
    memory = mapped(Pte(PAGE, dirty=True), refs=2)
    alone(migrate_vma(an_mm(anon=False), 0, 1), memory)
    assert memory[pte_cell(0)] == Pte(PAGE, dirty=True)
    assert memory[pg_dirty_cell(PAGE)] is True
    assert memory[tlb_cell(ME, 0)] is None
    assert (memory[ref_cell(PAGE)], memory[mapcount_cell(PAGE)]) == (2, 1)


def test_a_numa_hint_moves_the_page() -> None:
    memory, mm = mapped(Pte(PAGE, dirty=True)), an_mm()
    alone(change_prot_numa(mm, HERE), memory)
    assert memory[pte_cell(0)] == ProtNone(PAGE, True, True)
    alone(do_numa_page(mm, 0, ProtNone(PAGE, True, True)), memory)
    assert memory[pte_cell(0)] == Pte(COPY, dirty=True)
    assert (memory[ref_cell(PAGE)], memory[ref_cell(COPY)]) == (0, 1)
    assert (memory[mapcount_cell(PAGE)], memory[mapcount_cell(COPY)]) == (0, 1)


@pytest.mark.parametrize(("more", "writable"), [({}, False), ({"exclusive": frozenset({PAGE})}, True)])
def test_a_page_whose_node_is_this_one_is_mapped_again(more: dict[str, Any], writable: bool) -> None:
    memory, mm = mapped(ProtNone(PAGE, True, True)), an_mm(copies={}, **more)
    alone(do_numa_page(mm, 0, ProtNone(PAGE, True, True)), memory)
    assert memory[pte_cell(0)] == Pte(PAGE, writable, True)


def test_a_page_with_a_numa_hint_that_somebody_has_locked_stays_without_its_permission_to_be_written_to() -> None:
    memory, mm = mapped(ProtNone(PAGE, True, True)), an_mm(exclusive=frozenset({PAGE}))
    memory[pg_locked_cell(PAGE)] = SOMEBODY
    alone(do_numa_page(mm, 0, ProtNone(PAGE, True, True)), memory)
    assert memory[pte_cell(0)] == Pte(PAGE, False, True)
    assert (memory[ref_cell(PAGE)], memory[mapcount_cell(PAGE)]) == (1, 1)


def test_a_numa_hint_that_is_another_by_now_is_left_alone() -> None:
    memory = mapped(Pte(PAGE, dirty=True))
    alone(do_numa_page(an_mm(), 0, ProtNone(PAGE, True, True)), memory)
    assert memory[pte_cell(0)] == Pte(PAGE, dirty=True)


@pytest.mark.parametrize(
    ("lower", "after"),
    [
        (lambda mm: mprotect(mm, [HERE], wrprotect), Pte(PAGE, write=False, dirty=True)),
        (lambda mm: clear_refs_write(mm, 0, 1), Pte(PAGE, write=False, dirty=True)),
        (lambda mm: mwriteprotect_range(mm, HERE, True), Pte(PAGE, write=False, dirty=True, uffd_wp=True)),
        (lambda mm: madvise_free(mm, Vma(0, 1), 0, 1), Pte(PAGE)),
    ],
    ids=["mprotect", "clear_refs", "userfaultfd", "MADV_FREE"],
)
def test_what_allows_less_is_flushed(lower: Any, after: Pte) -> None:
    memory = mapped(Pte(PAGE, dirty=True))
    alone(lower(an_mm()), memory)
    assert memory[pte_cell(0)] == after
    assert memory[tlb_cell(ME, 0)] is None


@pytest.mark.parametrize(("refs", "frame"), [(1, PAGE), (2, COPY)])
def test_a_write_fault_copies_only_what_somebody_else_holds(refs: int, frame: int) -> None:
    memory = mapped(Pte(PAGE, write=False), refs)
    assert alone(handle_write_fault(an_mm(), Vma(0, 1), 0), memory) is True
    assert memory[pte_cell(0)] == Pte(frame, dirty=True)
    assert memory[ref_cell(PAGE)] == 1
    assert memory[ref_cell(COPY)] == (frame == COPY)


def test_a_write_fault_copies_what_somebody_else_has_locked() -> None:
    memory = mapped(Pte(PAGE, write=False))
    memory[pg_locked_cell(PAGE)] = SOMEBODY
    assert alone(handle_write_fault(an_mm(), Vma(0, 1), 0), memory) is True
    assert memory[pte_cell(0)] == Pte(COPY, dirty=True)
    assert memory[pg_locked_cell(PAGE)] == SOMEBODY
    assert (memory[ref_cell(PAGE)], memory[ref_cell(COPY)]) == (0, 1)


@pytest.mark.parametrize(("version", "under_the_lock"), [("6.1", True), ("6.12", False)])
def test_a_copy_drops_the_old_page_under_the_lock_until_6_5(version: str, under_the_lock: bool) -> None:
    mm, names = an_mm(), list[str]()
    memory = mapped(Pte(PAGE, write=False), refs=2)
    alone(noting(handle_write_fault(replace(mm, era=ERAS[version]), Vma(0, 1), 0), names), memory)
    behind = names[names.index("set_pte(0, page1:rw,dirty)") :]
    dropped, unlocked = behind.index("put_page(page0)"), behind.index("unlock ptl[0]")
    assert (dropped < unlocked) == under_the_lock
    assert (memory[ref_cell(PAGE)], memory[ref_cell(COPY)]) == (1, 1)


def test_a_copy_that_nobody_needs_is_given_back() -> None:
    """The entry has changed while the copy was made: the page and its copy have the references that they had before."""
    mm = an_mm()
    memory = mapped(Pte(PAGE, dirty=True), refs=2)
    alone(wp_page_copy(mm, 0, Pte(PAGE, write=False)), memory)
    assert memory[pte_cell(0)] == Pte(PAGE, dirty=True)
    assert (memory[ref_cell(PAGE)], memory[ref_cell(COPY)]) == (1, 0)


def test_a_fault_on_a_files_page_holds_it_meanwhile() -> None:
    names = list[str]()
    alone(noting(handle_write_fault(an_mm(anon=False), Vma(0, 1), 0), names), memory := mapped(Pte(PAGE, write=False)))
    taken, unlocked, locked = (names.index(what) for what in ("get_page(page0)", "unlock ptl[0]", "lock PG_locked[0]"))
    assert taken < unlocked < locked < names.index("put_page(page0)")
    assert memory[pte_cell(0)] == Pte(PAGE, dirty=True)


def test_a_fault_on_userfaultfds_protection_waits_for_user_space() -> None:
    memory = mapped(Pte(PAGE, write=False, uffd_wp=True), refs=2)
    assert alone(handle_write_fault(an_mm(), Vma(0, 1, uffd_wp=True), 0), memory) is False
    alone(mwriteprotect_range(an_mm(), HERE, False), memory)
    assert alone(handle_write_fault(an_mm(), Vma(0, 1, uffd_wp=True), 0), memory) is True
    assert memory[pte_cell(0)] == Pte(COPY, dirty=True)


def test_ksm_maps_the_other_page_read_only() -> None:
    memory = mapped(Pte(PAGE, dirty=True))
    memory[ref_cell(COPY)] = 1
    alone(try_to_merge_one_page(an_mm(), 0, PAGE, COPY), memory)
    assert memory[pte_cell(0)] == Pte(COPY, write=False)
    assert memory[tlb_cell(ME, 0)] is None
    assert (memory[ref_cell(PAGE)], memory[ref_cell(COPY)]) == (0, 2)


def test_truncation_frees_a_page_that_is_mapped() -> None:
    memory = mapped(Pte(PAGE, write=False), refs=2)
    alone(truncate_pagecache(an_mm(anon=False), [HERE, THERE], [PAGE]), memory)
    assert memory[pte_cell(0)] is None
    assert memory[tlb_cell(ME, 0)] is None
    assert memory[ref_cell(PAGE)] == 0


def test_without_the_fix_a_moved_page_stays_cached_until_the_end() -> None:
    """Taking both fixes out puts the flush after the locks; it is done all the same before mremap returns."""
    mm = an_mm()
    old = replace(mm, era=replace(mm.era, lacks=frozenset({"eb66ae030829", "5d1904204c99"})))
    memory, names = mapped(Pte(PAGE, dirty=True)), list[str]()
    alone(noting(mremap(old, HERE, THERE), names), memory)
    assert memory[tlb_cell(ME, 0)] is None
    assert names.index("unlock ptl[0]") < names.index("local flush [0, 1)")
    names.clear()
    alone(noting(mremap(mm, HERE, THERE), names), mapped(Pte(PAGE, dirty=True)))
    assert names.index("local flush [0, 1)") < names.index("unlock ptl[1]") < names.index("unlock ptl[0]")


@pytest.mark.parametrize(("lacks", "violated"), [(frozenset(), ""), (frozenset({"eb66ae030829"}), "use-after-free")])
def test_reclaim_finds_a_page_at_its_new_address_only_behind_the_flush(lacks: frozenset[str], violated: str) -> None:
    era = replace(ERAS["6.12"], lacks=lacks)
    assert judge(set_up("smp", Smp(), "test"), era, SCENARIOS["mremap-reclaim"]).violated == violated


def test_who_leaves_a_shared_table_waits_for_gup_fast_before_it_counts() -> None:
    """1013af4f585f without 8ce720d5bd91: whoever sees that the table is his alone may map something else by it."""
    mm, names = an_mm(tables=True), list[str]()
    facts, era = changed(mm.facts, rcu_table_free=True), replace(mm.era, lacks=frozenset({"8ce720d5bd91"}))
    mm = replace(mm, facts=facts, era=era)
    memory = tables(mapped(None))
    memory[share_count_cell(0)] = 1
    assert alone(noting(huge_pmd_unshare(MmuGather(mm, False, []), 0, 0), names), memory)
    assert (memory[upper_entry(0, 0)], memory[share_count_cell(0)]) == (None, 0)
    assert names.index("pmd_clear(0)") < names.index("(ipi_sync)") < names.index("ptdesc_pmd_pts_dec")


@pytest.mark.parametrize(
    ("era", "entries", "batch"),
    [
        ("6.12", [Swap(5), Swap(6), Swap(7), None], 3),
        ("6.12", [Swap(5), Swap(7)], 1),
        ("6.12", [Swap(5), Swap(6, "other")], 1),
        ("6.12", [Swap(5), Pte(6)], 1),
        ("6.2-fix", [Swap(5), Swap(6)], 1),
    ],
    ids=["consecutive", "gap", "another cgroup", "present", "before v6.10"],
)
def test_swap_entries_that_are_taken_together(era: str, entries: list[PteEntry], batch: int) -> None:
    memory = Memory()
    for addr, entry in enumerate(entries):
        memory[pte_cell(addr)] = entry
    mm = replace(an_mm(), era=ERAS[era])
    assert alone(swap_pte_batch(mm, 0, len(entries), entries[0]), memory) == batch


CLEAN, WRITABLE, DIRTY = Pte(0, write=False), Pte(0), Pte(0, write=False, dirty=True)


@pytest.mark.parametrize(
    ("second", "ignore_dirty", "batch"),
    [
        (CLEAN, True, (2, False)),
        (WRITABLE, True, (2, True)),
        (DIRTY, True, (2, False)),
        (DIRTY, False, (1, False)),
        (None, True, (1, False)),
    ],
    ids=["alike", "writable", "dirty", "dirty-matters", "empty"],
)
def test_entries_of_a_folio_that_are_taken_together(
    second: Pte | None, ignore_dirty: bool, batch: tuple[int, bool]
) -> None:
    """mm/internal.h:folio_pte_batch(): the first entry is read-only and clean."""
    memory = Memory()
    memory[pte_cell(0)], memory[pte_cell(1)] = CLEAN, second and second._replace(frame=1)
    mm = an_mm(folio=lambda page: (0, 2))
    assert alone(writable_pte_batch(mm, 0, CLEAN, 2, ignore_dirty), memory) == batch
