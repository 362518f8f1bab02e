"""The weak machine: its initial state, and its steps.

Two reductions leave out interleavings; neither loses a final state.

* What touches only the own CPU is done at once (`_settled`): register work, fences, a TLBI, a store that enters the
  buffer (unless there are grace periods), a store that nobody will look at.
* A load by address alone need not be interleaved with other CPUs.  It takes a value of the history, which only grows,
  and changes nothing that others see.  So it can be moved behind the steps of other CPUs, up to the next step of its
  own CPU that others do see: in every execution the loads stand in a *block* directly before that step.  Once a CPU has
  begun a block, only it goes on until the block is closed.  The same holds of a store that enters the buffer, and of
  the beginning of a read-side section.  It does not hold of an access through a page table: a TLBI that completes
  takes the old entry away.  tests/memory_model/test_axioms.py compares final states with and without.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from core.memory_model.machine import LOCAL_STEPS, Final
from core.memory_model.program import (
    Address,
    Cell,
    Compare,
    Compute,
    Dsb,
    End,
    Fence,
    GracePeriod,
    Load,
    Program,
    ReadLock,
    ReadUnlock,
    Rmw,
    Select,
    StoreExclusive,
    StoreValue,
    Tlbi,
    is_entry,
)
from core.memory_model.values import Descriptor, NotExpressible
from core.memory_model.weak import atomics, barriers, buffer, canonical, commits, grace, local, translation
from core.memory_model.weak.break_before_make import note_entry
from core.memory_model.weak.context import AddressedCell, Context, Destination, target
from core.memory_model.weak.loads import load
from core.memory_model.weak.state import (
    NEVER,
    BufferedStore,
    Register,
    Rules,
    Update,
    WeakCpu,
    WeakState,
    accesses,
    is_reserved,
)

Accessing = Load | StoreValue | Rmw | StoreExclusive


class Weak:
    """`program` on the weak machine with `rules`."""

    def __init__(self, program: Program, rules: Rules, blocks: bool = True) -> None:
        self.context = Context(program, rules, blocks)
        self.program = program

    def initial(self) -> WeakState:
        """All CPUs at their beginning, nothing buffered."""
        cpus = [WeakCpu() for _ in self.program.threads]
        for (thread, name), value in self.program.registers.items():
            cpus[thread].registers[name] = Register(value)
        return self._settled(WeakState({cell: ((0, value),) for cell, value in self.program.memory.items()}, (), cpus))

    def key(self, state: WeakState) -> Hashable:
        """What tells states apart; see canonical.py."""
        return canonical.key(self.context, state)

    def final(self, state: WeakState) -> Final | None:
        """The final state, once all threads have ended and all buffers are empty."""
        if state.dead or any(cpu.pc is not None or cpu.buffer for cpu in state.cpus):
            return None
        registers = {(i, name): x.value for i, cpu in enumerate(state.cpus) for name, x in cpu.registers.items()}
        memory = {cell: history[-1][1] for cell, history in state.memory.items()}
        return Final(registers, memory, frozenset().union(*(cpu.faults for cpu in state.cpus)), state.unbroken)

    def steps(self, state: WeakState) -> Iterator[tuple[str, WeakState]]:
        """Every step, but for those that the CPU which has begun a block has to come before."""
        if state.dead:
            return
        for i, cpu in enumerate(state.cpus):
            if state.block in (None, i):
                private = self.context.blocks and self._is_private(state, i, cpu)
                for step, after in self._own_steps(state, i, cpu):
                    yield step, self._settled(self._in_block(after, i if private else None))
                for step, after in self._seen_steps(state, i):
                    yield step, self._settled(self._in_block(after, None))
            for step, after in grace.passing(self.context, state, i, state.block):
                yield step, self._settled(self._in_block(after, None))

    @staticmethod
    def _in_block(state: WeakState, i: int | None) -> WeakState:
        state.block = i
        return state

    def _is_private(self, state: WeakState, i: int, cpu: WeakCpu) -> bool:
        """Whether CPU i's next instruction neither changes what others see nor loses by being late: a load by address
        alone, a store that enters the buffer, the beginning of a read-side section."""
        if cpu.pc is None:
            return False
        instruction = self.program.threads[i].instructions[cpu.pc]
        if isinstance(instruction, ReadLock):
            return True
        return isinstance(instruction, Load | StoreValue) and not instruction.address.translated

    def _seen_steps(self, state: WeakState, i: int) -> Iterator[tuple[str, WeakState]]:
        """What CPU i's buffer and its hardware do."""
        yield from buffer.leaving(self.context, state, i)
        yield from self._access_flags(state, i)
        yield from self._early_updates(state, i)

    def _own_steps(self, state: WeakState, i: int, cpu: WeakCpu) -> Iterator[tuple[str, WeakState]]:
        """What CPU i's next instruction does."""
        if cpu.pc is None or cpu.blocked or cpu.waits is not None:
            return
        instruction = self.program.threads[i].instructions[cpu.pc]
        if isinstance(instruction, Accessing):
            yield from self._access(state, i, instruction)
            return
        after: WeakState | None = None
        if isinstance(instruction, Dsb):
            after = barriers.dsb(self.context, state, i, instruction)
        elif isinstance(instruction, ReadLock):
            after = grace.read_lock(state, i, instruction)
        elif isinstance(instruction, ReadUnlock):
            after = grace.read_unlock(state, i, instruction)
        elif isinstance(instruction, GracePeriod):
            after = grace.begin(state, i, instruction.domain)
        if after is not None:
            yield f"CPU{i}: {type(instruction).__name__}", after

    def _access_flags(self, state: WeakState, i: int) -> Iterator[tuple[str, WeakState]]:
        """Hardware that sets access flags may do so at any time, for an access that is never made."""
        if "HA" not in self.context.hardware(i):
            return
        for page in self.program.pages:
            for cell, value in translation.present(self.context, state, i, page):
                if value.valid and not value.af and not is_reserved(state, None, cell):
                    yield f"CPU{i}: hardware sets the access flag of {page}", self._set(state, i, cell, af=1)

    def _early_updates(self, state: WeakState, i: int) -> Iterator[tuple[str, WeakState]]:
        """Hardware may set the dirty state for a store that CPU i will reach on straight code: the update is ordered
        neither behind earlier accesses nor by DMB or acquire, and not by a DSB without FEAT_ETS2."""
        pc = state.cpus[i].pc
        if pc is None or "HD" not in self.context.hardware(i):
            return
        for place, instruction in enumerate(self.program.threads[i].instructions[pc:]):
            match instruction:
                case StoreValue(Address(page, None, None, True)) if place and page is not None:
                    yield from self._set_dirty(state, i, page)
                case Load(_, Address(_, None, None, _)) | StoreValue(Address(_, None, None, _)) | Fence() | Tlbi():
                    pass
                case Compute() | Compare() | Select():
                    pass
                case Dsb() if not self.context.rules.ets2:
                    pass
                case _:
                    return

    def _set_dirty(self, state: WeakState, i: int, page: str) -> Iterator[tuple[str, WeakState]]:
        for cell, value in translation.present(self.context, state, i, page):
            if value.valid and value.af and value.dbm and not value.db and not is_reserved(state, None, cell):
                yield f"CPU{i}: hardware sets the dirty state of {page} early", self._set(state, i, cell, db=1)

    def _set(self, state: WeakState, i: int, cell: Cell, **bits: int) -> WeakState:
        """`state` after the hardware of CPU i has set `bits` of the entry `cell`."""
        new = state.with_cpu(i)
        value = state.newest(cell)[1]
        assert isinstance(value, Descriptor)
        new.append(cell, Descriptor(**(value._asdict() | bits)))
        note_entry(self.program, new, i, cell)
        return new

    # -- what touches only the own CPU

    def _settled(self, state: WeakState) -> WeakState:
        """`state` after everything that touches only one CPU: what other CPUs can see is the same before and after."""
        again = True
        count = 0
        while again:
            again = False
            for i in range(len(state.cpus)):
                while (after := self._local(state, i)) is not None:
                    state, again, count = after, True, count + 1
                    if count > LOCAL_STEPS:
                        raise NotExpressible("an endless loop")
        if state.block is not None and state.cpus[state.block].pc is None and not state.cpus[state.block].buffer:
            state.block = None
        return state

    def _local(self, state: WeakState, i: int) -> WeakState | None:
        """One such step of CPU i, or None."""
        cpu = state.cpus[i]
        if cpu.buffer:
            after = buffer.finish_fence(state, i) or self._unseen_store(state, i)
            if after is not None:
                return after
        if cpu.waits is not None:
            return grace.locally(self.context, state, i)
        if cpu.pc is None or cpu.blocked:
            return None
        instruction = self.program.threads[i].instructions[cpu.pc]
        match instruction:
            case End():
                new = state.with_cpu(i)
                new.cpus[i].pc = None
                return new
            case Fence():
                return barriers.fence(state, i, instruction)
            case Dsb():
                if barriers.completes_tlbi(state, i, instruction):
                    return None
                return barriers.dsb(self.context, state, i, instruction)
            case Tlbi():
                return barriers.tlbi(self.context, state, i, instruction)
            case ReadUnlock(""):
                return grace.read_unlock(state, i, instruction)
            case StoreValue(address):
                if self.context.eager and not address.translated and i not in self.program.user:
                    return self._store_directly(state, i, instruction)
                return None
        return local.execute(self.context, state, i, instruction) if isinstance(instruction, local.LOCAL) else None

    def _store_directly(self, state: WeakState, i: int, instruction: StoreValue) -> WeakState | None:
        goal = target(state.cpus[i], instruction.address)
        if goal is None:
            return None
        access = self._direct(state, goal)
        after = atomics.store(state, i, instruction, access)
        if after is not None:
            self._note(after.cpus[i], instruction, access, goal)
        return after

    def _note(self, cpu: WeakCpu, instruction: Accessing, access: Destination, goal: AddressedCell) -> None:
        """What the access leaves behind for later ones, beside its value."""
        cpu.context = max(cpu.context, goal.pick)
        if self.context.rules.commits and isinstance(instruction, Load | StoreValue):
            commits.note(cpu, instruction, access.cell, goal.pick)

    def _unseen_store(self, state: WeakState, i: int) -> WeakState | None:
        """A store becomes visible at once if nobody can tell when: one to a cell that a lock guards, or to one that no
        remaining instruction touches."""
        for place, item in enumerate(state.cpus[i].buffer):
            if type(item) is not BufferedStore or not buffer.may_become_visible(state, i, place, item):
                continue
            locks, guarded = self.context.locked
            if item.cell in guarded or (item.cell in locks and item.reserved is not None):
                return buffer.become_visible(self.context, state, i, place)
            if item.reserved is not None or item.release:
                continue
            touched = any(item.cell in self.context.future(j, cpu.pc).touched for j, cpu in enumerate(state.cpus))
            waiting = any(
                x is not item and (accesses(x, item.cell) or (type(x) is Update and x.cell == item.cell))
                for cpu in state.cpus
                for x in cpu.buffer
            )
            if not touched and not waiting:
                return buffer.become_visible(self.context, state, i, place)
        return None

    # -- accesses

    @staticmethod
    def _direct(state: WeakState, goal: AddressedCell) -> Destination:
        if goal.cell not in state.memory:
            raise NotExpressible(f"an access to {goal.cell}, which is no cell of the test")
        return Destination(goal.cell, None, (), goal.floor, 0, NEVER)

    def _access(self, state: WeakState, i: int, instruction: Accessing) -> Iterator[tuple[str, WeakState]]:
        address: Address = instruction.address
        shown = f"CPU{i}: {type(instruction).__name__} {address.cell or address.register}"
        goal = target(state.cpus[i], address)
        if goal is None:
            if isinstance(instruction, StoreExclusive):  # it can only fail before its address is known
                for after in atomics.store_exclusive(self.context, state, i, instruction, None):
                    yield f"{shown} fails", after
            return
        if goal.walks:
            yield from self._translated(state, i, instruction, goal, shown)
            return
        if i in self.program.user and is_entry(goal.cell):
            new = state.with_cpu(i)
            translation.fault(self.context, new, i, goal.cell, "permission", 0)
            yield f"{shown} faults at EL0", new
            return
        yield from self._execute(state, i, instruction, self._direct(state, goal), goal, shown)

    def _translated(
        self, state: WeakState, i: int, instruction: Accessing, goal: AddressedCell, shown: str
    ) -> Iterator[tuple[str, WeakState]]:
        writing = not isinstance(instruction, Load)
        for walk in translation.walks(self.context, state, i, goal.cell, writing, goal.floor):
            new = state.with_cpu(i)
            cpu, path = new.cpus[i], walk.path
            found = ", ".join(f"{cell if path.entries[1:] else 'entry'} of time {time}" for cell, time in path.entries)
            if walk.fault:
                cpu.context = max(cpu.context, goal.pick)
                translation.fault(self.context, new, i, goal.cell, walk.fault, walk.floor)
                yield f"{shown} faults ({walk.fault}), {found}", new
                continue
            if path.output is None:
                raise NotExpressible(f"an access through an entry of {goal.cell} without an output address")
            new.memory.setdefault(path.output, ((0, 0),))
            if walk.update is not None:
                if is_reserved(state, i, path.last):
                    continue
                cpu.buffer = (*cpu.buffer, Update(path.last, walk.update))
            cpu.newest_walk = max(cpu.newest_walk, walk.floor)
            access = Destination(path.output, goal.cell, path.entries, goal.floor, walk.floor, walk.dies)
            yield from self._execute(new, i, instruction, access, goal, f"{shown} through its {found}")

    def _execute(
        self, state: WeakState, i: int, instruction: Accessing, access: Destination, goal: AddressedCell, shown: str
    ) -> Iterator[tuple[str, WeakState]]:
        for after in self._outcomes(state, i, instruction, access):
            self._note(after.cpus[i], instruction, access, goal)
            yield shown, after

    def _outcomes(self, state: WeakState, i: int, instruction: Accessing, access: Destination) -> Iterator[WeakState]:
        match instruction:
            case Load():
                yield from load(self.context, state, i, instruction, access)
            case StoreValue():
                after = atomics.store(state, i, instruction, access)
                if after is not None:
                    yield after
            case Rmw():
                yield from atomics.rmw(self.context, state, i, instruction, access)
            case StoreExclusive():
                yield from atomics.store_exclusive(self.context, state, i, instruction, access)
