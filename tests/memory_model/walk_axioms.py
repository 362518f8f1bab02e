"""Executions by axioms, with translation: herd's aarch64.cat for one virtual page whose entry changes.

Every access is a walk ('T') and, if that finds what it needs, the access; else a fault ('F'), which ends its thread.
Page x may have an entry above its own: a walk is then two events if that leads to the table, and one if it does not.  A
candidate says which entry each walk of page x has found, how the stores to each cell are ordered, on which side of each
completed TLBI each walk is, and which store each load reads from.  It is an execution if nothing is before itself:

* the entry was written before the walk that finds it.  A walk that finds it invalid is before what overwrites it; one
  that finds it valid may be later, which is the TLB;
* a walk behind a TLBI finds nothing that was overwritten before that.  A walk before it is before what follows the
  TLBI's DSB, and so are, on another CPU, its access and the walks of earlier accesses;
* what a walk finds in the table was not overwritten before the entry that led it there was written.  A TLBI of the last
  level is on no side of a walk that leads to the table;
* program order, dependencies, barriers, acquire, release, and FEAT_ETS2, as `_local` says.

Nothing is shared with the machine.  What a test may contain is what `random_test` makes.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.memory_model.axioms import Pairs, cyclic

Words = list[Any]
Entry = tuple[str, int, int]
"""Output page, valid, writable."""
Outcome = tuple[tuple[Any, ...], frozenset[tuple[int, str, str]], tuple[Any, ...]]
"""Registers, faults (thread, label, kind), and what memory holds."""
INITIAL = (-1, -1)
"""The place of the store that made the initial entry."""

PAGES = ("x", "y", "z")
READS, WRITES = ("R", "Rpte"), ("W", "Wpte", "Wpmd")


@dataclass(frozen=True)
class Translated:
    """`entry` is the first entry of page x, `upper` the one above it (None: there is one level)."""

    threads: list[list[Words]]
    entry: Entry
    upper: Entry | None = None


TABLE: Entry = ("table", 1, 1)


def random_test(rng: random.Random) -> Translated:
    """The first thread changes the entry of page x, most often with barriers and a TLBI; one or two others use it."""
    values = itertools.count(1)
    others = rng.choice((1, 1, 2))
    threads = [_changer(rng, values), *(_user(rng, values, 3 - others) for _ in range(others))]
    return Translated(threads, rng.choice((("x", 1, 1), ("y", 1, 1), ("y", 1, 1), ("x", 0, 1), ("x", 1, 0))))


NO_TABLE: tuple[Entry, ...] = (("x", 0, 1), ("x", 0, 1), ("z", 1, 1))


def random_test_of_levels(rng: random.Random) -> Translated:
    """The first thread takes the table of page x away and writes to it, or fills it and installs it; another uses x."""
    values = itertools.count(1)
    frees = rng.random() < 0.7
    leaf = ["Wpte", "x", rng.choice((("y", 1, 1), ("x", 1, 0), ("x", 0, 1)))]
    upper = ["Wpmd", "x", rng.choice(NO_TABLE) if frees else TABLE]
    code = [upper if frees else leaf, *_barriers(rng, "", "dmbst", "dsbst", "dsb", "dsb", "dsb isb")]
    if rng.random() < (0.9 if frees else 0.3):
        kinds = (
            ["vaae1is", "x"],
            ["vaae1is", "x"],
            ["vaale1is", "x"],
            ["vaale1is", "x"],
            ["vaae1", "x"],
            ["vmalle1is"],
        )
        code += [["TLBI", *rng.choice(kinds)], *_barriers(rng, "dsb", "dsb", "dsb", "dsb isb", "dsbst", "")]
    code += [leaf if frees else upper, *_barriers(rng, "", "dsb", "dmbst")]
    if rng.random() < 0.3:
        code += _access(rng, "A1", next(values), rng.choice("xxz"))
    user = _access(rng, "A0", next(values), rng.choice("xxxxy"))
    if rng.random() < 0.4:
        # without break, and with an ISB here, the machine is weaker: core/memory_model/weak/__init__.py says where
        user += _barriers(rng, "", "dmb", "dsb", *(("dsb isb", "isb") if upper[2] != ("z", 1, 1) else ()))
        user += _access(rng, "A1", next(values), rng.choice("xxxz"))
    entry = rng.choice((("x", 1, 1), ("x", 0, 1), ("x", 0, 1)))
    return Translated([code, user], entry, TABLE if frees else rng.choice(NO_TABLE))


BARRIERS = {"dmb": ["DMB", "ish"], "dmbld": ["DMB", "ishld"], "dmbst": ["DMB", "ishst"], "dsb": ["DSB", "ish"],
            "dsbld": ["DSB", "ishld"], "dsbst": ["DSB", "ishst"], "isb": ["ISB"]}  # fmt: skip


def _barriers(rng: random.Random, *names: str) -> list[Words]:
    return [BARRIERS[x] for x in rng.choice(names).split()]


def _changer(rng: random.Random, values: Iterator[int]) -> list[Words]:
    code: list[Words] = []
    if rng.random() < 0.3:
        code += [*_access(rng, "A0", next(values), rng.choice("xy")), *_barriers(rng, "", "dmb", "dsb")]
    code.append(["Wpte", "x", rng.choice((("x", 0, 1), ("y", 1, 1), ("x", 1, 0), ("x", 1, 1)))])
    code += _barriers(rng, "", "dmb", "dmbst", "dsbst", "dsb", "dsbld", "dsb isb")
    if rng.random() < 0.7:
        code += [["TLBI", *rng.choice((["vaae1is", "x"], ["vaae1is", "x"], ["vaae1", "x"], ["vmalle1is"]))]]
        code += _barriers(rng, "dsb", "dsb", "dsb isb", "dsbst", "")
    return [*code, *_access(rng, "A1", next(values), rng.choice("xyyz"))]


def _user(rng: random.Random, values: Iterator[int], most: int) -> list[Words]:
    code: list[Words] = []
    loaded = ""
    for k in range(rng.randint(1, most)):
        page, idx = rng.choice("xxyz"), ""
        if loaded and rng.random() < 0.4:
            if rng.random() < 0.5:
                code += [["ALU", f"d{k}", "eor", loaded, loaded]]
                idx = f"d{k}"
            else:
                code += [["CBNZ", loaded, f"J{k}"], ["label", f"J{k}"], *_barriers(rng, "", "isb")]
        elif k:
            code += _barriers(rng, "", "", "dmb", "dmbld", "dmbst", "dsb", "dsbld", "isb", "dsb isb")
        if rng.random() < 0.1:
            code.append(["Rpte", f"r{k}", "x"])
            continue
        code += _access(rng, f"A{k}", next(values), page, idx)
        loaded = f"r{k}" if code[-1][0] == "R" else loaded
    return code


def _access(rng: random.Random, label: str, value: int, page: str, idx: str = "") -> list[Words]:
    address = {"base": page, "idx": idx} if idx else page
    if rng.random() < 0.6:
        access = ["R", f"r{label[1:]}", address, *rng.choice(([], [], [], ["acq"], ["acqpc"]))]
    else:
        access = ["W", address, value, *rng.choice(([], [], [], ["rel"]))]
    return [["label", label], access]


@dataclass(frozen=True)
class Event:
    """`place` is (thread, place in its code); `walk` is the walk of an access or fault, or of the level above; `found`
    is the entry that a walk has found, by the place of its store.  `after` and `behind` are loads that its address and
    a branch depend on."""

    number: int
    place: tuple[int, int]
    kind: str
    cell: str = ""
    value: Any = None
    mark: str = ""
    label: str = ""
    register: str = ""
    walk: int | None = None
    found: tuple[int, int] = INITIAL
    after: frozenset[int] = frozenset()
    behind: frozenset[int] = frozenset()

    @property
    def thread(self) -> int:
        return self.place[0]


def outcomes(test: Translated, ets2: bool) -> set[Outcome]:
    """The final states of all executions."""
    entries = {INITIAL: test.entry}
    uppers = {INITIAL: test.upper or TABLE}
    accesses = []
    for thread, code in enumerate(test.threads):
        for po, words in enumerate(code):
            if words[0] in ("Wpte", "Wpmd"):
                (entries if words[0] == "Wpte" else uppers)[thread, po] = words[2]
            if words[0] in ("R", "W") and _page(words) == "x":
                accesses.append((thread, po))
    found: set[Outcome] = set()
    ways = [(upper, x) for upper in uppers for x in (entries if uppers[upper] == TABLE else (None,))]
    for chosen in itertools.product(ways, repeat=len(accesses)):
        events = _events(test, entries, uppers, dict(zip(accesses, chosen, strict=True)))
        stores = {e.place: e for e in events if e.kind == "W"}
        if all(e.kind != "T" or e.found == INITIAL or e.found in stores for e in events):
            found.update(_executions(test, events, ets2))
    return found


def _page(words: Words) -> str:
    given = words[2] if words[0] in READS else words[1]
    return str(given["base"]) if isinstance(given, dict) else str(given)


def _events(
    test: Translated,
    entries: dict[tuple[int, int], Entry],
    uppers: dict[tuple[int, int], Entry],
    walks: dict[tuple[int, int], Any],
) -> list[Event]:
    events: list[Event] = []

    def add(*args: Any, **more: Any) -> Event:
        events.append(Event(len(events), *args, **more))
        return events[-1]

    for thread, code in enumerate(test.threads):
        depends: dict[str, frozenset[int]] = {}
        behind: frozenset[int] = frozenset()
        label = ""
        for po, words in enumerate(code):
            name, place = words[0], (thread, po)
            if name == "label":
                label = words[1]
            elif name == "ALU":
                depends[words[1]] = depends[words[3]]
            elif name == "CBNZ":
                behind |= depends[words[1]]
            elif name in ("DMB", "DSB", "ISB", "TLBI"):
                add(place, name, mark=words[1] if len(words) > 1 else "", cell=words[2] if len(words) > 2 else "",
                    behind=behind)  # fmt: skip
            elif name in ("Wpte", "Wpmd"):
                add(place, "W", f"{name[1:]}:x", words[2], behind=behind)
            elif name == "Rpte":
                depends[words[1]] = frozenset({add(place, "R", "pte:x", register=words[1], behind=behind).number})
            elif not _translated(test, add, place, words, label, depends, behind, entries, uppers, walks):
                break
    return events


def _translated(
    test: Translated,
    add: Any,
    place: tuple[int, int],
    words: Words,
    label: str,
    depends: dict[str, frozenset[int]],
    behind: frozenset[int],
    entries: dict[tuple[int, int], Entry],
    uppers: dict[tuple[int, int], Entry],
    walks: dict[tuple[int, int], tuple[Any, Any]],
) -> bool:
    """The events of an access through its page's entry; False if it faults."""
    page, writing = _page(words), words[0] == "W"
    given = words[1] if writing else words[2]
    after = depends[given["idx"]] if isinstance(given, dict) else frozenset()
    above, found = walks.get(place, (INITIAL, INITIAL))
    output, valid, writable = (page, 1, 1) if page != "x" else entries[found] if found else uppers[above]
    common = {"after": after, "behind": behind}
    walk = None
    if test.upper is not None and page == "x":
        walk = add(place, "T", "pmd:x", uppers[above], found=above, **common).number
    if found:
        walk = add(place, "T", f"pte:{page}", (output, valid, writable), found=found, walk=walk, **common).number
    if not valid or (writing and not writable):
        kind = "permission" if valid else "translation"
        add(place, "F", mark=kind, label=label, walk=walk, **common)
        return False
    mark = words[3] if len(words) > 3 else ""
    if writing:
        add(place, "W", output, words[2], mark, walk=walk, **common)
    else:
        load = add(place, "R", output, mark=mark, register=words[1], walk=walk, **common)
        depends[words[1]] = frozenset({load.number})
    return True


