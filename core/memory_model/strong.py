"""Sequential consistency, and total store order (x86, s390, sparc).

TSO is the machine of Owens, Sarkar and Sewell, "A Better x86 Memory Model: x86-TSO" (TPHOLs 2009): one FIFO store
buffer per CPU, loads forward from the own buffer, and a fence or an atomic waits until that is empty.  Sequential
consistency is the same without the buffer.  Acquire, release and the weaker fences cost nothing on either.

Register work is done at once: it touches only the own CPU.  A store enters the buffer in a step of its own.  Doing
that at once, too, would lose executions if there are grace periods: a quiescent CPU has an empty buffer, and the store
may come after that.  A CPU passes a grace period as soon as it can, since passing later only forbids more.

Page tables are not in these machines: no published test for x86 has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from core.memory_model import values
from core.memory_model.machine import LOCAL_STEPS, Final
from core.memory_model.program import (
    Address,
    BranchFlags,
    BranchIf,
    Cell,
    Compare,
    Compute,
    Dsb,
    End,
    Fence,
    GracePeriod,
    Instruction,
    Isb,
    Jump,
    Load,
    Operand,
    Program,
    ReadLock,
    ReadUnlock,
    Register,
    Rmw,
    Select,
    StoreExclusive,
    StoreValue,
)
from core.memory_model.values import NotExpressible, Pointer, Value


class StrongCpu(NamedTuple):
    """`pc` is None at the end; `waits` are the CPUs that have not passed this one's grace period (None: it is in none);
    `sections` are the domains of the read-side sections that it is in."""

    pc: int | None
    registers: tuple[tuple[Register, Value], ...]
    flags: bool = False
    buffer: tuple[tuple[Cell, Value], ...] = ()
    monitor: Cell | None = None
    sections: tuple[str, ...] = ()
    waits: frozenset[int] | None = None


class StrongState(NamedTuple):
    """Memory and CPUs; a state is its own key."""

    memory: tuple[tuple[Cell, Value], ...]
    cpus: tuple[StrongCpu, ...]


@dataclass(frozen=True)
class Strong:
    """The machine: TSO with `buffers`, sequential consistency without."""

    program: Program
    buffers: bool

    def initial(self) -> StrongState:
        """All CPUs at their beginning, nothing buffered."""
        registers: list[dict[Register, Value]] = [{} for _ in self.program.threads]
        for (thread, name), value in self.program.registers.items():
            registers[thread][name] = value
        cpus = tuple(StrongCpu(0, tuple(sorted(x.items(), key=lambda pair: pair[0]))) for x in registers)
        return self._settled(StrongState(tuple(sorted(self.program.memory.items(), key=lambda pair: pair[0])), cpus))

    def key(self, state: StrongState) -> StrongState:
        """The state itself."""
        return state

    def final(self, state: StrongState) -> Final | None:
        """The final state, once all threads have ended and all buffers are empty."""
        if any(cpu.pc is not None or cpu.buffer for cpu in state.cpus):
            return None
        registers = {(i, name): value for i, cpu in enumerate(state.cpus) for name, value in cpu.registers}
        return Final(registers, dict(state.memory))

    def steps(self, state: StrongState) -> Iterator[tuple[str, StrongState]]:
        """Every step that other CPUs could see."""
        for i, cpu in enumerate(state.cpus):
            if cpu.buffer:
                (cell, value), *rest = cpu.buffer
                after = _written(state, i, cell, value)
                yield (
                    f"CPU{i}: {cell} := {values.describe(value)} becomes visible",
                    self._settled(_with(after, i, after.cpus[i]._replace(buffer=tuple(rest)))),
                )
            if cpu.pc is not None and cpu.waits is None:
                instruction = self._at(i, cpu.pc)
                for after in self._execute(state, i, instruction):
                    yield f"CPU{i}: {type(instruction).__name__}", self._settled(after)

    def _at(self, i: int, pc: int) -> Instruction:
        return self.program.threads[i].instructions[pc]

    def _settled(self, state: StrongState) -> StrongState:
        """`state` after everything that touches only one CPU, and after every CPU has passed what it can pass."""
        for i in range(len(state.cpus)):
            for _ in range(LOCAL_STEPS):
                cpu = state.cpus[i]
                after = None if cpu.pc is None or cpu.waits is not None else _locally(cpu, self._at(i, cpu.pc))
                if after is None:
                    break
                state = _with(state, i, after)
            else:
                raise NotExpressible("an endless loop")
        for i, cpu in enumerate(state.cpus):
            if cpu.waits is not None:
                return self._passed(state, i, cpu)
        return state

    def _passed(self, state: StrongState, i: int, cpu: StrongCpu) -> StrongState:
        """CPU i's grace period, passed by all that can; it ends when nobody is left."""
        assert cpu.pc is not None
        assert cpu.waits is not None
        domain = self._domain(i, cpu.pc)
        left = frozenset(j for j in cpu.waits if not _quiescent(state.cpus[j], domain))
        if left:
            return _with(state, i, cpu._replace(waits=left)) if left != cpu.waits else state
        return self._settled(_with(state, i, cpu._replace(waits=None, pc=cpu.pc + 1)))

    def _domain(self, i: int, pc: int) -> str | None:
        instruction = self._at(i, pc)
        assert isinstance(instruction, GracePeriod)
        return instruction.domain

    def _execute(self, state: StrongState, i: int, instruction: Instruction) -> Iterator[StrongState]:
        cpu = state.cpus[i]
        memory = dict(state.memory)
        match instruction:
            case Load(reg, address, _, exclusive):
                if exclusive and cpu.buffer:
                    return
                cell = _cell(cpu, address, memory)
                own = [value for buffered, value in cpu.buffer if buffered == cell]
                value = own[-1] if own else memory[cell]
                yield _with(state, i, _advanced(_set(cpu, reg, value), cell if exclusive else cpu.monitor))
            case StoreValue(address, operand):
                yield self._stored(state, i, _cell(cpu, address, memory), _value(cpu, operand))
            case StoreExclusive(status, address, operand):
                if not instruction.again:
                    yield _with(state, i, _advanced(_set(cpu, status, 1), None))
                cell = _cell(cpu, address, memory)
                if cpu.monitor == cell and not cpu.buffer:
                    after = _written(state, i, cell, _value(cpu, operand))
                    yield _with(after, i, _advanced(_set(cpu, status, 0), None))
            case Rmw():
                yield from _rmw(state, i, instruction, memory)
            case Fence() | Dsb() if not cpu.buffer:
                yield _with(state, i, _advanced(cpu, cpu.monitor))
            case GracePeriod(domain) if not cpu.buffer and domain not in cpu.sections:  # else it waits for ever
                yield _with(state, i, cpu._replace(waits=frozenset(range(len(state.cpus))) - {i}))
            case ReadLock(domain) if domain == "" or not cpu.buffer:  # srcu_read_lock() contains smp_mb()
                yield _with(state, i, _advanced(cpu._replace(sections=(*cpu.sections, domain)), cpu.monitor))
            case ReadUnlock(domain) if domain != "" and not cpu.buffer:
                after = _left(state, i, domain)
                yield _with(after, i, _advanced(after.cpus[i], cpu.monitor))

    def _stored(self, state: StrongState, i: int, cell: Cell, value: Value) -> StrongState:
        cpu = state.cpus[i]
        if self.buffers:
            return _with(state, i, _advanced(cpu._replace(buffer=(*cpu.buffer, (cell, value))), cpu.monitor))
        after = _written(state, i, cell, value)
        return _with(after, i, _advanced(after.cpus[i], after.cpus[i].monitor))


