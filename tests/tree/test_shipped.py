"""Tables that come with the project: a kernel's C without a compiler and without its tree (core.tree.shipped)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.compare import main
from core.conformance import SUITE
from core.cost.workloads import CHANGES
from core.mm.era import ERAS
from core.table.count_jobs import CountJob
from core.table.jobs import VerdictJob
from core.table.row import Row
from core.tree.automata import Automata, digest_of, kept_in
from core.tree.automaton import from_data
from core.tree.binding import binding
from core.tree.build import compiler
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree
from core.tree.row import built
from core.tree.shipped import Shipped, ShippedAutomata, open_kernel, releases, tables, without_addresses, write_tables
from tests.tree.conftest import REFERENCE

MOST_BYTES = 300_000
"""Of all tables together."""

SHIPPED = [(release, name) for release in releases() for name in Shipped(release).names()]


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no program is found."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    compiler.cache_clear()
    yield
    compiler.cache_clear()


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("release", releases())
def test_a_release_is_judged_without_a_compiler_and_a_tree(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TreeError, match="no C compiler"):
        compiler()
    chosen = ["--scenario", "own-tlb", "--scenario", "switch-back", "--no-costs", "--jobs", "1", "--format", "json"]
    assert main(["tree", release, "--arch", "s390", *chosen]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    of_c = {one["scenario"]: one for one in results if one["architecture"].endswith("-c")}
    of_python = {one["scenario"]: one for one in results if one["architecture"].endswith("-python")}
    assert {name: one["verdict"] for name, one in of_c.items()} == {"own-tlb": "pass", "switch-back": "pass"}
    assert of_c["switch-back"]["states"] > of_python["switch-back"]["states"]  # silent reads, which the text has not


def test_tables_of_two_releases_come_along_and_a_release_is_named_in_short() -> None:
    assert [str(Shipped(release).version) for release in releases()] == ["6.1", "6.12"]
    assert open_kernel(Path("6.12")) == Shipped(releases()[-1]) == open_kernel(Path(releases()[-1]))


def test_another_release_is_one_line() -> None:
    with pytest.raises(
        TreeError, match=r"^6.13: no kernel tree: .*, or a release whose tables come along: 6\.1\..*6\.12"
    ):
        open_kernel(Path("6.13"))


def test_an_architecture_without_tables_is_one_line() -> None:
    with pytest.raises(TreeError, match=r"^--arch toy: no tables of 6\.12\.\d+; expected one of .*s390"):
        Shipped(releases()[-1]).unit("toy")


def test_a_function_that_is_in_no_table_is_one_line() -> None:
    automata = ShippedAutomata(Shipped(releases()[-1]).unit("s390"), "s390", "")
    with pytest.raises(
        TreeError, match=r"^enter_other\(0x10\) on 2 CPUs is not in the tables .*: give the tree itself$"
    ):
        automata.of("enter_other", (16,), 2)


def test_they_are_small() -> None:
    units = [Shipped(release).unit(binding(name).name) for release, name in SHIPPED]
    assert sum(unit.directory.stat().st_size for unit in units) < MOST_BYTES


@pytest.mark.parametrize(("release", "name"), SHIPPED)
def test_every_word_in_them_has_a_meaning_and_every_answer_a_row(release: str, name: str) -> None:
    vocabulary = binding(name).vocabulary
    for called, data in tables(Shipped(release).unit(binding(name).name).directory).items():
        cpus = int(called.rpartition("-")[2].removesuffix("cpus"))
        for row in from_data(data).rows:
            if row.word is None:
                continue
            rule = vocabulary.rule(row.word)
            assert rule is not None, f"{called}: {row.word}"
            assert rule.do is not None, f"{called}: {row.word}"
            assert set(row.next) == set(rule.answers(row.word, cpus)), f"{called}: {row.word}"
            assert re.fullmatch(r"(arch|include|mm|kernel)/\S+:\d+|\w+\.[ch]:\d+", row.line), row.line


@pytest.mark.slow
@pytest.mark.parametrize(("release", "name"), SHIPPED)
def test_they_are_what_is_learned_from_the_tree(release: str, name: str, unpacked: Callable[[str], KernelTree]) -> None:
    tree = unpacked(str(Shipped(release).version))
    if tree.release != release:
        pytest.skip(f"the tree is {tree.release}")
    unit = built(name, tree).unit
    automata = Automata(unit, name, digest_of(name))
    for called, data in tables(Shipped(release).unit(unit.name).directory).items():
        entry, *args, cpus = called.split("-")
        learned = automata.of(entry, tuple(int(value, 16) for value in args), int(cpus.removesuffix("cpus")))
        assert json.loads(without_addresses(learned).to_json()) == data, called


@pytest.mark.slow
@pytest.mark.parametrize(("release", "name"), SHIPPED)
def test_no_scenario_asks_for_what_is_not_in_them(release: str, name: str) -> None:
    of = built(name, Shipped(release))
    row = Row(name, of.plugin, ERAS[of.era])
    scenarios = [one.id for one in SUITE.values() if one.tier not in ("long", "large")]
    results = [VerdictJob(row, scenario).run() for scenario in scenarios]
    assert [(one.scenario, one.reason) for one in results if one.verdict == "error"] == []


@pytest.mark.parametrize(("release", "name"), SHIPPED)
def test_two_releases_can_be_compared_by_every_workload(release: str, name: str) -> None:
    of = built(name, Shipped(release))
    row = Row(name, of.plugin, ERAS[of.era])
    problems = {load.name: CountJob(row, (load,)).run().problem for load in CHANGES.values()}
    assert set(problems.values()) == {""}


def test_tables_are_written_of_what_is_kept(tmp_path: Path, toy: Path) -> None:
    unit = built(REFERENCE, KernelTree(toy)).unit
    learned = Automata(unit, REFERENCE, digest_of(REFERENCE)).of("enter_flush_tlb_mm", (), 2)
    (kept,) = kept_in(unit, digest_of(REFERENCE), None)
    place = write_tables(tmp_path / "tables", "6.12.0", unit.name, kept.glob("*.json"))
    assert place == tmp_path / "tables" / "6.12.0" / f"{unit.name}.json.xz"
    assert tables(place) == {"enter_flush_tlb_mm-2cpus": json.loads(without_addresses(learned).to_json())}
