"""mm_cpumask as C changes it: the bit says whose."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.from_c._common import Hook, change_cpumask, own_bit
from arch_plugins.x86 import X86
from core.machine.op import Cpu, Tid
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import CPUMASK, Mm
from core.plugins.arch import set_up
from core.tree.one_step import values_after
from core.tree.vocabulary import Word

ALL = (1 << 64) - 1


@pytest.mark.parametrize(
    ("word", "then", "own"),
    [
        (Word("clear_bit", "mm_cpumask", ALL - 1), {0}, True),
        (Word("clear_bit", "mm_cpumask", ALL - 2), {1}, False),
        (Word("set_bit", "mm_cpumask", 1), {0, 1}, True),
        (Word("set_bit", "mm_cpumask", 4), {0, 1, 2}, False),
    ],
    ids=str,
)
def test_the_cpu_whose_bit_it_is_joins_or_leaves(word: Word, then: set[int], own: bool) -> None:
    """The task is on CPU1, which is CPU 0 to the C; CPUs 0 and 2 are its 1 and 2."""
    arch: Any = set_up("test", X86(), "test")
    online = frozenset(map(Cpu, range(3)))
    mm = Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), Cpu(1)), addrs=(0,), cpus=None, online=online)
    after = values_after(change_cpumask(Hook(mm), word), {CPUMASK: frozenset({Cpu(0), Cpu(1)})})
    assert after == {CPUMASK: frozenset(map(Cpu, then))}
    assert own_bit(word) == own
