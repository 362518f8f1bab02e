"""Symmetry reduction: of states that differ only in which of several equal CPUs or pages is which, one is explored.

How it works.  A model claims that some threads, or some pages, are interchangeable (`Model.symmetric`).  A permutation
of them renames their `Cpu`, `Tid` and `Page` numbers wherever these occur in a cell's index or value.  It also maps the
local states of a thread to those of the thread that takes its place, or of the same thread: the one that remembers CPU
0 to the one that remembers CPU 1.

Why it is sound.  The claim is checked.  A permutation is accepted if it maps the model to itself: initial values to
initial values; each known entry of a row (values read, outcomes, values written, next local states) to an entry of the
corresponding row; each known result of a property to the same result of the same property.  `close` goes through all
known entries, learns their images, and raises NotSymmetric at the first difference.  The searchers call it whenever
something has been learned, so the claim is checked on everything that is used.

Now let f be a reachable state with f = p(s) for an explored state s and a permutation p.  A step from f is an entry
whose preimage is known, because s was expanded, and which was checked.  So it leads to p(s') for a successor s' of s,
and the search has kept a representative of s'.  By induction every reachable state is the image of an explored one.

What it refuses.  A sender that goes through the CPUs in a fixed order is not symmetric: after its first interrupt its
local state has no image.  Nor is a thread that walks a page table from its start; pages are equal only where all
threads come to them in any order.

What was rejected.  Canonical forms by sorting alone: fields that name other members do not sort independently, so all
images are compared (MOST of them at most).  Open: groups too large for that are explored without symmetry.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import permutations, product
from math import factorial, prod
from typing import Any

from core.explore.errors import ExploreError
from core.explore.model import Member, Model, Thread
from core.explore.transition_tables import Move, TransitionRow, TransitionTables
from core.machine.op import Cell, Cpu, Page, Tid

MOST = 48
"""Permutations at most; every state is compared under all of them."""

Group = tuple[Member, ...]


class NotSymmetric(Exception):
    """The claim of symmetry does not hold, or cannot be checked; the message says where."""


@dataclass(slots=True)
class Image:
    """One permutation in the numbers of the tables.

    Cell c is mapped to `cells[c]`, its value v to `values[c][v]`; thread t to `threads[t]`, its local state l to
    `locals[t][l]`; daemon d to `daemons[d]`.  Member i, counted through all groups, is mapped to `places[i]`.
    `rename` has the same for `Cpu`, `Tid` and `Page` numbers.  `done` (by thread, or -1, and local state or daemon),
    `answers` (by property) and `numbers` say how much has been checked.
    """

    places: tuple[int, ...]
    rename: dict[tuple[type, int], int]
    threads: list[int]
    cells: list[int] = field(default_factory=list)
    values: list[list[int]] = field(default_factory=list)
    locals: list[dict[int, int]] = field(default_factory=list)
    daemons: list[int] = field(default_factory=list)
    done: dict[tuple[int, int], int] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)
    numbers: int = -1


class Symmetry:
    """All permutations of some groups of a model's threads and pages, extended as the tables grow.

    `members` are the threads of the group if there is only one group and each member is one thread; otherwise empty.
    """

    def __init__(self, tables: TransitionTables, groups: Sequence[Group]) -> None:
        self.tables, self.model = tables, tables.model
        parts = [_parts(self.model, group) for group in groups]
        names = [name for group in parts for member in group for name in member]
        if len(set(names)) < len(names) or prod(factorial(len(group)) for group in groups) > MOST:
            raise NotSymmetric("one thing is in two members, or there are too many permutations")
        alone = len(groups) == 1 and all(len(member) == 1 and member[0][0] is Thread for member in parts[0])
        self._kinds = {_kind(group) for group in parts}
        self.members = [member[0][1] for member in parts[0]] if alone else []
        orders = [list(permutations(range(len(group)))) for group in groups]
        self.images = [_image(self.model, parts, places) for places in list(product(*orders))[1:]]
        self._closed: tuple[int, ...] = ()
        self.close()

    def close(self) -> None:
        """Extend all permutations to what the tables know now. NotSymmetric if one does not map the model to itself."""
        if self._known() == self._closed:
            return
        try:
            changed = True
            while changed:
                changed = any(self._extend(image) for image in self.images)
        except ExploreError as error:
            raise NotSymmetric(str(error)) from error
        for image in self.images:
            self._properties(image)
        self._closed = self._known()

    def _known(self) -> tuple[int, ...]:
        """How much the tables know: each of these only grows."""
        tables, model = self.tables, self.model
        answers = [len(tables.answers(prop)) for prop in (*model.always, *model.finally_, *model.sometimes)]
        return tables.entries(), tables.numbers, *map(len, tables.rows), *answers

    def exchanges(self, kind: type) -> bool:
        """Is there a group of this kind?  A group's kind is Page if its members have pages, else Thread."""
        return kind in self._kinds

    def extent(self) -> int:
        """How many images of values and local states are known: grows with each new one."""
        return sum(image.numbers + sum(map(len, image.locals)) for image in self.images)

    def _extend(self, image: Image) -> bool:
        """Extend one permutation by one round. True if anything was new."""
        changed = self._cells(image)
        if not image.locals:
            image.locals = [{0: 0} for _ in self.tables.rows]
            for daemon in self.tables.daemons:
                image.daemons.append(self._daemon(image, daemon))
            changed = True
        for thread, to in enumerate(image.threads):
            rows = self.tables.rows[thread]
            for local, other in list(image.locals[thread].items()):
                row = rows[local]
                if image.done.get((thread, local)) != (0 if row is None else len(row.moves)):
                    changed |= self._row(image, thread, local, to, other)
        for number, daemon in enumerate(self.tables.daemons):
            to = image.daemons[number]
            counterpart = self.tables.daemons[to]
            for values, moves in self._fresh(image, (-1, number), daemon):
                image_values = self._values(image, daemon, values, counterpart)
                answer = counterpart.moves.get(image_values)
                if answer is None:
                    answer = self.tables.daemon_moves(self.model.daemons[to], counterpart, image_values)
                self._same_moves(image, moves, answer, None)
                changed = True
        return changed

    def _cells(self, image: Image) -> bool:
        tables = self.tables
        if image.numbers == tables.numbers:
            return False
        cells = list(tables.cells)
        for cell in cells[len(image.cells) :]:
            image.cells.append(tables.cell(renamed(cell, image.rename)))
            image.values.append([])
        for number, to in enumerate(image.cells):
            known = image.values[number]
            for value in tables.values[number][len(known) :]:
                known.append(tables.value(to, renamed(value, image.rename)))
            if known[0] != 0:
                raise NotSymmetric(f"{cells[number]} does not start as {cells[to]}")
        image.numbers = len(image.cells) + sum(map(len, image.values))  # less than tables.numbers if an image was new
        return True

    def _daemon(self, image: Image, row: TransitionRow) -> int:
        reads, writes = self._renamed_cells(image, row)
        for number, other in enumerate(self.tables.daemons):
            if (set(other.reads), set(other.writes)) == (reads, writes) and number not in image.daemons:
                return number
        raise NotSymmetric(f"{row.op.name} has no counterpart")

    def _renamed_cells(self, image: Image, row: TransitionRow) -> tuple[set[int], set[int]]:
        self._cells(image)
        return {image.cells[c] for c in row.reads}, {image.cells[c] for c in row.writes}

    def _row(self, image: Image, thread: int, local: int, to: int, other_local: int) -> bool:
        tables = self.tables
        row, other = tables.rows[thread][local], tables.rows[to][other_local]
        if row is None or other is None:
            if row is not other or tables.asserts(thread, local) != tables.asserts(to, other_local):
                raise NotSymmetric(f"{self.model.threads[thread].name} ends where its counterpart does not")
            image.done[thread, local] = 0
            return False
        changed = False
        for values, moves in self._fresh(image, (thread, local), row):
            image_values = self._values(image, row, values, other)
            answer = other.moves.get(image_values)
            answer = tables.moves(to, other_local, other, image_values) if answer is None else answer
            self._same_moves(image, moves, answer, thread)
            changed = True
        return changed

    def _fresh(
        self, image: Image, key: tuple[int, int], row: TransitionRow
    ) -> list[tuple[tuple[int, ...], tuple[Move, ...]]]:
        """Entries of a row that have not been checked yet; marks them as checked."""
        seen = image.done.get(key, 0)
        image.done[key] = len(row.moves)
        return list(row.moves.items())[seen:] if len(row.moves) > seen else []

    def _values(
        self, image: Image, row: TransitionRow, values: tuple[int, ...], other: TransitionRow
    ) -> tuple[int, ...]:
        self._cells(image)
        found = {image.cells[c]: image.values[c][v] for c, v in zip(row.reads, values, strict=True)}
        if set(found) != set(other.reads):
            raise NotSymmetric(f"{row.op.name} does not read what {other.op.name} reads")
        return tuple([found[c] for c in other.reads])

    def _same_moves(self, image: Image, moves: tuple[Move, ...], others: tuple[Move, ...], thread: int | None) -> None:
        """Check that the outcomes correspond one to one, in any order, and note the images of local states."""
        self._cells(image)
        left = list(others)
        if len(moves) != len(others):
            raise NotSymmetric("an operation has more outcomes than its counterpart")
        for one in moves:
            written = {(image.cells[c], image.values[c][v]) for c, v in one.writes}
            two = next((two for two in left if self._corresponds(image, one, written, two, thread)), None)
            if two is None:
                raise NotSymmetric("an operation has an outcome that its counterpart has not")
            left.remove(two)
            if thread is not None:
                image.locals[thread].setdefault(one.after, two.after)

    def _corresponds(
        self, image: Image, one: Move, written: set[tuple[int, int]], two: Move, thread: int | None
    ) -> bool:
        if written != set(two.writes) or one.violated != two.violated:
            return False
        if thread is None:
            return True
        known = image.locals[thread].get(one.after)
        if known is not None:
            return known == two.after
        row, other = self.tables.rows[thread][one.after], self.tables.rows[image.threads[thread]][two.after]
        if row is None or other is None:
            return row is other
        return self._renamed_cells(image, row) == (set(other.reads), set(other.writes))

    def _properties(self, image: Image) -> None:
        for number, prop in enumerate((*self.model.always, *self.model.finally_, *self.model.sometimes)):
            reads = self.tables.reads(prop)
            self._cells(image)
            answers = list(self.tables.answers(prop).items())
            seen = image.answers.get(number, 0)
            image.answers[number] = len(answers)
            if {image.cells[c] for c in reads} != set(reads):
                raise NotSymmetric(f"{prop.name} looks at some of the members only")
            for values, holds in answers[seen:]:
                found = {image.cells[c]: image.values[c][v] for c, v in zip(reads, values, strict=True)}
                if self.tables.holds(prop, reads, tuple([found[c] for c in reads])) != holds:
                    raise NotSymmetric(f"{prop.name} tells the members apart")


