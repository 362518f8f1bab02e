"""The scenarios, by id, in the order of the table. A module may also have EXHIBITS (see core.conformance.museum) and
FINDINGS."""

from core.conformance.scenario import Scenario
from core.conformance.scenarios import (
    asked,
    attached,
    changed,
    collected,
    copied,
    encoding,
    foreign,
    freed_table,
    gather,
    gathered,
    hashed,
    huge,
    kthread,
    lost_dirty,
    migrated,
    moved,
    moved_table,
    nested,
    numa,
    pfn,
    promised,
    ranged,
    reclaim,
    researched,
    rollover,
    shared_table,
    stale,
    switched,
    zero_page,
)

MODULES = (
    lost_dirty,
    stale,
    ranged,
    gather,
    nested,
    changed,
    reclaim,
    numa,
    gathered,
    copied,
    moved,
    moved_table,
    collected,
    pfn,
    promised,
    switched,
    attached,
    migrated,
    foreign,
    asked,
    hashed,
    freed_table,
    shared_table,
    huge,
    researched,
    kthread,
    rollover,
    encoding,
    zero_page,
)

SCENARIOS: dict[str, Scenario] = {scenario.id: scenario for module in MODULES for scenario in module.SCENARIOS}

FINDINGS: dict[str, Scenario] = {s.id: s for module in MODULES for s in getattr(module, "FINDINGS", ())}
"""Not part of the suite: what kernels do that no plugin could do otherwise, and that the model refutes."""