def _executions(test: Translated, events: list[Event], ets2: bool) -> Iterator[Outcome]:
    local = {(a.number, b.number) for a, b in _pairs(events) if _local(events, a, b, ets2)}
    stores = [e for e in events if e.kind == "W"]
    cells = sorted({e.cell for e in stores})
    reads = [e for e in events if e.kind == "R"]
    orders = [itertools.permutations([e.number for e in stores if e.cell == c]) for c in cells]
    for order in itertools.product(*orders):
        rank = {number: k for one in order for k, number in enumerate(one)}
        co = {pair for one in order for pair in itertools.combinations(one, 2)}
        if any(events[a].thread == events[b].thread and events[a].place > events[b].place for a, b in co):
            continue
        walked = [x for x in _walked(events, stores, rank, local | co, ets2) if not cyclic(x)]
        sources = [[None, *(w.number for w in stores if w.cell == e.cell)] for e in reads]
        for chosen in itertools.product(*sources) if walked else ():
            source = dict(zip((e.number for e in reads), chosen, strict=True))
            read = _read(events, rank, source)
            if read is not None and any(not cyclic(x | read) for x in walked):
                yield _outcome(test, events, order, source)


def _pairs(events: list[Event]) -> Iterator[tuple[Event, Event]]:
    for a, b in itertools.combinations(events, 2):
        if a.thread == b.thread:
            yield a, b


