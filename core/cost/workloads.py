"""Workloads with the names that users know; those in which CPUs come and go are in core/cost/turn_workloads.py.

A named workload is a function of its parameters; sizes are in pages of the architecture unless they say GiB.
arches.toml can give one other parameters, or spell out steps (core/cost/read_workloads.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import gcd
from typing import Any

from core.cost.layout import HUGE, Layout
from core.cost.turn_workloads import TURN_WORKLOADS
from core.cost.turns import Turns, wrong
from core.cost.workload import HOW, UNMAPS, Runs, Workload, WorkloadStep, layout

GIB = 2**30 // 4096
"""Pages of 4 KiB in a GiB."""

PTRS_PER_PTE = 512
"""Entries of a page table, with pages of 4 KiB."""

__all__ = [
    "CHANGES",
    "NAMED",
    "STANDARD",
    "WORKLOADS",
    "Runs",
    "Workload",
    "WorkloadStep",
    "build",
    "layout",
    "parameters",
]


def _one(name: str, title: str, runs: Runs, how: str = "unmap") -> Workload:
    return Workload(name, title, (WorkloadStep(runs, how=how),))


# ---- will-it-scale -------------------------------------------------------------------------------------------


def page_fault3(pages: int = 2048) -> Workload:
    """A shared file mapping is written page by page and unmapped; 32768 pages in will-it-scale."""
    return _one(
        "page_fault3",
        f"munmap of {pages} adjacent dirty pages of a shared mapping (will-it-scale page_fault3)",
        (("file_dirty", pages),),
    )


def tlb_flush1(pages: int = 32768) -> Workload:
    """A private file mapping: each page is written, given back and read again, then all are unmapped."""
    return Workload(
        "tlb_flush1",
        f"{pages} times MADV_DONTNEED of the page just written, of a private file (will-it-scale)",
        (WorkloadStep((("anon_dirty", 1),), times=pages), WorkloadStep((("file_clean", pages),))),
    )


def tlb_flush2(pages: int = 256) -> Workload:
    """Anonymous memory: each page is written, given back and read again, then all are unmapped."""
    return Workload(
        "tlb_flush2",
        f"{pages} times MADV_DONTNEED of the page just written, anonymous (will-it-scale)",
        (WorkloadStep((("anon_dirty", 1),), times=pages), WorkloadStep((("zero", pages),))),
    )


def tlb_flush3(pages: int = 32768) -> Workload:
    """A shared file mapping: each page is written, given back and read again, then all are unmapped."""
    return Workload(
        "tlb_flush3",
        f"{pages} times MADV_DONTNEED of the page just written, of a shared file (will-it-scale)",
        (WorkloadStep((("file_dirty", 1),), times=pages), WorkloadStep((("file_clean", pages),))),
    )


# ---- processes -----------------------------------------------------------------------------------------------


def exit_anon(gib: int = 1024) -> Workload:
    """The exit of a process with much anonymous memory."""
    return _one("exit_anon", f"exit with {gib} GiB of anonymous memory", (("anon_dirty", gib * GIB),), "exit")


def exit_shared(gib: int = 1024) -> Workload:
    """The exit of a process with a large shared mapping, all dirty."""
    return _one("exit_shared", f"exit with {gib} GiB of dirty shared memory", (("file_dirty", gib * GIB),), "exit")


def exit_mixed(gib: int = 1024) -> Workload:
    """The exit of a large process in which every second page is dirty and shared."""
    return _one(
        "exit_mixed",
        f"exit with {gib} GiB of which every second page is dirty and shared",
        ((gib * GIB // 2, (("file_dirty", 1), ("anon_dirty", 1))),),
        "exit",
    )


def fork_storm(children: int = 100, pages: int = 1000) -> Workload:
    """A process forks, and each child exits at once."""
    return Workload(
        "fork_storm",
        f"fork of {children} children that exit at once, {pages} anonymous pages each",
        (WorkloadStep((("none", 1),), children, "fork"), WorkloadStep((("anon_clean", pages),), children, "exit")),
    )


def exec_storm(children: int = 100, anon: int = 300, file: int = 700) -> Workload:
    """exec() in new children: each unmaps its old image, anonymous pages among pages of mapped files."""
    common = gcd(anon, file) or 1
    image = (common, (("anon_dirty", anon // common), ("file_clean", file // common)))
    return Workload(
        "exec_storm",
        f"fork and exec of {children} children, {anon} anonymous pages among {file} of mapped files each",
        (WorkloadStep((("none", 1),), children, "fork"), WorkloadStep((image,), children, "exit")),
    )


def kvm_teardown(gib: int = 64) -> Workload:
    """A virtual machine's memory, all huge pages, is unmapped."""
    return _one("kvm_teardown", f"munmap of {gib} GiB of guest memory in 2 MiB pages", ((HUGE, gib * GIB),))


