"""What a workload does in turns: one CPU at a time switches, lets the process call the kernel, or runs a kernel thread.

A layout that is unmapped (core.cost.layout) has one CPU that acts, while others run throughout.  Here CPUs come and go:
mm_cpumask is a cell, and the architecture's own switch_mm() and enter_lazy_tlb() say who is interrupted
later.  Pages are handled one by one, so a workload has thousands of them and not millions.

Data types
    Turn     one thing that a CPU does while all others go on with what they do
    Turns    a step of a workload: turns on a few anonymous pages

The words (`Turn.does`), with pages from `start` to `end`:

    run, isolate           the CPU starts to run a thread of the process; isolated: in user mode under nohz_full
    idle, leave            it continues with a kernel thread, which borrows the page tables; or with another process
    fault                  the pages are allocated and mapped
    munmap, dontneed, free, mprotect, pageout, fork     system calls of the thread that runs there
    reclaim, migrate, collapse                          kswapd, kcompactd or khugepaged on that CPU
    vunmap                 a kernel thread maps kernel memory there, at these addresses, and unmaps it again

From outside the project `does` may also be a program: an `async def` of the mm.  A thread of the process runs it, or a
kernel thread if `kthread`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_present
from core.machine.tlb import ref_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.khugepaged import collapse_huge_page
from core.mm.kthread import active_mm_cell, current_mm_cell
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock, set_vma
from core.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from core.mm.mprotect import wrprotect
from core.mm.page import get_page, mapcount_cell, pg_dirty_cell
from core.mm.pgtable import set_pte_at
from core.mm.reclaim import shrink_folio_list
from core.mm.sched import switch_in, switch_out
from core.mm.swap import pg_lru_cell
from core.mm.syscalls import dup_mmap, madvise_dontneed, madvise_free, madvise_pageout, mprotect, munmap
from core.mm.vmalloc import vmap_range, vunmap_range

Program = Callable[[Mm], Coroutine[Op, Any, None]]

MOST_TURN_PAGES = 1 << 13
"""Pages of a workload in turns: each is a handful of operations, several times over."""

MOST_CPUS = 64
"""CPUs of a workload in turns."""


KINDS = ("anon", "lazyfree", "file")
"""Of the pages of a workload in turns."""


class Turn(NamedTuple):
    """CPU `cpu` does `does`, with the pages from `start` to `end` where that concerns pages."""

    cpu: int
    does: str | Program
    start: int = 0
    end: int = 0
    kthread: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns on `pages` pages of a `kind`, in folios of `folio` pages, all repeated `times` times.

    Before the first turn no CPU is on the mm, and no page is mapped.  Anonymous pages are dirty; those of MADV_FREE
    (lazyfree) are clean, and those of a file are clean and read-only.
    """

    turns: tuple[Turn, ...]
    pages: int
    folio: int = 1
    times: int = 1
    kind: str = "anon"


# ---- CPUs come and go ----------------------------------------------------------------------------------------


def _on(mm: Mm, uses: bool, active: bool) -> Op:
    """current->mm and current->active_mm of the CPU, which the scheduler sets. Returns active_mm == mm of before."""
    cpu = mm.task.cpu
    cells = current_mm_cell(cpu), active_mm_cell(cpu)
    return Op("current->mm", (cells[1],), cells, lambda was: [Outcome(was, (uses, active))], order=Order.PRIVATE)


async def _run(mm: Mm, start: int, end: int) -> None:
    on_it = await _on(mm, uses=True, active=True)
    await switch_in(mm, mm if on_it else None)


async def _idle(mm: Mm, start: int, end: int) -> None:
    await _on(mm, uses=False, active=True)
    await switch_out(mm, lazily=True)


async def _leave(mm: Mm, start: int, end: int) -> None:
    await _on(mm, uses=False, active=False)
    await switch_out(mm, lazily=False)


# ---- system calls --------------------------------------------------------------------------------------------


