"""Setting up a plugin: what pluggy lets pass is caught too."""

from __future__ import annotations

from typing import Any

import pytest

from core.arch import PluginError, set_up
from core.hookspecs import SPECS, Facts, hookimpl, is_program
from core.mm.mmu_gather import MmuGather


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


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Misspelt, "there is no hook tlb_delay_rmaps; did you mean tlb_delay_rmap?"),
        (WrongArguments, "mask"),
        (NotAProgram, r"hook flush_tlb_mm must be a program \(async def\)"),
        (NotPlain, "hook tlb_delay_rmap must be a plain def"),
        (Unmarked, "flush_tlb_mm is a hook's name but is not marked @hookimpl"),
        (BadFacts, r"hook arch_facts raised RuntimeError\('no facts today'\)"),
        (NoFacts, "hook arch_facts returned .*, expected Facts"),
    ],
)
def test_a_wrong_plugin_is_refused_with_one_line(plugin: type, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        set_up("bad", plugin(), "test")
    assert "\n" not in str(caught.value)


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
