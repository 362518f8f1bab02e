"""Workloads with the names that users know: what is mapped when it is unmapped, as runs of equal pages.

Data types
    Workload(name, title, runs)   runs are (kind, pages), or (repeat, ((kind, pages), ...)); kinds as in
                                  core.cost.layout; `fullmm` says that the whole address space goes

will-it-scale's page_fault3 writes every page of a shared file mapping and unmaps it, again and again; tlb_flush1 to 3
give memory back with MADV_DONTNEED.  Their mappings are scaled down where a repetition adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

Runs = tuple[tuple[str, int] | tuple[int, tuple[tuple[str, int], ...]], ...]

GIB = 2**30 // 4096
"""Pages of 4 KiB in a GiB."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`runs` are laid out one behind another; see the module."""

    name: str
    title: str
    runs: Runs
    fullmm: bool = False


def _by_name(*workloads: Workload) -> dict[str, Workload]:
    return {workload.name: workload for workload in workloads}


STANDARD = _by_name(
    Workload(
        "page_fault3",
        "munmap of 2048 adjacent dirty pages of a shared mapping (will-it-scale page_fault3)",
        (("file_dirty", 2048),),
    ),
    Workload(
        "malloc_trim",
        "MADV_DONTNEED of 2048 anonymous pages (a heap given back)",
        (("anon_dirty", 2048),),
    ),
    Workload(
        "checkpoint",
        "a shared mapping of 2048 pages of which every eighth is dirty (a database's buffers)",
        ((256, (("file_dirty", 1), ("file_clean", 7))),),
    ),
)
"""By name, in the order of the table."""

LARGE = _by_name(
    Workload("tlb_flush1", "MADV_DONTNEED of one anonymous page (will-it-scale)", (("anon_dirty", 1),)),
    Workload("tlb_flush2", "MADV_DONTNEED of 128 MiB of anonymous memory (will-it-scale)", (("anon_dirty", 32768),)),
    Workload("tlb_flush3", "MADV_DONTNEED of 128 MiB in folios of 64 KiB", ((2048, (("folio_anon_dirty", 16),)),)),
    Workload("exit_anon", "exit of a process with 1 TiB of anonymous memory", (("anon_dirty", 1024 * GIB),), True),
    Workload(
        "exit_shared",
        "exit of a process with 1 TiB of dirty shared memory",
        (("file_dirty", 1024 * GIB),),
        True,
    ),
    Workload(
        "exit_mixed",
        "exit of a process with 1 TiB of which every second page is dirty and shared",
        ((512 * GIB, (("file_dirty", 1), ("anon_dirty", 1))),),
        True,
    ),
    Workload(
        "gc_arenas",
        "MADV_DONTNEED of 1 GiB of arenas, half of each 2 MiB resident",
        ((512, (("anon_dirty", 256), ("none", 256))),),
    ),
    Workload(
        "fork_exec",
        "exec in a fresh child: 300 anonymous pages among 700 of mapped files",
        ((100, (("anon_dirty", 3), ("file_clean", 7))),),
        True,
    ),
)
"""The ones that are counted on request."""

WORKLOADS = {**STANDARD, **LARGE}
"""All of them."""
