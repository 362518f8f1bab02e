"""docs/findings.md: every entry has all its parts, the most serious come first, and what rows fail has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from core.cli.verdicts import cited
from core.conformance import FINDINGS, LARGE, SCENARIOS
from core.table.rows import load

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")

PARTS = (
    "Verdict",
    "Since",
    "Which configuration",
    "What happens",
    "Kernel lines",
    "Second reading",
    "What would settle it",
    "Suggested fix",
)
LEAST = 20
"""Characters of a part that says something; "Before 6.1; both trees." has 23."""

SOURCE = re.compile(r"`(?:arch|mm|fs|kernel|include)/[\w/,{}.-]+\.[chS]\b")
TRACE = re.compile(r"core\.compare explain \S+ \S+|`tests/[\w/]+\.py`")
COMMIT = re.compile(r"\b[0-9a-f]{12}\b")
TIME = re.compile(rf"{COMMIT.pattern}|\b\d\.\d+\b|patches of \d{{4}}")
HARMS, LUCK = ("data", "memory", "a walk"), ("nothing", "a race", "a rare race")


class Line(NamedTuple):
    """A line of the table at the head: under which heading, which finding, what it does and what it takes."""

    section: str
    title: str
    harm: str
    takes: str


def entries(page: str) -> dict[str, str]:
    """The text of each entry, by title."""
    return {text.splitlines()[0]: text for text in re.split(r"(?m)^## ", page)[1:]}


def parts(entry: str) -> dict[str, str]:
    """The text of each part of an entry, by the name that it begins with."""
    found = re.split(r"(?m)^\*\*([^*]+)\*\*", entry)[1:]
    return {name.rstrip(".").split(",")[0]: text for name, text in zip(found[::2], found[1::2], strict=True)}


def table(page: str) -> list[Line]:
    """The table at the head of the page."""
    lines, section = [], ""
    for text in page.split("\n# ")[0].splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if text.startswith("| **"):
            section = cells[0].strip("*")
        elif text.startswith("| ") and section:
            lines.append(Line(section, *cells))
    return lines


def headings(page: str) -> list[tuple[str, str]]:
    """(section, title) of each entry, in order."""
    found, section = [], ""
    for text in page.splitlines():
        if text.startswith("# "):
            section = text[2:]
        elif text.startswith("## "):
            found.append((section, text[3:]))
    return found


def missing(entry: str) -> list[str]:
    """The parts that an entry lacks, or that say nothing."""
    have = parts(entry)
    return [name for name in PARTS if len(have.get(name, "").strip()) < LEAST]


def out_of_order(lines: list[Line]) -> list[str]:
    """Titles that stand before one of their section that takes less, or as much and does more harm."""
    ranks = [(LUCK.index(line.takes), line.harm == "a walk") for line in lines]
    pairs = zip(lines, ranks, lines[1:], ranks[1:], strict=False)
    return [one.title for one, rank, two, after in pairs if one.section == two.section and after < rank]


ENTRIES = entries(PAGE)
ROWS = load(ROOT / "arches-all.toml")


@pytest.mark.parametrize("title", ENTRIES)
def test_an_entry_has_all_parts(title: str) -> None:
    entry, have = ENTRIES[title], parts(ENTRIES[title])
    assert missing(entry) == []
    assert TIME.search(have["Since"]), "a commit or a release"
    assert SOURCE.search(have["Kernel lines"]) or have["Kernel lines"].lstrip(" .").startswith("None in these trees")
    assert TRACE.search(entry), "how to see the trace"
    assert re.search(r"\b[Pp]roved\b|passes", have["Suggested fix"]), "what the model says of the fix"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("title", [next(iter(ENTRIES)), list(ENTRIES)[-1]])
def test_an_entry_without_one_is_found(title: str, part: str) -> None:
    assert missing(re.sub(rf"(?m)^\*\*{part}", "**Else", ENTRIES[title])) == [part]
    assert missing(re.sub(rf"(?ms)^\*\*{part}.*?(?=^\*\*|\Z)", f"**{part}.** So.\n\n", ENTRIES[title])) == [part]


def test_the_order_is_that_of_the_table_and_the_most_serious_come_first() -> None:
    lines = table(PAGE)
    assert [(line.section, line.title) for line in lines] == headings(PAGE)
    assert len({line.title for line in lines}) == len(ENTRIES) == len(lines)
    assert {line.harm for line in lines} <= set(HARMS)
    assert out_of_order(lines) == []
    assert out_of_order([lines[1], lines[-1]._replace(section=lines[1].section, takes="nothing")]) == [lines[1].title]


def test_what_a_row_is_declared_to_fail_is_in_an_entry() -> None:
    for row in ROWS:
        for scenario, reason in row.expect.items():
            if "docs/findings.md" in str(reason):
                assert any(f"`{scenario}`" in entry for entry in ENTRIES.values()), (row.name, scenario)


def test_a_trace_cites_files_of_its_own_architecture() -> None:
    known = {**SCENARIOS, **LARGE, **FINDINGS}
    for row in ROWS:
        assert row.stated is not None
        own = {source.split("/")[1] for source in row.stated.sources if source.startswith("arch/")}
        for scenario in row.expect:
            where = set(re.findall(r"arch/(\w+)/", cited(known[scenario].origin, row.stated.sources)))
            assert not own or where <= own, (row.name, scenario)
