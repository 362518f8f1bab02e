"""The scenarios, by id, in the order of the table. A module may also have EXHIBITS (see core.conformance.museum) and
FINDINGS."""

from core.conformance.scenario import Scenario
from core.conformance.scenarios import (
    cow,
    freed_table,
    fullmm,
    gather,
    gather_late_flush,
    huge_pmd,
    kthread,
    lost_dirty,
    migrate_vma,
    move_pgt,
    mremap,
    nested_gathers,
    numa,
    permission_changes,
    powerpc_hash,
    pte_bits,
    range_flush,
    reclaim,
    remote_flush,
    research_policies,
    rollover,
    s390_attach,
    shared_table,
    switch_mm,
    task_migration,
    use_after_free,
    vm_pfnmap,
    x86_lazy_tlb,
    zero_page,
)

MODULES = (
    lost_dirty,
    use_after_free,
    range_flush,
    gather,
    nested_gathers,
    permission_changes,
    reclaim,
    numa,
    gather_late_flush,
    cow,
    mremap,
    move_pgt,
    migrate_vma,
    vm_pfnmap,
    fullmm,
    switch_mm,
    s390_attach,
    task_migration,
    remote_flush,
    x86_lazy_tlb,
    powerpc_hash,
    freed_table,
    shared_table,
    huge_pmd,
    research_policies,
    kthread,
    rollover,
    pte_bits,
    zero_page,
)

SCENARIOS: dict[str, Scenario] = {scenario.id: scenario for module in MODULES for scenario in module.SCENARIOS}

FINDINGS: dict[str, Scenario] = {s.id: s for module in MODULES for s in getattr(module, "FINDINGS", ())}
"""Not part of the suite: what kernels do that no plugin could do otherwise, and that the model refutes."""