def munmap_sparse(tables: int = 4096, pages: int = 1) -> Workload:
    """A mapping with few pages in each page table is unmapped, and its tables with it."""
    return _sparse("munmap_sparse", f"munmap of {tables} page tables with {pages} anonymous pages each", tables, pages)


def exit_sparse(tables: int = 4096, pages: int = 1) -> Workload:
    """The exit of a process with few pages in each page table, tables included."""
    title = f"exit of a process with {tables} page tables, {pages} anonymous pages in each"
    return _sparse("exit_sparse", title, tables, pages, "exit")


def _sparse(name: str, title: str, tables: int, pages: int, how: str = "unmap") -> Workload:
    """ValueError unless a table of 4 KiB has `pages` pages."""
    if not 0 < pages <= PTRS_PER_PTE or tables < 1:
        raise ValueError(f"expected tables > 0 and 1 <= pages <= {PTRS_PER_PTE}, got {tables} tables, {pages} pages")
    rest = (("none", PTRS_PER_PTE - pages),) if pages < PTRS_PER_PTE else ()
    runs = ((tables, (("anon_dirty", pages), *rest)),)
    return Workload(name, title, (WorkloadStep(runs, how=how, tables=True),))


# ---- heaps and databases -------------------------------------------------------------------------------------


def malloc_trim(pages: int = 2048) -> Workload:
    """malloc_trim(): a heap is given back with MADV_DONTNEED."""
    return _one(
        "malloc_trim", f"MADV_DONTNEED of {pages} anonymous pages (a heap given back)", (("anon_dirty", pages),)
    )


def gc_arenas(arenas: int = 512, pages: int = 512, resident: int = 256) -> Workload:
    """A garbage collector gives back its arenas; a part of each is resident."""
    arena = (("anon_dirty", resident), ("none", pages - resident)) if resident < pages else (("anon_dirty", pages),)
    return _one(
        "gc_arenas",
        f"MADV_DONTNEED of {arenas} arenas of {pages} pages, {resident} of each resident",
        ((arenas, arena),),
    )