def _between(events: list[Event], a: Event, b: Event, *kinds: str) -> list[Event]:
    return [e for e in events if e.thread == a.thread and e.kind in kinds and a.place < e.place < b.place]


def _local(events: list[Event], a: Event, b: Event, ets2: bool) -> bool:
    """Whether `a` is before `b`, which follows it in program order, by dependencies and barriers."""
    if b.walk == a.number or a.number in b.after:
        return True
    if b.kind in ("W", "TLBI") and a.number in b.behind:
        return True
    if b.kind == "W" and (a.cell == b.cell and a.kind in "RWT" and a.place != b.place):
        return True
    later = [e for e in events if e.thread == a.thread and a.place < e.place < b.place]
    synchronised = [e for e in later if e.kind == "ISB"]
    done = any(m.kind in "RW" for m in _served(events, a))  # the walk's access did not fault
    used = any(a.number in e.after and e.kind in "RW" for e in later)
    if (done or used) and (b.kind == "W" and a.place < b.place):
        return True
    if synchronised and (
        (done and a.place < synchronised[-1].place)
        or any(a.number in s.behind for s in synchronised)
        or any(a.number in e.after and e.kind in "RW" and e.place < synchronised[-1].place for e in later)
    ):
        return True
    if ets2 and b.kind == "T" and a.kind in "RW":
        fault = next((f for f in _served(events, b) if f.kind == "F"), None)
        if fault is not None and fault.mark == "translation":
            return True
    return _ordered(a, b) or _fenced(events, a, b, ets2)


