"""CPUs that come to an mm, leave it, and act by themselves: include/asm-generic/mmu_context.h."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from core.hookspecs.marker import hookspec
from core.machine.op import Cell, Cpu, Op
from core.mm.mm import Mm


class SwitchingSpec:
    """The hooks of this area."""

    @hookspec
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """Program. The CPU goes from the page tables of `prev` to those of `next`, seen by the task that it runs on it.

        None stands for an mm that is not in the model: then only the part about the other one matters.  `prev` is
        `next`, the same object, where a kernel thread has borrowed the page tables and a task of the mm continues.
        Called without the runqueue lock and without locks of the mm, whenever the CPU last ran another task, and by
        kthread_use_mm() for a kernel thread that is about to use `next`.  When it returns, user code of `next` may run,
        so this CPU must have no entry left that an unmap has counted as flushed.  A CPU that leaves the mask of `prev`
        is sent no flush of it, so it must drop its entries, now or when it comes back.  `prev` is not None only in
        models in which mm_cpumask is a cell (`mm.cpus` is None).  There `core.words.on_mm_cell(cpu)` says from where on
        the hardware walks the page tables of an mm: a policy whose order matters stores True as it loads them, and
        False as it leaves, as arm64 does; otherwise nothing walks before this hook returns. Mirrors switch_mm() with
        finish_arch_post_lock_switch().
        """

    @hookspec
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:  # type: ignore[empty-body]
        """Plain. A model begins with `cpu` on the page tables of `mm`: what the plugin's own words hold that say so.

        Called once for each such CPU as a scenario is built, in models in which mm_cpumask is a cell.  `lazy`: a kernel
        thread runs there, which has borrowed the mm.  All other words, and those of CPUs that are not on the mm, have
        the values that they were declared with (core.machine.memory.declare).  A policy that keeps such a word and does
        not say so here begins in a state that its own switch_mm() never makes.
        """

    @hookspec
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:  # type: ignore[empty-body]
        """Plain. A model begins with `cpus` on the page tables of `mm`: what the plugin's own words of the mm hold.

        Called once for each mm as a model, a count or a comparison is set up, whether mm_cpumask is a cell or not; for
        what a word holds of one CPU, and only where the mask is a cell, there is `cells_on_mm`.  s390 has
        mm->context.cpu_attach_mask.
        """

    @hookspec
    async def switch_to(self, mm: Mm) -> None:
        """Program. The scheduler switches to `mm.task`, after `switch_mm`; not called by kthread_use_mm() and exec.

        Called only in models in which mm_cpumask is a cell.  Mirrors what an architecture's switch_to() does about the
        mm.
        """

    @hookspec
    async def activate_mm(self, mm: Mm) -> None:
        """Program. exec: the running task gets a new mm and continues, without the scheduler.

        Called only in models in which mm_cpumask is a cell.  The guarantees are those of `switch_mm`. Mirrors
        activate_mm(), called by fs/exec.c:exec_mmap().
        """

    @hookspec
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        """Program. The CPU of `mm.task` continues with a kernel thread, which borrows the mm's page tables.

        Called only in models in which mm_cpumask is a cell.  If it does anything, the CPU may be left out of flushes
        that free no table; `switch_mm`, which is called when a task of the mm continues there, must then make up for
        them. Mirrors enter_lazy_tlb().
        """

    @hookspec
    async def enter_from_user_mode(self, mm: Mm) -> None:
        """Program. The CPU has left user mode, by a system call or an interrupt, and is about to run kernel code.

        When it returns, kernel code may use every mapping of the kernel. Mirrors kernel/entry/common.c:
        enter_from_user_mode(), with context tracking; called only in models that have mappings of the kernel.
        """

    @hookspec
    async def exit_to_user_mode(self, mm: Mm) -> None:
        """Program. The CPU is about to run user code, which uses no mapping of the kernel. exit_to_user_mode().

        Called only in models that have mappings of the kernel.
        """

    @hookspec
    async def arch_exit_mmap(self, mm: Mm) -> None:
        """Program. No task runs on the mm any more, and its mappings are about to be removed. arch_exit_mmap().

        mmap_lock is held for reading.
        """

    @hookspec
    async def destroy_context(self, mm: Mm) -> None:
        """Program. The mm is gone, and no CPU is on its page tables. destroy_context(), called by __mmdrop()."""

    @hookspec
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:  # type: ignore[empty-body]
        """Plain. Returns the steps that `cpu` may make by itself, each at any time at which it has an outcome.

        Called once for each CPU as a model is built.  What hardware does without being told (a queue that drains), and
        a handler of several steps: `flush_tlb_func` puts the request into `handler_cell(cpu)` and turns interrupts
        off, and these steps do the rest.  While that cell is not None no user code runs on the CPU, and its walker
        does.  The generic one returns none.
        """
