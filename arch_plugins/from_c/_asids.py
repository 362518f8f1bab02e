"""ASIDs that are given out from a bitmap: what the words of an mm/context.c mean (arch_plugins.families.asid).

A number of C is a generation above `shift` bits of an ASID; 0 is none. All that is done with generations is to
compare and to raise them, so C is told the first that it meets as NOW and another as the next, and anew when it takes
or releases the lock, behind which it reads them again. All that is done with ASIDs is to compare them, to look for
them in the bitmap and to put them somewhere, so C knows each by where it comes from: the mm's (`BEFORE` it has the
lock, and `MINE`), what a CPU runs (`RUNS`) or ran at the last rollover (`RAN`), the one that is free (`FREE`). What
stands behind a name stays with the hook. Of what a CPU ran C is told whether it is the mm's.

Under cpu_asid_lock C is as few steps as others can tell apart (core.tree.locked).  No ASID below the one that was given
last is free, for bits are set one after another, so where a search for the next begins (cur_idx) is no cell.
What a flush reads is `_flushed_asid`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from arch_plugins.families.asid import (
    ASID_MAP,
    GENERATION,
    LOCK,
    PENDING,
    Context,
    active_cell,
    context_id,
    reserved_cell,
)
from arch_plugins.from_c._common import Hook
from core.machine.asid import ttbr_cell
from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.variable import read_once, write_once
from core.mm.mm import Mm
from core.tree.errors import TreeError
from core.tree.hybrid import cpus_in, cpus_of, mask_of
from core.tree.locked import HeldLock, without_lock
from core.tree.manifest import MOST_CPUS
from core.tree.vocabulary import Answers, Do, Rule, Word, hidden, just, masks, truth

BITS = 4
"""ASID_BITS of shim/asids.h."""

BEFORE, MINE, RUNS, RAN, FREE = 1, 2, 3, 3 + MOST_CPUS, 3 + 2 * MOST_CPUS
"""The names of ASIDs. RUNS and RAN are of CPU 0, the names of others follow."""

OF_CPU, NOW = 1, 8
"""The generation of what a CPU runs or ran, whichever it is; and the one that C has met first."""

MET = (NOW, NOW + 1)
"""Those that C may be told."""

READ, WRITE = "read|READ_ONCE", "write|WRITE_ONCE"


@dataclass
class AsidHands(Hook):
    """A switch to `mm`. `shift`: the bits below the generation.

    `locked`: C holds the lock. `loaded`: the ASID that it is about to run under, of two registers the first.
    By what C calls them `generations` are those that it has met, `asids` ASIDs, and `whole` contexts of CPUs.
    """

    shift: int = 16
    locked: bool = False
    loaded: int = 0
    mine: int = BEFORE
    generations: dict[int, int] = field(default_factory=dict)
    asids: dict[int, int] = field(default_factory=dict)
    whole: dict[int, Context] = field(default_factory=dict)

    @property
    def held(self) -> HeldLock | None:
        """What only the holder of the lock touches, if this is it."""
        return held_by(self.mm) if self.locked else None

    def copy(self) -> AsidHands:
        """Another with the same state."""
        own = dict(self.generations), dict(self.asids), dict(self.whole)
        return replace(self, generations=own[0], asids=own[1], whole=own[2])

    def saved(self) -> Hashable:
        """All that a word has changed."""
        known = (tuple(sorted(one.items())) for one in (self.generations, self.asids, self.whole))
        return self.locked, self.loaded, self.mine, *known

    def restore(self, saved: Any) -> None:
        """Take up what was saved."""
        self.locked, self.loaded, self.mine, *known = saved
        self.generations, self.asids, self.whole = map(dict, known)

    def known_as(self, generation: int) -> int:
        """What C calls a generation. TreeError for a third one."""
        known = next((name for name, met in self.generations.items() if met == generation), None)
        if known is None:
            known = next((name for name in MET if name not in self.generations), None)
            if known is None:
                raise TreeError(f"generation {generation} is a third one, besides {self.generations}")
            self.generations[known] = generation
        return known << self.shift

    def of_mm(self, context: Context | None) -> int:
        """The mm's context as C has it."""
        if context is None:
            return 0
        self.asids[self.mine] = context[1]
        return self.known_as(context[0]) | self.mine

    def of_cpu(self, name: int, context: Context | None) -> int:
        """What a CPU runs or ran, as C has it."""
        if context is None:
            return 0
        number = OF_CPU << self.shift | name
        self.asids[name], self.whole[number] = context[1], context
        return number

    def context(self, number: int) -> Context | None:
        """What C calls `number`."""
        if not number or number in self.whole:
            return self.whole.get(number)
        generation, name = number >> self.shift, number & (1 << self.shift) - 1
        if generation not in self.generations:
            raise TreeError(f"{generation} is no generation that C has met, or was read outside of the lock")
        return self.generations[generation], self.number_of(name)

    def number_of(self, name: int) -> int:
        """The ASID that C calls `name`. TreeError if there is none, or if C had to read it again under the lock."""
        if name and (name not in self.asids or (name == BEFORE and self.mine != BEFORE)):
            raise TreeError(f"{name} is no ASID that C has met, or was read before the lock was taken")
        return self.asids[name] if name else 0


