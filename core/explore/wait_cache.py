"""Whether one operation is blocked until another has been done, by all that the tables know (see partial_order).

Asked for each pair of operations in conflict, by each analysis of a search, so results are kept: a pair that was
blocked on every known entry is looked at again for those learned since, and one that was not is not asked again.
"""

from __future__ import annotations

from core.explore.transition_tables import TransitionRow, TransitionTables


class WaitCache:
    """Is an operation blocked until another is done?  Results are kept; only entries learned since are evaluated.

    A row's entries are the tuples of value numbers that it has been executed on; `places` are positions in such a
    tuple.

    _rests     by row and places: how many entries were seen, and the entries with those places set to 0
    _blocked   by row, places and the values there: how many rests were seen, and whether the row is blocked with all
    _waits     by two rows: how many entries each had, and the result
    """

    def __init__(self) -> None:
        self._waits: dict[tuple[int, int], tuple[int, int, bool]] = {}
        self._rests: dict[tuple[int, tuple[int, ...]], tuple[int, dict[tuple[int, ...], None]]] = {}
        self._blocked: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[int, bool]] = {}

    def waits(
        self, tables: TransitionTables, row: TransitionRow, other: TransitionRow, apart: frozenset[int] = frozenset()
    ) -> bool:
        """Is `other` blocked, by all that is known, as long as the cells hold values that `row` is about to change?

        The cells `apart` may change meanwhile.
        """
        was, had, answer = self._waits.get((id(row), id(other)), (0, 0, True))
        if answer and (was, had) != (len(row.moves), len(other.moves)):
            both = [(row.reads.index(c), n) for n, c in enumerate(other.reads) if c in row.reads]
            shared = [(mine, n) for mine, n in both if row.reads[mine] not in apart]
            places = tuple([place for _, place in shared])
            pending = {tuple([values[mine] for mine, _ in shared]) for values, moves in row.moves.items() if moves}
            answer = bool(both) and all(self._is_blocked(tables, other, places, held) for held in pending)
            self._waits[id(row), id(other)] = len(row.moves), len(other.moves), answer
        return answer and bool(other.moves)

    def _is_blocked(
        self, tables: TransitionTables, row: TransitionRow, places: tuple[int, ...], held: tuple[int, ...]
    ) -> bool:
        """Is `row` blocked on each of its known entries with the values `held` put into `places`?"""
        rests = self._without(row, places)
        key = id(row), places, held
        number, answer = self._blocked.get(key, (0, True))
        if not answer or number == len(rests):
            return answer
        for rest in list(rests)[number:]:
            values = list(rest)
            for place, value in zip(places, held, strict=True):
                values[place] = value
            if not tables.blocked(row, tuple(values)):
                answer = False
                break
        self._blocked[key] = len(rests), answer
        return answer

    def _without(self, row: TransitionRow, places: tuple[int, ...]) -> dict[tuple[int, ...], None]:
        """The known entries of a row with `places` set to 0, each once, in the order in which they were met."""
        number, rests = self._rests.get((id(row), places), (0, {}))
        if number < len(row.moves):
            columns = list(zip(*list(row.moves)[number:], strict=True))
            for place in places:
                columns[place] = (0,) * (len(row.moves) - number)
            rests.update(dict.fromkeys(zip(*columns, strict=True)))
            self._rests[id(row), places] = len(row.moves), rests
        return rests