def _served(events: list[Event], walk: Event) -> list[Event]:
    """The access or fault that `walk` is for, through the level below if there is one."""
    direct = [e for e in events if e.walk == walk.number]
    return [x for e in direct for x in (_served(events, e) if e.kind == "T" else [e])]


def _ordered(a: Event, b: Event) -> bool:
    """By acquire and release."""
    if a.kind == "R" and a.mark in ("acq", "acqpc") and b.kind in "RWF":
        return True
    if b.kind == "W" and b.mark == "rel" and a.kind in "RW":
        return True
    return a.kind == "W" and a.mark == "rel" and b.kind == "R" and b.mark == "acq"


def _fenced(events: list[Event], a: Event, b: Event, ets2: bool) -> bool:
    """By DMB, or DSB, which also waits for walks and TLBIs, and with an ISB orders everything behind it."""
    for fence in _between(events, a, b, "DMB", "DSB"):
        before = {"ish": "RW", "ishld": "R", "ishst": "W"}[fence.mark]
        if fence.kind == "DMB":
            ordered = a.kind in before and b.kind in ("WF" if fence.mark == "ishst" else "RWF")
        else:
            behind = b.kind in ("R", "W", "F", "TLBI") or (b.kind == "T" and ets2)
            ordered = (a.kind in before or (fence.mark == "ish" and a.kind in ("T", "TLBI"))) and (
                behind or bool(_between(events, fence, b, "ISB"))
            )
        if ordered:
            return True
    return False