def held_by(mm: Mm) -> HeldLock:
    """The cells of an allocator whose lock `mm.task` holds."""
    assert mm.context is not None
    cpus = sorted(mm.cpu_online_mask | mm.online)
    private = (ASID_MAP, PENDING, active_cell(mm.task.cpu), *map(reserved_cell, cpus))
    others = (GENERATION, *(active_cell(cpu) for cpu in cpus if cpu != mm.task.cpu))
    return HeldLock(mm.task.cpu, private, (GENERATION, mm.context), others, ())


def _with_lock(do: Do) -> Do:
    """`do`, of what only the holder of the lock touches."""

    async def checked(of: AsidHands, word: Word) -> int:
        if not of.locked:
            raise without_lock(word, LOCK)
        return await do(of, word)

    return checked


def _at(word: Word) -> int:
    """The number of the CPU of a per-CPU word."""
    return int(word.place.rpartition("[cpu")[2].rstrip("]"))


def _cpu_of(of: AsidHands, word: Word) -> Cpu:
    """The CPU of a per-CPU word."""
    return min(cpus_of(of.mm)[_at(word)])


def _changes(cell: Cell, what: str, new: Callable[[Any], Any], order: Order, returns: Callable[[Any], Any]) -> Op:
    """An operation that reads a cell and writes it."""
    return Op(what, (cell,), (cell,), lambda now: [Outcome(returns(now), (new(now),))], order=order)


def _as_it_was(now: Any) -> Any:
    return now


# ---- the mm, the generation, what CPUs run -----------------------------------------------------------------------


async def _read_context(of: AsidHands, word: Word) -> int:
    assert of.mm.context is not None
    return of.of_mm(await context_id(of.mm.context))


@_with_lock
async def _write_context(of: AsidHands, word: Word) -> int:
    assert of.mm.context is not None
    await write_once(of.mm.context, of.context(word.a))
    return 0


async def _read_generation(of: AsidHands, word: Word) -> int:
    return of.known_as(await read_once(GENERATION))


@_with_lock
async def _add_generation(of: AsidHands, word: Word) -> int:
    """The answer is what it was before."""
    more = word.a >> of.shift
    op = _changes(GENERATION, f"asid_generation += {more}", lambda now: now + more, Order.ATOMIC, _as_it_was)
    was: int = await op
    known = of.known_as(was)
    of.generations[(known >> of.shift) + more] = was + more
    return known


def _own_or_locked(do: Do) -> Do:
    """`do`, of another CPU's active_asids only with the lock held."""

    async def checked(of: AsidHands, word: Word) -> int:
        if not (of.locked or word.place.endswith("[cpu0]")):
            raise without_lock(word, LOCK)
        return await do(of, word)

    return checked


