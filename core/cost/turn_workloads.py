"""Named workloads in which CPUs come and go, and kernel threads work on the mm: what reviewers of series ask for.

CPU 0 runs the process throughout.  The last CPU is that of kernel threads where there are some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.cost.turns import Turn, Turns
from core.cost.workload import Workload


def _workload(name: str, title: str, turns: Iterable[Turn], pages: int, folio: int = 1, kind: str = "anon") -> Workload:
    return Workload(name, title, (Turns(tuple(turns), pages, folio, kind=kind),))


def _running(threads: int) -> list[Turn]:
    return [Turn(cpu, "run") for cpu in range(threads)]


def _by_kthread(
    name: str, who: str, does: str, pages: int, threads: int, folio: int = 1, kind: str = "anon"
) -> Workload:
    turns = [*_running(threads), Turn(0, "fault", 0, pages), Turn(threads, does, 0, pages)]
    return _workload(name, f"{who} {pages} pages of a process with {threads} threads", turns, pages, folio, kind)


def migrate(pages: int = 512, threads: int = 4, folio: int = 1) -> Workload:
    """kcompactd migrates pages of a running process, all in one call of migrate_pages()."""
    return _by_kthread("migrate", "kcompactd migrates", "migrate", pages, threads, folio)


def reclaim(pages: int = 512, threads: int = 4, folio: int = 1) -> Workload:
    """kswapd reclaims dirty anonymous pages of a running process: each folio is flushed before it is written."""
    return _by_kthread("reclaim", "kswapd reclaims", "reclaim", pages, threads, folio)


def reclaim_file(pages: int = 512, threads: int = 4, folio: int = 1) -> Workload:
    """kswapd reclaims clean pages of a mapped file, which are read-only: one flush for all."""
    return _by_kthread("reclaim_file", "kswapd reclaims clean file", "reclaim", pages, threads, folio, "file")


def reclaim_lazyfree(pages: int = 512, threads: int = 4, folio: int = 1) -> Workload:
    """kswapd discards what the process has given up with MADV_FREE."""
    return _by_kthread("reclaim_lazyfree", "kswapd discards", "reclaim", pages, threads, folio, "lazyfree")


def collapse(pages: int = 512, threads: int = 4) -> Workload:
    """khugepaged collapses the pages of a running process into huge pages."""
    return _by_kthread("collapse", "khugepaged collapses", "collapse", pages, threads)


def _by_thread(name: str, call: str, does: str, pages: int, threads: int, folio: int = 1) -> Workload:
    turns = [*_running(threads), Turn(0, "fault", 0, pages), Turn(0, does, 0, pages)]
    return _workload(name, f"{call} of {pages} pages of a process with {threads} threads", turns, pages, folio)


def pageout(pages: int = 512, threads: int = 4, folio: int = 1) -> Workload:
    """A process gives its own pages to swap."""
    return _by_thread("pageout", "MADV_PAGEOUT", "pageout", pages, threads, folio)


def protect(pages: int = 512, threads: int = 4) -> Workload:
    """A process makes its pages read-only, as a garbage collector does."""
    return _by_thread("protect", "mprotect(PROT_READ)", "mprotect", pages, threads)


def switching(rounds: int = 16, threads: int = 4, pages: int = 4) -> Workload:
    """One thread maps and unmaps; the others sleep and wake up between, so that their CPUs are lazy half of the time.

    context_switch() to an idle task and back: lmbench's lat_pagefault and mmapstress01 beside sleeping threads.
    """
    turns = _running(threads)
    for at in range(rounds):
        turns += [Turn(cpu, "run" if at % 2 else "idle") for cpu in range(1, threads)]
        turns += [Turn(0, "fault", 0, pages), Turn(0, "munmap", 0, pages)]
    title = f"{rounds} times munmap of {pages} pages, while {threads - 1} other threads sleep and wake up"
    return _workload("switching", title, turns, pages)


def left_behind(rounds: int = 16, threads: int = 4, pages: int = 4) -> Workload:
    """A process has run on several CPUs, which run others now, and unmaps on one.

    Where a CPU stays in mm_cpumask it is interrupted every time (x86 209954cbc7d0, riscv 2025).
    """
    turns = _running(threads) + [Turn(cpu, "leave") for cpu in range(1, threads)]
    for _ in range(rounds):
        turns += [Turn(0, "fault", 0, pages), Turn(0, "munmap", 0, pages)]
    title = f"{rounds} times munmap of {pages} pages of a process that has left {threads - 1} CPUs"
    return _workload("left_behind", title, turns, pages)


def isolated(rounds: int = 16, threads: int = 4, pages: int = 4) -> Workload:
    """One thread unmaps, another runs in user mode on an isolated CPU (nohz_full), the others sleep."""
    turns = [Turn(0, "run"), Turn(1, "isolate"), *(Turn(cpu, "run") for cpu in range(2, threads))]
    turns += [Turn(cpu, "idle") for cpu in range(2, threads)]
    for _ in range(rounds):
        turns += [Turn(0, "fault", 0, pages), Turn(0, "dontneed", 0, pages)]
    title = f"{rounds} times MADV_DONTNEED of {pages} pages beside an isolated CPU and {max(threads - 2, 0)} lazy ones"
    return _workload("isolated", title, turns, pages)


def vunmap(rounds: int = 16, threads: int = 4, pages: int = 4) -> Workload:
    """Kernel memory is mapped and unmapped beside a thread on an isolated CPU (nohz_full), and idle CPUs."""
    turns = [Turn(0, "run"), Turn(1, "isolate"), *(Turn(cpu, "run") for cpu in range(2, threads))]
    turns += [Turn(cpu, "idle") for cpu in range(2, threads)]
    turns += [Turn(0, "vunmap", 0, pages)] * rounds
    title = f"{rounds} times vunmap of {pages} kernel pages beside an isolated CPU and {max(threads - 2, 0)} lazy ones"
    return _workload("vunmap", title, turns, pages)


TURN_WORKLOADS: tuple[Callable[..., Workload], ...] = (
    migrate,
    reclaim,
    reclaim_file,
    reclaim_lazyfree,
    pageout,
    collapse,
    protect,
    switching,
    left_behind,
    isolated,
    vunmap,
)
