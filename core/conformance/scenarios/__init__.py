"""The scenarios by id, in the order of the table.  A module may also have EXHIBITS (core.conformance.museum) and
FINDINGS.
"""

from core.conformance.scenario import Scenario
from core.conformance.scenarios import (
    aging,
    asid_cycle,
    asid_rollover,
    contpte,
    cow,
    dax,
    exit_mmap,
    flush_order,
    fork,
    freed_table,
    gather,
    gather_late_flush,
    gup_fast,
    huge_pmd,
    huge_zero_page,
    hugetlb,
    ksm,
    kthread,
    lazy_tlb,
    lazyfree,
    lost_dirty,
    madvise_cold,
    memcg,
    migrate_batch,
    migrate_vma,
    mremap,
    mremap_table,
    nested_gathers,
    numa,
    oom_reaper,
    permission_changes,
    powerpc_hash,
    range_flush,
    reclaim,
    refill,
    remote_flush,
    research_policies,
    s390_attach,
    swap_batch,
    switch_mm,
    table_reclaim,
    task_migration,
    use_after_free,
    vm_pfnmap,
)

MODULES = (
    lost_dirty,
    use_after_free,
    memcg,
    range_flush,
    gather,
    nested_gathers,
    permission_changes,
    reclaim,
    numa,
    madvise_cold,
    gather_late_flush,
    cow,
    ksm,
    mremap,
    mremap_table,
    migrate_batch,
    migrate_vma,
    vm_pfnmap,
    oom_reaper,
    exit_mmap,
    switch_mm,
    s390_attach,
    task_migration,
    remote_flush,
    flush_order,
    lazy_tlb,
    powerpc_hash,
    freed_table,
    refill,
    gup_fast,
    table_reclaim,
    lazyfree,
    hugetlb,
    huge_pmd,
    dax,
    research_policies,
    kthread,
    asid_cycle,
    asid_rollover,
    aging,
    fork,
    huge_zero_page,
    swap_batch,
    contpte,
)

SCENARIOS: dict[str, Scenario] = {scenario.id: scenario for module in MODULES for scenario in module.SCENARIOS}

FINDINGS: dict[str, Scenario] = {s.id: s for module in MODULES for s in getattr(module, "FINDINGS", ())}
"""Not part of the suite: what kernels do that no plugin could do otherwise, and that the model refutes."""

MODULE_OF: dict[str, str] = {
    scenario.id: module.__name__.rpartition(".")[2]
    for module in MODULES
    for scenario in (*module.SCENARIOS, *getattr(module, "FINDINGS", ()))
}
"""By scenario id: the module of this package that has it."""
