"""kernel/smp.c, as flushes use it: interrupt CPUs, do one's own part meanwhile, and wait for the others."""

from __future__ import annotations

from core.machine.ipi import FlushRequest, Request, flush_here, send_ipis, wait_ipis
from core.machine.op import Cpu
from core.mm.mm import Mm, mm_cpumask


async def flush_by_ipi(mm: Mm, request: FlushRequest) -> None:
    """Send an IPI to the CPUs of mm_cpumask, flush here, and wait until they have flushed too.

    The order of smp_call_function_many_cond(): the local part is done while the others are being interrupted.
    """
    await flush_cpus_by_ipi(mm, await mm_cpumask(mm), request)


async def flush_cpus_by_ipi(mm: Mm, cpus: frozenset[Cpu], request: Request) -> None:
    """`flush_by_ipi` for any set of CPUs."""
    here = mm.task.cpu
    others = sorted(cpu for cpu in cpus if cpu != here)
    if others:
        await send_ipis(mm.task, others, request)
    if here in cpus:
        await flush_here(here, mm.addrs, request, f"local {request}")
    if others:
        await wait_ipis(mm.task, others)


async def on_each_cpu(mm: Mm, request: Request) -> None:
    """`flush_by_ipi` for every CPU that is online, whatever it runs: flush_tlb_all(), an ASID rollover.

    include/linux/smp.h:on_each_cpu().  A CPU that runs a kernel thread serves it as any other does.
    """
    await flush_cpus_by_ipi(mm, mm.cpu_online_mask, request)
