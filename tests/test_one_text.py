"""The kernel's text stands once: whoever explores, counts or compares an operation runs the one in core/mm."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.hookspecs import SPECS
from core.mm import syscalls

ROOT = Path(__file__).parent.parent
READERS = ("core/cli", "core/conformance", "core/cost", "core/table", "core/truth", "reports")
"""Rooms that run the kernel's text. Architectures have words of their own, and benchmarks models of their own."""

OPENS_A_GATHER = {"tlb_gather_mmu", "tlb_finish_mmu", "inc_tlb_flush_pending"}
TAKES_OUT = {
    "clear_upper",
    "free_pgtables",
    "pmdp_huge_get_and_clear",
    "ptep_clear_flush",
    "ptep_get_and_clear",
    "set_pte",
    "unmap_page_range",
    "xchg_pmd",
    "xchg_pte",
    "zap_pte_range",
}
ON_ONE_ENTRY = {"pmdp_huge_get_and_clear", "ptep_clear_flush", "ptep_get_and_clear", "set_pte", "xchg_pte"}
"""A scenario about a hook may call it on an entry, as the task that is next to it would, whoever that is."""

SCENARIOS = ("core/conformance/scenarios/", "core/conformance/large/scenarios.py")
SAMPLES = "core/cli/words_page.py"
"""Calls each word once, to see its order."""

ONE_TEXT = OPENS_A_GATHER | TAKES_OUT


def modules(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def called(tree: ast.AST) -> Iterator[str]:
    """Names of what is called, also through `mm.hook`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def test_only_core_mm_opens_gathers_and_takes_entries_out() -> None:
    found = {
        (path, call)
        for path, tree in modules(*READERS)
        for call in called(tree)
        if call in ONE_TEXT and not (path.startswith((*SCENARIOS, SAMPLES)) and call in ON_ONE_ENTRY | {"xchg_pmd"})
    }
    assert not found


def test_what_is_looked_for_is_there() -> None:
    """Each of the names is called somewhere in core/mm, so that a renamed word does not make the test above idle."""
    calls = {call for _, tree in modules("core/mm", "arch_plugins") for call in called(tree)}
    assert ONE_TEXT - calls == set()


@pytest.mark.parametrize("name", sorted(set(syscalls.__all__) - {"CALLS", "Mapping"}))
def test_a_system_call_is_defined_once(name: str) -> None:
    defined = [
        path
        for path, tree in modules("core")
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name
    ]
    assert len(defined) == 1
    assert defined[0].startswith("core/mm/")


def test_no_reader_defines_a_function_of_the_kernels_text() -> None:
    """A coroutine of core/mm has no namesake among the readers: a second body begins like that.

    switch_in() of core.mm.sched and of the scenarios of switch_mm() are about the same hook, not about the same text.
    """
    ours = {
        node.name
        for _, tree in modules("core/mm")
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
    theirs = {
        (path, node.name)
        for path, tree in modules(*READERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name in ours
    }
    assert theirs <= {("core/conformance/scenarios/switch_mm.py", "switch_in")}


def test_every_hook_is_called_by_the_core_or_by_a_plugin() -> None:
    """One that is specified and called by nobody would be judged by nobody."""
    called = "\n".join(path.read_text() for room in ("core", "arch_plugins") for path in (ROOT / room).rglob("*.py"))
    assert [name for name in SPECS if not re.search(rf"\bhook\.{name}\b", called)] == []
