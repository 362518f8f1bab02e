"""kernel/smp.c as a part of a unit: which of its names, and what its words mean (core/tree/shim/smp_calls.h).

A request is put into the queue of each CPU, and all that are told by an IPI find it: sending is one operation, as it is
in `core.machine.ipi`, whose head says why no behaviour is lost.  A CPU that has a request and is told nothing never
serves it, and who waits for it waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from core.machine.ipi import csd_cell, wait_ipis
from core.machine.op import Op
from core.machine.order import Order
from core.mm.mm import Mm
from core.tree.hybrid import cpus_in
from core.tree.manifest import Source, names_in
from core.tree.vocabulary import Rule, Word

OWNED = ("cfd_data", "csd_data", "rt_csd*")
"""The per-CPU variables that belong to the CPU: of its requests one for each CPU."""

KEPT = """
    struct_call_function_data ?struct_cfd_percpu #SCF_WAIT #SCF_RUN_LOCAL csd_lock_wait@-1 csd_lock ?csd_do_func
    ?send_call_function_single_ipi ?send_call_function_ipi_mask smp_call_function_many_cond smp_call_function_many
    smp_call_function on_each_cpu_cond_mask
    #CSD_TYPE csd_lock_record@-1 csd_unlock __smp_call_single_queue generic_exec_single smp_call_function_single
"""
SERVING = """
    __flush_smp_call_function_queue generic_smp_call_function_single_interrupt flush_smp_call_function_queue
"""


def sources(more: str = "") -> tuple[Source, ...]:
    """The files, for the manifest of a unit; with `more` names of kernel/smp.c."""
    calls = (
        "struct __call_single_data",
        ";call_single_data_t",
        *names_in("on_each_cpu on_each_cpu_mask on_each_cpu_cond"),
    )
    return (
        Source("include/linux/smp_types.h"),
        Source("include/linux/smp.h", keep=calls),
        Source("kernel/smp.c", keep=tuple(name.replace("struct_", "struct ") for name in names_in(KEPT + more))),
    )


class Caller(Protocol):
    """The hook that calls: CPUs whose queue has its request, and those of them that have been told."""

    mm: Mm
    queued: int
    told: int


Send = Callable[[Any, int], Coroutine[Op, Any, None]]
"""A program: send the hook's request to the CPUs of a mask."""


async def _queue(of: Caller, word: Word) -> int:
    """llist_add(). One that nobody waits for (`b`) may be on its way still, from a call before: csd_lock()."""
    if word.b:
        await wait_ipis(of.mm.task, cpus_in(of.mm, word.a))
    of.queued |= word.a
    of.told &= ~word.a
    return 0


def _sending(send: Send) -> Callable[[Any, Word], Coroutine[Op, Any, int]]:
    async def do(of: Caller, word: Word) -> int:
        """An IPI: the CPU takes what is in its queue."""
        told = word.a & of.queued
        of.told |= told
        if told:
            await send(of, told)
            of.queued &= ~told
        return 0

    return do


async def _wait(of: Caller, word: Word) -> int:
    """csd_lock_wait(): until the CPU has served. One that is locked once more waits for another IPI."""
    cpus = cpus_in(of.mm, word.a)
    if word.a & of.told:
        await wait_ipis(of.mm.task, cpus)
        of.told &= ~word.a
    else:
        cells = tuple(csd_cell(of.mm.task.tid, cpu) for cpu in sorted(cpus))
        await Op("wait for a CPU that is sent no IPI", cells, (), lambda *requests: [], order=Order.ACQUIRE)
    return 0


def rules(send: Send) -> tuple[Rule, ...]:
    """The words, where `send` is how the hook's request is sent."""
    return (
        Rule("queue_csd", "*", _queue),
        Rule("send_ipi", "", _sending(send)),
        Rule("wait_csd", "", _wait),
    )
