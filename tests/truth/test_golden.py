"""The kernel's own traces: every public case of the kernels that are modelled, event by event and by hash."""

from __future__ import annotations

import copy
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from core.mm.era import ERAS
from core.truth.golden.traces import compare, read_cases
from core.truth.lines import FileError

PUBLIC = Path(__file__).parents[1] / "data" / "golden_public.jsonl.gz"
CASES = list(read_cases(PUBLIC))


@pytest.mark.slow
def test_every_modelled_case_is_equal() -> None:
    outcomes = [compare(case) for case in CASES]
    assert [c for c in outcomes if c.outcome in ("different", "error")] == []
    counted = Counter(c.outcome for c in outcomes)
    modelled = sum(case["kernel"] in ERAS for case in CASES)
    assert (counted["equal"], sum(counted.values())) == (modelled, 546)
    assert modelled == 546


def test_swap_entries_with_consecutive_offsets_are_one_turn_of_the_loop() -> None:
    """need_resched() is asked once for each such run since v6.10, and before for each entry."""
    cases = list(read_cases(PUBLIC.with_name("golden_swap_batch.jsonl.gz")))
    assert [(c.kernel, c.outcome) for c in map(compare, cases)] == [(case["kernel"], "equal") for case in cases]
    assert {case["kernel"] for case in cases} == {"6.2-fix", "6.12", "7.0"}


def small_case() -> dict:  # type: ignore[type-arg]
    case = next(c for c in CASES if c["id"] == "multivma/carryover-local-merge/5df397dec7/smp")
    return copy.deepcopy(case)


def test_a_changed_event_is_shown() -> None:
    case = small_case()
    at = next(i for i, event in enumerate(case["events"]) if event[0] == "flush")
    case["events"][at][2] += 1
    assert compare(case).outcome == "different"
    assert compare(case).detail.startswith(f'event {at}: expected ["flush"')


def test_a_missing_event_a_wrong_hash_and_a_wrong_count_are_shown() -> None:
    case = small_case()
    case["events"].pop()
    assert 'unexpected ["done"]' in compare(case).detail
    case = small_case()
    case["raw_sha256"] = "0" * 64
    assert compare(case).detail.startswith("raw stream")
    case = small_case()
    case["summary"]["flushes"] += 1
    assert compare(case).detail.startswith("summary flushes")


def test_an_unknown_kernel_is_not_modelled_and_an_unknown_page_is_an_error() -> None:
    case = small_case()
    case["kernel"] = "9.9"
    assert (compare(case).outcome, compare(case).detail) == ("not modelled", "kernel 9.9")
    case = small_case()
    case["vmas"][0]["runs"][0][0] = "anon_purple"
    assert "anon_purple" in compare(case).detail


def test_bad_files_are_told_apart(tmp_path: Path) -> None:
    whole = PUBLIC.read_bytes()
    missing, plain, cut, broken, keyless = (tmp_path / name for name in "mpcbk")
    plain.write_text("{}\n")
    cut.write_bytes(whole[: len(whole) // 2])
    broken.write_bytes(gzip.compress(b"{]\n"))
    keyless.write_bytes(gzip.compress(json.dumps({"id": "x"}).encode()))
    for path, message in (
        (missing, "no such file"),
        (plain, "line 1: key 'id' is missing"),
        (cut, "damaged or truncated after line"),
        (broken, "line 1: not JSON"),
        (keyless, "line 1: key 'kernel' is missing"),
    ):
        with pytest.raises(FileError, match=message):
            list(read_cases(path))
