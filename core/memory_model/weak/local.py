"""Register work and branches: they touch their own CPU alone."""

from __future__ import annotations

from core.memory_model.program import (
    BranchFlags,
    BranchIf,
    Compare,
    Compute,
    Instruction,
    Isb,
    Jump,
    Return,
    Select,
    SetReturn,
)
from core.memory_model.values import CodeLabel, NotExpressible, evaluate, is_pending
from core.memory_model.weak.barriers import synchronise_context
from core.memory_model.weak.context import Context, operand
from core.memory_model.weak.state import Flags, WeakCpu, WeakState

LOCAL = (Compute, Compare, Select, BranchIf, BranchFlags, Jump, SetReturn, Return, Isb)


def execute(context: Context, state: WeakState, i: int, instruction: Instruction) -> WeakState | None:
    """One of LOCAL done; None while it needs the value of a delayed load."""
    if _waits(state.cpus[i], instruction):
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    assert cpu.pc is not None
    cpu.pc = _execute(context, cpu, i, instruction, cpu.pc + 1)
    return new


def _waits(cpu: WeakCpu, instruction: Instruction) -> bool:
    match instruction:
        case BranchIf(tested):
            return is_pending(operand(cpu, tested).value)
        case SetReturn(tested):
            return is_pending(operand(cpu, tested).value)
        case BranchFlags():
            return is_pending(cpu.flags.left) or is_pending(cpu.flags.right)
    return False


def _execute(context: Context, cpu: WeakCpu, i: int, instruction: Instruction, following: int) -> int:
    """Change `cpu`; the place of the next instruction."""
    match instruction:
        case Compute(reg, op, args):
            known = [operand(cpu, x) for x in args]
            value = evaluate(op, tuple(x.value for x in known))
            cpu.set(reg, value, max(x.floor for x in known), max(x.pick for x in known))
        case Compare(left, right):
            a, b = operand(cpu, left), operand(cpu, right)
            cpu.flags = Flags(a.value, b.value, max(a.pick, b.pick))
        case Select():
            _select(cpu, instruction)
        case BranchIf(tested, zero, target):
            register = operand(cpu, tested)
            _depend(cpu, register.pick)
            return target if (register.value == 0) == zero else following
        case BranchFlags(equal, target):
            _depend(cpu, cpu.flags.pick)
            return target if (cpu.flags.left == cpu.flags.right) == equal else following
        case Jump(target):
            return target
        case SetReturn(to):
            cpu.back = operand(cpu, to).value
        case Return():
            synchronise_context(cpu)
            if not isinstance(cpu.back, CodeLabel):
                raise NotExpressible("an exception return to something that is no label")
            return context.program.threads[i].place_of(cpu.back.name)
        case Isb():
            synchronise_context(cpu)
    return following


def _depend(cpu: WeakCpu, floor: int) -> None:
    """A branch was decided at `floor`: a TLBI is behind it, and so is what comes after the next ISB."""
    cpu.tlbi = max(cpu.tlbi, floor)
    cpu.context = max(cpu.context, floor)


def _select(cpu: WeakCpu, instruction: Select) -> None:
    """CSEL: the flags only pick; the floor of the value is that of the register that was picked."""
    left, right, pick = cpu.flags
    then, otherwise = instruction.then, instruction.otherwise
    if not instruction.equal:
        then, otherwise = otherwise, then
    a, b = operand(cpu, then), operand(cpu, otherwise)
    if is_pending(left) or is_pending(right):
        value = evaluate("select-eq", (left, right, a.value, b.value), picks=2)
        cpu.set(instruction.reg, value, max(a.floor, b.floor), max(a.pick, b.pick, pick))
        return
    chosen = a if left == right else b
    cpu.set(instruction.reg, chosen.value, chosen.floor, max(chosen.pick, pick))
