"""Contiguous blocks: the row passes, and every wrong way to fold and unfold fails with the property it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from arch_plugins.arm64_contpte import Arm64Contpte
from arch_plugins.families.contpte import block_of
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.conformance.scenarios.contpte import BLOCK
from core.hookspecs import hookimpl
from core.machine.accessed import test_and_clear_young as clear_young
from core.machine.contpte import user_access
from core.machine.op import Cpu, Op
from core.machine.pte import Entry, Pte, ptep_get, set_pte, wrprotect_pte, xchg_pte
from core.machine.tlb import Entry as Cached
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.pgtable import set_ptes
from core.plugins.arch import set_up

CONTPTE = [name for name in SCENARIOS if name.startswith("contpte-")]


def verdict(plugin: object, scenario: str) -> tuple[str, str]:
    """The verdict of a plugin in a scenario, and what it violates."""
    arch = set_up("contpte", plugin, "test")
    found = judge(arch, ERAS["6.12"], SCENARIOS[scenario])
    return found.verdict, found.reason


class NoUnfold(Arm64Contpte):
    """Clears an entry of a block, and leaves the bit in the others."""

    async def contpte_try_unfold(self, mm: Mm, addr: int) -> None:
        """Nothing."""


class UnfoldsFirstOnly(Arm64Contpte):
    """Looks at the beginning of a range only."""

    async def contpte_try_unfold_partial(self, mm: Mm, addr: int, nr: int) -> None:
        if addr != block_of(mm, addr).start or nr < mm.facts.cont_ptes:
            await self.contpte_try_unfold(mm, addr)


class UnfoldsLastOnly(Arm64Contpte):
    """Looks at the end of a range only."""

    async def contpte_try_unfold_partial(self, mm: Mm, addr: int, nr: int) -> None:
        if (addr + nr) % mm.facts.cont_ptes:
            await self.contpte_try_unfold(mm, addr + nr - 1)


class NoBreak(Arm64Contpte):
    """Sets the entries without a flush behind their clearing."""

    async def flush_range(self, mm: Mm, start: int, end: int, stride: int, leaf: bool) -> None:
        if not (leaf and (start, end) == (0, BLOCK) and stride == 1):
            await super().flush_range(mm, start, end, stride, leaf)


class NoMake(Arm64Contpte):
    """Changes the bit in place."""

    async def contpte_convert(self, mm: Mm, addr: int, pte: Pte) -> None:
        for at in block_of(mm, addr):
            now: Pte = await ptep_get(at)
            await set_pte(at, now._replace(cont=pte.cont))


class DropsDirty(Arm64Contpte):
    """Does not look at what it has cleared."""

    async def contpte_convert(self, mm: Mm, addr: int, pte: Pte) -> None:
        block = block_of(mm, addr)
        for at in block:
            await xchg_pte(at, 1)
        await self.flush_range(mm, block.start, block.stop, 1, leaf=True)
        await set_ptes(block.start, pte._replace(frame=block.start), len(block))


class ProtectsInPlace(Arm64Contpte):
    """Write-protects part of a block without unfolding it."""

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        for at in range(addr, addr + nr):
            await wrprotect_pte(at)


class FlushesOnePage(Arm64Contpte):
    """contpte_convert() flushes the page that was asked for."""

    async def contpte_convert(self, mm: Mm, addr: int, pte: Pte) -> None:
        block, dirty = block_of(mm, addr), pte.dirty
        for at in block:
            cleared = await xchg_pte(at, 1)
            dirty = dirty or cleared.dirty
        await self.flush_range(mm, addr, addr + 1, 1, leaf=True)
        first = pte._replace(frame=block.start, dirty=dirty)
        await set_ptes(block.start, first, len(block))


class NeverStartsAgain(Arm64Contpte):
    """Reads what is there, whether it belongs together or not."""

    async def consistent(self, mm: Mm, addr: int, pte: Pte) -> Pte | None:
        dirty = pte.dirty
        for at in block_of(mm, addr):
            other: Entry = await ptep_get(at, lockless=True)
            dirty = dirty or (isinstance(other, Pte) and other.dirty)
        return pte._replace(dirty=dirty)


class ReadsOneEntry(Arm64Contpte):
    """Looks at no other entry of the block."""

    @hookimpl
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        pte: Entry = await ptep_get(addr, lockless=True)
        return pte


class AsksOneEntry(Arm64Contpte):
    """Clears the accessed bit of the entry that is asked for."""

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        return bool(await clear_young(addr))


class StopsAtTheFirst(Arm64Contpte):
    """Looks no further once an entry says that it was used."""

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        for at in block_of(mm, addr):
            if await clear_young(at):
                return True
        return False


class FlushesOneYoungPage(Arm64Contpte):
    """Clears the bits of the block, and flushes the page that is asked for."""

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        young = await self.ptep_test_and_clear_young(mm, addr)
        if young:
            await self.flush_tlb_page_nosync(mm, addr)
        return young


WRONG = [
    (NeverStartsAgain, "contpte-lockless", "entry-as-told"),
    (ReadsOneEntry, "contpte-lockless", "entry-as-told"),
    (AsksOneEntry, "contpte-young", "young-as-told"),
    (StopsAtTheFirst, "contpte-young", "young-as-told"),
    (FlushesOneYoungPage, "contpte-young", "young-as-told"),
    (NoUnfold, "contpte-zap", "stale-after-return"),
    (NoUnfold, "contpte-protect", "break-before-make"),
    (UnfoldsFirstOnly, "contpte-across", "stale-after-return"),
    (UnfoldsLastOnly, "contpte-across", "stale-after-return"),
    (NoBreak, "contpte-zap", "break-before-make"),
    (NoMake, "contpte-zap", "break-before-make"),
    (FlushesOnePage, "contpte-zap", "break-before-make"),
    (DropsDirty, "contpte-zap", "no-lost-dirty"),
    (DropsDirty, "contpte-protect", "no-lost-dirty"),
    (ProtectsInPlace, "contpte-fork", "stale-after-return"),
]


@pytest.mark.parametrize("scenario", CONTPTE)
def test_the_kernels_way_passes(scenario: str) -> None:
    assert verdict(Arm64Contpte(), scenario)[0] == "pass"


@pytest.mark.parametrize(("plugin", "scenario", "violated"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_way_fails(plugin: type[Arm64Contpte], scenario: str, violated: str) -> None:
    assert verdict(plugin(), scenario) == ("fail", violated)


def outcomes(op: Op, values: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    for one in op.step(*(values[cell] for cell in op.reads)):
        yield {**values, **dict(zip(op.writes, one.written, strict=True))}


def test_a_walk_may_cache_the_block_and_set_the_dirty_bit_anywhere() -> None:
    op = user_access(Cpu(0), 0, range(BLOCK), range(BLOCK), store=True)
    entries = {cell: Pte(cell.index, cont=True) for cell in op.reads if cell.array == "pte"}
    values = {cell: {"tlb": None, "ref": 1, "newer": False}.get(cell.array) for cell in op.reads} | entries
    after = list(outcomes(op, values))
    cached = {tuple(v for c, v in one.items() if c.array == "tlb") for one in after}
    dirty = {tuple(v.dirty for c, v in one.items() if c.array == "pte") for one in after}
    first, second = (Cached(page, True, True, cont=True) for page in range(BLOCK))
    assert cached == {(first, None), (first, second)}
    assert dirty == {(True, False), (False, True)}


def alone(program: Any, memory: dict[Any, Any]) -> Any:
    """Run a program that nobody disturbs."""
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            return stop.value
        one = op.step(*(memory.get(cell) for cell in op.reads))[0]
        value = one.value
        memory.update(zip(op.writes, one.written, strict=True))


@pytest.mark.parametrize("hook", ["ptep_get", "ptep_get_lockless"])
def test_what_is_read_has_the_dirty_bit_of_the_block(hook: str) -> None:
    from dataclasses import replace

    from core.machine.pte import pte_cell
    from core.machine.task import Task

    arch = set_up("contpte", Arm64Contpte(), "test")
    facts = replace(arch.facts, cont_ptes=BLOCK)
    mm = Mm(facts, ERAS["6.12"], arch.hook, Task("task", cast(Any, 1), Cpu(0)), addrs=range(BLOCK))
    memory: dict[Any, Any] = {pte_cell(0): Pte(0, cont=True), pte_cell(1): Pte(1, dirty=True, cont=True)}
    pte: Entry = alone(getattr(arch.hook, hook)(mm=mm, addr=0), memory)
    assert pte == Pte(0, dirty=True, cont=True)