def _rmw(state: StrongState, i: int, instruction: Rmw, memory: dict[Cell, Value]) -> Iterator[StrongState]:
    """An atomic: it waits for the empty buffer, and is one step."""
    cpu = state.cpus[i]
    if cpu.buffer:
        return
    cell = _cell(cpu, instruction.address, memory)
    old = memory[cell]
    matches = instruction.compare is None or old == _value(cpu, instruction.compare)
    if instruction.spins and not matches:
        return
    if matches:
        state = _written(state, i, cell, values.updated(instruction.op, old, _value(cpu, instruction.operand)))
    cpu = state.cpus[i]
    yield _with(state, i, _advanced(_set(cpu, instruction.reg, old), cpu.monitor))


def _quiescent(cpu: StrongCpu, domain: str | None) -> bool:
    """Whether `cpu` may pass a grace period of `domain` now."""
    if domain is None:
        return not cpu.buffer
    return domain not in cpu.sections and (domain != "" or not cpu.buffer)


def _locally(cpu: StrongCpu, instruction: Instruction) -> StrongCpu | None:
    """`cpu` after an instruction that touches nothing else, or None if this is not one."""
    match instruction:
        case Compute(reg, op, args):
            return _advanced(_set(cpu, reg, values.evaluate(op, tuple(_value(cpu, x) for x in args))), cpu.monitor)
        case Compare(left, right):
            return _advanced(cpu._replace(flags=_value(cpu, left) == _value(cpu, right)), cpu.monitor)
        case Select(reg, then, otherwise, equal):
            return _advanced(_set(cpu, reg, _value(cpu, then if cpu.flags == equal else otherwise)), cpu.monitor)
        case BranchIf(operand, zero, target):
            return _jumped(cpu, (_value(cpu, operand) == 0) == zero, target)
        case BranchFlags(equal, target):
            return _jumped(cpu, cpu.flags == equal, target)
        case Jump(target):
            return cpu._replace(pc=target)
        case Isb():
            return _advanced(cpu, cpu.monitor)
        case Fence() | Dsb() if not _drains(instruction) or not cpu.buffer:
            return _advanced(cpu, cpu.monitor)
        case ReadUnlock(""):
            return _advanced(_outside(cpu, ""), cpu.monitor)
        case End():
            return cpu._replace(pc=None, flags=False, monitor=None)
        case (
            Load()
            | StoreValue()
            | StoreExclusive()
            | Rmw()
            | Fence()
            | Dsb()
            | GracePeriod()
            | ReadLock()
            | ReadUnlock()
        ):
            return None
    raise NotExpressible(f"{type(instruction).__name__} on a machine without page tables")


