"""Instructions of emulated kernels: cells of every kind, and that a wrong rule or a bad file is found out."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.truth.emulated.instructions import ALREADY_INVALID, RESCHEDULED, compare, compare_file, recognises
from core.truth.emulated.rescheduled import Stretch, guesses
from core.truth.lines import FileError

PUBLIC = Path(__file__).parents[1] / "data" / "emulated_public.jsonl.gz"


def cell(arch: str, kernel: str, op: str, pages: int, insn: dict[str, list[int]], **more: Any) -> dict[str, Any]:
    """A line as the files have it; the instructions are executed in 'tlb_flush'."""
    row = {
        "id": f"{arch}/{kernel}/{op}/{pages}",
        "arch": arch,
        "kernel": kernel,
        "cpu_model": "max",
        "run": "test-plug",
        "kind": "anon",
        "op": op,
        "threads": "single",
        "pages": pages,
        "keep_neighbours": 0,
        "insn": insn,
        "sites": [[name, "tlb_flush+0x1", *nr] for name, nr in insn.items()],
    }
    return {**row, **more}


SPIN, LAZY = {"threads": "spin_cpu1"}, {"threads": "lazy_cpu1"}
A57 = {"cpu_model": "cortex-a57"}

CELLS = [
    cell("x86_64", "6.1.0-50-amd64", "munmap", 8, {"INVLPG": [8, 0]}),
    cell("x86_64", "6.12.95", "dontneed", 34, {"MOV_CR3": [1, 1]}, **SPIN),
    cell("x86_64", "6.12.95", "dontneed", 33, {"INVLPG": [33, 0]}, **LAZY),
    cell("x86_64", "6.12.95", "munmap", 33, {"INVLPG": [33, 0], "MOV_CR3": [0, 1]}, **LAZY),
    cell("x86_64", "6.12.95", "munmap", 513, {"INVLPG": [3, 3], "MOV_CR3": [1, 1]}, kind="shm_dirty", **SPIN),
    cell("x86_64", "6.12.95-upx86", "munmap", 8, {"INVLPG": [8, 0]}, kind="shm_dirty"),
    cell("s390x", "6.1.0-50", "munmap", 2048, {"IDTE": [9, 0]}, kind="shm_dirty"),
    cell("s390x", "6.1.0-50", "munmap", 34, {"IDTE": [1, 0], "IPTE": [34, 0]}, **LAZY),
    cell("s390x", "6.12.95", "dontneed", 2048, {"IDTE": [1, 0]}),
    cell("s390x", "6.12.95", "mprotect_ro", 9, {"IPTE": [9, 0]}, **SPIN),
    cell(
        "arm64",
        "6.1.0-50",
        "munmap",
        33,
        {"DSB_ISHST": [2, 0], "DSB_ISH": [2, 0], "TLBI_VALE1IS": [33, 0], "TLBI_VAE1IS": [1, 0]},
        **A57,
    ),
    cell("arm64", "6.12.95", "dontneed", 512, {"DSB_ISHST": [1, 0], "DSB_ISH": [2, 0], "TLBI_ASIDE1IS": [1, 0]}, **A57),
    cell("arm64", "6.12.95", "dontneed", 34, {"DSB_ISHST": [1, 0], "DSB_ISH": [1, 0], "TLBI_RVALE1IS": [1, 0]}),
    cell("riscv64", "7.2.13", "munmap", 34, {"SFENCE_va_asid": [34, 0], "SFENCE_all_asid": [1, 0]}),
    cell("riscv64", "7.2.13", "dontneed", 9, {"SBI_ECALL": [1, 0], "M_SFENCE_all_asid": [1, 1]}, **SPIN),
    cell("riscv64", "7.2.13", "dontneed", 9, {"SBI_ECALL": [3, 1], "M_SFENCE_all_asid": [1, 1]}, **SPIN),
    cell(
        "x86_64",
        "7.2.13",
        "dontneed",
        512,
        {"INVLPG": [1, 1], "MOV_CR3": [1, 1]},
        kind="shm_dirty",
        keep_neighbours=1,
        **SPIN,
    ),
]


@pytest.mark.parametrize("row", CELLS, ids=lambda row: row["id"])
def test_a_counted_cell_is_predicted(row: dict[str, Any]) -> None:
    assert compare(row).detail == ""


@pytest.mark.parametrize("row", CELLS, ids=lambda row: row["id"])
def test_one_instruction_more_is_a_difference(row: dict[str, Any]) -> None:
    name = next(n for n in row["insn"] if n != "SBI_ECALL")
    sites = [*row["sites"], [name, "tlb_flush+0x2", 1, 0]]
    assert compare({**row, "sites": sites}).outcome == "different"


def test_bystanders_and_functions_are_left_out() -> None:
    row = CELLS[10]
    extra = [["DSB_ISH", "__switch_to+0xc8", 4, 2], ["tlb_flush_mmu", "tlb_flush_mmu+0x0", 3, 0]]
    assert compare({**row, "sites": row["sites"] + extra}).outcome == "equal"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kernel": "5.10.0"}, "kernel 5.10"),
        ({"arch": "sparc64"}, "architecture sparc64"),
        ({"op": "fork"}, "operation fork"),
        ({"kind": "thp"}, "kind thp"),
    ],
)
def test_what_is_not_modelled_says_why(change: dict[str, str], why: str) -> None:
    comparison = compare({**CELLS[0], **change})
    assert (comparison.outcome, comparison.detail) == ("not modelled", why)


# arm64-6.1-a57 and arm64-6.12-smp1: dirty shared pages, the caller switched away twice and five times
SPLIT = [
    cell(
        "arm64",
        "6.1.0-50",
        "munmap",
        513,
        {"DSB_ISHST": [4, 0], "DSB_ISH": [4, 0], "TLBI_VAE1IS": [2, 0], "TLBI_VALE1IS": [513, 0]},
        kind="shm_dirty",
        **A57,
    ),
    cell(
        "arm64",
        "6.12.95",
        "munmap",
        2048,
        {
            "DSB_ISHST": [7, 0],
            "DSB_ISH": [7, 0],
            "TLBI_VALE1IS": [18, 0],
            "TLBI_RVALE1IS": [9, 0],
            "TLBI_RVAE1IS": [1, 0],
        },
        kind="shm_dirty",
    ),
]


@pytest.mark.parametrize("row", SPLIT, ids=lambda row: row["kernel"])
def test_a_switched_away_caller_may_have_left_the_zap(row: dict[str, Any]) -> None:
    def with_switches(row: dict[str, Any], nr: int) -> dict[str, Any]:
        return {**row, "sites": [*row["sites"], ["DSB_ISH", "__switch_to+0x98", nr, 0]]}

    assert compare(row).outcome == "different"
    comparison = compare(with_switches(row, 2))
    assert (comparison.outcome, comparison.detail) == ("equal", RESCHEDULED)


def test_no_moment_explains_what_no_rescheduling_does() -> None:
    row = SPLIT[0]
    more = [["DSB_ISH", "__switch_to+0x98", 2, 0], ["TLBI_VALE1IS", "tlb_flush+0x2", 1, 0]]
    assert compare({**row, "sites": [*row["sites"], *more]}).outcome == "different"


@settings(max_examples=30)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=3), st.data())
def test_a_guess_costs_what_was_asked_and_none_is_missed(lengths: list[int], data: st.DataObject) -> None:
    """Against all ways to cut, tried one by one."""
    flushes, at = [], 0
    for length in lengths:
        flushes.append((at, at + length))
        at += length

    def price(stretch: Stretch) -> dict[str, int]:
        start, end = stretch
        return {"barrier": 1, "ranges": (end - start) // 8, "single": (end - start) % 8}

    def total(pieces: list[Stretch]) -> Counter[str]:
        return sum((Counter(price(piece)) for piece in pieces), Counter())

    def cut(places: tuple[int, ...]) -> list[Stretch]:
        ends = sorted({*places, *(end for _, end in flushes)})
        return list(zip([0, *ends], ends, strict=False))

    inside = sorted(set(range(1, at)) - {end for _, end in flushes})
    ways = list(combinations(inside, 2))
    if ways:
        asked = total(cut(data.draw(st.sampled_from(ways))))
        asked_for = {name: asked[name] for name in ("barrier", "ranges", "single")}
        assert sorted(guesses(flushes, price, asked_for, 2)) == [w for w in ways if total(cut(w)) == asked]


@pytest.mark.parametrize(
    ("calls", "flushed", "outcome", "detail"),
    [
        (768, 757, "equal", ALREADY_INVALID),  # 11 were old: ptep_flush_lazy() returned before its IPTE
        (757, 757, "different", None),  # 11 were never zapped
        (768, 768, "equal", ""),
        (768, 769, "different", None),  # nothing flushes an entry twice
    ],
)
@pytest.mark.parametrize("name", ["ptep_flush_lazy", "ptep_flush_lazy.constprop.0"])
def test_an_old_entry_needs_a_call_and_no_ipte(
    name: str, calls: int, flushed: int, outcome: str, detail: str | None
) -> None:
    insn = {name: [calls, 0], "IPTE": [flushed, 0], "IDTE": [1, 0]}
    row = cell("s390x", "7.2.13+deb14-s390x", "munmap", 768, insn, **SPIN)
    comparison = compare(row)
    assert comparison.outcome == outcome
    assert detail is None or comparison.detail == detail


def test_a_row_of_old_entries_is_told_apart_from_one_of_missing_calls() -> None:
    found = list(compare_file(PUBLIC.parent / "emulated_s390_old_entries.jsonl.gz"))
    assert [comparison.outcome for comparison in found] == ["equal", "different", "equal"]
    assert [comparison.detail for comparison in found][::2] == [ALREADY_INVALID, ""]


def test_old_entries_excuse_no_other_instruction() -> None:
    insn = {"ptep_flush_lazy": [768, 0], "IPTE": [757, 0], "IDTE": [2, 0]}
    assert compare(cell("s390x", "7.2.13", "munmap", 768, insn, **SPIN)).outcome == "different"
    uncounted = {"IPTE": [757, 0], "IDTE": [1, 0]}
    assert compare(cell("s390x", "7.2.13", "munmap", 768, uncounted, **SPIN)).outcome == "different"


def test_range_instructions_are_read_off_the_run(tmp_path: Path) -> None:
    """The model's name says that it has them, but the run of the first two cells shows none."""
    strides = {"DSB_ISHST": [1, 0], "DSB_ISH": [1, 0], "TLBI_VALE1IS": [8, 0]}
    ranges = {"DSB_ISHST": [1, 0], "DSB_ISH": [1, 0], "TLBI_RVALE1IS": [1, 0]}
    rows = [cell("arm64", "6.12.95", "dontneed", 8, strides, run="a"), cell("arm64", "6.12.95", "dontneed", 8, ranges)]
    file = tmp_path / "runs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [comparison.outcome for comparison in compare_file(file)] == ["equal", "equal"]
    file.write_text("".join(json.dumps({**row, "run": "b"}) + "\n" for row in rows))
    assert [comparison.outcome for comparison in compare_file(file)] == ["different", "equal"]


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_text("".join(json.dumps(row) + "\n" for row in CELLS[:3]))
    assert recognises(good)
    assert [comparison.outcome for comparison in compare_file(good)] == ["equal"] * 3
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({**CELLS[0], "pages": "many"}))
    with pytest.raises(FileError, match=r"bad\.jsonl, line 1: key 'pages' should be int, is 'many'"):
        list(compare_file(bad))


def test_a_file_of_something_else_is_told_apart(tmp_path: Path) -> None:
    other = tmp_path / "README.md"
    other.write_text("# Read me\n")
    with pytest.raises(FileError, match=r"README\.md, line 1: not JSON"):
        recognises(other)
    other.write_text("{}\n")
    assert not recognises(other)
    other.write_text("")
    with pytest.raises(FileError, match=r"README\.md: empty, expected at least one line"):
        recognises(other)


def test_a_part_of_the_public_cells(tmp_path: Path) -> None:
    """Every tenth; docs/emulated.md has the command that runs all."""
    lines = gzip.decompress(PUBLIC.read_bytes()).splitlines()
    some = tmp_path / "some.jsonl"
    some.write_bytes(b"\n".join(lines[::10]))
    found = list(compare_file(some))
    assert len(found) == len(lines[::10])
    assert {c.kernel for c in found} == {"6.1", "6.12", "7.2"}
    assert {c.outcome for c in found} == {"equal"}
