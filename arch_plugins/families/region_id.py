"""Region IDs: an address space is flushed by giving it another one, which its CPUs are interrupted to load (ia64, 6.1).

arch/ia64/include/asm/tlbflush.h:flush_tlb_mm() drops the mm's region ID (mm->context).  Whoever takes a new one empties
mm_cpumask (get_mmu_context()), and each CPU joins the mask again as it loads it.  What is cached under an ID that
nobody loads again is out of use; all IDs are flushed before they are given out anew, which no model comes to.

Data types, in models that follow mm_cpumask
    cell ('rid', None)          mm->context: the region ID, 0 for none
    cell ('rid_next', None)     ia64_ctx.next
    cell ('loaded_rid', cpu)    the mm's region ID that the CPU had in its region registers last
"""

from __future__ import annotations

from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.mm.kthread import active_mm_cell
from core.mm.mm import CPUMASK, Mm, cpumask_set_cpu

RID, NEXT = Cell(declare("rid", 1, of_mm=True)), Cell(declare("rid_next", 2))

LOADED_RID = declare("loaded_rid", 1, "ghost", of_mm=True)


def loaded_cell(cpu: Cpu) -> Cell:
    """The mm's region ID that the region registers of `cpu` have, or had last."""
    return Cell(LOADED_RID, cpu)


def get_mmu_context() -> Op:
    """The mm's region ID; a new one, and nobody is in mm_cpumask, if it has none. Under ia64_ctx.lock then."""

    def step(rid: int, new: int, mask: frozenset[Cpu]) -> list[Outcome]:
        return [Outcome(rid, (rid, new, mask)) if rid else Outcome(new, (new, new + 1, frozenset()))]

    return Op("get_mmu_context", (RID, NEXT, CPUMASK), (RID, NEXT, CPUMASK), step, order=Order.FULL)


def reload_context(mm: Mm, rid: int) -> Op:
    """Load the region registers of this CPU: of its cached entries only those under `rid` can be used."""
    loaded, tlb = loaded_cell(mm.task.cpu), tuple(tlb_cell(mm.task.cpu, addr) for addr in mm.addrs)

    def step(now: int, *entries: object) -> list[Outcome]:
        return [Outcome(None, (rid, *(entries if now == rid else (None,) * len(entries))))]

    return Op("reload_context", (loaded, *tlb), (loaded, *tlb), step, order=Order.FLUSH)


async def activate_context(mm: Mm) -> None:
    """Take and load the mm's region ID, again if it has been dropped meanwhile."""
    rid = None
    while rid is None or rid != await Op("mm->context", (RID,), (), lambda now: [Outcome(now)], order=Order.PLAIN):
        rid = await get_mmu_context()
        await cpumask_set_cpu(mm)
        await reload_context(mm, rid)


def finish_flush(mm: Mm, sender: Tid, cpu: Cpu) -> Op:
    """local_finish_flush_tlb_mm() on an interrupted CPU: activate_context(), if it is on the mm."""
    csd, tlb = csd_cell(sender, cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)
    state = (RID, NEXT, CPUMASK, loaded_cell(cpu), *tlb)

    def step(
        request: object, off: bool, active: bool, rid: int, new: int, mask: frozenset[Cpu], loaded: int, *tlb: object
    ) -> list[Outcome]:
        if request is None or off:
            return []
        if not active:
            return [Outcome(None, (None, rid, new, mask, loaded, *tlb))]
        if not rid:
            rid, new, mask = new, new + 1, frozenset()
        kept = tlb if loaded == rid else (None,) * len(tlb)
        return [Outcome(None, (None, rid, new, mask | {cpu}, rid, *kept))]

    reads = (csd, irqs_off_cell(cpu), active_mm_cell(cpu), *state)
    return Op(f"IPI of T{sender}: local_finish_flush_tlb_mm", reads, (csd, *state), step, order=Order.HANDLER)


def drop_context() -> Op:
    """mm->context = 0."""
    return Op("mm->context = 0", (), (RID,), lambda: [Outcome(None, (0,))], order=Order.PLAIN)


def purge(mm: Mm, cpus: frozenset[Cpu], request: FlushRequest, name: str) -> Op:
    """Drop what `cpus` have cached under the region ID that this CPU has loaded."""
    each = [(cpu, addr) for cpu in sorted(cpus) for addr in mm.addrs if request.covers(addr)]
    tlb, loaded = tuple(tlb_cell(*pair) for pair in each), tuple(loaded_cell(cpu) for cpu, _ in each)

    def step(here: int, *state: object) -> list[Outcome]:
        rids, entries = state[: len(each)], state[len(each) :]
        kept = (None if rid == here else entry for rid, entry in zip(rids, entries, strict=True))
        return [Outcome(None, tuple(kept))]

    return Op(f"{name}: {request}", (loaded_cell(mm.task.cpu), *loaded, *tlb), tlb, step, order=Order.FLUSH)