def _drains(barrier: Fence | Dsb) -> bool:
    return barrier.full if isinstance(barrier, Dsb) else barrier.drains


def _left(state: StrongState, i: int, domain: str) -> StrongState:
    """`state` after srcu_read_unlock() on CPU i: of its own section, or one that another CPU handed over."""
    for j in (i, *range(len(state.cpus))):
        if domain in state.cpus[j].sections:
            return _with(state, j, _outside(state.cpus[j], domain))
    return state


def _outside(cpu: StrongCpu, domain: str) -> StrongCpu:
    """`cpu` outside its innermost section of `domain`."""
    if domain not in cpu.sections:
        return cpu
    at = len(cpu.sections) - 1 - cpu.sections[::-1].index(domain)
    return cpu._replace(sections=cpu.sections[:at] + cpu.sections[at + 1 :])


def _jumped(cpu: StrongCpu, taken: bool, target: int) -> StrongCpu:
    return cpu._replace(pc=target) if taken else _advanced(cpu, cpu.monitor)


def _advanced(cpu: StrongCpu, monitor: Cell | None) -> StrongCpu:
    assert cpu.pc is not None
    return cpu._replace(pc=cpu.pc + 1, monitor=monitor)


def _value(cpu: StrongCpu, operand: Operand) -> Value:
    if not isinstance(operand, str):
        return operand
    return next((value for name, value in cpu.registers if name == operand), 0)


def _set(cpu: StrongCpu, register: Register | None, value: Value) -> StrongCpu:
    if register is None:
        return cpu
    rest = [pair for pair in cpu.registers if pair[0] != register]
    return cpu._replace(registers=tuple(sorted([*rest, (register, value)], key=lambda pair: pair[0])))


def _cell(cpu: StrongCpu, address: Address, memory: dict[Cell, Value]) -> Cell:
    """The cell that `address` names.  NotExpressible if it is none, or has to be walked to."""
    pointer = Pointer(address.cell) if address.cell is not None else _value(cpu, address.register or "")
    if address.translated or not isinstance(pointer, Pointer) or pointer.cell not in memory:
        raise NotExpressible(f"an access to {values.describe(pointer)} on a machine without page tables")
    if address.offset is not None and _value(cpu, address.offset) != 0:
        raise NotExpressible("an index that is not zero")
    return pointer.cell


def _with(state: StrongState, i: int, cpu: StrongCpu) -> StrongState:
    return state._replace(cpus=(*state.cpus[:i], cpu, *state.cpus[i + 1 :]))


def _written(state: StrongState, i: int, cell: Cell, value: Value) -> StrongState:
    """`value` becomes visible in `cell`: the monitors of other CPUs on it are lost."""
    memory = tuple((name, value if name == cell else old) for name, old in state.memory)
    cpus = tuple(
        cpu._replace(monitor=None) if j != i and cpu.monitor == cell else cpu for j, cpu in enumerate(state.cpus)
    )
    return StrongState(memory, cpus)
