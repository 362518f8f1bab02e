"""Per-VMA locks: faults exclude writers of their own VMA, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.machine.memory import Memory
from core.machine.op import Cpu, Op, Tid
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import Mm, Vma, set_vma
from core.mm.mmap_lock import (
    VMA_LOCKS,
    lock_vma_under_rcu,
    mmap_write_lock,
    mmap_write_unlock,
    vma_end_read,
    vma_start_write,
)
from core.plugins.arch import load_object, set_up

ERA = ERAS["6.12"]
FAULT, WRITER = Task("fault", Tid(1), Cpu(0)), Task("writer", Tid(2), Cpu(1))
LOW, HIGH = Vma(0, 1), Vma(8, 9)


@pytest.fixture
def mm() -> Mm:
    """An mm of an architecture with per-VMA locks."""
    arch = set_up("smp", load_object("arch_plugins.generic:Smp"), "arch_plugins.generic:Smp")
    return Mm(arch.facts, ERA, arch.hook, FAULT)


def step(program: Any, memory: Memory) -> Any:
    """Do the one operation of `program`; its value, or 'blocked'."""
    op = program if isinstance(program, Op) else program.send(None)
    outcomes = op.step(*(memory[cell] for cell in op.reads))
    if not outcomes:
        return "blocked"
    memory.update(zip(op.writes, outcomes[0].written, strict=True))
    return outcomes[0].violated or outcomes[0].value


def test_a_writer_waits_for_faults_in_its_vma_alone(mm: Mm) -> None:
    memory = Memory()
    assert step(lock_vma_under_rcu(mm, LOW), memory) is True
    step(mmap_write_lock(mm.on(WRITER)), memory)
    assert step(vma_start_write(mm.on(WRITER), LOW), memory) == "blocked"
    assert step(vma_start_write(mm.on(WRITER), HIGH), memory) is None
    assert step(vma_end_read(mm, LOW), memory) is None
    assert step(vma_start_write(mm.on(WRITER), LOW), memory) is None
    assert memory[VMA_LOCKS] == (frozenset(), frozenset({LOW.start, HIGH.start}))


def test_a_fault_in_a_write_locked_or_missing_vma_needs_mmap_lock(mm: Mm) -> None:
    memory = Memory()
    step(mmap_write_lock(mm.on(WRITER)), memory)
    step(vma_start_write(mm.on(WRITER), LOW), memory)
    step(set_vma(mm.on(WRITER), HIGH, False), memory)
    assert step(lock_vma_under_rcu(mm, LOW), memory) is False
    assert step(lock_vma_under_rcu(mm, HIGH), memory) is False
    step(mmap_write_unlock(mm.on(WRITER)), memory)  # its first step is vma_end_write_all()
    assert step(lock_vma_under_rcu(mm, LOW), memory) is True


def test_a_writer_without_mmap_lock_breaks_lock_discipline(mm: Mm) -> None:
    assert step(vma_start_write(mm.on(WRITER), LOW), Memory()) == "lock-discipline"
    assert step(set_vma(mm.on(WRITER), HIGH, False), Memory()) == "lock-discipline"


def test_an_unlock_by_somebody_else_breaks_lock_discipline(mm: Mm) -> None:
    memory = Memory()
    step(lock_vma_under_rcu(mm, LOW), memory)
    assert step(vma_end_read(mm.on(WRITER), LOW), memory) == "lock-discipline"


@pytest.mark.parametrize(
    ("reference", "steps"),
    [("arch_plugins.generic:Smp", 32), ("arch_plugins.x86:X86", 36), ("arch_plugins.arm64:Arm64", 37)],
)
def test_fork_without_the_locks_of_its_vmas(reference: str, steps: int) -> None:
    """fb49c455323f, on architectures whose flush comes after the entries have been copied; x86 and arm64 need steps
    more in which what they have stored becomes visible.
    """
    arch = set_up("it", load_object(reference), reference)
    result = judge(arch, replace(ERA, lacks=frozenset({"fb49c455323f"})), SCENARIOS["fork-fault"])
    assert (result.violated, len(result.trace)) == ("store-after-copy", steps)
    assert judge(arch, ERA, SCENARIOS["fork-fault"]).verdict == "pass"


def test_s390_flushes_as_it_write_protects() -> None:
    """ptep_set_wrprotect() is an IPTE: no CPU can write when the fault copies."""
    arch = set_up("s390", load_object("arch_plugins.s390:S390"), "arch_plugins.s390:S390")
    result = judge(arch, replace(ERA, lacks=frozenset({"fb49c455323f"})), SCENARIOS["fork-fault"])
    assert (result.verdict, result.exhaustive) == ("pass", True)


@pytest.mark.parametrize("era", ["6.1", "6.2-fix"])
def test_before_6_4_every_fault_takes_mmap_lock(era: str) -> None:
    """The fix is of no use there, and its absence does no harm."""
    arch = set_up("smp", load_object("arch_plugins.generic:Smp"), "arch_plugins.generic:Smp")
    result = judge(arch, replace(ERAS[era], lacks=frozenset({"fb49c455323f"})), SCENARIOS["fork-fault"])
    assert (result.verdict, result.exhaustive) == ("pass", True)
