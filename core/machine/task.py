"""Who runs: a task, its thread number and its CPU."""

from __future__ import annotations

from dataclasses import dataclass

from core.machine.op import Cpu, Tid


@dataclass(frozen=True, slots=True)
class Task:
    """A thread of control. `tid` names it as the owner of a lock, `cpu` is where it runs."""

    name: str
    tid: Tid
    cpu: Cpu
