"""init_mm: every CPU may have its mappings, and its mask says so on some architectures only."""

from __future__ import annotations

import pytest

from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.powerpc_radix import PowerpcRadix
from arch_plugins.s390 import S390
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86
from core.conformance.world import World
from core.machine.op import Cpu
from core.machine.pte import Pte
from core.mm.era import ERAS
from core.mm.init_mm import init_mm
from core.mm.mm import Mm
from core.plugins.arch import set_up

HERE, ELSEWHERE = Cpu(0), Cpu(1)


async def nothing(mm: Mm) -> None:
    """A task that does nothing."""


def one_of_two(plugin: object) -> Mm:
    """The mm of a process on CPU 0; what runs on CPU 1 is another's."""
    world = World(set_up("row", plugin, "tests"), ERAS["6.12"], {0: Pte(0)})
    world.task("process", nothing)
    world.kthread("another", nothing)
    return world.mm()


@pytest.mark.parametrize("plugin", [PowerpcHash(), PowerpcRadix(), S390()])
def test_every_cpu_is_in_the_mask_of_init_mm_where_it_joins_as_it_comes_up(plugin: object) -> None:
    mm = one_of_two(plugin)
    assert mm.cpus == {HERE}
    assert init_mm(mm).cpus == {HERE, ELSEWHERE}


@pytest.mark.parametrize("plugin", [X86(), Sparc64()])
def test_elsewhere_no_cpu_is_in_it_and_every_cpu_has_entries_all_the_same(plugin: object) -> None:
    mm = one_of_two(plugin)
    assert init_mm(mm).cpus == frozenset()
    assert mm.everyone == {HERE}
    assert init_mm(mm).everyone == {HERE, ELSEWHERE}


def test_it_is_one_object_and_no_process_has_it() -> None:
    mm = one_of_two(X86())
    assert init_mm(mm) is init_mm(mm)
    assert not mm.is_init_mm
