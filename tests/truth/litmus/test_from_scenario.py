"""The programs of scenarios as litmus tests: the litmus machine says of them what the explorer says of the scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from arch_plugins.arm64 import Arm64
from core.cli.resolve_arch import choose
from core.compare import main
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.mm.era import ERAS
from core.plugins.arch import Arch, set_up
from core.truth.lines import FileError
from core.truth.litmus import herd7, herd7_read
from core.truth.litmus.from_scenario import DoesNotFit, litmus_test
from core.truth.litmus.judge import judge as judge_test
from core.truth.litmus.tests import parse_test
from tests.conformance.test_barriers import WithDmbIshst, WithoutFinalDsb, WithoutIshst

ROOT = Path(__file__).parents[3]
SHIPPED = ("use-after-free", "switch-reclaim", "switch-tso", "switch-asid", "reclaim-dirty", "oom-reaper", "lazy-batch")
"""Scenarios of arm64 of two programs."""


def made(arch: Arch, scenario: str) -> dict[str, Any]:
    found = judge(arch, ERAS["6.12"], SCENARIOS[scenario])
    return litmus_test(f"{arch.name}/{scenario}", SCENARIOS[scenario].build(arch, ERAS["6.12"]), bool(found.violated))


def read_back(raw: dict[str, Any]) -> tuple[str, bool | None]:
    """What the litmus machine says of the test that herd7 would read."""
    again = herd7_read.raw_of("test", herd7.text_of(raw))
    (judged,) = judge_test(parse_test("test", json.dumps(again)), "arm64", ("",))
    return judged.result, judged.reached


@pytest.mark.parametrize("scenario", SHIPPED)
def test_what_the_explorer_proves_the_litmus_machine_forbids(scenario: str) -> None:
    raw = made(set_up("arm64", Arm64(), "test"), scenario)
    assert raw["expected"] == "forbidden"
    assert read_back(raw) == ("agree", False)


@pytest.mark.parametrize("scenario", ["switch-reclaim", "use-after-free", "switch-asid", "reclaim-dirty"])
@pytest.mark.parametrize("plugin", [WithoutIshst, WithDmbIshst, WithoutFinalDsb])
def test_what_the_explorer_refutes_the_litmus_machine_reaches(plugin: type[Arm64], scenario: str) -> None:
    raw = made(set_up("arm64", plugin(), "test"), scenario)
    assert raw["expected"] == "allowed"
    assert read_back(raw) == ("agree", True)


def test_the_command_prints_a_test_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(ROOT / "arches-all.toml")
    assert main(["litmus", "--from", "arm64", "switch-reclaim", "--config", config]) == 0
    text = capsys.readouterr().out
    assert text.startswith("AArch64 arm64/switch-reclaim\n")
    assert "TLBI VALE1IS,X" in text
    assert text.rstrip().splitlines()[-1].startswith("~exists (0:X")
    file = tmp_path / "test.litmus"
    file.write_text(text)
    assert main(["litmus", str(file)]) == 0
    assert capsys.readouterr().out.endswith("1 agree, 0 too strong, 0 too weak, 0 not expressible\n")


def test_a_wrong_verdict_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = made(set_up("arm64", WithoutIshst(), "test"), "switch-reclaim")
    file = tmp_path / "test.litmus"
    file.write_text(herd7.text_of({**raw, "expected": "forbidden"}))
    assert main(["litmus", str(file)]) == 1
    assert "too weak: forbidden, but reached" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "scenario", "reason"),
    [
        ("arm64", "lost-dirty-munmap", "it has 3 programs, expected 2"),
        ("arm64", "exit-mmap", "one and other both access mm_users"),
        ("arm64", "dirty-bit-in-time", "no page is freed by one program and used by the other"),
        ("alpha", "use-after-free", "unmap waits for another program: wait for IPIs"),
        ("s390", "use-after-free", "IPTE(0) is no instruction of the test: it needs TLBI ...IS"),
    ],
)
def test_what_does_not_fit_is_said(row: str, scenario: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["litmus", "--from", row, scenario, "--config", str(ROOT / "arches-all.toml")]) == 2
    assert reason in capsys.readouterr().err


def test_a_program_that_waits_does_not_fit() -> None:
    arch = choose("arm64", None, ROOT / "arches-all.toml").arch()
    with pytest.raises(DoesNotFit, match="thread waits for another program: start"):
        litmus_test("x", SCENARIOS["exec-then-flush"].build(arch, ERAS["6.12"]), False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("~exists", "sometimes"), "expected AArch64 NAME"),
        (("DSB ISHST", "IC IVAU,X1"), "not an instruction that is read: 'IC IVAU,X1'"),
        (("LSR X", "RBIT X"), "not an instruction that is read"),
        (("valid:0", "valid:7"), "not an entry"),
        (("f0=0;", "f0=x.y;"), "not a value that is read: 'x.y'"),
        (("0:X1=1", "0:X1>1"), "not a condition that is read"),
    ],
)
def test_damage_is_one_line(change: tuple[str, str], reason: str) -> None:
    text = herd7.text_of(made(set_up("arm64", Arm64(), "test"), "switch-reclaim"))
    assert change[0] in text
    with pytest.raises(FileError, match=reason):
        herd7_read.raw_of("test", text.replace(*change))