@_own_or_locked
async def _read_active(of: AsidHands, word: Word) -> int:
    return of.of_cpu(RUNS + _at(word), await read_once(active_cell(_cpu_of(of, word))))


@_own_or_locked
async def _set_active(of: AsidHands, word: Word) -> int:
    await write_once(active_cell(_cpu_of(of, word)), of.context(word.a))
    return 0


@_own_or_locked
async def _xchg_active(of: AsidHands, word: Word) -> int:
    cell, put = active_cell(_cpu_of(of, word)), of.context(word.a)
    return of.of_cpu(RUNS + _at(word), await _changes(cell, f"xchg({cell})", lambda now: put, Order.ATOMIC, _as_it_was))


@_own_or_locked
async def _cmpxchg_active(of: AsidHands, word: Word) -> int:
    cell, old, put = active_cell(_cpu_of(of, word)), of.context(word.a), of.context(word.b)
    new: Callable[[Any], Any] = lambda now: put if now == old else now  # noqa: E731
    return of.of_cpu(RUNS + _at(word), await _changes(cell, f"cmpxchg({cell})", new, Order.ATOMIC, _as_it_was))


@_with_lock
async def _read_reserved(of: AsidHands, word: Word) -> int:
    ran = await read_once(reserved_cell(_cpu_of(of, word)))
    mine = (known << of.shift | MINE for known in MET if known in of.generations and MINE in of.asids)
    is_mine = next((number for number in mine if of.context(number) == ran), 0)
    return is_mine or of.of_cpu(RAN + _at(word), ran)


@_with_lock
async def _write_reserved(of: AsidHands, word: Word) -> int:
    await write_reserved(reserved_cell(_cpu_of(of, word)), of.context(word.a))
    return 0


