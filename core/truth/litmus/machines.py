"""Which machine stands for an architecture, and what its words are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.memory_model.machine import LitmusMachine
from core.memory_model.program import Program
from core.memory_model.strong import Strong
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, POWER, RVWMO, Rules
from core.truth.litmus import kernel, tests
from core.truth.litmus.primitives import ARM64, ARM64_LL_SC, POWERPC, RISCV, X86, Primitives
from core.truth.litmus.tests import LitmusTest


@dataclass(frozen=True)
class LitmusArch:
    """An architecture: how its machine is made (with an extension of Armv8, '' none), and its primitives."""

    make: Callable[[Program, str], LitmusMachine[Any]]
    primitives: Primitives


def _weak(rules: Rules) -> Callable[[Program, str], LitmusMachine[Any]]:
    def make(program: Program, extension: str) -> LitmusMachine[Any]:
        return Weak(program, replace(rules, ets2=extension in ("ets2", "ets3"), ets3=extension == "ets3"))

    return make


def _strong(buffers: bool) -> Callable[[Program, str], LitmusMachine[Any]]:
    return lambda program, extension: Strong(program, buffers)


TARGETS: Mapping[str, LitmusArch] = {
    "arm64": LitmusArch(_weak(ARMV8), ARM64),
    "arm64-llsc": LitmusArch(_weak(ARMV8), ARM64_LL_SC),
    "riscv": LitmusArch(_weak(RVWMO), RISCV),
    "x86": LitmusArch(_strong(True), X86),
    "s390": LitmusArch(_strong(True), X86),
    "powerpc": LitmusArch(_weak(POWER), POWERPC),
    "sc": LitmusArch(_strong(False), X86),
}
"""powerpc runs on the weak machine, which is multi-copy atomic.  docs/litmus.md says for which tests it is too
strong."""

OF_NOTATION = {"armv8": "arm64", "riscv": "riscv", "x86": "x86", "power": "powerpc", "kernel": "arm64"}
"""The architecture of a test, unless the command line names one."""


def program_of(test: LitmusTest, architecture: str) -> Program:
    """`test` in the words of `architecture`.  FileError for an instruction that is none."""
    if test.notation == "kernel":
        return kernel.program_of(test, TARGETS[architecture].primitives)
    return tests.program_of(test)


def machine_of(test: LitmusTest, architecture: str, extension: str = "") -> LitmusMachine[Any]:
    """`test` on the machine of `architecture`."""
    return TARGETS[architecture].make(program_of(test, architecture), extension)
