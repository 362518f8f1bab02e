"""A scenario: a small model of one danger, the properties that must hold in it, and the capabilities it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.explore.model import Model
from core.machine.walk import KEEP_UPPER
from core.mm.era import Era
from core.plugins.arch import Arch

Build = Callable[[Arch, Era], Model]

TIERS = ("smoke", "required", "optional", "long", "large", "finding")
"""smoke: is the plugin wired? required: every architecture must pass. optional: gated by a capability.
long: required as well, but it takes longer than a few tenths of a second: `compare` runs it with --all or by name.
large: one schedule at real size instead of every interleaving of a small model (core.conformance.large).
finding: what shipped kernels are refuted on, whatever the plugin: only `explain` runs it, docs/findings.md has it.
A new required scenario comes only with a minor release of the suite."""

CAPABILITIES: dict[str, tuple[str, Callable[[Arch], bool]]] = {
    "gather": ("gathers pages (not MMU_GATHER_NO_GATHER)", lambda arch: arch.facts.gather),
    "smp": ("has more than one CPU", lambda arch: arch.facts.smp),
    "spread": ("lets an mm run on more than one CPU", lambda arch: not arch.facts.one_cpu),
    "flush_before_free": (
        "flushes before it frees, not before a page is used again",
        lambda arch: "reallocation_flush" not in arch.facts.capabilities,
    ),
    "asid_rollover": ("gives ASIDs out anew when they run out", lambda arch: arch.facts.user_asids > 0),
    "contpte": ("folds entries into contiguous blocks (Facts.cont_ptes)", lambda arch: arch.facts.cont_ptes > 1),
    "hardware_dirty": ("sets the dirty bit in hardware", lambda arch: arch.facts.hw_dirty),
    "software_dirty": ("sets the dirty bit in software", lambda arch: not arch.facts.hw_dirty),
    "pmd_tables": ("has page tables of three levels", lambda arch: arch.facts.levels >= 3),
    "pud_tables": ("has page tables of four levels", lambda arch: arch.facts.levels >= 4),
    "several_cpus": ("has run the mm on more than one CPU", lambda arch: not arch.facts.one_cpu),
    "queues_tables": (
        "frees a pte table behind its flush, as CONFIG_PT_RECLAIM needs (not in Facts.tables_at_once)",
        lambda arch: "pte" not in arch.facts.tables_at_once,
    ),
    "queues_all_tables": (
        "frees tables of every level behind their flush (no Facts.tables_at_once)",
        lambda arch: not arch.facts.tables_at_once,
    ),
    "table_walk": ("has its page tables walked (Facts.walker)", lambda arch: arch.facts.walker != "none"),
    "refill_dirties": (
        "has a handler of TLB misses that sets the dirty bit without the page-table lock",
        lambda arch: bool({"refill_exclusive", "refill_stores"} & arch.facts.capabilities),
    ),
    "upper_cache": ("walks on from an upper entry that it has cached", lambda arch: arch.facts.walker in KEEP_UPPER),
    "hardware_walk": (
        "hardware walks the page tables and remembers them (tlb_needs_table_invalidate())",
        lambda arch: bool(arch.hook.tlb_needs_table_invalidate()),
    ),
}
"""Capabilities that follow from other facts; any other is looked up in `Facts.capabilities`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`origin` is the kernel commit or the rule it comes from; `requires` names capabilities."""

    id: str
    title: str
    origin: str
    build: Build
    tier: str = "required"
    requires: tuple[str, ...] = ()

    def lacking(self, arch: Arch) -> str:
        """The first capability that `arch` lacks, with what it means, or ''."""
        return lacking(self.requires, arch)


def lacking(requires: tuple[str, ...], arch: Arch) -> str:
    """The first of the capabilities `requires` that `arch` lacks, with what it means, or ''."""
    for name in requires:
        meaning, has = CAPABILITIES.get(name, (name, lambda arch, name=name: name in arch.facts.capabilities))
        if not has(arch):
            return f"{name}: {meaning}" if meaning != name else name
    return ""
