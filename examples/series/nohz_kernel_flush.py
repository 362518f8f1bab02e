"""Kernel-range flushes that isolated CPUs put off until they enter the kernel (NOHZ_FULL; v7 and v8, 2025).

vunmap() flushes kernel addresses on every CPU by IPI.  A CPU in user mode uses none of them, so the series notes the
flush in that CPU's context-tracking word instead, and the CPU does it as it enters the kernel.  The project has no
kernel ranges and no entry from user mode: this scenario brings both, as cells of its own.

The discussion: in which order does the entry say that the CPU is in the kernel, and look what was put off?  In v7 it
looked first: a flush that is put off in between is done by nobody (LOOKS_FIRST).  If it publishes first, either the
flusher sees the kernel, and interrupts, or the entry sees the note (PUBLISHES_FIRST).  Both are one word, and the note
is a compare-and-swap that fails if the CPU has entered; TWO_WORDS looks and notes in two steps.

    S=examples/series/nohz_kernel_flush.py
    python -m core.compare run --scenario $S:PUBLISHES_FIRST --arch smp-6.12 --no-costs
    python -m core.compare explain smp-6.12 $S:LOOKS_FIRST
"""

from __future__ import annotations

from collections.abc import Callable

from core.scenarios import Arch, Build, Era, Model, Scenario, World, all_freed, load, put_page, sometimes
from core.words import (
    Cell,
    Cpu,
    FlushRequest,
    Mm,
    Op,
    Order,
    Outcome,
    Pte,
    declare,
    flush_here,
    pte_cell,
    send_ipis,
    tlb_cell,
    wait_ipis,
    xchg_pte,
)

ADDR = PAGE = 0
ISOLATED = Cpu(0)

CONTEXT = Cell(declare("nohz.context", ("kernel", False)), ISOLATED)
"""context_tracking.state of the isolated CPU: where it is, and whether a flush has been put off."""


def enter_user() -> Op:
    """The CPU goes to user mode; nothing is put off while it is in the kernel."""
    return Op("enter user mode", (), (CONTEXT,), lambda: [Outcome(None, (("user", False),))], order=Order.FULL)


def publish() -> Op:
    """The CPU is in the kernel from now on.  Returns whether a flush has been put off until then."""

    def step(context: tuple[str, bool]) -> list[Outcome]:
        return [Outcome(context[1], (("kernel", False),))]

    return Op("in the kernel", (CONTEXT,), (CONTEXT,), step, order=Order.FULL)


def look() -> Op:
    """Take what has been put off, and stay in user mode for others."""

    def step(context: tuple[str, bool]) -> list[Outcome]:
        return [Outcome(context[1], ((context[0], False),))]

    return Op("was a flush put off?", (CONTEXT,), (CONTEXT,), step, order=Order.FULL)


def put_off() -> Op:
    """Note the flush if the CPU is in user mode. Returns whether it is: ct_set_cpu_work()."""

    def step(context: tuple[str, bool]) -> list[Outcome]:
        in_user = context[0] == "user"
        return [Outcome(in_user, (("user", True) if in_user else context,))]

    return Op("put the flush off", (CONTEXT,), (CONTEXT,), step, order=Order.FULL)


async def publishes_first(mm: Mm) -> None:
    """The entry of v8."""
    if await publish():
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(), "flush what was put off")


async def looks_first(mm: Mm) -> None:
    """Wrong: the entry of v7."""
    if await look():
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(), "flush what was put off")
    await publish()


async def puts_off(mm: Mm) -> bool:
    """The flusher's side, in one exchange."""
    return bool(await put_off())


async def in_two_steps(mm: Mm) -> bool:
    """Wrong: look where the CPU is, then note the flush whatever it has done meanwhile."""
    if not await Op("where is it?", (CONTEXT,), (), lambda now: [Outcome(now[0] == "user")], order=Order.PLAIN):
        return False
    await Op("note", (CONTEXT,), (CONTEXT,), lambda now: [Outcome(None, ((now[0], True),))], order=Order.FULL)
    return True


def isolated(enters: Callable[[Mm], object]) -> Callable[[Mm], object]:
    """Kernel code that uses the mapping, user mode, and kernel code that finds it cached."""

    async def program(mm: Mm) -> None:
        await load(mm, ADDR, [PAGE])
        await enter_user()
        await enters(mm)  # type: ignore[misc]
        await load(mm, ADDR, [PAGE])

    return program


def vunmaps(defers: Callable[[Mm], object]) -> Callable[[Mm], object]:
    """vunmap(): clear the entry, flush_tlb_kernel_range(), free the page."""

    async def program(mm: Mm) -> None:
        await xchg_pte(ADDR, 1)
        if not await defers(mm):  # type: ignore[misc]
            await send_ipis(mm.task, [ISOLATED], FlushRequest(ADDR, ADDR + 1))
            await wait_ipis(mm.task, [ISOLATED])
        await put_page(PAGE)

    return program


def built(name: str, enters: Callable[[Mm], object], defers: Callable[[Mm], object]) -> Build:
    """The isolated CPU and one that unmaps."""

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {ADDR: Pte(PAGE)})
        world.task("isolated", isolated(enters))  # type: ignore[arg-type]
        world.kthread("vunmap", vunmaps(defers))  # type: ignore[arg-type]
        window = sometimes(
            "put-off",
            "a flush has been put off, and the CPU has the mapping cached",
            (CONTEXT, tlb_cell(ISOLATED, ADDR), pte_cell(ADDR)),
            lambda context, entry, pte: context == ("user", True) and entry is not None and pte is None,
        )
        return world.model(name, finally_=[all_freed(PAGE, 0)], sometimes=[window])

    return build


def scenario(name: str, title: str, build: Build) -> Scenario:
    """One of this file."""
    return Scenario(name, title, "NOHZ_FULL kernel flushes, v7 and v8", build, requires=("smp", "spread"))


PUBLISHES_FIRST = scenario(
    "nohz-flush", "a flush that is put off is done before kernel code", built("nohz-flush", publishes_first, puts_off)
)
LOOKS_FIRST = scenario("nohz-v7", "wrong: the entry looks before it publishes", built("nohz-v7", looks_first, puts_off))
TWO_WORDS = scenario(
    "nohz-two-steps", "wrong: look and note are two steps", built("nohz-two-steps", publishes_first, in_two_steps)
)
