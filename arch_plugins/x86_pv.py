"""x86-64 guests whose hypervisor has a part in flushes: KVM, Hyper-V, Xen PV (6.12.117).

arch/x86/kernel/kvm.c:kvm_flush_tlb_multi(): a vCPU that the host has preempted is not interrupted; the host flushes its
TLB before it goes on.  That is also done where page tables were freed.  A guest does so if pv_tlb_flush_supported():
the host offers KVM_FEATURE_PV_TLB_FLUSH and KVM_FEATURE_STEAL_TIME, and gives no KVM_HINTS_REALTIME; the guest has no
MWAIT, and more than one CPU.

arch/x86/hyperv/mmu.c:hyperv_flush_tlb_multi(): a hypercall flushes on all CPUs that are asked; CPUs in lazy TLB mode
are left out if no table was freed.

arch/x86/xen/mmu_pv.c:xen_flush_tlb_multi(): the same, lazy or not; one page by MMUEXT_INVLPG_MULTI, else everything.

None of them interrupts every CPU of the mask, so none may let lockless walkers of page tables rely on that: tables are
freed by RCU (CONFIG_PARAVIRT selects MMU_GATHER_RCU_TABLE_FREE).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.tlb_gen import Info, is_lazy_cell
from arch_plugins.generic import flush_cpus_by_ipi
from arch_plugins.x86 import X86
from core.hookspecs import Facts, hookimpl
from core.machine.insn import insn
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import invalidate, tlb_cell
from core.machine.variable import read_once as read
from core.mm.mm import Mm


def flush_on_enter(cpu: Cpu, mm: Mm) -> Op:
    """try_cmpxchg(preempted, KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB). Returns whether `cpu` was preempted.

    A preempted vCPU does nothing, not even a walk, before the host has flushed it (record_steal_time()): so it is
    flushed here.  Whether it is preempted, the host decides.  What it has stored was visible when the host took the CPU
    from it.
    """
    cells = tuple(tlb_cell(cpu, addr) for addr in mm.addrs)

    def step(*entries: object) -> list[Outcome]:
        return [Outcome(False, entries), Outcome(True, (None,) * len(entries), awaits=frozenset(cells))]

    return Op(f"vCPU{cpu} preempted?", cells, cells, step, order=Order.FLUSH_ALL)


class X86Kvm(X86):
    """A KVM guest with PV TLB flush."""

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = super().arch_facts()
        return replace(facts, family="IPI to running vCPUs", sources=(*facts.sources, "arch/x86/kernel/kvm.c"))

    async def running(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        """`cpus` without those that the host will flush."""
        left = [cpu for cpu in sorted(cpus - {mm.task.cpu}) if await flush_on_enter(cpu, mm)]
        return cpus - frozenset(left)

    async def flush_cpus(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest) -> None:
        await flush_cpus_by_ipi(mm, await self.running(mm, cpus), request)

    async def flush_tlb_multi(
        self, mm: Mm, cpus: frozenset[Cpu], info: Info, freed_tables: bool, whatever: bool
    ) -> None:
        await super().flush_tlb_multi(mm, await self.running(mm, cpus), info, freed_tables, whatever)


class X86HyperV(X86):
    """A Hyper-V guest with HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED."""

    hypercall, lazy_too = "HVCALL_FLUSH_VIRTUAL_ADDRESS", False

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = super().arch_facts()
        return replace(facts, family="hypercall", sources=(*facts.sources, "arch/x86/hyperv/mmu.c"))

    def request(self, info: Info) -> Info:
        """What the hypervisor is requested to flush."""
        return info

    async def flush_cpus(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest) -> None:
        await insn(mm.task.cpu, self.hypercall)
        info = self.request(request)
        covered = [addr for addr in mm.addrs if info.covers(addr)]
        for cpu in sorted(cpus):  # one after another, as the hypervisor gets to them
            await invalidate((cpu,), covered, f"{self.hypercall}: vCPU{cpu}", order=Order.FLUSH_ALL)

    async def flush_tlb_multi(
        self, mm: Mm, cpus: frozenset[Cpu], info: Info, freed_tables: bool, whatever: bool
    ) -> None:
        """No word of the CPUs that are flushed is changed: they find their generation old, and flush once more."""
        everyone = freed_tables or self.lazy_too
        asked = [cpu for cpu in sorted(cpus) if everyone or not await read(is_lazy_cell(cpu))]
        await self.flush_cpus(mm, frozenset(asked), info if isinstance(info, FlushRequest) else info.request)


class X86XenPv(X86HyperV):
    """A Xen PV guest."""

    hypercall, lazy_too = "MMUEXT_TLB_FLUSH_MULTI", True

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = X86().arch_facts()
        return replace(facts, family="hypercall", sources=(*facts.sources, "arch/x86/xen/mmu_pv.c"))

    def request(self, info: Info) -> Info:
        one = isinstance(info, FlushRequest) and info.end is not None and info.end - info.start <= 1
        return info if one else FlushRequest()
