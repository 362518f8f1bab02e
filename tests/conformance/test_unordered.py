"""The order that is part of an operation: taken from one kind at a time, a scenario misses it, or it is argued why not.

`mutants` does the same on demand; here stands which scenario misses which, on the rows whose memory model is not
sequential consistency.  What nobody misses is argued in `core.conformance.equivalent_orders`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.resolve_arch import choose
from core.conformance.equivalent_orders import NEVER_AWAITED, UNORDERED
from core.conformance.large.scenarios import LargeRun
from core.conformance.mutate import Mutant, kills, mutable
from core.conformance.scenarios import SCENARIOS

ALL_ROWS = Path(__file__).parents[2] / "arches-all.toml"

MISSED: dict[str, dict[str, str]] = {
    "x86": {
        "lock_vma_under_rcu": "lost-dirty-munmap",
        "lock ptl[N]": "lost-dirty-munmap",
        "lock PG_locked[N]": "lost-dirty-munmap",
        "mmap_read_lock": "migrate-flush",
        "inc_tlb_flush_pending": "dontneed-remap",
        "ptep_get_and_clear(N)": "reclaim-dirty",
        "dec_tlb_flush_pending": "dontneed-against-uffd",
        "mmap_read_unlock": "dontneed-against-uffd",
        "take IPI of TN": "huge-cleaned",
        "mmap_write_lock": "dontneed-against-clear-refs",
        "vma_start_write": "lost-dirty-mmap-over",
        "lock i_mmap_rwsem": "gup-fast-unshare",
        "ptep_set_wrprotect(N)": "fork-parent-dirty",
        "lock ptl[pmd,N]": "huge-emptied",
        "pmdp_invalidate(N)": "huge-split-anon",
        "pmdp_huge_get_and_clear(N)": "huge-split",
        "atomic_cmpxchg(tlb_flush_batched, (N, N))": "reclaim-pending",
        "trylock PG_locked[N]": "migrate-locks",
        "mmap_read_trylock": "exit-oom-reaper",
        "mmput": "huge-zero-shrink",
        "mm_cpumask += CPUN": "switch-gen-stays",
        "inc_mm_tlb_gen": "switch-range",
        "IPI of TN: flush_tlb_func": "switch-gen",
        "trylock ptl[pmd,N]": "table-reclaim-twice",
        "folio_remove_rmap_ptes(pageN)": "lru-batch-reuse",
        "folio_remove_rmap_pte(pageN)": "lru-batch-reuse",
        "page_add_rmap(pageN)": "swap-cache-shared",
        "vma_end_read": "swap-cache-refault",
    },
    "s390": {
        "lock_vma_under_rcu": "lost-dirty-munmap",
        "lock ptl[N]": "lost-dirty-munmap",
        "lock PG_locked[N]": "lost-dirty-munmap",
        "IPTE(N)": "dax-writeback",
        "mmap_read_lock": "migrate-flush",
        "inc_tlb_flush_pending": "numa-hint-nested",
        "lock context.lock": "switch-range",
        "dec_tlb_flush_pending": "dontneed-against-uffd",
        "mmap_read_unlock": "dontneed-against-uffd",
        "mmap_write_lock": "dontneed-against-clear-refs",
        "vma_start_write": "mapped-twice",
        "IDTE": "table-flush-mm",
        "lock i_mmap_rwsem": "pfnmap-second",
        "lock ptl[pmd,N]": "huge-emptied",
        "mmap_read_trylock": "exit-oom-reaper",
        "mmput": "huge-zero-shrink",
        "cpu_attach_mask += CPUN": "switch-tso",
        "flush_count +N": "switch-tso",
        "IDTE of pmd(N)": "huge-cleaned",
        "trylock PG_locked[N]": "swap-cache-shared",
        "trylock ptl[pmd,N]": "table-reclaim-twice",
        "folio_remove_rmap_ptes(pageN)": "lru-batch-reuse",
        "folio_remove_rmap_pte(pageN)": "lru-batch-reuse",
        "page_add_rmap(pageN)": "swap-cache-shared",
        "vma_end_read": "swap-cache-refault",
    },
    "arm64": {
        "unlock ptl[N]": "lost-dirty-dontneed",
        "DSB_ISH": "huge-cleaned",
        "vma_end_write_all": "lost-dirty-munmap",
        "mmap_write_downgrade": "lost-dirty-munmap",
        "mmap_write_unlock": "dontneed-remap",
        "unlock i_mmap_rwsem": "table-collapse-change",
        "unlock ptl[pmd,N]": "huge-emptied",
        "unlock cpu_asid_lock": "asid-anew",
    },
    "riscv": {
        "unlock ptl[N]": "lost-dirty-dontneed",
        "ptep_get_and_clear(N)": "reclaim-pending",
        "send IPI to CPUN: flush leaf [N, N)": "mremap-table-used",
        "take IPI of TN": "migrate-batch",
        "vma_end_write_all": "lost-dirty-munmap",
        "mmap_write_downgrade": "lost-dirty-munmap",
        "mmap_write_unlock": "lost-dirty-mmap-over",
        "unlock i_mmap_rwsem": "table-collapse-change",
        "send IPI to CPUN: flush all": "kernel-table",
        "unlock ptl[pmd,N]": "huge-emptied",
        "unlock cpu_asid_lock": "asid-anew",
        "away = N": "switch-round",
        "local flush all": "own-fork",
    },
    "powerpc-radix": {
        "unlock ptl[N]": "lost-dirty-dontneed",
        "eieio;tlbsync;ptesync": "huge-cleaned",
        "vma_end_write_all": "lost-dirty-munmap",
        "mmap_write_downgrade": "lost-dirty-munmap",
        "mmap_write_unlock": "lost-dirty-mmap-over",
        "unlock i_mmap_rwsem": "table-collapse-change",
        "unlock ptl[pmd,N]": "huge-emptied",
    },
}
"""By row: the kind of operation, and a scenario that misses its order."""

SMALL = (
    "swap-cache-zap",
    "swap-cache-shared",
    "swap-cache-both",
    "swap-cache-refault",
    "lru-batch-zap",
    "lru-batch-reuse",
    "copy-dontneed",
    "copy-read",
)
"""Scenarios in which two CPUs change the counts, flags and locks of one page at once."""

QUICK = [
    ("x86", "mm_cpumask += CPUN"),
    ("s390", "cpu_attach_mask += CPUN"),
    ("arm64", "DSB_ISH"),
    ("riscv", "local flush all"),
    ("riscv", "send IPI to CPUN: flush leaf [N, N)"),
    ("powerpc-radix", "eieio;tlbsync;ptesync"),
]


def is_missed(row: str, kind: str) -> bool:
    choice, scenario = choose(row, None, ALL_ROWS), SCENARIOS[MISSED[row][kind]]
    return not kills(scenario, choice.arch(), choice.era, Mutant("unordered", "nothing of that name")) and kills(
        scenario, choice.arch(), choice.era, Mutant("unordered", kind)
    )


@pytest.mark.parametrize(("row", "kind"), QUICK)
def test_an_order_is_missed(row: str, kind: str) -> None:
    assert is_missed(row, kind)


@pytest.mark.slow
@pytest.mark.parametrize("row", MISSED)
def test_so_is_every_order_that_is_not_argued(row: str) -> None:
    assert [kind for kind in MISSED[row] if not is_missed(row, kind)] == []


@pytest.mark.slow
@pytest.mark.parametrize("row", MISSED)
def test_every_order_is_missed_or_argued(row: str) -> None:
    """In all scenarios that the row passes, but the long ones."""
    choice = choose(row, None, ALL_ROWS)
    arch, kinds = choice.arch(), set[str]()
    for name, scenario in SCENARIOS.items():
        if isinstance(scenario, LargeRun) or scenario.tier == "long" or scenario.lacking(arch) or name in choice.expect:
            continue
        found = mutable(scenario, arch, choice.era)
        assert not set(NEVER_AWAITED) & set(found), name
        kinds |= {kind for kind, operators in found.items() if "unordered" in operators}
    assert kinds == set(MISSED[row]) | set(UNORDERED[row])
    assert not set(MISSED[row]) & set(UNORDERED[row])


@pytest.mark.slow
@pytest.mark.parametrize("row", UNORDERED)
def test_what_is_argued_is_missed_by_none(row: str) -> None:
    """In small scenarios: there a plain load and store of a count or a lock loses what another CPU has done to it."""
    choice = choose(row, None, ALL_ROWS)
    arch, missed = choice.arch(), []
    for name in SMALL:
        scenario = SCENARIOS[name]
        if scenario.lacking(arch) or name in choice.expect:
            continue
        for kind, operators in mutable(scenario, arch, choice.era).items():
            if "unordered" in operators and kind in UNORDERED[row]:
                missed += [(name, kind)] * kills(scenario, arch, choice.era, Mutant("unordered", kind))
    assert missed == []
