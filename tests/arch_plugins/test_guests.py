"""What a hypervisor, page-table isolation or an erratum adds to a flush, and what each of them rests on."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.arm64_sme import Arm64Sme
from arch_plugins.arm64_workarounds import Arm64Kpti, Arm64RepeatTlbi
from arch_plugins.powerpc_radix_hcall import PowerpcRadixHcall
from arch_plugins.x86 import X86, X86Pti
from arch_plugins.x86_invlpgb import X86Invlpgb, X86InvlpgbPti, X86InvlpgbTransition
from arch_plugins.x86_pv import X86HyperV, X86Kvm, X86XenPv, flush_on_enter
from core.conformance import SCENARIOS, judge
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, Request, take_ipi
from core.machine.memory import Memory
from core.machine.op import Cpu, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.machine.tlb import Entry, tlb_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import set_up

CPUS = frozenset({Cpu(0), Cpu(1)})


def flushed(plugin: object, pages: int) -> tuple[dict[str, int], bool]:
    """The instructions of both CPUs for flush_tlb_range() of so many pages, and whether CPU 1 has forgotten page 0."""
    arch = set_up("test", plugin, "test")
    cells = Memory({tlb_cell(cpu, 0): Entry(0, True, True) for cpu in CPUS})
    mm = Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), Cpu(0)), addrs=(0,), cpus=CPUS)
    counts: dict[str, int] = {}

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "insn":
            counts[event[2]] = counts.get(event[2], 0) + event[3]

    def only(op: Any, outcomes: Any) -> Any:
        raise AssertionError(op)

    flush = mm.hook.flush_tlb_range(mm=mm, start=0, end=pages, stride=1)
    run(flush, cells, only, emit, [take_ipi(Tid(1), Cpu(1), mm.addrs)])
    return counts, cells[tlb_cell(Cpu(1), 0)] is None


@pytest.mark.parametrize(
    ("plugin", "pages", "insns"),
    [
        (X86, 4, {"INVLPG": 8}),
        (X86Pti, 4, {"INVLPG": 8, "INVPCID_ADDR": 8}),
        (X86Pti, 34, {"MOV_CR3": 4}),
        (X86HyperV, 4, {"HVCALL_FLUSH_VIRTUAL_ADDRESS": 1, "INVLPG": 8}),
        (X86Invlpgb, 8, {"INVLPGB_ADDR": 1, "TLBSYNC": 1}),
        (X86Invlpgb, 33, {"INVLPGB_ADDR": 5, "TLBSYNC": 1}),
        (X86InvlpgbPti, 33, {"INVLPGB_ADDR": 10, "TLBSYNC": 1}),
        (X86InvlpgbPti, 34, {"INVLPGB_PCID": 2, "TLBSYNC": 1}),
        (X86InvlpgbTransition, 8, {"INVLPGB_ADDR": 1, "TLBSYNC": 1}),
        (Arm64Kpti, 3, {"DSB_ISHST": 1, "TLBI_VAE1IS": 6, "DSB_ISH": 1}),
        (Arm64RepeatTlbi, 3, {"DSB_ISHST": 1, "TLBI_VAE1IS": 3, "DSB_ISH": 2, "TLBI_VALE1IS": 1}),
        (Arm64Sme, 3, {"DSB_ISHST": 1, "TLBI_VAE1IS": 3, "DSB_ISH": 1}),
        (PowerpcRadixHcall, 300, {"H_RPT_INVALIDATE": 1}),
    ],
)
def test_the_instructions(plugin: type, pages: int, insns: dict[str, int]) -> None:
    assert flushed(plugin(), pages) == (insns, True)


def test_a_preempted_vcpu_is_not_interrupted_but_flushed_before_it_goes_on() -> None:
    mm = Mm(Facts(), ERAS["6.12"], None, Task("t", Tid(1), Cpu(0)), addrs=(0,))
    stale = Entry(0, True, True)
    assert [o[:2] for o in flush_on_enter(Cpu(1), mm).step(stale)] == [(False, (stale,)), (True, (None,))]


class Skips(X86Kvm):
    """The same without the host's part: a preempted vCPU keeps what it has."""

    async def running(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset({mm.task.cpu}) & cpus


class WithoutRcu(X86Kvm):
    """Without RCU table freeing: flushes are to keep GUP-fast away, and do not."""

    rcu = False


class NativeWithoutRcu(X86):
    """Native x86 may be without: its interrupts wait for GUP-fast."""

    rcu = False


class TransitionWithoutInterrupts(X86InvlpgbTransition):
    """finish_asid_transition() left out."""

    async def finish_asid_transition(self, mm: Mm, request: FlushRequest) -> None:
        pass


class WaitsOnce(Arm64RepeatTlbi):
    """The first barrier is taken for the completion, on a core where it is none."""

    async def wait(self, mm: Mm) -> None:
        pass


class Unpatched(Arm64Sme):
    """A C1-Pro that uses SME, and a kernel that does not know of erratum 4193714."""

    async def sme_do_dvmsync(self, mm: Mm, cpus: frozenset[Cpu]) -> None:
        pass


class InterruptsNobodyForABatch(Arm64Sme):
    """A batch that forgets who has to be interrupted."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        await self.dsb_ish(mm)


@pytest.mark.parametrize(
    ("plugin", "scenario", "verdict"),
    [
        (Arm64Sme, "lost-dirty-dontneed", "pass"),
        (Unpatched, "lost-dirty-dontneed", "fail"),
        (Arm64Sme, "reclaim-dirty", "pass"),
        (InterruptsNobodyForABatch, "reclaim-dirty", "fail"),
        (X86Kvm, "use-after-free", "pass"),
        (Skips, "use-after-free", "fail"),
        (X86Kvm, "gup-fast", "pass"),
        (WithoutRcu, "gup-fast", "fail"),
        (NativeWithoutRcu, "gup-fast", "pass"),
        (X86InvlpgbTransition, "use-after-free", "pass"),
        (TransitionWithoutInterrupts, "use-after-free", "fail"),
        (WaitsOnce, "use-after-free", "fail"),
        (X86HyperV, "hugetlb-walk", "fail"),
        (X86XenPv, "hugetlb-walk", "pass"),
    ],
)
def test_what_it_rests_on(plugin: type, scenario: str, verdict: str) -> None:
    result = judge(set_up(plugin.__name__, plugin(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.exhaustive or verdict == "fail") == (verdict, True)


def test_xen_flushes_one_page_or_everything() -> None:
    requests: list[Request] = [FlushRequest(0, 1), FlushRequest(0, 2), FlushRequest()]
    assert [str(X86XenPv().request(r)) for r in requests if isinstance(r, FlushRequest)] == [
        "flush [0, 1)",
        "flush all",
        "flush all",
    ]
