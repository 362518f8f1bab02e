"""A run equals its pages: what is queued as runs comes out of the gather as what is queued page by page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arch_plugins.generic import Smp
from core.machine.memory import Memory
from core.machine.op import Cpu, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.mmu_gather import Batch, MmuGather, gather_page, take
from core.mm.swap import Slot, refs
from core.plugins.arch import set_up

ARCH = set_up("smp", Smp(), "test")
MM = Mm(ARCH.facts, ERAS["6.2-fix"], ARCH.hook, Task("t", Tid(1), Cpu(0)))

runs = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 9)), max_size=8)


def gathered(calls: list[tuple[int, int]]) -> MmuGather:
    tlb = MmuGather(MM, False, [Batch(10_000)])

    async def queue_all() -> None:
        for page, nr in calls:
            await gather_page(tlb, page, nr, False)

    run(queue_all(), Memory(), lambda op, outcomes: outcomes[0], lambda event: None)
    return tlb


def pages_of(taken: list[Slot]) -> list[int]:
    return [page + i for page, nr in map(refs, taken) for i in range(nr)]


@given(runs, st.integers(1, 20))
def test_runs_and_pages_come_out_alike(calls: list[tuple[int, int]], chunk: int) -> None:
    whole = gathered(calls).batches[0]
    single = gathered([(page + i, 1) for page, nr in calls for i in range(nr)]).batches[0]
    assert whole.nr == single.nr
    while whole.nr:
        nr = min(chunk, whole.nr)
        assert pages_of(take(whole, nr)) == pages_of(take(single, nr))
        assert whole.nr == single.nr == sum(slot.nr for slot in whole.slots) == len(single.slots)


@given(runs)
def test_nothing_is_lost_in_taking(calls: list[tuple[int, int]]) -> None:
    batch = gathered(calls).batches[0]
    assert pages_of(take(batch, batch.nr) if batch.nr else []) == [p + i for p, n in calls for i in range(n)]
    assert batch == Batch(10_000)


def test_a_run_keeps_its_delay_bit_when_it_is_cut() -> None:
    batch = Batch(10, 3, [Slot(64 * 5 | 1, 3)])
    assert take(batch, 2) == [Slot(64 * 5 | 1, 2)]
    assert batch.slots == [Slot(64 * 7 | 1, 1)]
