"""What exit_mmap() and migrate_pages() would do without a lock, or a flush, that they have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.conformance.verdict import Result
from core.mm import migrate, mmap
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS, Era
from core.mm.mm import Mm
from core.plugins.arch import load_object, set_up

ERA = ERAS["6.12"]


def judged(scenario: str, era: Era = ERA) -> Result:
    """On generic SMP."""
    reference = "arch_plugins.generic:Smp"
    return judge(set_up("smp", load_object(reference), reference), era, SCENARIOS[scenario])


def test_the_oom_reaper_is_kept_out_by_mmap_lock_for_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(mm: Mm) -> None:
        pass

    assert judged("exit-oom-reaper").verdict == "pass"
    monkeypatch.setattr(mmap, "mmap_write_lock", nothing)
    monkeypatch.setattr(mmap, "mmap_write_unlock", nothing)
    result = judged("exit-oom-reaper")
    assert (result.verdict, result.reason, len(result.trace)) == ("fail", "entry-in-freed-table", 33)


def test_pages_are_not_copied_before_the_flush_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(mm: Mm, ubc: UnmapBatch) -> None:
        pass

    assert judged("migrate-batch").verdict == "pass"
    monkeypatch.setattr(migrate, "try_to_unmap_flush", nothing)
    result = judged("migrate-batch")
    assert (result.verdict, result.reason) == ("fail", "store-after-copy")
    assert judged("migrate-batch", ERAS["6.2-fix"]).verdict == "pass", "each page is flushed as it is unmapped"


def test_whoever_finds_a_migration_entry_asks_for_the_flush_of_the_batch() -> None:
    result = judged("migrate-batch-dontneed", replace(ERA, lacks=frozenset({"3ea277194daa"})))
    assert (result.verdict, result.reason, len(result.trace)) == ("fail", "stale-after-return", 20)
