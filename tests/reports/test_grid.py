"""Tables as text, held against those of the package tabulate.  (Of a row of empty cells it prints nothing.)"""

from __future__ import annotations

from random import Random

import pytest
from tabulate import tabulate

from reports.grid import Cell, grid

TEXTS = ("a", "page table", "", "x-y-z", "12", "3.5", "1e5", "-4", "freed_tables", "two\nlines", "7 pages", "100000.75")
LONG = "very long words that go on and on"
HEADS = ("name", "states", "mapped\ntwice", "longest lock hold")


def columns(random: Random) -> list[tuple[Cell, ...]]:
    kinds: list[tuple[Cell, ...]] = [
        (5, 7, -2, 1_000_000),
        ("3.4", "10.0", "", "100"),
        (1.5, 2, 3.25, 1e-5),
        (*TEXTS, LONG),
        (*TEXTS, 2.5, 0.125, 12),
    ]
    return random.choices(kinds, k=random.randint(1, 5))


@pytest.mark.parametrize("markdown", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_table_is_that_of_tabulate(seed: int, markdown: bool) -> None:
    random = Random(seed)
    for _ in range(10):
        chosen = columns(random)
        rows = [["row", *map(random.choice, chosen)] for _ in range(random.randint(1, 4))]
        head = ["name", *random.choices(HEADS, k=len(chosen))]
        numbers = random.random() < 0.6
        right = [n for n in range(len(head)) if not numbers and random.random() < 0.4]
        wrapped = {n: random.choice((5, 8, 14)) for n in range(len(head)) if random.random() < 0.3}
        assert grid(rows, head, markdown=markdown, numbers=numbers, right=right, wrapped=wrapped) == tabulate(
            rows,
            head,
            tablefmt="github" if markdown else "simple",
            disable_numparse=not numbers,
            colalign=["right" if n in right else "left" for n in range(len(head))] if right else None,
            maxcolwidths=[wrapped.get(n) for n in range(len(head))] if wrapped else None,
        )


def test_a_table_without_rows_is_its_heading() -> None:
    assert grid([], ["architecture", "states"]) == "architecture    states\n--------------  --------"


def test_numbers_stand_to_the_right_and_their_points_below_each_other() -> None:
    table = grid([["smp", 3649, "1.25"], ["up", 7, "10"]], ["row", "states", "ns"])
    assert table.splitlines() == [
        "row      states     ns",
        "-----  --------  -----",
        "smp        3649   1.25",
        "up            7  10",
    ]