def find(tables: TransitionTables, kinds: frozenset[type]) -> Symmetry | None:
    """The permutations of those groups of the model that really are symmetric; None if none is.

    `kinds` says which groups may be used: Thread for groups of threads, Page for groups with pages.
    """
    found, groups = None, list[Group]()
    for group in tables.model.symmetric:
        try:
            if _kind(_parts(tables.model, group)) not in kinds:
                continue
            found = Symmetry(tables, [*groups, group])
        except NotSymmetric:
            continue
        groups.append(group)
    return found


Part = tuple[type, int]
"""(Thread, its number) or (Page, its number)."""


def _parts(model: Model, group: Group) -> list[list[Part]]:
    """The parts of each member. NotSymmetric for an unknown thread, or if members differ in their kinds of parts."""
    by_name = {thread.name: number for number, thread in enumerate(model.threads)}
    parts: list[list[Part]] = []
    for member in group:
        things = member if isinstance(member, tuple) else (member,)
        if any(isinstance(thing, str) and thing not in by_name for thing in things):
            raise NotSymmetric(f"{member}: no such thread")
        parts.append([(Thread, by_name[t]) if isinstance(t, str) else (Page, int(t)) for t in things])
    if len({tuple(kind for kind, _ in member) for member in parts}) != 1 or len(parts) < 2:
        raise NotSymmetric(f"{group}: no two members of one kind")
    return parts


