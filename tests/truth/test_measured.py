"""Predictions against a running kernel: every cell is exact, and a wrong rule is found out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from core.hookspecs import hookimpl
from core.plugins.arch import load_object, set_up
from core.truth.lines import FileError
from core.truth.measured.flushes import PLUGIN, compare, compare_file, read_rows

DATA = Path(__file__).parent.parent / "data"
SMALL = 512
"""Pages of a cell that is quick to step through."""


def arch(facts=None, plugin=None):
    return set_up("x86-6.18", plugin or load_object(PLUGIN), PLUGIN, facts)


@pytest.mark.parametrize(("name", "cells"), [("measured", 212), ("order", 154)])
def test_cells_are_exact(name: str, cells: int) -> None:
    rows = list(read_rows(DATA / f"{name}_public.jsonl.gz"))
    assert len(rows) == cells
    small = [row for row in rows if row["pages"] <= SMALL]
    misses = [c for c in (compare(row, arch()) for row in small) if c.outcome != "equal"]
    assert not misses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["measured", "order"])
def test_large_cells_are_exact(name: str) -> None:
    rows = [row for row in read_rows(DATA / f"{name}_public.jsonl.gz") if row["pages"] > SMALL]
    assert not [c for c in (compare(row, arch()) for row in rows) if c.outcome != "equal"]


def test_madv_free_of_a_huge_page_flushes_under_the_lock() -> None:
    """pmdp_invalidate() in madvise_free_huge_pmd(), once for each page that is no huge zero page; then the gather."""
    rows = list(read_rows(DATA / "measured_thp_free.jsonl.gz"))
    assert [c.detail for c in (compare(row, arch()) for row in rows)] == [""] * 6


class NeverUnderLock(type(load_object(PLUGIN))):  # type: ignore[misc]
    """Delays nothing, and so does not flush under the page-table lock."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: object) -> bool:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("facts", "plugin", "at_least"),
    [({"bundle": 9}, None, 1), ({"runtime_p4d": False}, None, 3), (None, NeverUnderLock(), 50)],
)
def test_a_wrong_rule_is_found_out(facts: object, plugin: object, at_least: int) -> None:
    rows = [row for row in read_rows(DATA / "measured_public.jsonl.gz") if row["pages"] <= 10000]
    wrong = arch(facts, plugin)
    assert sum(compare(row, wrong).outcome == "different" for row in rows) >= at_least


def test_a_miss_says_what_was_predicted() -> None:
    row = next(read_rows(DATA / "measured_public.jsonl.gz"))
    row["seq"] = [[None, 2, None, True]]
    result = compare(row, arch())
    assert result.outcome == "different"
    assert "predicted 2" in result.detail
    assert "measured 1 [[1, [null, 2, null, true]]]" in result.detail


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: expected one JSON object"),
        ('{"id": "x"}', "line 2: key 'kind' is missing"),
    ],
)
def test_bad_line(tmp_path: Path, line: str, words: str) -> None:
    good = json.dumps(next(read_rows(DATA / "order_public.jsonl.gz")))
    path = tmp_path / "cells.jsonl"
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(FileError, match=words):
        list(compare_file(path))


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl.gz"
    path.write_bytes((DATA / "order_public.jsonl.gz").read_bytes()[:3000])
    with pytest.raises(FileError, match="damaged or truncated after line"):
        list(read_rows(path))
    with pytest.raises(FileError, match="no such file"):
        list(read_rows(tmp_path / "missing"))


def test_unknown_operation_and_entry() -> None:
    row = next(read_rows(DATA / "measured_public.jsonl.gz"))
    assert compare({**row, "op": "mlock"}, arch()).outcome == "not modelled"
    result = compare({**row, "ptes": [[1, [["?", 1]]]]}, arch())
    assert (result.outcome, "unknown type of entry" in result.detail) == ("error", True)


def test_gzip_and_plain_are_the_same(tmp_path: Path) -> None:
    packed = DATA / "order_public.jsonl.gz"
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert list(read_rows(plain)) == list(read_rows(packed))
