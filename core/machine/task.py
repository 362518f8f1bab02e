"""A task: its name, its thread number and its CPU."""

from __future__ import annotations

from dataclasses import dataclass

from core.machine.op import Cpu, Tid


@dataclass(frozen=True, slots=True)
class Task:
    """A thread of control. `tid` identifies it as the owner of a lock, `cpu` is where it runs."""

    name: str
    tid: Tid
    cpu: Cpu