def _kind(group: list[list[Part]]) -> type:
    return Page if any(kind is Page for kind, _ in group[0]) else Thread


def _image(model: Model, groups: Sequence[list[list[Part]]], places: Sequence[tuple[int, ...]]) -> Image:
    threads = list(range(len(model.threads)))
    rename: dict[tuple[type, int], int] = {}
    goes: list[int] = []
    for parts, order in zip(groups, places, strict=True):
        first = len(goes)
        goes += [first + place for place in order]
        cpus = {model.threads[number].cpu for member in parts for kind, number in member if kind is Thread}
        for member, place in zip(parts, order, strict=True):
            for (kind, number), (_, to) in zip(member, parts[place], strict=True):
                if kind is Page:
                    rename[Page, number] = to
                    continue
                threads[number] = to
                old, new = model.threads[number], model.threads[to]
                rename[Tid, int(old.tid)] = int(new.tid)
                if len(cpus) > 1:
                    rename[Cpu, int(old.cpu)] = int(new.cpu)
    return Image(tuple(goes), rename, threads)


def renamed(value: Any, rename: dict[tuple[type, int], int]) -> Any:
    """`value` with each Cpu, Tid and Page in it renamed; also within tuples, frozensets and dataclasses."""
    kind = type(value)
    if kind is Cpu or kind is Tid or kind is Page:
        return kind(rename.get((kind, int(value)), value))
    if isinstance(value, tuple):
        items = [renamed(item, rename) for item in value]
        return tuple(items) if kind is tuple else kind(*items)
    if isinstance(value, frozenset):
        return frozenset(renamed(item, rename) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: renamed(getattr(value, f.name), rename) for f in fields(value) if f.init})
    return value


def names_any(value: Hashable | Cell, rename: dict[tuple[type, int], int]) -> bool:
    """Does the renaming change `value`?"""
    return bool(renamed(value, rename) != value)
