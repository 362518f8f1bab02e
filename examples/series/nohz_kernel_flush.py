"""Kernel-range flushes that isolated CPUs put off until they enter the kernel (NOHZ_FULL; v7 and v8, 2025).

vunmap() flushes kernel addresses on every CPU by IPI.  A CPU in user mode uses none of them, so the series notes the
flush in that CPU's context-tracking word instead, and the CPU does it as it enters the kernel.

The discussion: in which order does the entry say that the CPU is in the kernel, and look what was put off?  In v7 it
looked first: a flush that is put off in between is done by nobody (LooksFirst).  If it publishes first, either the
flusher sees the kernel, and interrupts, or the entry sees the note (DefersKernelFlush).  Both are one word, and the
note is a compare-and-swap that fails if the CPU has entered; TwoSteps looks and notes in two.  Who forgets what was
put off (NeverDone), or leaves isolated CPUs out whatever they run (LeftOut), is wrong at once.

    python -m core.compare run --plugin examples/series/nohz_kernel_flush.py:DefersKernelFlush --era 6.12
    python -m core.compare explain examples/series/nohz_kernel_flush.py:LooksFirst kernel-range --era 6.12
    python -m core.compare compare examples/series/nohz_kernel_flush.py:DefersKernelFlush --against x86 \
        --config arches-all.toml --workload vunmap
"""

from __future__ import annotations

from arch_plugins.x86 import X86
from core.hookspecs import hookimpl
from core.words import Cell, Cpu, FlushRequest, Mm, Op, Order, Outcome, declare, flush_cpus_by_ipi, flush_here

CONTEXT = declare("nohz.context", ("kernel", False))


def context(cpu: Cpu) -> Cell:
    """context_tracking.state: where the CPU is, and whether a flush has been put off."""
    return Cell(CONTEXT, cpu)


def enter_user(cpu: Cpu) -> Op:
    """The CPU goes to user mode; nothing is put off while it is in the kernel."""
    cell = (context(cpu),)
    return Op("enter user mode", (), cell, lambda: [Outcome(None, (("user", False),))], order=Order.FULL)


def publish(cpu: Cpu) -> Op:
    """The CPU is in the kernel from now on.  Returns whether a flush has been put off until then."""
    cell = (context(cpu),)
    return Op("in the kernel", cell, cell, lambda now: [Outcome(now[1], (("kernel", False),))], order=Order.FULL)


def look(cpu: Cpu) -> Op:
    """Take what has been put off, and stay in user mode for others."""
    cell = (context(cpu),)
    return Op("was a flush put off?", cell, cell, lambda now: [Outcome(now[1], ((now[0], False),))], order=Order.FULL)


def put_off(cpu: Cpu) -> Op:
    """Note the flush if the CPU is in user mode. Returns whether it is: ct_set_cpu_work()."""
    cell = (context(cpu),)

    def step(now: tuple[str, bool]) -> list[Outcome]:
        in_user = now[0] == "user"
        return [Outcome(in_user, (("user", True) if in_user else now,))]

    return Op(f"put the flush of CPU{cpu} off", cell, cell, step, order=Order.FULL)


class DefersKernelFlush(X86):
    """The policy of v8."""

    @hookimpl
    async def exit_to_user_mode(self, mm: Mm) -> None:
        await enter_user(mm.task.cpu)

    @hookimpl
    async def enter_from_user_mode(self, mm: Mm) -> None:
        """Publish, and do what was put off until then."""
        if await publish(mm.task.cpu):
            await self.flush(mm)

    async def flush(self, mm: Mm) -> None:
        """__flush_tlb_all()."""
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(), "flush what was put off")

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """Put it off where the CPU is isolated and in user mode; interrupt all others."""
        later = [cpu for cpu in sorted(mm.nohz_full - {mm.task.cpu}) if await self.defers(cpu)]
        await flush_cpus_by_ipi(mm, mm.cpu_online_mask - frozenset(later), FlushRequest(start, end))

    async def defers(self, cpu: Cpu) -> bool:
        """In one exchange."""
        return bool(await put_off(cpu))


class LooksFirst(DefersKernelFlush):
    """Wrong: the entry of v7. A flush may be put off between the look and the word that says it is in the kernel."""

    @hookimpl
    async def enter_from_user_mode(self, mm: Mm) -> None:
        if await look(mm.task.cpu):
            await self.flush(mm)
        await publish(mm.task.cpu)


class TwoSteps(DefersKernelFlush):
    """Wrong: look where the CPU is, then note the flush whatever it has done meanwhile."""

    async def defers(self, cpu: Cpu) -> bool:
        cell = (context(cpu),)
        if not await Op("where is it?", cell, (), lambda now: [Outcome(now[0] == "user")], order=Order.PLAIN):
            return False
        await Op("note", cell, cell, lambda now: [Outcome(None, ((now[0], True),))], order=Order.FULL)
        return True


class NeverDone(DefersKernelFlush):
    """Wrong: the entry forgets what was put off."""

    async def flush(self, mm: Mm) -> None:
        """Nothing."""


class LeftOut(DefersKernelFlush):
    """Wrong: isolated CPUs are left out, wherever they are."""

    async def defers(self, cpu: Cpu) -> bool:
        await put_off(cpu)
        return True