def write_reserved(cell: Cell, value: Any) -> Op:
    """A store to what only the holder of the lock touches: nobody sees whether it waits."""
    return Op(f"{cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))], order=Order.PRIVATE)


# ---- the bitmap, and who owes a flush ----------------------------------------------------------------------------


@_with_lock
async def _clear_map(of: AsidHands, word: Word) -> int:
    await write_reserved(ASID_MAP, frozenset())
    return 0


def _is_empty(word: Word) -> bool:
    return word.a == 0


@_with_lock
async def _change_bit(of: AsidHands, word: Word) -> int:
    """The answer is whether it was set."""
    asid = of.number_of(word.a)
    bit = frozenset() if word.kind == "test_bit" else frozenset({asid})
    new: Callable[[Any], Any] = lambda now: now - bit if "clear" in word.kind else now | bit  # noqa: E731
    was = await _changes(ASID_MAP, f"{word.kind} {asid}", new, Order.PRIVATE, _as_it_was)
    return int("test" in word.kind and asid in was)


@_with_lock
async def _find_zero(of: AsidHands, word: Word) -> int:
    """The lowest ASID that is free, from 0 or from 1 on; if none is, how many there are."""
    taken, first = await read_once(ASID_MAP), min(word.b, 1)
    free = next((asid for asid in range(first, of.mm.facts.user_asids) if asid not in taken), None)
    if free is None:
        return word.a
    of.asids[FREE] = free
    return FREE if free else 0


@_with_lock
async def _read_pending(of: AsidHands, word: Word) -> int:
    return mask_of(of.mm, await read_once(PENDING))


@_with_lock
async def _write_pending(of: AsidHands, word: Word) -> int:
    await write_reserved(PENDING, cpus_in(of.mm, word.a))
    return 0


@_with_lock
async def _change_pending(of: AsidHands, word: Word) -> int:
    """An atomic operation on bits of the mask. The answer is the mask before."""
    sets = word.kind in ("set_bit", "test_and_set_bit")
    cpus = cpus_in(of.mm, word.a if sets else ~word.a)
    new: Callable[[Any], Any] = lambda now: now | cpus if sets else now - cpus  # noqa: E731
    order = Order.FULL if word.kind.startswith("test_and_") else Order.ATOMIC
    was = await _changes(PENDING, f"{word.kind} tlb_flush_pending", new, order, _as_it_was)
    return mask_of(of.mm, was) if order is Order.FULL else 0


# ---- the lock, and what the CPU runs under -----------------------------------------------------------------------


async def _lock(of: AsidHands, word: Word) -> int:
    await spin_lock(LOCK, of.mm.task)
    of.locked, of.mine = True, MINE
    of.generations.clear()
    return 0


async def _unlock(of: AsidHands, word: Word) -> int:
    await spin_unlock(LOCK, of.mm.task)
    of.locked = False
    of.generations.clear()
    return 0


def load_asid(cpu: Cpu, asid: int, name: str = "load TTBR0, ASID") -> Op:
    """The CPU runs user code under `asid` from here on. 0 is the kernel's: no mm may have what is cached under it."""
    wrong = "" if asid else "anothers-translation"
    return Op(f"{name} {asid}", (), (ttbr_cell(cpu),), lambda: [Outcome(None, (asid,), wrong)], order=Order.PRIVATE)


# ---- rules -------------------------------------------------------------------------------------------------------


def _of_cpu(first: int, shift: int, *more: int) -> Answers:
    """What a CPU runs or ran: nothing, something, or one of `more`."""
    return lambda word, cpus: (0, OF_CPU << shift | first + _at(word), *more)


@dataclass(frozen=True)
class AsidNames:
    """What an architecture's context.c calls its variables."""

    generation: str
    active: str
    reserved: str
    map: str
    pending: str
    lock: str


def rules(names: AsidNames, shift: int) -> tuple[Rule, ...]:
    """The words of a context.c whose ASIDs have `shift` bits below their generation."""
    generations = [known << shift for known in MET]
    mine = [generation | MINE for generation in generations]
    read = [*mine, *(generation | BEFORE for generation in generations)]
    runs, ran = _of_cpu(RUNS, shift), _of_cpu(RAN, shift, *mine)
    active, reserved = f"{names.active}[[]cpu*", f"{names.reserved}[[]cpu*"
    return (
        Rule("atomic64_read", "next.context.id", _read_context, just(0, *read)),
        Rule("atomic64_set", "next.context.id", _write_context),
        Rule("atomic64_read", names.generation, _read_generation, just(*generations)),
        Rule("atomic64_add", names.generation, _add_generation, just(*generations)),
        Rule("atomic64_read", active, _read_active, runs),
        Rule("atomic64_set", active, _set_active),
        Rule("atomic64_xchg", active, _xchg_active, runs),
        Rule("atomic64_cmpxchg", active, _cmpxchg_active, runs),
        Rule(READ, reserved, _read_reserved, ran),
        Rule(WRITE, reserved, _write_reserved),
        Rule(WRITE, "asid_map[[][]]", _clear_map, when=_is_empty),
        Rule("__test_and_set_bit|__test_and_clear_bit|test_bit", "asid_map[[][]]", _change_bit, truth),
        Rule("__set_bit|__clear_bit", "asid_map[[][]]", _change_bit),
        Rule("find_next_zero_bit", "asid_map[[][]]", _find_zero, just(0, FREE, 1 << BITS)),
        Rule(READ, names.pending, _read_pending, masks),
        Rule(WRITE, names.pending, _write_pending),
        Rule("test_and_set_bit|test_and_clear_bit", names.pending, _change_pending, masks),
        Rule("set_bit|clear_bit", names.pending, _change_pending),
        Rule("lock", names.lock, _lock),
        Rule("unlock", names.lock, _unlock),
        hidden(READ, names.map, "where the bitmap is", just(0x200000600000)),
        hidden(READ, "cur_idx*", "no ASID below the one that was given last is free", just(1)),
        hidden(WRITE, "cur_idx*", "no ASID below the one that was given last is free"),
    )