def checkpoint(pages: int = 2048, every: int = 8) -> Workload:
    """A database unmaps its buffers: a shared mapping with scattered dirty pages."""
    pattern = (("file_dirty", 1), ("file_clean", every - 1)) if every > 1 else (("file_dirty", 1),)
    return _one(
        "checkpoint",
        f"a shared mapping of {pages} pages of which one in {every} is dirty (a database's buffers)",
        ((max(pages // every, 1), pattern),),
    )


def checkpoint_writeback(pages: int = 2048, every: int = 8) -> Workload:
    """A database's buffers are written back while they stay mapped: each dirty page is cleaned on its own."""
    dirty = max(pages // every, 1)
    return Workload(
        "checkpoint_writeback",
        f"writeback of {dirty} scattered dirty pages of a shared mapping (msync, a database's checkpoint)",
        (WorkloadStep((("file_dirty", 1),), dirty, "clean"),),
    )


def mapping(pages: int = 2048, dirty: int = 100) -> Workload:
    """A shared mapping is unmapped; `dirty` per cent of its pages are dirty. ValueError outside 0 to 100."""
    return _one("mapping", f"munmap of {pages} pages of a shared mapping, {dirty} % dirty", spread(pages, dirty))


def spread(pages: int, dirty: int) -> Runs:
    """The runs of `pages` pages of a shared mapping, `dirty` per cent of them dirty, evenly spread. ValueError."""
    if not 0 <= dirty <= 100 or pages < 1:
        raise ValueError(f"expected pages > 0 and 0 <= dirty <= 100, got {pages} pages, {dirty} % dirty")
    common = gcd(dirty, 100)
    pattern, every = dirty // common, 100 // common
    kinds = ["file_dirty" if (i + 1) * pattern // every > i * pattern // every else "file_clean" for i in range(every)]
    runs: list[tuple[str, int]] = []
    for kind in kinds:
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
    if len(runs) == 1:
        return ((runs[0][0], pages),)
    whole, rest = divmod(pages, every)
    left = [(kind, 1) for kind in kinds[:rest]]
    return (*(((whole, tuple(runs)),) if whole else ()), *left)


# ---- by name -------------------------------------------------------------------------------------------------

_BUILDS: tuple[Callable[..., Workload], ...] = (
    page_fault3,
    malloc_trim,
    checkpoint,
    tlb_flush1,
    tlb_flush2,
    tlb_flush3,
    checkpoint_writeback,
    gc_arenas,
    fork_storm,
    exec_storm,
    kvm_teardown,
    exit_anon,
    exit_shared,
    exit_mixed,
    munmap_sparse,
    exit_sparse,
    mapping,
    *TURN_WORKLOADS,
)

NAMED: Mapping[str, Callable[..., Workload]] = {build.__name__: build for build in _BUILDS}
"""Named workloads as functions of their parameters."""

WORKLOADS = {name: build() for name, build in NAMED.items()}
"""The named workloads with their default parameters."""

STANDARD = {name: WORKLOADS[name] for name in ("page_fault3", "malloc_trim", "checkpoint")}
"""The workloads that every report counts, in the order of the table."""


def _sized(name: str, **values: int) -> Workload:
    """A named workload with other parameters, which its name says."""
    said = " ".join(f"{parameter}={value}" for parameter, value in values.items())
    return replace(NAMED[name](**values), name=f"{name} {said}")


_SMALL = (
    *(_sized("malloc_trim", pages=pages) for pages in (1, 8, 33, 34)),
    _sized("munmap_sparse", tables=2, pages=8),
    _sized("exit_sparse", tables=2, pages=8),
    _sized("checkpoint_writeback", pages=8, every=1),
    _sized("fork_storm", children=1, pages=8),
    _sized("protect", pages=8, threads=3),
    *(_sized(name, pages=8, threads=3) for name in ("migrate", "reclaim", "pageout")),
    _sized("collapse", threads=3),
    *(_sized(name, rounds=4, threads=3) for name in ("switching", "left_behind", "vunmap")),
)

CHANGES = {workload.name: workload for workload in (*STANDARD.values(), *_SMALL)}
"""The workloads by which two trees are compared: besides `STANDARD`, flushes of a page and of few, on either side of
x86's ceiling of 33; of page tables, write-protected pages, a fork, batches of rmap and kernel addresses; on CPUs that
come and go."""


MOST_PAGES = 1 << 45
"""Pages of 4 KiB in the addresses that five levels of tables translate."""

MOST_FOLIO = 1 << 18
"""Pages of the largest folio: MAX_FOLIO_ORDER, a gigantic page of 1 GiB."""

LONGEST_PATTERN, MOST_WALKED = 1 << 16, 1 << 21
"""A pattern is walked through until what it does repeats; a longer one only if there are not too many pages in all."""

SMALLEST_TABLE, MOST_UNEVEN = 256, 1 << 16
"""A pattern with large folios that divides every page table is counted once for a table.  Elsewhere the gather fills up
at another place in each of many tables: after at most so many pages, or a gigantic folio's, if the tables are whole."""

MOST_WITH_TABLES = 1 << 28
"""1 TiB of pages of 4 KiB: half a million page tables, and as many seconds as there are 100 000."""

MOST_TIMES = 1e18
"""Steps are multiplied, not repeated; still, what comes of it must be a number that can be priced."""


def parameters(name: str) -> tuple[str, ...]:
    """The parameters of a named workload."""
    return tuple(inspect.signature(NAMED[name]).parameters)


def build(name: str, values: Mapping[str, int]) -> Workload:
    """A named workload with these parameters, the others by default. ValueError if they make no valid layout."""
    if values.get("every", 1) < 1:
        raise ValueError(f"every: expected a number of at least 1, got {values['every']}")
    workload = NAMED[name](**values)
    for step in workload.steps:
        if isinstance(step, Turns):
            if problem := wrong(step):
                raise ValueError(problem)
        else:
            countable(layout(step.runs))
    return workload


def wrong_step(step: Any) -> str:
    """What is wrong with a step that somebody else has made; '' if nothing."""
    if isinstance(step, Turns):
        return wrong(step)
    if not isinstance(step, WorkloadStep):
        return f" expected Turns or a WorkloadStep, got {step!r:.80}"
    if step.how not in HOW:
        return f"how: expected one of {', '.join(HOW)}, got {step.how!r:.80}"
    if type(step.times) is not int or not 1 <= step.times < MOST_TIMES:
        return f"times: expected a number of at least 1, below {MOST_TIMES:g}, got {step.times!r:.60}"
    try:
        laid = layout(step.runs)
        countable(laid)
    except (TypeError, ValueError) as error:
        return f"runs: {error}"
    if problem := wrong_tables(step.tables, step.how, laid.end):
        return problem
    one = step.how == "clean"
    return f"runs: expected one page, got {laid.end}" if one and laid.end != 1 else ""


def wrong_tables(tables: Any, how: str, pages: int) -> str:
    """What is wrong with `WorkloadStep.tables` of a step; '' if nothing."""
    if not isinstance(tables, bool):
        return f"tables: expected true or false, got {tables!r:.60}"
    if tables and how not in UNMAPS:
        return f"tables: {how} frees no page tables; expected how to be one of {', '.join(UNMAPS)}"
    if tables and pages > MOST_WITH_TABLES:
        return f"tables: {pages:.3g} pages; expected at most {MOST_WITH_TABLES}: tables are freed one by one"
    return ""


def countable(laid: Layout) -> None:
    """ValueError if the layout is larger than anything real, or takes too long to count."""
    if laid.end > MOST_PAGES:
        raise ValueError(f"{laid.end:.3g} pages; expected at most {MOST_PAGES}: more have no address")
    for stretch in laid.stretches:
        folio = max((count for kind, count in stretch.pattern if kind.startswith("folio_")), default=0)
        if folio > MOST_FOLIO:
            raise ValueError(f"a folio of {folio} pages; expected at most {MOST_FOLIO}")
        length, pages = stretch.ends[-1], stretch.end - stretch.start
        even = not length & (length - 1)
        most = MOST_PAGES if not folio or (even and length <= SMALLEST_TABLE) else MOST_FOLIO if even else MOST_UNEVEN
        if pages > most:
            raise ValueError(
                f"{pages} pages in patterns of {length} with large folios, which cannot be counted in time; expected "
                f"patterns of 2, 4, 8 up to {SMALLEST_TABLE} pages, or at most {most} pages in all"
            )
        if len(stretch.pattern) > 1 and length > LONGEST_PATTERN and pages > MOST_WALKED:
            raise ValueError(
                f"{pages} pages in patterns of {length}, which cannot be counted in time; expected patterns of at most "
                f"{LONGEST_PATTERN} pages, or at most {MOST_WALKED} in all"
            )
