"""Workloads with the names that users know: what is mapped when it is unmapped, as runs of equal pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """`runs` are (kind, pages): anon_clean, anon_dirty, file_clean or file_dirty, laid out one behind another."""

    name: str
    title: str
    runs: tuple[tuple[str, int], ...]


STANDARD = {
    workload.name: workload
    for workload in (
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
            (("file_dirty", 1), ("file_clean", 7)) * 256,
        ),
    )
}
"""By name, in the order of the table."""
