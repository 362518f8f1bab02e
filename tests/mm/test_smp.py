"""When a CPU does its own part of a flush that it asks others for (core.mm.smp)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from arch_plugins.generic import Smp
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu, Op, Tid
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.smp import LocalPart, flush_cpus_by_ipi
from core.plugins.arch import set_up

ME, OTHER = Cpu(0), Cpu(1)
SEND, OWN, WAIT = "send IPI to CPU1: flush [0, 1)", "local flush [0, 1)", "wait for IPIs"


def steps(program: Coroutine[Op, Any, Any]) -> list[str]:
    """The names of the operations of a program to which nothing is answered."""
    found = []
    try:
        while True:
            found.append(program.send(None).name)
    except StopIteration:
        return found


def flush(cpus: set[Cpu], local_part: LocalPart) -> list[str]:
    arch = set_up("smp", Smp(), "test")
    mm = Mm(arch.facts, ERAS["6.12"], arch.hook, Task("t", Tid(1), ME), addrs=(0,))
    return steps(flush_cpus_by_ipi(mm, frozenset(cpus), FlushRequest(0, 1), local_part))


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [("meanwhile", [SEND, OWN, WAIT]), ("last", [SEND, WAIT, OWN]), ("first", [OWN, SEND, WAIT])],
)
def test_a_cpu_does_its_own_part_before_meanwhile_or_last(local_part: LocalPart, expected: list[str]) -> None:
    assert flush({ME, OTHER}, local_part) == expected


@pytest.mark.parametrize("local_part", ["meanwhile", "last", "first"])
def test_who_is_not_asked_does_nothing(local_part: LocalPart) -> None:
    assert flush({OTHER}, local_part) == [SEND, WAIT]
    assert flush({ME}, local_part) == [OWN]
    assert flush(set(), local_part) == []
