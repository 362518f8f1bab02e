"""Programs change entries under a page-table lock, in every scenario but for those that are named here."""

from __future__ import annotations

import pytest

from core.conformance import SCENARIOS
from core.conformance.discipline import ENTRY_WITHOUT_LOCK, PREEMPTIBLE, with_lock_discipline, with_this_cpu
from core.conformance.world import Program, World
from core.explore import check
from core.machine.lock import preempt_disable, preempt_enable
from core.machine.pte import Pte
from core.mm.mm import Mm, pte_lock, pte_unlock, smp_processor_id
from core.table.row import Row
from core.table.rows import ALL_ROWS, load

ROWS = {row.name: row for row in (*load(None), *load(ALL_ROWS))}

WITHOUT = {
    **dict.fromkeys(
        ("switch-tso", "switch-asid"),
        "the unmap is two operations of the architecture, with nobody else to lock against",
    ),
    "kernel-range": "vunmap() of a range that its caller owns takes no lock: mm/vmalloc.c:vunmap_pte_range()",
    "gup-fast-unshare": "the other process maps its page under i_mmap_rwsem; there is no lock of a hugetlb table",
    "gup-fast-two": "the other process maps its page under i_mmap_rwsem; there is no lock of a hugetlb table",
}
"""Scenarios, with the reason."""


def broken(row: Row) -> set[str]:
    """The scenarios of the row in which an entry is changed without a lock."""
    arch, found = row.arch(), set()
    for scenario in SCENARIOS.values():
        if scenario.tier != "long" and not scenario.lacking(arch):
            verdict = check(with_lock_discipline(scenario.build(arch, row.era)))
            found |= {scenario.id} if verdict.violated == ENTRY_WITHOUT_LOCK else set()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("row", ["smp-6.12", "x86", "s390"])
def test_entries_change_under_a_lock(row: str) -> None:
    assert broken(ROWS[row]) <= set(WITHOUT)


@pytest.mark.parametrize("scenario", WITHOUT)
def test_what_is_exempt_needs_it(scenario: str) -> None:
    row = ROWS["x86"]
    assert check(with_lock_discipline(SCENARIOS[scenario].build(row.arch(), row.era))).violated == ENTRY_WITHOUT_LOCK


@pytest.mark.parametrize(("locks", "violated"), [(True, ""), (False, ENTRY_WITHOUT_LOCK)])
def test_a_program_without_the_lock_is_found(locks: bool, violated: str) -> None:
    row = ROWS["smp-6.12"]
    world = World(row.arch(), row.era, {0: Pte(0)})

    async def clears(mm: Mm) -> None:
        await pte_lock(mm, 0)
        if not locks:
            await pte_unlock(mm, 0)
        await mm.hook.ptep_clear_flush(mm=mm, addr=0)
        if locks:
            await pte_unlock(mm, 0)

    world.kthread("kswapd", clears)
    assert check(with_lock_discipline(world.model("mine"))).violated == violated


async def asks(mm: Mm) -> None:
    """smp_processor_id(), with preemption off and then on again."""
    await preempt_disable()
    await smp_processor_id(mm)
    await preempt_enable()


async def asks_in_preemptible_code(mm: Mm) -> None:
    await asks(mm)
    await smp_processor_id(mm)


@pytest.mark.parametrize(("program", "violated"), [(asks, ""), (asks_in_preemptible_code, PREEMPTIBLE)])
def test_who_asks_for_his_cpu_is_not_preemptible(program: Program, violated: str) -> None:
    world = World(ROWS["x86"].arch(), ROWS["x86"].era, {0: Pte(0)})
    world.task("mine", lambda mm: with_this_cpu(program(mm)))
    assert check(world.model("mine")).violated == violated
