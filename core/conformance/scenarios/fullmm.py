"""A promise about who runs, or who waits, that does not hold; and one that does.

B-26, 4b634918384c, on arm64: a barrier completes what its own CPU has issued

CPU0 user            CPU1 kswapd                    CPU2 mprotect
store: cached rw
                     clear the entry
                     TLBI, no DSB: put off
                                                    the entry is empty, a flush is pending
                                                    DSB: completes nothing of CPU1's
                                                    returns: the range is read-only
store through the stale entry

B-31, 687cb0884a71, CVE-2017-18202, on arm64: a gather of the whole mm is not flushed, since nobody runs on it

CPU0 user            CPU1 oom_reaper
load: cached
                     clear the entry
                     fullmm: no flush
                     free the page
load through the
stale entry: use after free

exit-mmap: the same gather, where the promise holds, for the last of two threads has dropped mm_users to 0
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, mm_users_is, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios import reclaim
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.exit import exit_mm
from core.mm.kthread import MM_USERS
from core.mm.mm import Mm, Vma
from core.mm.oom_kill import oom_reap_task_mm
from core.plugins.arch import Arch

ARM64 = "arch_plugins.arm64:Arm64"
VMA = Vma(0, 1)


async def reader(mm: Mm) -> None:
    """Load twice."""
    for _ in range(2):
        await load(mm, 0, [0])


def reaped(arch: Arch, era: Era) -> Model:
    """The reaper against a thread that has not died yet."""
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


async def thread(mm: Mm) -> None:
    """Use the page, and exit."""
    await load(mm, 0, [0])
    await exit_mm(mm, [VMA])


def exited(arch: Arch, era: Era) -> Model:
    """Two threads; who is the last tears the mm down, with what mm_users of 0 allows."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
    world.memory[MM_USERS] = 2
    for name in ("one", "other"):
        world.task(name, thread)
    window = sometimes("freed", "the page is free", (ref_cell(0),), lambda ref: ref == 0)
    return world.model("exit-mmap", finally_=[all_freed(0, 0), mm_users_is(0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "oom-reaper",
        "the oom reaper frees no page that a thread of its victim can still reach",
        "687cb0884a71",
        reaped,
    ),
    Scenario(
        "exit-mmap",
        "the last thread to exit frees no page that another one can still reach, however little it flushes",
        "arch/mips/kernel/smp.c:flush_tlb_mm",
        exited,
        tier="optional",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-26",
        "4b634918384c",
        "arm64 waits for a batched flush with a barrier on a CPU that has not issued it",
        next(s for s in reclaim.SCENARIOS if s.id == "reclaim-mprotect"),
        plugin=ARM64,
        lacks=frozenset({"4b634918384c"}),
    ),
    Exhibit(
        "B-31",
        "687cb0884a71",
        "the oom reaper says that nobody runs on the mm, and arm64 leaves out the flush",
        SCENARIOS[0],
        plugin=ARM64,
        lacks=frozenset({"687cb0884a71"}),
        cve="CVE-2017-18202",
    ),
]