async def _fault(mm: Mm, start: int, end: int) -> None:
    """mmap() and a store to each page.  What is mapped already stays."""
    vma = Vma(start, end)
    await mmap_write_lock(mm)
    await set_vma(mm, vma, True)
    await mmap_write_unlock(mm)
    for addr in range(start, end):
        await pte_lock(mm, addr)
        if not pte_present(await mm.hook.ptep_get(mm=mm, addr=addr)):
            await _alloc(addr)
            file = not mm.is_anon(addr)
            await set_pte_at(mm, addr, Pte(addr, write=not file, dirty=not file and addr not in mm.lazyfree))
        await pte_unlock(mm, addr)


def _alloc(page: int) -> Op:
    """A page of its own, with one mapping, on an LRU list."""
    cells = ref_cell(page), mapcount_cell(page), pg_dirty_cell(page), pg_lru_cell(page)
    return Op(f"allocate page{page}", (), cells, lambda: [Outcome(None, (1, 1, False, True))], order=Order.FULL)


async def _munmap(mm: Mm, start: int, end: int) -> None:
    await munmap(mm, [Vma(start, end)])


async def _dontneed(mm: Mm, start: int, end: int) -> None:
    await madvise_dontneed(mm, Vma(start, end), start, end)


async def _free(mm: Mm, start: int, end: int) -> None:
    await madvise_free(mm, Vma(start, end), start, end)


async def _pageout(mm: Mm, start: int, end: int) -> None:
    await madvise_pageout(mm, Vma(start, end), start, end)


async def _mprotect(mm: Mm, start: int, end: int) -> None:
    await mprotect(mm, [Vma(start, end)], wrprotect)


async def _fork(mm: Mm, start: int, end: int) -> None:
    """The flush is the same whatever is copied."""
    await dup_mmap(mm, [], {})


# ---- kernel threads ------------------------------------------------------------------------------------------


async def _isolated(mm: Mm, start: int, end: int) -> list[int]:
    """folio_isolate_lru() of the folios that are mapped. Returns their first pages."""
    pages = []
    for addr in range(start, end):
        await pte_lock(mm, addr)
        pte = await mm.hook.ptep_get(mm=mm, addr=addr)
        if pte_present(pte):
            if mm.folio(pte.frame)[0] == pte.frame:
                pages.append(pte.frame)
            await get_page(pte.frame)
        await pte_unlock(mm, addr)
    return pages


async def _reclaim(mm: Mm, start: int, end: int) -> None:
    await shrink_folio_list(mm, UnmapBatch(), await _isolated(mm, start, end))


async def _migrate(mm: Mm, start: int, end: int) -> None:
    await migrate_pages(mm, await _isolated(mm, start, end))


async def _collapse(mm: Mm, start: int, end: int) -> None:
    """Each table of the range into a huge page, which no page of the workload is."""
    for addr in range(start, end, mm.span[0]):
        await collapse_huge_page(mm, Vma(start, end), addr, -1 - addr)


async def _vunmap(mm: Mm, start: int, end: int) -> None:
    await vmap_range(mm, start, range(start, end))
    await vunmap_range(mm, start, end)


SWITCHES: dict[str, str] = {"run": "running", "isolate": "isolated", "idle": "lazy", "leave": "away"}
"""What a CPU is from this word on, for who asks which CPUs were interrupted."""

USING = ("running", "isolated")
"""A thread of the process runs there."""

KTHREADS = ("reclaim", "migrate", "collapse", "vunmap")
"""Words of kernel threads, whose CPU need not be on the mm."""

WORDS: dict[str, Callable[[Mm, int, int], Coroutine[Op, Any, None]]] = {
    "run": _run,
    "isolate": _run,
    "idle": _idle,
    "leave": _leave,
    "fault": _fault,
    "munmap": _munmap,
    "dontneed": _dontneed,
    "free": _free,
    "mprotect": _mprotect,
    "pageout": _pageout,
    "fork": _fork,
    "reclaim": _reclaim,
    "migrate": _migrate,
    "collapse": _collapse,
    "vunmap": _vunmap,
}


