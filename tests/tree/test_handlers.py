"""x86's handler in Python and flush_tlb_func() of the tables: the same from every state of a CPU, for every request."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from arch_plugins.families.tlb_gen import GEN, GenRequest, Info, handler_cells
from arch_plugins.from_c._x86 import TlbHands
from arch_plugins.x86 import X86
from core.machine.early_ack import handler_cell
from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell
from core.machine.op import Cpu, Tid
from core.machine.task import Task
from core.machine.tlb import Entry
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import set_up
from core.tree.shipped import plugin_of_tables, releases

HERE, ADDRS = Cpu(1), (0, 1)
CACHED = tuple(Entry(page, True, True) for page in ADDRS)
REQUESTS: tuple[Info, ...] = (
    FlushRequest(),
    *(
        GenRequest(request, gen)
        for request, gen in product((FlushRequest(), FlushRequest(0, 1), FlushRequest(0, 2)), (1, 2, 3))
    ),
)
"""A batch, and requests of an mm of each generation that has been."""


def mm_of(plugin: object) -> Mm:
    """The mm on two CPUs that come and go, of a task on `HERE`."""
    arch, cpus = set_up("test", plugin, "test"), frozenset({Cpu(0), HERE})
    return Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), HERE), addrs=ADDRS, cpus=None, online=cpus)


def states() -> list[tuple[Any, ...]]:
    """What `handler_cells` may hold, with tlb_gen: a CPU walks what it has loaded, and is not ahead of the mm."""
    mask = frozenset({Cpu(0), HERE})
    found = product(("this", "other"), (False, True), (1, 2, 3), (False, True), (mask,), *((e, None) for e in CACHED))
    walks = [words for words in found if words[3] == (words[0] == "this")]
    return [(*words, gen) for words in walks for gen in (1, 2, 3) if words[2] <= gen]


@pytest.mark.parametrize("request_of", REQUESTS, ids=str)
@pytest.mark.parametrize("release", releases())
def test_the_handler_is_the_c(release: str, request_of: Info) -> None:
    of_python: Any = X86()
    of_c: Any = plugin_of_tables("x86", "x86", release)
    mm, mm_of_c = mm_of(of_python), mm_of(of_c)
    cells, csd = handler_cells(mm, HERE), csd_cell(Tid(2), HERE)
    op = of_c.flush_tlb_func(mm_of_c, Tid(2), HERE)
    for *words, gen in states():
        if isinstance(request_of, GenRequest) and request_of.gen > gen:
            continue  # a request is of a generation that has been
        memory = dict(zip((*cells, GEN), (*words, gen), strict=True))
        memory |= {csd: request_of, irqs_off_cell(HERE): False}
        (outcome,) = op.step(*(memory[cell] for cell in op.reads))
        after = memory | dict(zip(op.writes, outcome.written, strict=True))
        assert after[csd] is None
        assert tuple(after[cell] for cell in cells) == of_python.handled(mm, HERE, request_of, gen, tuple(words))


@pytest.mark.parametrize("release", releases())
def test_the_kernels_handler_is_one_step(release: str) -> None:
    of_c: Any = plugin_of_tables("x86", "x86", release)
    op = of_c.flush_tlb_func(mm_of(of_c), Tid(2), HERE)
    assert handler_cell(HERE) not in op.reads


def test_a_stretch_that_is_run_again_knows_who_was_asked_before() -> None:
    of = TlbHands(mm_of(X86()), queued=2, told=4)
    before = of.saved()
    of.queued, of.told = 0, 2
    of.restore(before)
    assert (of.queued, of.told) == (2, 4)
