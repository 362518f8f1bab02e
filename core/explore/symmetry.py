"""Exchanging equal CPUs: of states that differ only in which of some equal threads is which, one is explored.

A model claims that some threads are interchangeable (`Model.symmetric`).  A permutation of them renames their `Cpu`
and `Tid` wherever these stand in a cell's index or value.  It also says which local state of one thread corresponds
to which of another, or of the same: one that remembers CPU 0 to one that remembers CPU 1.

Nothing is taken on trust.  A permutation is good if it maps the model to itself: initial values to initial values,
each known entry of a row (the values read, the outcomes in order, what they write and where they go) to an entry of
the corresponding row, and each known answer of a property to the same answer of the same property.  `close` walks all
entries that are known, asks the programs for their images, and raises `NotSymmetric` at the first that differs; the
searcher calls it whenever it has learned something, so the claim is checked on all that is used.  A sender that goes
through the CPUs in order is refused here: after its first interrupt its local state has no image.

Why that is enough.  Let f be reachable and f = p(s) for an explored s and a permutation p.  A step of f is an entry;
the entry it is the image of is known, because s was expanded, and was checked.  So the step leads to p of a successor
of s, of which the search has kept one representative.  By induction every reachable state has an explored image.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import permutations
from typing import Any

from core.explore.errors import ExploreError
from core.explore.model import Model
from core.explore.tables import Move, Row, Tables
from core.machine.op import Cell, Cpu, Tid

LARGEST = 4
"""Members of a group at most: all permutations are looked at."""


class NotSymmetric(Exception):
    """The claim does not hold, or cannot be seen to hold."""


@dataclass(slots=True)
class Image:
    """One permutation, as numbers: `cells[c]` is where cell c goes and `values[c][v]` what becomes of its value v.

    `threads[t]` is the thread that thread t becomes, `locals[t][l]` its local state.  `places[i]` is where member i
    goes.
    """

    places: tuple[int, ...]
    rename: dict[tuple[type, int], int]
    threads: list[int]
    cells: list[int] = field(default_factory=list)
    values: list[list[int]] = field(default_factory=list)
    locals: list[dict[int, int]] = field(default_factory=list)
    daemons: list[int] = field(default_factory=list)
    done: dict[tuple[int, int], int] = field(default_factory=dict)
    numbers: int = -1


class Symmetry:
    """The permutations of one group of threads of a model, extended as the tables grow."""

    def __init__(self, tables: Tables, names: tuple[str, ...]) -> None:
        self.tables, self.model = tables, tables.model
        by_name = {thread.name: number for number, thread in enumerate(self.model.threads)}
        if not set(names) <= set(by_name) or not 1 < len(names) <= LARGEST:
            raise NotSymmetric(f"{', '.join(names)}: no group of 2 to {LARGEST} threads")
        self.members = [by_name[name] for name in names]
        orders = list(permutations(range(len(names))))[1:]
        self.images = [_image(self.model, self.members, places) for places in orders]
        self.close()

    def close(self) -> None:
        """Extend all permutations to what the tables know by now. NotSymmetric where one does not fit."""
        try:
            changed = True
            while changed:
                changed = any(self._extend(image) for image in self.images)
        except ExploreError as error:
            raise NotSymmetric(str(error)) from error
        for image in self.images:
            self._properties(image)

    def extent(self) -> int:
        """How many images are known: grows whenever there is a new one."""
        return sum(image.numbers + sum(map(len, image.locals)) for image in self.images)

    def _extend(self, image: Image) -> bool:
        """One round. True if anything was new."""
        changed = self._cells(image)
        if not image.locals:
            image.locals = [{0: 0} for _ in self.tables.rows]
            image.daemons = [self._daemon(image, row) for row in self.tables.daemons]
            changed = True
        for thread, to in enumerate(image.threads):
            rows = self.tables.rows[thread]
            for local, other in list(image.locals[thread].items()):
                row = rows[local]
                if row is None or image.done.get((thread, local)) != len(row.moves):
                    changed |= self._row(image, thread, local, to, other)
        for number, row in enumerate(self.tables.daemons):
            other = self.tables.daemons[image.daemons[number]]
            for values, moves in self._fresh(image, (-1, number), row):
                asked = self._values(image, row, values, other)
                answer = other.moves.get(asked)
                if answer is None:
                    daemon = self.model.daemons[image.daemons[number]]
                    answer = self.tables.daemon_moves(daemon, other, asked)
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
        image.numbers = len(image.cells) + sum(map(len, image.values))  # fewer if an image was new: another round
        return True

    def _daemon(self, image: Image, row: Row) -> int:
        reads, writes = self._renamed_cells(image, row)
        for number, other in enumerate(self.tables.daemons):
            if (set(other.reads), set(other.writes)) == (reads, writes) and number not in image.daemons:
                return number
        raise NotSymmetric(f"{row.op.name} has no counterpart")

    def _renamed_cells(self, image: Image, row: Row) -> tuple[set[int], set[int]]:
        self._cells(image)
        return {image.cells[c] for c in row.reads}, {image.cells[c] for c in row.writes}

    def _row(self, image: Image, thread: int, local: int, to: int, other_local: int) -> bool:
        tables = self.tables
        row, other = tables.rows[thread][local], tables.rows[to][other_local]
        if row is None or other is None:
            if row is not other or tables.asserts(thread, local) != tables.asserts(to, other_local):
                raise NotSymmetric(f"{self.model.threads[thread].name} ends where its counterpart does not")
            return False
        changed = False
        for values, moves in self._fresh(image, (thread, local), row):
            asked = self._values(image, row, values, other)
            answer = other.moves.get(asked)
            answer = tables.moves(to, other_local, other, asked) if answer is None else answer
            self._same_moves(image, moves, answer, thread)
            changed = True
        return changed

    def _fresh(self, image: Image, key: tuple[int, int], row: Row) -> list[tuple[tuple[int, ...], tuple[Move, ...]]]:
        """Entries that have not been looked at."""
        seen = image.done.get(key, 0)
        image.done[key] = len(row.moves)
        return list(row.moves.items())[seen:] if len(row.moves) > seen else []

    def _values(self, image: Image, row: Row, values: tuple[int, ...], other: Row) -> tuple[int, ...]:
        self._cells(image)
        found = {image.cells[c]: image.values[c][v] for c, v in zip(row.reads, values, strict=True)}
        if set(found) != set(other.reads):
            raise NotSymmetric(f"{row.op.name} does not read what {other.op.name} reads")
        return tuple([found[c] for c in other.reads])

    def _same_moves(self, image: Image, moves: tuple[Move, ...], others: tuple[Move, ...], thread: int | None) -> None:
        self._cells(image)
        if len(moves) != len(others):
            raise NotSymmetric("an operation has more outcomes than its counterpart")
        for one, two in zip(moves, others, strict=True):
            written = {(image.cells[c], image.values[c][v]) for c, v in one.writes}
            if written != set(two.writes) or one.violated != two.violated:
                raise NotSymmetric("an operation writes what its counterpart does not")
            if thread is not None and image.locals[thread].setdefault(one.after, two.after) != two.after:
                raise NotSymmetric(f"{self.model.threads[thread].name} has a local state without a counterpart")

    def _properties(self, image: Image) -> None:
        for prop in (*self.model.always, *self.model.finally_, *self.model.sometimes):
            reads = self.tables.reads(prop)
            self._cells(image)
            if {image.cells[c] for c in reads} != set(reads):
                raise NotSymmetric(f"{prop.name} looks at some of the threads only")
            for values, holds in list(self.tables.answers(prop).items()):
                found = {image.cells[c]: image.values[c][v] for c, v in zip(reads, values, strict=True)}
                if self.tables.holds(prop, reads, tuple([found[c] for c in reads])) != holds:
                    raise NotSymmetric(f"{prop.name} tells the threads apart")


def find(tables: Tables) -> Symmetry | None:
    """The first group the model claims that is really symmetric; None if there is none."""
    for names in tables.model.symmetric:
        try:
            return Symmetry(tables, names)
        except NotSymmetric:
            continue
    return None


def _image(model: Model, members: list[int], places: tuple[int, ...]) -> Image:
    threads = list(range(len(model.threads)))
    rename: dict[tuple[type, int], int] = {}
    one_cpu = len({model.threads[m].cpu for m in members}) == 1
    for member, place in zip(members, places, strict=True):
        threads[member] = members[place]
        old, new = model.threads[member], model.threads[members[place]]
        rename[Tid, int(old.tid)] = int(new.tid)
        if not one_cpu:
            rename[Cpu, int(old.cpu)] = int(new.cpu)
    return Image(places, rename, threads)


def renamed(value: Any, rename: dict[tuple[type, int], int]) -> Any:
    """`value` with each Cpu and Tid in it replaced."""
    kind = type(value)
    if kind is Cpu or kind is Tid:
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
    """Does a permutation change `value`?"""
    return bool(renamed(value, rename) != value)
