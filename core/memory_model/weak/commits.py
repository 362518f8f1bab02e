"""POWER: what a load gives depends, as by a branch, on every earlier access of its thread to the same cell.

A store, or an isync, behind a dependency on the load is then behind those accesses and what they depend on, even where
the load forwards from an own store ("cc" of Alglave, Maranget and Tautschnig, "Herding cats", TOPLAS 2014: commits to a
cell are in program order).  Armv8 and RISC-V do not promise that.

Per cell a register that no test can have stands for those accesses: its value is pending as long as one of them is.
"""

from __future__ import annotations

from core.memory_model.program import Cell, Load, StoreValue
from core.memory_model.values import Value, evaluate
from core.memory_model.weak.context import operand
from core.memory_model.weak.state import Register, WeakCpu

COMMITTED = "(committed) "


def committed(cell: Cell) -> str:
    """The name of the register that stands for the accesses to `cell`."""
    return COMMITTED + cell


def note(cpu: WeakCpu, instruction: Load | StoreValue, cell: Cell, pick: int) -> None:
    """`cpu`, which may be changed, has issued `instruction`, whose address has the pick floor `pick`."""
    before = operand(cpu, committed(cell))
    if isinstance(instruction, Load):
        value, floor, own = operand(cpu, instruction.reg)
        own = max(own, before.pick)
        cpu.registers[instruction.reg] = Register(_behind(before.value, value), floor, own)
    else:
        value, _, own = operand(cpu, instruction.value)
    cpu.registers[committed(cell)] = Register(_behind(before.value, _behind(value, 0)), 0, max(before.pick, own, pick))


def _behind(pending: Value, value: Value) -> Value:
    """`value`, once `pending` is known."""
    return evaluate("select-eq", (pending, 0, value, value), picks=2)
