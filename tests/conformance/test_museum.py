"""Historic bugs: found with the fix taken out, proved absent with it in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.conformance.exhibit import Exhibit
from core.conformance.judge import judge
from core.conformance.museum import EXHIBITS, collect, find, scenario_of, show, subject

PINNED = {
    "B-01": ("no-lost-dirty", 33),
    "B-02": ("no-lost-dirty", 48),
    "B-04": ("no-lost-dirty", 17),
    "B-05": ("no-lost-dirty", 26),
    "B-06": ("stale-after-return", 21),
    "B-07": ("no-lost-dirty", 9),
    "B-08": ("no-lost-dirty", 39),
    "B-09": ("use-after-free", 36),
    "B-10": ("use-after-free", 31),
    "B-11": ("no-page-table", 20),
    "B-13": ("store-after-copy", 33),
    "B-14": ("stale-after-return", 20),
    "B-15": ("stale-after-return", 43),
    "B-16": ("empty-but-cached", 28),
    "B-17": ("use-after-free", 18),
    "B-18": ("store-after-copy", 42),
    "B-19": ("stale-after-return", 17),
    "B-20": ("store-after-copy", 34),
    "B-23": ("store-after-copy", 31),
    "B-23u": ("store-after-copy", 38),
    "B-21": ("walk-of-freed-table", 27),
    "B-24": ("unmapped-at-end", 29),
    "B-25": ("use-after-free", 17),
    "B-26": ("stale-after-return", 29),
    "B-27": ("walk-of-freed-table", 18),
    "B-28": ("use-after-free", 24),
    "B-30": ("use-after-free", 17),
    "B-30v": ("use-after-free", 23),
    "B-31": ("use-after-free", 13),
    "B-32": ("use-after-free", 13),
    "B-33": ("walk-of-freed-table", 8),
    "B-34": ("use-after-free", 8),
    "B-35": ("use-after-free", 24),
    "B-37": ("walk-of-freed-table", 36),
    "B-38": ("use-after-free", 27),
    "B-35p": ("use-after-free", 45),
    "B-39p": ("use-after-free", 21),
    "B-44": ("one-hash-entry", 25),
    "B-38s": ("use-after-free", 19),
    "B-39": ("use-after-free", 10),
    "B-49": ("use-after-free", 15),
    "B-49s": ("use-after-free", 13),
    "B-40": ("use-after-free", 42),
    "B-43": ("use-after-free", 31),
    "B-43f": ("walk-of-freed-table", 26),
    "B-45": ("use-after-free", 18),
    "B-45w": ("no-lost-dirty", 33),
    "B-48": ("store-after-copy", 32),
    "B-47": ("gup-of-another", 26),
    "B-50": ("walk-of-freed-table", 14),
    "B-51": ("walk-of-freed-table", 35),
    "B-52": ("use-after-free", 25),
    "B-53": ("walk-of-freed-table", 21),
    "B-53g": ("walk-of-freed-table", 20),
    "B-53l": ("walk-of-freed-table", 21),
    "B-53x": ("walk-of-freed-table", 21),
    "B-54": ("store-after-copy of newer[0]", 51),
    "B-46": ("reached-by-device", 24),
    "B-58": ("emitted-covers", 1071),
    "B-55": ("emitted-covers", 10),
    "B-56": ("deadlock", 10),
    "B-57": ("gup-in-freed-table", 38),
}
"""The property that the bug breaks, and the length of a shortest trace."""


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.id)
def test_the_bug_is_found_and_the_fix_is_proved(exhibit: Exhibit) -> None:
    showing = show(exhibit)
    assert (showing.bug.verdict, showing.bug.reason) == ("fail", showing.bug.violated)
    large = showing.fixed.tier == "large"
    assert showing.fixed.verdict == ("bounded" if large else "pass"), showing.fixed.reason
    assert showing.fixed.exhaustive or large
    assert showing.holds
    assert (showing.bug.violated, len(showing.bug.trace)) == PINNED[exhibit.id]


def test_either_of_two_commits_keeps_the_huge_zero_page() -> None:
    """aa88b68c3b1d is enough without 6fcb52a56ff6, which came later and made it needless."""
    exhibit = find("B-32")
    assert exhibit is not None
    arch, era = subject(exhibit)
    for commit in exhibit.lacks:
        result = judge(arch, replace(era, lacks=exhibit.lacks - {commit}), scenario_of(exhibit))
        assert (result.verdict, result.exhaustive) == ("pass", True)


def test_counts_do_not_depend_on_what_lives_in_memory() -> None:
    """A second mm, of which the model makes a copy as it runs, has been taken for one whose memory it was given."""
    exhibit = find("B-28")
    assert exhibit is not None
    counts = set()
    alive = []
    for _ in range(3):
        fixed = show(exhibit).fixed
        counts.add((fixed.states, fixed.transitions))
        alive.append([subject(exhibit) for _ in range(50)])
    assert counts == {(432, 936)}


def test_ids_are_in_order_and_unique() -> None:
    numbers = [int("".join(c for c in e.id if c.isdigit())) for e in EXHIBITS]
    assert numbers == sorted(numbers)
    assert len({e.id for e in EXHIBITS}) == len(EXHIBITS)
    assert set(PINNED) == {e.id for e in EXHIBITS}


def test_an_exhibit_of_an_unknown_scenario_is_an_error_that_names_both() -> None:
    says = r"B-99 names the scenario 'pfnmapp', which does not exist; did you mean pfnmap\?"
    with pytest.raises(LookupError, match=says):
        collect([Exhibit("B-99", "0123456789ab", "nothing", "pfnmapp")])


def test_the_page_says_what_the_models_say() -> None:
    """Every row of docs/museum.md that has a number of steps is an exhibit, with its commit and its trace."""
    page = (Path(__file__).parents[2] / "docs" / "museum.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| B-")]
    assert rows
    by_id = {exhibit.id: exhibit for exhibit in EXHIBITS}
    for identity, commit, violated, steps, *_ in rows:
        assert commit in by_id[identity].commit
        assert (violated, int(steps)) == PINNED[identity]
