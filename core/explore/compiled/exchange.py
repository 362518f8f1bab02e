"""The permutations of `core.explore.symmetry` as shifts and masks on packed states.

A field whose numbers a permutation does not change is only moved, and all fields that move between the same two words
by the same distance are moved together.  A field whose numbers change (a local state, a lock's owner) is translated
through a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.explore.bisimulation import Classes, representative
from core.explore.compiled.word_layout import Field, LayoutFull, WordLayout, shifts
from core.explore.numeric import numpy
from core.explore.symmetry import Image, Symmetry, names_any

np = numpy()

ALL = -1


class _Moves:
    """The shifts and maps of several permutations, one after another."""

    def __init__(self, images: list[int]) -> None:
        self.images = images
        self.shifts: list[tuple[int, int, int, int]] = []
        self.maps: list[tuple[int, int, int, int, int, int]] = []
        self.first_shift, self.first_map = [0], [0]

    def add(self, pairs: Sequence[tuple[Field, Field, Sequence[int]]]) -> None:
        """Add a permutation: (source field, target field, new number by old number). LayoutFull if one does not fit."""
        only_moved = []
        for source, target, numbers in pairs:
            if all(number == n for n, number in enumerate(numbers)) and source.bits == target.bits:
                only_moved.append((source, target))
            elif source.bits:
                if max(numbers) > target.mask:
                    raise LayoutFull
                room = [numbers[n] if n < len(numbers) else 0 for n in range(source.mask + 1)]
                self.maps.append((source.word, source.shift, source.mask, target.word, target.shift, len(self.images)))
                self.images.extend(room)
        self.shifts += shifts(only_moved)
        self.first_shift.append(len(self.shifts))
        self.first_map.append(len(self.maps))

    def arrays(self, key: str = "") -> dict[str, Any]:
        """The arrays by their names in `Arrays`, which begin with `key`."""
        return {
            f"{key}shifts": flat(self.shifts, 4),
            f"first_{key}shift": np.array(self.first_shift, np.int64),
            f"{key}maps": flat(self.maps, 8),
            f"first_{key}map": np.array(self.first_map, np.int64),
        }


def flat(records: Sequence[tuple[int, ...]], width: int) -> Any:
    """The records in one flat array, each padded to `width` numbers."""
    array = np.zeros((len(records), width), np.int64)
    for number, record in enumerate(records):
        array[number, : len(record)] = record
    return array.reshape(-1)


def no_exchange(layout: WordLayout) -> dict[str, Any]:
    """The arrays of a search without symmetry: the identity alone."""
    return {"permutations": 1, "members": 0, "stays": np.full(layout.words, ALL, np.int64)}


def exchange(layout: WordLayout, symmetry: Symmetry, same: Classes) -> dict[str, Any]:
    """All permutations in this layout, by their names in `Arrays`. LayoutFull if an image does not fit."""
    images: list[int] = []
    moves, keys = _Moves(images), _Moves(images)
    members = len(symmetry.members)
    stays, order = [ALL] * layout.words, [list(range(members))]
    moves.add([])
    for image in symmetry.images:
        pairs = _pairs(layout, image, same)
        moved = [pair for pair in pairs if pair[0] != pair[1] or list(pair[2]) != list(range(len(pair[2])))]
        keep = [ALL] * layout.words
        for source, target, _ in moved:
            keep[source.word] &= ~(source.mask << source.shift)
            keep[target.word] &= ~(target.mask << target.shift)
        stays += keep
        moves.add(moved)
        order.append([image.places.index(place) for place in range(members)])
    for member in range(members):
        keys.add(_own(layout, symmetry, same, member))
    return {
        "permutations": len(order),
        "members": members,
        "order": np.array(order, np.int64),
        "stays": np.array(stays, np.int64),
        "images": np.array([*images, 0], np.int64),
        **moves.arrays(),
        **keys.arrays("key_"),
    }


def _pairs(layout: WordLayout, image: Image, same: Classes) -> list[tuple[Field, Field, list[int]]]:
    pairs = []
    for thread, to in enumerate(image.threads):
        pairs.append((layout.threads[thread], layout.threads[to], _locals(image, same, thread, to)))
    for cell, to in enumerate(image.cells[: len(layout.cells)]):
        pairs.append((layout.cells[cell], layout.cells[to], image.values[cell]))
    return pairs


def _locals(image: Image, same: Classes, thread: int, to: int) -> list[int]:
    """The image of each local state of a thread. Local states that are not representatives never occur in a state."""
    goes = image.locals[thread]
    return [
        n if representative(same[thread], n) != n else representative(same[to], goes.get(n, n))
        for n in range(max(goes, default=0) + 1)
    ]


def _own(layout: WordLayout, symmetry: Symmetry, same: Classes, member: int) -> list[tuple[Field, Field, list[int]]]:
    """The member's own fields, mapped to the first member's: for keys that compare members."""
    tables = symmetry.tables
    image = next((image for image in symmetry.images if image.places[member] == 0 != member), None)
    mine, first = symmetry.members[member], symmetry.members[0]
    numbers = list(range(len(tables.rows[first]))) if image is None else _locals(image, same, mine, first)
    pairs = [(layout.threads[mine], layout.threads[first], numbers)]
    for number in range(len(layout.cells)):
        if not _belongs(symmetry, number, member) or _names_members(symmetry, number):
            continue
        if image is None:
            pairs.append((layout.cells[number], layout.cells[number], list(range(len(tables.values[number])))))
        else:
            pairs.append((layout.cells[number], layout.cells[image.cells[number]], image.values[number]))
    return pairs


def _belongs(symmetry: Symmetry, cell: int, member: int) -> bool:
    """Is the cell moved by exactly the permutations that move this member?"""
    return all((image.cells[cell] != cell) == (image.places[member] != member) for image in symmetry.images)


def _names_members(symmetry: Symmetry, cell: int) -> bool:
    """Does any value of the cell name a member?  Then equal numbers of two members do not mean equal states."""
    values = symmetry.tables.values[cell]
    return any(names_any(value, image.rename) for image in symmetry.images for value in values)
