"""Executions by axioms: a second way to the final states of a litmus test, which shares no code with the machines.

A candidate execution says for each load which store it reads from (rf), and orders the stores to each cell (co).  A
load is before the stores that follow the one it read from (fr).  The architecture says which pairs of one thread are
ordered, and a candidate is an execution if the whole has no cycle:

* sequential consistency: program order;
* TSO: program order without store to load, but for fences and atomics; a load from the own thread's store orders
  nothing;
* RVWMO: preserved program order, rules 1 to 13 of the Unprivileged ISA, and the load-value axiom;
* Armv8: local order of herd's aarch64.cat (dependencies, barriers, acquire and release), external visibility.

On all of them, coherence per cell, and that nothing comes between the load and the store of an atomic.  What a test
may contain is what `random_threads` makes: straight lines with dependencies, no translation.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

Words = list[Any]
Pairs = set[tuple[int, int]]
Result = tuple[tuple[tuple[tuple[int, str], int], ...], tuple[tuple[str, int], ...]]
"""Registers and cells in the end."""


@dataclass(frozen=True)
class Event:
    """A load ('R') or store ('W') of `thread` at place `po`, or a fence ('F').  `address`, `data` and `control` are the
    loads that it depends on; `rmw` is the load of the same atomic."""

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
    rmw: int | None = None
    discards: bool = False


CELLS = ("x", "y")


def random_threads(rng: random.Random, words: str) -> list[list[Words]]:
    """Two or three threads of a few accesses, in the words of an architecture."""
    count = rng.choice((2, 2, 2, 3))
    value = itertools.count(1)
    lengths = [rng.choice((2, 3) if count == 2 else (1, 2, 2)) for _ in range(count)]
    return [_thread(rng, words, length, value) for length in lengths]


FENCES: dict[str, list[Words]] = {
    "arm64": [["DMB", "ish"], ["DMB", "ishld"], ["DMB", "ishst"], ["ISB"]],
    "riscv": [*(["FENCE", p, s] for p in ("r", "w", "rw") for s in ("r", "w", "rw")), ["FENCE", "tso"], ["FENCEI"]],
    "x86": [["MFENCE"], ["LFENCE"]],
    "sc": [["MFENCE"]],
}


def _thread(rng: random.Random, words: str, length: int, values: Iterator[int]) -> list[Words]:
    code: list[Words] = []
    loaded: list[str] = []
    for k in range(length):
        cell = rng.choice(CELLS)
        kind = rng.choices(("R", "W", "SWP"), (5, 4, 1.5))[0]
        depends = loaded and words in ("arm64", "riscv") and rng.random() < 0.4
        dependency = rng.choice(("addr", "data", "ctrl")) if depends else ""
        address: Any = cell
        value: Any = next(values)
        if dependency == "ctrl":
            code += [["CBNZ", loaded[-1], f"L{k}"], ["label", f"L{k}"]]
            if words == "arm64" and rng.random() < 0.4:
                code.append(["ISB"])
        elif dependency:
            code.append(["ALU", f"d{k}", "eor", loaded[-1], loaded[-1]])
            if dependency == "addr":
                address = {"base": cell, "idx": f"d{k}"}
            elif kind != "R":
                code.append(["ALU", f"v{k}", "add", f"d{k}", value])
                value = f"v{k}"
        code.append(_access(rng, words, kind, f"r{k}", address, value))
        if kind != "W":
            loaded.append(f"r{k}")
        if k < length - 1 and rng.random() < 0.45:
            code.append(rng.choice(FENCES[words]))
    return code


def _access(rng: random.Random, words: str, kind: str, register: str, address: Any, value: Any) -> Words:
    marks = {"arm64": {"R": ("acq", "acqpc"), "W": ("rel",)}, "riscv": {"R": ("acqpc",), "W": ("relpc",)}}.get(words)
    if kind == "SWP":
        order = rng.choice(("", "a", "l", "al")) if words in ("arm64", "riscv") else ""
        return ["SWP", register, address, value, *([order] if order else [])]
    access = ["R", register, address] if kind == "R" else ["W", address, value]
    return [*access, *([rng.choice(marks[kind])] if marks and rng.random() < 0.25 else [])]


def events_of(threads: list[list[Words]]) -> list[Event]:
    """The events of straight-line code."""
    events: list[Event] = []
    for thread, code in enumerate(threads):
        depends: dict[str, frozenset[int]] = {}
        constants: dict[str, int] = {}
        control: frozenset[int] = frozenset()
        synchronised: frozenset[int] = frozenset()
        addresses: frozenset[int] = frozenset()
        for po, words in enumerate(code):
            match words:
                case ["ALU", to, op, *args]:
                    depends[to] = frozenset().union(*(depends.get(x, frozenset()) for x in args if isinstance(x, str)))
                    constants[to] = 0 if op == "eor" else args[1]
                case ["CBNZ", register, _]:
                    control |= depends.get(register, frozenset())
                case ["label", _] | ["FENCEI"] | ["LFENCE"]:
                    pass
                case ["ISB"]:
                    synchronised |= control | addresses
                case ["DMB" | "FENCE" | "MFENCE" as name, *rest]:
                    events.append(Event(len(events), thread, po, "F", fence=(name, *rest)))
                case _:
                    place = 1 if words[0] == "W" else 2
                    given = words[place]
                    cell = given["base"] if isinstance(given, dict) else given
                    address = depends.get(given["idx"], frozenset()) if isinstance(given, dict) else frozenset()
                    addresses |= address
                    common = {"cell": cell, "address": address, "control": control, "synchronised": synchronised}
                    new = list(_of_access(len(events), thread, po, words, common, depends, constants))
                    events += new
                    if new[0].kind == "R":
                        depends[words[1]] = frozenset({new[0].number})
    return events


def _of_access(
    number: int,
    thread: int,
    po: int,
    words: Words,
    common: dict[str, Any],
    depends: dict[str, frozenset[int]],
    constants: dict[str, int],
) -> Iterator[Event]:
    mark = words[3] if words[0] in "RW" and len(words) > 3 else ""
    acquire = {"acq": "sc", "acqpc": "pc"}.get(mark, "")
    release = {"rel": "sc", "relpc": "pc"}.get(mark, "")
    if words[0] == "R":
        yield Event(number, thread, po, "R", register=words[1], acquire=acquire, **common)
        return
    given = words[2] if words[0] == "W" else words[3]
    data = depends.get(given, frozenset()) if isinstance(given, str) else frozenset()
    value = constants[given] if isinstance(given, str) else given
    if words[0] == "W":
        yield Event(number, thread, po, "W", value=value, data=data, release=release, **common)
        return
    order = words[4] if len(words) > 4 else ""
    acquire, release = "sc" if "a" in order else "", "sc" if "l" in order else ""
    yield Event(number, thread, po, "R", register=words[1], acquire=acquire, **common)
    yield Event(number + 1, thread, po, "W", value=value, data=data, release=release, rmw=number, **common)


def outcomes(threads: list[list[Words]], architecture: str) -> set[Result]:
    """The final states of all executions."""
    events = events_of(threads)
    order = {"sc": _sc, "x86": _tso, "riscv": _rvwmo, "arm64": _armv8}[architecture]
    stores = {cell: [e.number for e in events if e.kind == "W" and e.cell == cell] for cell in CELLS}
    loads = [e for e in events if e.kind == "R"]
    found: set[Result] = set()
    for orders in itertools.product(*(itertools.permutations(stores[cell]) for cell in CELLS)):
        coherence = dict(zip(CELLS, orders, strict=True))
        for sources in itertools.product(*([None, *stores[e.cell]] for e in loads)):
            source = {e.number: s for e, s in zip(loads, sources, strict=True)}
            if _consistent(events, coherence, source, architecture, order):
                registers = tuple(
                    ((e.thread, e.register), 0 if source[e.number] is None else events[source[e.number] or 0].value)
                    for e in loads
                )
                memory = tuple((cell, events[co[-1]].value if co else 0) for cell, co in coherence.items())
                found.add((registers, memory))
    return found


def _consistent(events, coherence, source, architecture, order) -> bool:  # type: ignore[no-untyped-def]
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
    if _cyclic(same_cell | rf | co | fr):
        return False
    apart = {(a, b) for a, b in rf | co | fr if events[a].thread != events[b].thread}
    local = order(events, {(s, e) for s, e in rf if events[s].thread == events[e].thread}, source)
    if architecture == "riscv":  # the store of an AMO is at the same time as its load
        return not _cyclic(_merged(events, apart | local))
    return not _cyclic(apart | local)


def _merged(events: list[Event], pairs: Pairs) -> Pairs:
    to = {e.number: e.rmw if e.rmw is not None else e.number for e in events}
    return {(to[a], to[b]) for a, b in pairs if to[a] != to[b]}


def _cyclic(pairs: Pairs) -> bool:
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
    for a, b in _later(events):  # 13
        if b.kind == "W":
            ordered |= {
                (m, b.number)
                for e in events
                if e.thread == a.thread and e.kind != "F" and e.po < b.po
                for m in e.address
            }
    return ordered


def _atomic_release(events: list[Event], e: Event) -> bool:
    """Whether `e` is the load or store of an AMO with .rl."""
    return any(w.rmw is not None and w.release and e.number in (w.number, w.rmw) for w in events)


def _armv8(events: list[Event], own: Pairs, source: object) -> Pairs:
    """aarch64.cat: lob.  An atomic with acquire and release is a barrier between what is before and after it."""
    ordered: Pairs = set()
    for a, b in _later(events):
        pair = (a.number, b.number)
        kinds = a.kind + b.kind
        for fence in _fences(events, a, b):
            if fence[1] == "ish" or (fence[1] == "ishld" and a.kind == "R") or (fence[1] == "ishst" and kinds == "WW"):
                ordered.add(pair)
        if a.cell == b.cell and b.kind == "W":  # lws
            ordered.add(pair)
        if a.acquire or b.release or (a.release == "sc" and b.acquire == "sc"):
            ordered.add(pair)
        if a.rmw is not None and a.release and events[a.rmw].acquire:  # the store of an acquire-release atomic
            ordered.add(pair)
        if a.kind == "R" and (
            a.number in b.address | b.data
            or (b.kind == "W" and a.number in b.control)
            or (b.kind in "RW" and a.number in b.synchronised)
        ):
            ordered.add(pair)
        if b.rmw == a.number:
            ordered.add(pair)
    for a, b in _later(events):
        if b.kind == "W":
            ordered |= {
                (m, b.number)
                for e in events
                if e.thread == a.thread and e.kind != "F" and e.po < b.po
                for m in e.address
            }
    for w, r in own:
        ordered |= {(m, r) for m in events[w].address | events[w].data}
        if events[w].rmw is not None and events[r].acquire:
            ordered.add((events[w].rmw or 0, r))
    return ordered
