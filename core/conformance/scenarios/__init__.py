"""The scenarios by id, in the order of the table.  A module may also have EXHIBITS (core.conformance.museum) and
FINDINGS.

Only the module of a scenario that is asked for is imported: `index` says which that is.  After a change of ids
`python -m tests.scenario_index` (`make docs`) writes it anew; a test holds it against the modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType

from core.conformance.scenario import Scenario
from core.conformance.scenarios.index import FINDING_IDS, SCENARIO_IDS

AREAS: dict[str, tuple[str, ...]] = {
    "dirty": ("lost_dirty", "memcg", "dax"),
    "gather": (
        "use_after_free",
        "range_flush",
        "gather",
        "nested_gathers",
        "gather_late_flush",
        "vm_pfnmap",
        "swap_batch",
        "powerpc_hash",
        "lazy_mmu",
        "one_gather",
    ),
    "prot": (
        "permission_changes",
        "numa",
        "page_faults",
        "cow",
        "ksm",
        "fork",
        "entry_values",
        "entry_runs",
        "replaced",
    ),
    "evict": ("reclaim", "madvise_cold", "aging", "lazyfree", "swap_cache", "lru_batch"),
    "move": ("mremap", "mremap_table", "migrate_batch", "migrate_vma"),
    "exit": ("oom_reaper", "exit_mmap"),
    "switch": (
        "switch_mm",
        "s390_attach",
        "task_migration",
        "remote_flush",
        "flush_order",
        "flush_hooks",
        "lazy_tlb",
        "kthread",
        "asid_cycle",
        "asid_rollover",
        "generations",
        "several_flushes",
        "two_mms",
        "batch_moves",
        "this_cpu",
    ),
    "tables": (
        "freed_table",
        "exec_stack",
        "kernel_table",
        "kernel_range",
        "refill",
        "gup_fast",
        "table_reclaim",
        "vanishing_table",
    ),
    "huge": (
        "huge_pmd",
        "huge_advice",
        "huge_zero_page",
        "hugetlb",
        "folio_runs",
        "contpte",
        "contpte_reads",
        "collapse",
    ),
    "paper": ("research_policies",),
}
"""The modules of scenarios by what they are about, in the order of reports: dirty bits and data; what a gather flushes
and frees; write protection; reclaim; entries and tables that move; the end of an mm; the CPUs that an mm runs on; page
tables and who walks them; huge pages; policies of papers."""


def module(name: str) -> ModuleType:
    """A module of AREAS."""
    return import_module(f"{__name__}.{name}")


def modules() -> Iterator[ModuleType]:
    """All of them, in their order."""
    return (module(name) for names in AREAS.values() for name in names)


class ScenariosById(Mapping[str, Scenario]):
    """Scenarios by id: those of `kind`, SCENARIOS or FINDINGS, of the modules that `ids` names."""

    def __init__(self, kind: str, ids: Mapping[str, tuple[str, ...]]) -> None:
        self._kind = kind
        self._module_of = {name: of for names in AREAS.values() for of in names for name in ids.get(of, ())}

    def __getitem__(self, name: str) -> Scenario:
        of = module(self._module_of[name])
        for scenario in getattr(of, self._kind):
            if scenario.id == name:
                found: Scenario = scenario
                return found
        raise LookupError(f"{of.__name__} has no scenario {name}: python -m tests.scenario_index writes the index anew")

    def __contains__(self, name: object) -> bool:
        return name in self._module_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._module_of)

    def __len__(self) -> int:
        return len(self._module_of)


SCENARIOS: Mapping[str, Scenario] = ScenariosById("SCENARIOS", SCENARIO_IDS)

FINDINGS: Mapping[str, Scenario] = ScenariosById("FINDINGS", FINDING_IDS)
"""Not part of the suite: what kernels do that no plugin could do otherwise, and that the model refutes."""

AREA_OF: dict[str, str] = {
    name: area for area, names in AREAS.items() for of in names for name in SCENARIO_IDS.get(of, ())
}
"""By the id of a scenario of the suite: its area."""

MODULE_OF: dict[str, str] = {name: of for ids in (SCENARIO_IDS, FINDING_IDS) for of in ids for name in ids[of]}
"""By scenario id: the module of this package that has it."""
