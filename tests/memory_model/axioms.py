"""Executions by axioms: a second way to the final states of a litmus test, which shares no code with the machines.

A candidate execution says for each load which store it reads from (rf), and orders the stores to each cell (co).  A
load is before the stores that follow the one it read from (fr).  The architecture says which pairs of one thread are
ordered, and a candidate is an execution if the whole has no cycle:

* sequential consistency: program order;
* TSO: program order without store to load, but for fences and atomics; a load from the own thread's store orders
  nothing;
* RVWMO: preserved program order, rules 1 to 13 of the Unprivileged ISA, and the load-value axiom;
* Armv8: local order of herd's aarch64.cat (dependencies, barriers, acquire and release), external visibility.  A
  compare-and-swap that succeeds has its result from memory or from its comparand; both are tried.

On all of them, coherence per cell, and that nothing comes between the load and the store of an atomic.  What a test
may contain is what `random_threads` makes: straight lines with dependencies, no translation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from tests.memory_model.random_threads import CELLS, Words, registers_of

Pairs = set[tuple[int, int]]
Result = tuple[tuple[tuple[tuple[int, str], int], ...], tuple[tuple[str, int], ...]]
"""Registers and cells in the end."""


@dataclass(frozen=True)
class Event:
    """A load ('R') or store ('W') of `thread` at place `po`, or a fence ('F').

    `address`, `data` and `control` are the loads that it depends on, `picked` those that only chose its address or
    value, or whether it happens.  `rmw` is the load of the same atomic or exclusive pair.  `expected` is what a
    compare-and-swap compares with: a value, or the number of the load that gave it, and whether they have to be equal.
    `discards`: its result goes nowhere."""

    number: int
    thread: int
    po: int
    kind: str
    cell: str = ""
    value: int = 0
    register: str = ""
    acquire: str = ""
    release: str = ""
    fence: tuple[str, ...] = ()
    address: frozenset[int] = frozenset()
    data: frozenset[int] = frozenset()
    control: frozenset[int] = frozenset()
    synchronised: frozenset[int] = frozenset()
    picked: frozenset[int] = frozenset()
    rmw: int | None = None
    expected: Expected | None = None
    discards: bool = False


class Expected(NamedTuple):
    """See `Event.expected`; `load` is None if `value` is known."""

    value: int
    load: int | None
    equal: bool


class Choice(NamedTuple):
    """Whether the compare-and-swap or store-exclusive at a place stores, and, if it compares, whether its result is
    from memory."""

    stores: bool
    memory: bool = True


Choices = Mapping[tuple[int, int], Choice]
NONE: frozenset[int] = frozenset()


@dataclass
class Registers:
    """What the registers of a thread depend on, the values of those that are constant, and the loads of the others."""

    data: dict[str, frozenset[int]]
    picks: dict[str, frozenset[int]]
    constants: dict[str, int]
    loads: dict[str, int]

    def depends(self, given: Any) -> tuple[frozenset[int], frozenset[int]]:
        """Data and pick dependencies of an operand."""
        name = given if isinstance(given, str) else ""
        return self.data.get(name, NONE), self.picks.get(name, NONE)

    def set(self, register: Any, number: int, data: frozenset[int], picks: frozenset[int]) -> None:
        """`register` := what the load `number` gave."""
        if register:
            self.data[register], self.picks[register], self.loads[register] = data, picks, number


def events_of(threads: list[list[Words]], choices: Choices) -> list[Event]:
    """The events of straight-line code."""
    events: list[Event] = []
    for thread, code in enumerate(threads):
        registers = Registers({}, {}, {}, {})
        control, synchronised, addresses = NONE, NONE, NONE
        for po, words in enumerate(code):
            match words:
                case ["ALU", to, op, *args]:
                    given = [registers.depends(x) for x in args]
                    registers.data[to] = NONE.union(*(x for x, _ in given))
                    registers.picks[to] = NONE.union(*(x for _, x in given))
                    registers.constants[to] = 0 if op == "eor" else args[1]
                case ["CBNZ", register, _]:
                    control |= registers.depends(register)[1]
                case ["label", _] | ["FENCEI"] | ["LFENCE"]:
                    pass
                case ["ISB"]:
                    synchronised |= control | addresses
                case ["DMB" | "FENCE" | "MFENCE" as name, *rest]:
                    events.append(Event(len(events), thread, po, "F", fence=(name, *rest)))
                case _:
                    given = words[1 if words[0] == "W" else 2]
                    cell = given["base"] if isinstance(given, dict) else given
                    address, picked = registers.depends(given["idx"] if isinstance(given, dict) else "")
                    addresses |= picked
                    common = Event(
                        len(events), thread, po, "", cell, address=address, picked=picked, control=control,
                        synchronised=synchronised,
                    )  # fmt: skip
                    events += _of_access(common, words, registers, choices.get((thread, po)))
    return events


def _of_access(common: Event, words: Words, registers: Registers, choice: Choice | None) -> Iterator[Event]:
    name, number = words[0], common.number
    place = {"R": 3, "W": 2, "SWP": 3, "CAS": 4, "STX": 3}[name]  # of the value; of a load, its mark
    rest = words[place:] if name == "R" else words[place + 1 :]
    mark = rest[0] if rest else ""
    acquire = {"acq": "sc", "acq-excl": "sc", "acqpc": "pc", "a": "sc", "al": "sc"}.get(mark, "")
    release = {"rel": "sc", "relpc": "pc", "l": "sc", "al": "sc"}.get(mark, "")
    if name == "R":
        yield replace(common, kind="R", register=words[1], acquire=acquire)
        registers.set(words[1], number, frozenset({number}), frozenset({number}))
        return
    data, picked = registers.depends(words[place])
    value = registers.constants.get(words[place], 0) if isinstance(words[place], str) else words[place]
    store = replace(common, kind="W", value=value, data=data, picked=common.picked | picked, release=release)
    if name == "W":
        yield store
        return
    if name == "STX":
        assert choice is not None
        if choice.stores:
            yield replace(store, rmw=number - 1)
        return
    load = replace(common, kind="R", register=words[1] or "", acquire=acquire, discards=not words[1])
    result = frozenset({number})
    compared = NONE
    if name == "CAS":
        assert choice is not None
        known, compared = registers.depends(words[3])
        constant = registers.constants.get(words[3]) if isinstance(words[3], str) else words[3]
        source = registers.loads.get(words[3]) if isinstance(words[3], str) and constant is None else None
        load = replace(load, expected=Expected(constant or 0, source, choice.stores))
        if not choice.memory:
            result = known
    yield load
    if choice is None or choice.stores:
        yield replace(store, number=number + 1, rmw=number, picked=store.picked | compared)
    registers.set(words[1], number, result, frozenset({number}))


def choices_of(threads: list[list[Words]]) -> Iterator[Choices]:
    """Every way in which compare-and-swaps and store-exclusives can go."""
    ways = {"CAS": (Choice(False), Choice(True), Choice(True, False)), "STX": (Choice(False), Choice(True))}
    places = {(t, po): ways[x[0]] for t, code in enumerate(threads) for po, x in enumerate(code) if x[0] in ways}
    for chosen in itertools.product(*places.values()):
        yield dict(zip(places, chosen, strict=True))


def outcomes(threads: list[list[Words]], architecture: str) -> set[Result]:
    """The final states of all executions."""
    return {x for choices in choices_of(threads) for x in _outcomes(threads, choices, architecture)}


def _outcomes(threads: list[list[Words]], choices: Choices, architecture: str) -> set[Result]:
    events = events_of(threads, choices)
    order = {"sc": _sc, "x86": _tso, "riscv": _rvwmo, "arm64": _armv8}[architecture]
    stores = {cell: [e.number for e in events if e.kind == "W" and e.cell == cell] for cell in CELLS}
    loads = [e for e in events if e.kind == "R"]
    stored = {place: choice for place, choice in choices.items() if threads[place[0]][place[1]][0] == "STX"}
    found: set[Result] = set()
    for orders in itertools.product(*(itertools.permutations(stores[cell]) for cell in CELLS)):
        coherence = dict(zip(CELLS, orders, strict=True))
        for sources in itertools.product(*([None, *stores[e.cell]] for e in loads)):
            source = {e.number: s for e, s in zip(loads, sources, strict=True)}
            if _consistent(events, coherence, source, architecture, order):
                values = {(e.thread, e.register): _value(events, source, e.number) for e in loads}
                values |= {(t, threads[t][po][1]): 1 - choice.stores for (t, po), choice in stored.items()}
                registers = tuple((place, values[place]) for place in registers_of(threads))
                memory = tuple((cell, events[co[-1]].value if co else 0) for cell, co in coherence.items())
                found.add((registers, memory))
    return found


def _value(events: list[Event], source: dict[int, int | None], load: int) -> int:
    found = source[load]
    return 0 if found is None else events[found].value


def _as_compared(events: list[Event], source: dict[int, int | None]) -> bool:
    """Whether every compare-and-swap has found what it was said to find."""
    for event in events:
        if event.expected is not None:
            value, load, equal = event.expected
            expected = value if load is None else _value(events, source, load)
            if (_value(events, source, event.number) == expected) != equal:
                return False
    return True


def _consistent(events, coherence, source, architecture, order) -> bool:  # type: ignore[no-untyped-def]
    if not _as_compared(events, source):
        return False
    rank = {number: k for co in coherence.values() for k, number in enumerate(co)}
    rf = {(s, e) for e, s in source.items() if s is not None}
    co = {pair for x in coherence.values() for pair in itertools.combinations(x, 2)}
    fr = {
        (e, w)
        for e, s in source.items()
        for w in coherence[events[e].cell]
        if rank[w] > (-1 if s is None else rank[s]) and events[w].rmw != e
    }
    for event in events:  # nothing between the load and the store of an atomic
        if event.rmw is not None:
            s = source[event.rmw]
            if rank[event.number] != (-1 if s is None else rank[s]) + 1:
                return False
    same_cell = {
        (a.number, b.number)
        for a in events
        for b in events
        if a.thread == b.thread and (a.po, a.number) < (b.po, b.number) and a.cell and a.cell == b.cell
    }
    if cyclic(same_cell | rf | co | fr):
        return False
    apart = {(a, b) for a, b in rf | co | fr if events[a].thread != events[b].thread}
    local = order(events, {(s, e) for s, e in rf if events[s].thread == events[e].thread}, source)
    if architecture == "riscv":  # the store of an AMO is at the same time as its load
        return not cyclic(_merged(events, apart | local))
    return not cyclic(apart | local)


def _merged(events: list[Event], pairs: Pairs) -> Pairs:
    to = {e.number: e.rmw if e.rmw is not None else e.number for e in events}
    return {(to[a], to[b]) for a, b in pairs if to[a] != to[b]}


def cyclic(pairs: Pairs) -> bool:
    """Is there a cycle of ordered pairs, so that no order has them all?"""
    graph: dict[int, set[int]] = {}
    for a, b in pairs:
        graph.setdefault(b, set()).add(a)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return True
    return False


def _later(events: list[Event]) -> Iterator[tuple[Event, Event]]:
    """Pairs of accesses of one thread in program order."""
    for a, b in itertools.combinations(events, 2):
        if a.thread == b.thread and a.kind != "F" and b.kind != "F":
            yield a, b


def _fences(events: list[Event], a: Event, b: Event) -> list[tuple[str, ...]]:
    return [f.fence for f in events if f.kind == "F" and f.thread == a.thread and a.po < f.po < b.po]


def _sc(events: list[Event], own: Pairs, source: object) -> Pairs:
    return {(a.number, b.number) for a, b in _later(events)}


def _tso(events: list[Event], own: Pairs, source: object) -> Pairs:
    locked = {e.po for e in events if e.rmw is not None}
    ordered = set()
    for a, b in _later(events):
        between = any(f[0] == "MFENCE" for f in _fences(events, a, b))
        atomic = any(
            e.rmw is not None and e.thread == a.thread and a.po <= e.po <= b.po and e.po in locked for e in events
        )
        if a.kind != "W" or b.kind != "R" or between or atomic:
            ordered.add((a.number, b.number))
    return ordered


def _rvwmo(events: list[Event], own: Pairs, source: dict[int, int | None]) -> Pairs:
    """Preserved program order.  Rule 2: two loads of one cell, unless both read from one store or one between."""
    ordered: Pairs = set()
    atomic = {e.number for e in events if e.rmw is not None} | {e.rmw for e in events if e.rmw is not None}
    for a, b in _later(events):
        pair = (a.number, b.number)
        both_same = a.cell == b.cell
        if both_same and b.kind == "W":  # 1
            ordered.add(pair)
        if both_same and a.kind == b.kind == "R" and source[a.number] != source[b.number]:  # 2
            between = any(
                e.kind == "W" and e.thread == a.thread and e.cell == a.cell and a.po <= e.po < b.po for e in events
            )
            if not between:
                ordered.add(pair)
        if pair in own and a.number in atomic:  # 3
            ordered.add(pair)
        for fence in _fences(events, a, b):  # 4
            tso = fence[1] == "tso"
            before, after = ("rw", "rw") if tso else fence[1:3]
            letters = {"R": "r", "W": "w"}
            if letters[a.kind] in before and letters[b.kind] in after and not (tso and a.kind == "W" and b.kind == "R"):
                ordered.add(pair)
        if a.acquire or (a.rmw is not None and events[a.rmw].acquire):  # 5
            ordered.add(pair)
        if b.release or _atomic_release(events, b):  # 6
            ordered.add(pair)
        if (a.release == "sc" or _atomic_release(events, a)) and (
            b.acquire == "sc" or (b.rmw is not None and events[b.rmw].acquire)
        ):  # 7
            ordered.add(pair)
        if a.kind == "R" and a.number in b.address | b.data:  # 9, 10
            ordered.add(pair)
        if a.kind == "R" and a.number in b.control and b.kind == "W":  # 11
            ordered.add(pair)
    for w, r in own:  # 12
        ordered |= {(m, r) for m in events[w].address | events[w].data}
    ordered |= _behind_addresses(events)  # 13
    return ordered


def _atomic_release(events: list[Event], e: Event) -> bool:
    """Whether `e` is the load or store of an AMO with .rl."""
    return any(w.rmw is not None and w.release and e.number in (w.number, w.rmw) for w in events)


def _armv8(events: list[Event], own: Pairs, source: object) -> Pairs:
    """aarch64.cat: lob.  An atomic with acquire and release is a barrier between what is before and after it."""
    ordered: Pairs = set()
    forwarded = {r: events[w].picked for w, r in own}

    def chosen(loads: frozenset[int]) -> frozenset[int]:
        """`loads`, and those that chose what was forwarded to them."""
        more = loads.union(*(forwarded.get(x, NONE) for x in loads))
        return loads if more == loads else chosen(more)

    for a, b in _later(events):
        pair = (a.number, b.number)
        kinds = a.kind + b.kind
        for fence in _fences(events, a, b):
            reads = a.kind == "R" and not a.discards
            if fence[1] == "ish" or (fence[1] == "ishld" and reads) or (fence[1] == "ishst" and kinds == "WW"):
                ordered.add(pair)
        if a.cell == b.cell and b.kind == "W":  # lws
            ordered.add(pair)
        if _acquires(a) or b.release or (a.release == "sc" and _acquires(b) == "sc"):
            ordered.add(pair)
        if a.rmw is not None and a.release and _acquires(events[a.rmw]) and a.po == events[a.rmw].po:
            ordered.add(pair)  # the store of an acquire-release atomic
        if a.kind == "R" and (
            a.number in b.address | b.data
            or (b.kind == "W" and a.number in chosen(b.control | b.picked))
            or a.number in chosen(b.synchronised)
        ):
            ordered.add(pair)
        if b.rmw == a.number:
            ordered.add(pair)
    ordered |= _behind_addresses(events)
    for w, r in own:
        ordered |= {(m, r) for m in events[w].address | events[w].data}
        if events[w].rmw is not None and _acquires(events[r]):
            ordered.add((events[w].rmw or 0, r))
    return ordered


def _behind_addresses(events: list[Event]) -> Pairs:
    """A store is behind every load that an earlier address depends on."""
    return {
        (m, b.number)
        for b in events
        for e in events
        if b.kind == "W" and e.thread == b.thread and e.kind != "F" and e.po < b.po
        for m in e.address
    }


def _acquires(event: Event) -> str:
    """How `event` acquires; a load whose result is discarded does not."""
    return "" if event.discards else event.acquire
