"""The scenarios by id, in the order of the table.  A module may also have EXHIBITS (core.conformance.museum) and
FINDINGS.
"""

from types import ModuleType

from core.conformance.scenario import Scenario
from core.conformance.scenarios import (
    aging,
    asid_cycle,
    asid_rollover,
    batch_moves,
    collapse,
    contpte,
    contpte_reads,
    cow,
    dax,
    entry_runs,
    entry_values,
    exec_stack,
    exit_mmap,
    flush_hooks,
    flush_order,
    folio_runs,
    fork,
    freed_table,
    gather,
    gather_late_flush,
    generations,
    gup_fast,
    huge_advice,
    huge_pmd,
    huge_zero_page,
    hugetlb,
    kernel_range,
    kernel_table,
    ksm,
    kthread,
    lazy_mmu,
    lazy_tlb,
    lazyfree,
    lost_dirty,
    lru_batch,
    madvise_cold,
    memcg,
    migrate_batch,
    migrate_vma,
    mremap,
    mremap_table,
    nested_gathers,
    numa,
    one_gather,
    oom_reaper,
    permission_changes,
    powerpc_hash,
    range_flush,
    reclaim,
    refill,
    remote_flush,
    replaced,
    research_policies,
    s390_attach,
    several_flushes,
    swap_batch,
    swap_cache,
    switch_mm,
    table_reclaim,
    task_migration,
    this_cpu,
    two_mms,
    use_after_free,
    vanishing_table,
    vm_pfnmap,
)

AREAS: dict[str, tuple[ModuleType, ...]] = {
    "dirty": (lost_dirty, memcg, dax),
    "gather": (
        use_after_free,
        range_flush,
        gather,
        nested_gathers,
        gather_late_flush,
        vm_pfnmap,
        swap_batch,
        powerpc_hash,
        lazy_mmu,
        one_gather,
    ),
    "prot": (permission_changes, numa, cow, ksm, fork, entry_values, entry_runs, replaced),
    "evict": (reclaim, madvise_cold, aging, lazyfree, swap_cache, lru_batch),
    "move": (mremap, mremap_table, migrate_batch, migrate_vma),
    "exit": (oom_reaper, exit_mmap),
    "switch": (
        switch_mm,
        s390_attach,
        task_migration,
        remote_flush,
        flush_order,
        flush_hooks,
        lazy_tlb,
        kthread,
        asid_cycle,
        asid_rollover,
        generations,
        several_flushes,
        two_mms,
        batch_moves,
        this_cpu,
    ),
    "tables": (freed_table, exec_stack, kernel_table, kernel_range, refill, gup_fast, table_reclaim, vanishing_table),
    "huge": (huge_pmd, huge_advice, huge_zero_page, hugetlb, folio_runs, contpte, contpte_reads, collapse),
    "paper": (research_policies,),
}
"""The modules of scenarios by what they are about, in the order of reports: dirty bits and data; what a gather flushes
and frees; write protection; reclaim; entries and tables that move; the end of an mm; the CPUs that an mm runs on; page
tables and who walks them; huge pages; policies of papers."""

MODULES = tuple(module for modules in AREAS.values() for module in modules)

SCENARIOS: dict[str, Scenario] = {scenario.id: scenario for module in MODULES for scenario in module.SCENARIOS}

FINDINGS: dict[str, Scenario] = {s.id: s for module in MODULES for s in getattr(module, "FINDINGS", ())}
"""Not part of the suite: what kernels do that no plugin could do otherwise, and that the model refutes."""

AREA_OF: dict[str, str] = {
    scenario.id: area for area, modules in AREAS.items() for module in modules for scenario in module.SCENARIOS
}
"""By the id of a scenario of the suite: its area."""

MODULE_OF: dict[str, str] = {
    scenario.id: module.__name__.rpartition(".")[2]
    for module in MODULES
    for scenario in (*module.SCENARIOS, *getattr(module, "FINDINGS", ()))
}
"""By scenario id: the module of this package that has it."""