def of_kthread(turn: Turn) -> bool:
    """Does a kernel thread do it?"""
    return turn.kthread or turn.does in KTHREADS


def program(turn: Turn, mm: Mm) -> Coroutine[Op, Any, None]:
    """What is done in `turn`; `mm` is of the task that does it."""
    does = WORDS[turn.does](mm, turn.start, turn.end) if isinstance(turn.does, str) else turn.does(mm)
    return does if of_kthread(turn) else _around(turn, mm, does)


async def _around(turn: Turn, mm: Mm, does: Coroutine[Op, Any, None]) -> None:
    """What a thread of the process does begins and ends in user mode, unless it comes or goes."""
    becomes = SWITCHES.get(str(turn.does))
    if becomes not in USING:
        await mm.hook.enter_from_user_mode(mm=mm)
    await does
    if becomes is None or becomes in USING:
        await mm.hook.exit_to_user_mode(mm=mm)


def wrong(step: Turns) -> str:
    """What is wrong with a step; '' if nothing."""
    if type(step.pages) is not int or not 1 <= step.pages <= MOST_TURN_PAGES:
        return f"pages: expected a number from 1 to {MOST_TURN_PAGES}, got {step.pages!r}"
    if type(step.folio) is not int or not 1 <= step.folio <= step.pages or step.pages % step.folio:
        return f"folio: expected a number of pages that divides {step.pages}, got {step.folio!r}"
    if step.kind not in KINDS:
        return f"kind: expected one of {', '.join(KINDS)}, got {step.kind!r:.80}"
    if type(step.times) is not int or step.times < 1:
        return f"times: expected a number of at least 1, got {step.times!r}"
    if not isinstance(step.turns, tuple) or not step.turns:
        return f"turns: expected a tuple of Turn, got {step.turns!r:.80}"
    for at, turn in enumerate(step.turns):
        if problem := _wrong_turn(turn, step.pages):
            return f"turns[{at}]: {problem}"
    return _out_of_order(step.turns)


def _wrong_turn(turn: Any, pages: int) -> str:
    if not isinstance(turn, Turn):
        return f"expected a Turn, got {turn!r:.80}"
    if type(turn.cpu) is not int or not 0 <= turn.cpu < MOST_CPUS:
        return f"expected a CPU from 0 to {MOST_CPUS - 1}, got {turn.cpu!r}"
    if isinstance(turn.does, str) and turn.does not in WORDS:
        return f"there is no word {turn.does!r}; expected one of {', '.join(WORDS)}, or a program"
    if not isinstance(turn.does, str) and not callable(turn.does):
        return f"expected a word or a program, got {turn.does!r:.80}"
    concerns = isinstance(turn.does, str) and turn.does not in (*SWITCHES, "fork")
    if concerns and not (type(turn.start) is type(turn.end) is int and 0 <= turn.start < turn.end <= pages):
        return f"{turn.does}: expected pages from 0 to {pages}, got {turn.start!r} to {turn.end!r}"
    return ""


def _out_of_order(turns: tuple[Turn, ...]) -> str:
    """A CPU calls the kernel only while it runs the process, and leaves only what it is on."""
    now: dict[int, str] = {}
    for at, turn in enumerate(turns):
        is_now = now.get(turn.cpu, "away")
        becomes = SWITCHES.get(str(turn.does))
        if becomes is None:
            if not of_kthread(turn) and is_now not in USING:
                return f"turns[{at}]: CPU{turn.cpu} is {is_now}, and runs no thread of the process"
            continue
        if (becomes in USING) == (is_now in USING) and (is_now, becomes) != ("lazy", "away"):
            return f"turns[{at}]: CPU{turn.cpu} is {is_now}: it cannot {turn.does}"
        now[turn.cpu] = becomes
    return ""