def _walked(events: list[Event], stores: list[Event], rank: dict[int, int], base: Pairs, ets2: bool) -> Iterator[Pairs]:
    """`base` and what the walks add, for each way to put them before or behind the TLBIs that are completed."""
    number = {e.place: e.number for e in stores}
    walks = [e for e in events if e.kind == "T"]
    since = {t.number: rank.get(number.get(t.found, -1), -1) for t in walks}
    overwrites = {
        t.number: [w.number for w in stores if w.cell == t.cell and rank[w.number] > since[t.number]] for t in walks
    }
    fixed = set(base)
    for t in walks:
        if t.found != INITIAL:
            fixed.add((number[t.found], t.number))
        if not t.value[1]:
            fixed |= {(t.number, w) for w in overwrites[t.number]}
        if t.walk is not None and events[t.walk].found != INITIAL:
            fixed |= {(number[events[t.walk].found], w) for w in overwrites[t.number]}
    ways: list[list[Pairs]] = []
    for tlbi in (e for e in events if e.kind == "TLBI"):
        behind = _behind_completion(events, tlbi, ets2)
        if behind is None:
            continue
        for t in walks:
            local = tlbi.mark.endswith("is") or t.thread == tlbi.thread
            leads = t.value == TABLE and "ale" in tlbi.mark
            if local and tlbi.cell in ("", "x") and t.cell in ("pte:x", "pmd:x") and not leads:
                later = {(tlbi.number, t.number), *((tlbi.number, w) for w in overwrites[t.number])}
                earlier = {(t.number, tlbi.number), *itertools.product(_effects(events, t, tlbi), behind)}
                ways.append([later, earlier])
    for chosen in itertools.product(*ways):
        yield fixed.union(*chosen)


def _behind_completion(events: list[Event], tlbi: Event, ets2: bool) -> set[int] | None:
    """What is behind the DSB that completes `tlbi`; None if there is none."""
    own = [e for e in events if e.thread == tlbi.thread and e.place > tlbi.place]
    fences = [d for d in own if d.kind == "DSB" and d.mark == "ish"]
    if not fences:
        return None
    kinds = ("R", "W", "F", "TLBI", *(("T",) if ets2 else ()))
    return {
        e.number
        for d in fences
        for e in own
        if e.place > d.place and (e.kind in kinds or _between(events, d, e, "ISB"))
    }


def _effects(events: list[Event], walk: Event, tlbi: Event) -> set[int]:
    """What has to be over when a TLBI that `walk` is before is complete."""
    effects = {walk.number}
    if walk.thread == tlbi.thread:
        return effects
    for m in _served(events, walk):
        effects.add(m.number)
        if m.kind in "RW":
            effects |= {
                e.walk
                for e in events
                if e.thread == m.thread and e.place < m.place and e.kind in "RW" and e.walk is not None
            }
    return effects


def _read(events: list[Event], rank: dict[int, int], source: dict[int, int | None]) -> Pairs | None:
    """What the loads add; None if one does not see its own thread's stores in order."""
    pairs: Pairs = set()
    for read, found in source.items():
        e = events[read]
        own = [w for w in rank if events[w].cell == e.cell and events[w].thread == e.thread]
        before = [w for w in own if events[w].place < e.place]
        at = -1 if found is None else rank[found]
        if any(rank[w] > at for w in before) or (found in own and found not in before):
            return None
        if found is not None and found not in own:
            pairs.add((found, read))
        for w in rank:
            if events[w].cell == e.cell and rank[w] > at and w not in own:
                earlier = (x for x in source if events[x].thread == e.thread and events[x].place <= e.place)
                pairs |= {(x, w) for x in earlier if events[x].cell == e.cell}
        if before:
            pairs |= {(m, read) for m in events[max(before, key=lambda w: events[w].place)].after}
    return pairs


def _outcome(test: Translated, events: list[Event], order: tuple[tuple[int, ...], ...], source: Any) -> Outcome:
    initial: dict[str, Any] = {"pte:x": test.entry, "pmd:x": test.upper, **dict.fromkeys(PAGES, 0)}
    if test.upper is None:
        del initial["pmd:x"]
    memory = initial | {events[one[-1]].cell: events[one[-1]].value for one in order}
    registers = {}
    for read, found in source.items():
        e = events[read]
        registers[e.thread, e.register] = initial[e.cell] if found is None else events[found].value
    faults = frozenset((e.thread, e.label, e.mark) for e in events if e.kind == "F")
    return tuple(sorted(registers.items())), faults, tuple(sorted(memory.items()))
