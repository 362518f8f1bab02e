"""The oom reaper unmaps pages that a thread of its victim may still use.

B-31, 687cb0884a71, CVE-2017-18202, on arm64: a gather of the whole mm is not flushed, since nobody runs on it

CPU0 user            CPU1 oom_reaper
load: cached
                     clear the entry
                     fullmm: no flush
                     free the page
load through the
stale entry: use after free
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.oom_kill import oom_reap_task_mm
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def reader(mm: Mm) -> None:
    """Load twice."""
    for _ in range(2):
        await load(mm, 0, [0])


def reaped(arch: Arch, era: Era) -> Model:
    """The reaper against a thread that has not exited yet."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
    world.task("user", reader)
    world.kthread("oom_reaper", lambda mm: oom_reap_task_mm(mm, [VMA]))
    window = sometimes(
        "unmapped-but-held",
        "the entry is gone and the page is not yet free",
        (pte_cell(0), ref_cell(0)),
        lambda pte, ref: pte is None and ref == 1,
    )
    return world.model("oom-reaper", finally_=[all_freed(0, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "oom-reaper",
        "the oom reaper frees no page that a thread of its victim can still reach",
        "687cb0884a71",
        reaped,
    ),
]

EXHIBITS = [
    Exhibit(
        "B-31",
        "687cb0884a71",
        "the oom reaper claims that no task runs on the mm, and arm64 omits the flush",
        "oom-reaper",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"687cb0884a71"}),
        cve="CVE-2017-18202",
    ),
]
