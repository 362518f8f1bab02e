"""Setting up a plugin: what pluggy lets pass is caught too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from core.hookspecs import SPECS, Facts, hookimpl, is_program
from core.mm.mmu_gather import MmuGather
from core.plugins.arch import PluginError, load_object, set_up


class Misspelt:
    @hookimpl
    def tlb_delay_rmaps(self, tlb: Any) -> bool:
        return True


class WrongArguments:
    @hookimpl
    async def flush_tlb_mm(self, mm: Any, mask: Any) -> None:
        return None


class NotAProgram:
    @hookimpl
    def flush_tlb_mm(self, mm: Any) -> None:
        return None


class NotPlain:
    @hookimpl
    async def tlb_delay_rmap(self, tlb: Any) -> bool:
        return True


class Unmarked:
    async def flush_tlb_mm(self, mm: Any) -> None:
        return None


class BadFacts:
    @hookimpl
    def arch_facts(self) -> Facts:
        raise RuntimeError("no facts today")


class NoFacts:
    @hookimpl
    def arch_facts(self) -> Any:
        return {"smp": True}


class Nearly:
    """Neither marked nor quite named like a hook, with a hook's arguments."""

    async def flush_tlb_rnage(self, mm: Any, start: int, end: int, stride: int) -> None:
        return None


class OldArgument:
    @hookimpl
    async def flush_tlb_range(self, mm: Any, start: int, end: int, stride: int, freed_tables: bool) -> None:
        return None


class OldArgumentWithDefault:
    @hookimpl
    async def flush_tlb_range(self, mm: Any, start: int, end: int, stride: int, freed_tables: bool = False) -> None:
        return None


class Attribute:
    flush_tlb_mm = 3


class Nothing:
    pass


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Misspelt, "there is no hook tlb_delay_rmaps; did you mean tlb_delay_rmap?"),
        (WrongArguments, r"hook \w+ takes mask; expected of "),
        (NotAProgram, r"hook flush_tlb_mm must be a program \(async def\)"),
        (NotPlain, "hook tlb_delay_rmap must be a plain def"),
        (Unmarked, "flush_tlb_mm is a hook's name but is not marked @hookimpl"),
        (Nearly, "flush_tlb_rnage is no hook and not marked @hookimpl; did you mean flush_tlb_range?"),
        (OldArgument, r"freed_tables any more: it is flush_tlb_range\(mm, start, end, stride\); .* tlb_flush\(tlb\)"),
        (OldArgumentWithDefault, r"no freed_tables any more: it is flush_tlb_range\(mm, start, end, stride\)"),
        (Attribute, "flush_tlb_mm is a hook's name but is not marked @hookimpl"),
        (Nothing, "a Nothing is no architecture: expected an object with at least one method that is marked"),
        (BadFacts, r"hook arch_facts raised RuntimeError: no facts today \(.*test_arch.py, line \d+, in arch_facts\)"),
        (NoFacts, "hook arch_facts returned .*, expected Facts"),
    ],
)
def test_a_wrong_plugin_is_refused_with_one_line(plugin: type, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        set_up("bad", plugin(), "test")
    assert "\n" not in str(caught.value)


def test_what_a_plugin_raises_is_told_with_its_line(tmp_path: Path) -> None:
    """The innermost line of the plugin, not of what it called, in one line however long and odd the message."""
    source = tmp_path / "odd.py"
    source.write_text("import json\n\ndef load():\n    json.loads('{')\n\nload()\n")
    with pytest.raises(PluginError, match=r"raised JSONDecodeError: .*") as caught:
        load_object(f"{source}:Any")
    assert str(caught.value).endswith(f"({source}, line 4, in load)")
    source.write_text("raise ValueError('\\x00' + 'x' * 1000)\n")
    with pytest.raises(PluginError, match=r"raised ValueError: \?x+\.\.\. \(.*odd.py, line 1, in <module>\)$"):
        load_object(f"{source}:Any")
    source.write_text("class Mine: pass\n")
    with pytest.raises(PluginError, match="there is no Other in it; it has Mine"):
        load_object(f"{source}:Other")


@pytest.mark.parametrize("thing", [5, json, len, lambda: None])
def test_what_has_no_hook_is_no_architecture(thing: object) -> None:
    with pytest.raises(PluginError, match=r"plugin bad: .* is no architecture"):
        set_up("bad", thing, "test")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"page_size": 0}, "page_size: expected a power of two of at least 64, got 0"),
        ({"page_size": "big"}, "page_size: expected int, got 'big'"),
        ({"page_size": 4096.0}, r"page_size: expected int, got 4096\.0"),
        ({"ptes_per_table": 3}, "ptes_per_table: expected a power of two of at least 1, got 3"),
        ({"bundle": -1}, "bundle: expected a number of at least 0, got -1"),
        ({"max_gather_batch": 0}, "max_gather_batch: expected a number of at least 1, got 0"),
        ({"smp": 1}, "smp: expected bool, got 1"),
        ({"preemption": "some"}, "preemption: expected one of none, voluntary, full, rt, got 'some'"),
        (
            {"capabilities": frozenset({"move_pdm"})},
            "capabilities: there is no move_pdm; expected of acc",
        ),
        ({"levels": 6}, "levels: expected at most 5, got 6"),
        ({"capabilities": {"x"}}, "capabilities: expected a frozenset of strings, got {'x'}"),
        ({"sources": ("mm/a.c", 3)}, "sources: expected a tuple of strings"),
    ],
)
def test_facts_that_cannot_be_are_refused(facts: dict[str, Any], message: str) -> None:
    class Stating:
        @hookimpl
        def arch_facts(self) -> Facts:
            return Facts(**facts)

    with pytest.raises(PluginError, match=rf"plugin bad \(test\): facts\.{message}"):
        set_up("bad", Stating(), "test")


def test_helpers_may_be_named_much_like_hooks() -> None:
    class Helpful:
        @hookimpl
        async def flush_tlb_mm(self, mm: Any) -> None:
            return await self.flush_tlb_mms(mm, True)

        async def flush_tlb_mms(self, mm: Any, all_of_them: bool) -> None:
            return None

    assert set_up("helpful", Helpful(), "test").plugin is not None


def test_a_plugin_overrides_in_part() -> None:
    class Never:
        @hookimpl
        def tlb_delay_rmap(self) -> bool:
            return False

    arch = set_up("never", Never(), "test", {"bundle": 3})
    assert arch.facts.bundle == 3
    assert arch.hook.tlb_delay_rmap(tlb=None) is False
    assert arch.hook.tlb_needs_table_invalidate() is True


def test_every_hook_says_when_it_is_called_and_which_kind_it_is() -> None:
    for name, spec in SPECS.items():
        doc = spec.__doc__ or ""
        assert doc.startswith("Program. " if is_program(name) else "Plain. "), name
        assert len(doc) > 60, name
    assert MmuGather.__doc__


def test_a_file_imports_what_stands_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_it.py").write_text("WHERE = 'beside'\n")
    source = "from arch_plugins.generic import Smp\nfrom beside_it import WHERE\nclass Mine(Smp):\n    where = WHERE\n"
    (tmp_path / "mine.py").write_text(source)
    assert load_object(f"{tmp_path}/mine.py:Mine").where == "beside"
    assert sys.path[-1] == str(tmp_path)
