"""kernel/smp.c, as flushes use it: interrupt CPUs, do one's own part meanwhile, and wait for the others."""

from __future__ import annotations

from typing import Literal

from core.machine.ipi import FlushRequest, Request, flush_here, send_ipis, wait_ipis
from core.machine.op import Cpu, Op
from core.mm.mm import Mm, mm_cpumask

LocalPart = Literal["meanwhile", "last", "first"]
"""When a CPU does its own part of a flush: while the others are being interrupted (on_each_cpu_mask()), once they have
served (smp_call_function() before it), or before they are sent anything (smp_call_function() behind it).
"""


async def flush_by_ipi(mm: Mm, request: FlushRequest) -> None:
    """Send an IPI to the CPUs of mm_cpumask, flush here, and wait until they have flushed too.

    The order of smp_call_function_many_cond(): the local part is done while the others are being interrupted.
    """
    await flush_cpus_by_ipi(mm, await mm_cpumask(mm), request)


async def flush_cpus_by_ipi(
    mm: Mm, cpus: frozenset[Cpu], request: Request, local_part: LocalPart = "meanwhile"
) -> None:
    """`flush_by_ipi` for any set of CPUs."""
    own = flush_here(mm.task.cpu, mm.addrs, request, f"local {request}")
    await call_cpus(mm, cpus, request, own, local_part)


async def call_cpus(
    mm: Mm, cpus: frozenset[Cpu], request: Request, own: Op, local_part: LocalPart = "meanwhile"
) -> None:
    """Send `request` to CPUs and wait; what this CPU does if it is one of them is `own`."""
    here = mm.task.cpu
    others = sorted(cpu for cpu in cpus if cpu != here)
    if local_part == "first" and here in cpus:
        await own
    if others:
        await send_ipis(mm.task, others, request)
    if local_part == "meanwhile" and here in cpus:
        await own
    if others:
        await wait_ipis(mm.task, others)
    if local_part == "last" and here in cpus:
        await own


async def on_each_cpu(mm: Mm, request: Request) -> None:
    """`flush_by_ipi` for every CPU that is online, whatever it runs: flush_tlb_all(), an ASID rollover.

    include/linux/smp.h:on_each_cpu().  A CPU that runs a kernel thread serves it as any other does.
    """
    await flush_cpus_by_ipi(mm, mm.cpu_online_mask, request)
