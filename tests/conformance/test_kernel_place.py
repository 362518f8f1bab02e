"""The kernel's file of the function that a program stands in, as docstrings name it."""

from __future__ import annotations

from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest

from arch_plugins.generic import Generic
from core.conformance.kernel_place import kernel_place
from core.mm import madvise, memory, mmu_gather, rmap, smp


def frame(function: Any, module: Any) -> FrameType:
    return cast(FrameType, SimpleNamespace(f_code=function.__code__, f_globals=vars(module)))


@pytest.mark.parametrize(
    ("function", "module", "place"),
    [
        (memory.zap_pte_range, memory, "mm/memory.c"),
        (madvise.madvise_dontneed, madvise, "mm/madvise.c"),
        (rmap.unlink_file_vma, rmap, "mm/mmap.c"),
        (smp.on_each_cpu, smp, "include/linux/smp.h"),
        (mmu_gather.tlb_finish_mmu, mmu_gather, "mm/mmu_gather.c"),
    ],
)
def test_a_function_is_in_the_file_of_its_module_unless_it_says_another(function: Any, module: Any, place: str) -> None:
    assert kernel_place(frame(function, module)) == place


def test_a_hook_is_where_its_specification_says_and_another_function_of_a_plugin_nowhere() -> None:
    import arch_plugins.generic as module

    assert kernel_place(frame(Generic.ptep_clear_flush, module)) == "mm/pgtable-generic.c"
    assert kernel_place(frame(Generic.ptep_get, module)) == ""


def test_what_the_kernel_calls_otherwise_is_named() -> None:
    def mine() -> None:
        """arch/x86/mm/tlb.c:flush_tlb_func() in the kernel."""

    assert kernel_place(frame(mine, SimpleNamespace())) == "arch/x86/mm/tlb.c:flush_tlb_func"
