"""The own tests of each notation on the machines, what a weakened primitive breaks, and the subcommand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.compare import main
from core.memory_model.search import explore
from core.memory_model.weak.machine import Weak
from core.memory_model.weak.state import ARMV8, POWER, RVWMO
from core.truth.litmus import kernel
from core.truth.litmus.condition import holds
from core.truth.litmus.judge import AGREE, TOO_STRONG, TOO_WEAK, judge
from core.truth.litmus.machines import OF_NOTATION, TARGETS, machine_of
from core.truth.litmus.primitives import ARM64, POWERPC, RISCV, KernelWord, Primitives
from core.truth.litmus.tests import LitmusTest, parse_test, read_tests
from tests.memory_model.shapes import shape

OWN = Path(__file__).parents[2] / "data" / "litmus_own.jsonl"
TESTS = {test.id: test for test in read_tests(OWN)}
KERNEL = [test for test in TESTS.values() if test.notation == "kernel"]
BOTH = ("", "ets2")


def disagreeing(test: LitmusTest, architecture: str) -> list[str]:
    return [f"{x.result}: {x.detail}" for x in judge(test, architecture, BOTH) if x.result != AGREE]


@pytest.mark.parametrize("name", TESTS)
def test_an_own_test_agrees_on_its_machine(name: str) -> None:
    assert not disagreeing(TESTS[name], OF_NOTATION[TESTS[name].notation])


@pytest.mark.parametrize("architecture", TARGETS)
def test_no_machine_reaches_what_the_kernel_s_model_forbids(architecture: str) -> None:
    assert [test.id for test in KERNEL if disagreeing(test, architecture)] == []


def test_neither_x86_nor_arm64_reaches_all_that_the_other_does() -> None:
    """Store buffering with release and acquire is reachable on x86 alone, with a void atomic on arm64 alone."""
    row = {
        "id": "kernel/SB+release+acquire",
        "threads": [[["W", "x", 1, "rel"], ["R", "a", "y", "acq"]], [["W", "y", 1, "rel"], ["R", "a", "x", "acq"]]],
        "init": {"mem": {"x": 0, "y": 0}},
        "locks": [],
        "condition": ["and", ["eq", ["reg", 0, "a"], 0], ["eq", ["reg", 1, "a"], 0]],
    }
    ordered, atomic = parse_test("here", json.dumps(row)), TESTS["own/kernel/SB+void-atomic"]
    assert (reaches(ordered, "x86"), reaches(ordered, "arm64")) == (True, False)
    assert (reaches(atomic, "x86"), reaches(atomic, "arm64")) == (False, True)


def reaches(test: LitmusTest, architecture: str) -> bool:
    return any(holds(test.condition, x) for x in explore(machine_of(test, architecture)).finals)


NOTHING = KernelWord()

WEAKENED: dict[str, Callable[[Primitives], Primitives]] = {
    **{
        name: lambda words, name=name: replace(words, fences={**words.fences, name: ()})
        for name in ("mb", "rmb", "wmb", "before-atomic", "after-atomic", "after-spinlock")
    },
    "release": lambda words: replace(words, release=NOTHING),
    "acquire": lambda words: replace(words, acquire=NOTHING),
    "full atomics": lambda words: replace(words, atomics={**words.atomics, "full": NOTHING}),
    "full cmpxchg": lambda words: replace(words, compares={**words.compares, "full": NOTHING}),
    "lock": lambda words: replace(words, lock=NOTHING),
    "unlock": lambda words: replace(words, unlock=NOTHING),
    "grace period": lambda words: replace(words, weak_periods=True),
}


@pytest.mark.parametrize(
    ("words", "rules"), [(ARM64, ARMV8), (RISCV, RVWMO), (POWERPC, POWER)], ids=["arm64", "riscv", "powerpc"]
)
@pytest.mark.parametrize("weakened", WEAKENED)
def test_a_weakened_primitive_is_noticed(weakened: str, words: Primitives, rules: object) -> None:
    wrong = WEAKENED[weakened](words)
    noticed = []
    for test in KERNEL:
        if test.expected[""] == "forbidden":
            finals = explore(Weak(kernel.program_of(test, wrong), rules)).finals  # type: ignore[arg-type]
            noticed += [test.id] if any(holds(test.condition, x) for x in finals) else []
    # spin_lock() of RISC-V begins with a full atomic_fetch_add(), so that its smp_mb__after_spinlock() adds nothing
    assert bool(noticed) == ((weakened, rules) != ("after-spinlock", RVWMO))


def test_dmb_ishst_in_the_place_of_dsb_ishst_is_red() -> None:
    """A DMB does not order a TLBI.  Both spellings, on one machine, with the same condition."""
    right, wrong = TESTS["own/unmap+dsb.ishst-tlbi-dsb.ish"], TESTS["own/unmap+dmb.ishst-tlbi-dsb.ish"]
    assert right.condition == wrong.condition
    assert not reaches(right, "arm64")
    assert reaches(wrong, "arm64")


@pytest.mark.parametrize(
    ("separators", "result"),
    [("lwsync+lwsync", TOO_STRONG), ("sync+sync", AGREE), ("lwsync+sync", TOO_STRONG)],
)
def test_power_is_not_multi_copy_atomic_and_the_machine_is(separators: str, result: str) -> None:
    """IRIW: POWER needs sync in both readers (herding-cats, power.cat)."""
    first, second = ([[x.upper()]] for x in separators.split("+"))
    threads = [
        [["W", "x", 1]],
        [["R", "a", "x"], *first, ["R", "b", "y"]],
        [["W", "y", 1]],
        [["R", "a", "y"], *second, ["R", "b", "x"]],
    ]
    wanted = [["eq", ["reg", i, r], v] for i in (1, 3) for r, v in (("a", 1), ("b", 0))]
    expected = "forbidden" if separators == "sync+sync" else "allowed"
    row = {"id": "x", "threads": threads, "init": {"mem": {}}, "condition": ["and", *wanted], "expected": expected}
    assert [x.result for x in judge(parse_test("here", json.dumps(row)), "powerpc", ("",))] == [result]


def behind(separator: str, first: list[object], second: list[object]) -> list[object]:
    """Two accesses, the second behind a barrier, or with an address that depends on the first."""
    if separator != "addr":
        return [first, [separator.upper()], second]
    at = 2 if second[0] == "R" else 1
    dependent = [*second[:at], {"base": second[at], "idx": "d"}, *second[at + 1 :]]
    return [first, ["ALU", "d", "eor", first[1], first[1]], dependent]


@pytest.mark.parametrize(
    ("name", "expected", "result"),
    [
        ("RWC lwsync sync", "allowed", TOO_STRONG),
        ("RWC sync sync", "forbidden", AGREE),
        ("W+RWC lwsync lwsync sync", "allowed", TOO_STRONG),
        ("W+RWC lwsync sync sync", "forbidden", AGREE),
        ("WRC addr addr", "allowed", TOO_STRONG),
        ("WRC lwsync addr", "forbidden", AGREE),
    ],
)
def test_what_a_flusher_of_other_cpus_clears_relies_on_is_forbidden_by_power(
    name: str, expected: str, result: str
) -> None:
    """A CPU that reads another's clear, or has it from a lock, has a sync before it reads the mask
    (radix__flush_tlb_mm()): RWC and W+RWC with sync there, WRC with an lwsync (herding-cats' verdicts)."""
    shape, *separators = name.split()
    write_x, write_y, write_z = (["W", cell, 1] for cell in "xyz")
    x, y = ["R", "a", "x"], ["R", "a", "y"]
    if shape == "WRC":
        codes = [[write_x], behind(separators[0], x, write_y), behind(separators[1], y, ["R", "b", "x"])]
        wanted = {(1, "a"): 1, (2, "a"): 1, (2, "b"): 0}
    else:
        handed = shape == "W+RWC"
        first = behind(separators[0], write_x, write_y) if handed else [write_x]
        unseen, flag = ("z", write_z) if handed else ("y", write_y)
        second = behind(separators[-2], y if handed else x, ["R", "b", unseen])
        codes = [first, second, behind(separators[-1], flag, ["R", "b", "x"])]
        wanted = {(1, "a"): 1, (1, "b"): 0, (2, "b"): 0}
    condition = ["and", *(["eq", ["reg", *place], value] for place, value in wanted.items())]
    row = {"id": name, "shape": shape, "threads": codes, "init": {"mem": {}}, "condition": condition}
    test = parse_test("here", json.dumps(row | {"expected": expected}))
    assert [x.result for x in judge(test, "powerpc", ("",))] == [result]


def changed(test: LitmusTest, **fields: object) -> LitmusTest:
    return parse_test("here", json.dumps({**test.raw, **fields}))


def test_a_wrong_verdict_is_noticed() -> None:
    mfence, lfence = TESTS["own/x86/SB+mfence"], TESTS["own/x86/SB+lfence"]
    assert [x.result for x in judge(changed(mfence, expected="allowed"), "x86", ("",))] == [TOO_STRONG]
    assert [x.result for x in judge(changed(lfence, expected="forbidden"), "x86", ("",))] == [TOO_WEAK]


def test_outcome_sets_are_compared_and_not_the_condition_alone() -> None:
    test = TESTS["own/x86/SB+mfence"]
    more = [*test.raw["outcomes"], [7, 7]]
    fewer = test.raw["outcomes"][1:]
    assert [x.result for x in judge(changed(test, outcomes=more), "x86", ("",))] == [TOO_STRONG]
    assert [x.result for x in judge(changed(test, outcomes=fewer), "x86", ("",))] == [TOO_WEAK]


def test_a_break_before_make_flag_is_compared() -> None:
    test = TESTS["own/change-of-page+no-break"]
    assert [x.result for x in judge(changed(test, bbm_flag=False), "arm64", ("",))] == [TOO_WEAK]
    assert [x.result for x in judge(TESTS["own/change-of-page+break-without-tlbi"], "arm64", ("",))] == [AGREE]


# -- the subcommand


def test_the_last_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["litmus", str(OWN)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "112 agree, 0 too strong, 0 too weak, 0 not expressible"
    assert "sets of outcomes: 5 equal, 0 not" in lines


def test_a_row_names_its_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["litmus", str(OWN), "--arch", "riscv", "--only", "kernel/MP+wmb+rmb"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 agree")
    assert main(["litmus", str(OWN), "--arch", "s390-6.12"]) in (0, 2)
    assert main(["litmus", str(OWN), "--arch", "sparc64", "--only", "kernel/MP+wmb+rmb"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 agree")
    assert main(["litmus", str(OWN), "--arch", "openrisc", "--only", "kernel/MP+wmb+rmb"]) == 0
    capsys.readouterr()
    assert main(["litmus", str(OWN), "--arch", "no-such-row"]) == 2
    assert "--arch no-such-row: no such architecture or row" in capsys.readouterr().err


def test_a_test_that_disagrees_is_named_with_an_execution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = changed(TESTS["own/unmap+dmb.ishst-tlbi-dsb.ish"], expected="forbidden", expected_ets2=None)
    path = tmp_path / "wrong.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(test.raw) + "\n")
    assert main(["litmus", str(path), "--trace"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "own/unmap+dmb.ishst-tlbi-dsb.ish: too weak: forbidden, but reached"
    assert "    CPU0: pte:x := <x valid=0> becomes visible" in lines


ROW = {
    "id": "t",
    "threads": [[["R", "a", "x"]]],
    "init": {"mem": {"x": 0}},
    "condition": ["true"],
    "expected": "allowed",
}
BAD = [
    ("not json", "not JSON"),
    ("[]", "expected one JSON object"),
    ({"id": "t"}, "key 'threads' is missing"),
    ({**ROW, "expected": "perhaps"}, "unknown verdict 'perhaps'"),
    ({**ROW, "condition": ["maybe"]}, "not a condition"),
    ({**ROW, "condition": ["eq", ["reg", "0", "a"], 1]}, "not a place"),
    ({**ROW, "condition": ["eq", ["reg", 0, "a"], "one"]}, "not a value"),
    ({**ROW, "threads": []}, "0 threads, expected 1 to"),
    ({**ROW, "threads": [[["R", "a", "x"]]] * 9}, "9 threads, expected 1 to"),
    ({**ROW, "threads": [[["FLY"]]]}, "not an instruction: ['FLY']"),
    ({**ROW, "threads": [[["R", "a"]]]}, "not an instruction"),
    ({**ROW, "threads": [["R"]]}, "not an instruction"),
    ({**ROW, "threads": [[["R", "a", {"at": 1}]]]}, "not an address"),
    ({**ROW, "threads": [[["R", "a", "x", "softly"]]]}, "not an instruction"),
    ({**ROW, "threads": [[["DMB", "everything"]]]}, "not an instruction"),
    ({**ROW, "threads": [[["CBZ", "a", "L"]]]}, "a branch to 'L', which is no label"),
    ({**ROW, "threads": [[["label", "L"], ["label", "L"]]]}, "label 'L' stands twice"),
    ({**ROW, "threads": [[["FENCE", "q", "r"]]]}, "not an instruction"),
    ({**ROW, "threads": [[["TLBI", "vmalle9"]]]}, "not an instruction"),
    ({**ROW, "init": {"mem": {"x": []}}}, "not a value"),
    ({**ROW, "init": {"mem": {}, "regs": {"a": 1}}}, "init.regs: not a register"),
    ({**ROW, "init": {"mem": {}, "pte": {"x": {"valid": 2, "oa": "x"}}}}, "not an entry"),
    ({**ROW, "init": {"mem": {}, "pte": {"x": {"table": None}}}}, "init.pte: 'x' is a table"),
    ({**ROW, "init": {"mem": {}, "pte": {"x": 0}, "pmd": {"x": 3}}}, "init.pmd: not an entry: 3"),
    ({**ROW, "init": {"mem": {}, "pte": {"x": 0}, "under": {"x": "y"}}}, "init.under: 'x' and 'y': expected two pages"),
    ({**ROW, "locks": ["l"], "threads": [[["LOCK"]]]}, "not a primitive"),
    ({**ROW, "locks": ["l"], "threads": [[["F", "softly"]]]}, "not a primitive"),
    ({**ROW, "locks": ["l"], "threads": [[["RCU", "break"]]]}, "not a primitive"),
    ({**ROW, "observe": [["mem", "x"]], "outcomes": [[0, 1]]}, "an outcome does not have 1 values"),
    ({**ROW, "hw": ["HA", ""]}, "key 'hw' does not fit 1 threads"),
    ({**ROW, "el0": [3]}, "key 'el0' does not fit 1 threads"),
    ({**ROW, "threads": [[["R", "a", "x", None]]]}, "not an instruction"),
    ({**ROW, "threads": [[["FENCE", "r", "r", "r"]]]}, "not an instruction"),
]


@pytest.mark.parametrize(("row", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_line_with_file_and_line(
    row: object, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    text = row if isinstance(row, str) else json.dumps(row)
    path.write_text("\n".join([json.dumps(ROW), text, json.dumps(ROW)]) + "\n")
    assert main(["litmus", str(path)]) == 2
    output = capsys.readouterr()
    assert output.out.splitlines()[-1].startswith("2 agree")  # the tests before and behind it are judged all the same
    assert len(output.err.splitlines()) == 1
    assert output.err.startswith(f"shootdown: {path}, line 2")
    assert message in output.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([["R", "a", {"reg": "b"}]], "an access to 0"),
        ([["label", "L"], ["B", "L"]], "an endless loop"),
        ([["MOV", "p", {"&": "x"}], ["ALU", "p", "mul", "p", 3]], "arithmetic mul"),
        ([["MOV", "i", 1], ["R", "a", {"base": "x", "idx": "i"}]], "an index that is not zero"),
    ],
)
@pytest.mark.parametrize("architecture", ["arm64", "x86"])
def test_what_a_machine_has_no_meaning_for_is_not_expressible(words: object, reason: str, architecture: str) -> None:
    test = parse_test("here", json.dumps({**ROW, "threads": [words]}))
    (judgement,) = judge(test, architecture, ("",))
    assert judgement.result == "not expressible"
    assert reason in judgement.detail


def test_a_test_that_is_too_large_is_given_up() -> None:
    test = replace(shape("IRIW", ["po", "po"]), expected={"": "allowed"})
    (judgement,) = judge(test, "arm64", ("",), limit=20)
    assert (judgement.result, judgement.detail) == ("not expressible", "more than 20 states")


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "litmus.md").read_text()
    main(["litmus", str(OWN)])
    assert f"litmus litmus_own.jsonl\n{capsys.readouterr().out}```" in page
