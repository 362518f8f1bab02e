"""The scenario of docs/add-a-scenario.md passes, and its broken form fails; scenarios from outside are checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from core.compare import main
from core.conformance.outside import Outside, described, load
from core.explore import check
from core.mm.era import ERAS
from core.plugins.arch import PluginError
from core.table.jobs import VerdictJob
from core.table.rows import load as rows

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-scenario.md").read_text(encoding="utf-8")
ROW = next(row for row in rows(None) if row.name == "smp-6.2-fix")

HEAD = """
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.machine.op import Op, Outcome
from core.machine.pte import Pte
from core.mm.page import lock_page, unlock_page

def world(arch, era):
    return World(arch, era, {0: Pte(0), 1: Pte(1)})

async def idle(mm):
    await lock_page(mm, 0)
    await unlock_page(mm, 0)

"""

SEEN = """
SEEN = []
def build(arch, era):
    SEEN.append(1)
    one = world(arch, era)
    one.task("t", idle)
    return one.model("mine")
MINE = Scenario("mine", "t", "o", build)
"""

OTHER_EACH_TIME = """
def build(arch, era, n=[0]):
    n[0] += 1
    one = world(arch, era)
    one.task(f"t{n[0]}", idle)
    return one.model("mine")
MINE = Scenario("mine", "t", "o", build)
"""

RAISES = """
def build(arch, era):
    one = world(arch, era)
    async def boom(mm):
        await lock_page(mm, 0)
        raise ValueError("no such page")
    one.task("t", boom)
    return one.model("mine")
MINE = Scenario("mine", "t", "o", build)
"""

NO_MODEL = """
MINE = Scenario("mine", "t", "o", lambda arch, era: 7)
"""

ABBA = """
def locks(first, second):
    async def program(mm):
        await lock_page(mm, first)
        await lock_page(mm, second)
        await unlock_page(mm, second)
        await unlock_page(mm, first)
    return program

def build(arch, era):
    one = world(arch, era)
    one.task("one", locks(0, 1))
    one.task("two", locks(1, 0))
    return one.model("mine")
MINE = Scenario("mine", "t", "o", build)
"""

OWN_SENTENCE = """
def build(arch, era):
    one = world(arch, era)
    async def breaks(mm):
        await lock_page(mm, 0)
        await Op("break it", (), (), lambda: [Outcome(None, (), "my-rule")])
    one.task("t", breaks)
    return one.model("mine", sentences={"my-rule": "What I said is not so."})
MINE = Scenario("mine", "t", "o", build)
"""


def judged(tmp_path: Path, text: str) -> tuple[str, str, int, str]:
    """The verdict, its reason, the length of its trace and its sentence."""
    file = tmp_path / "mine.py"
    file.write_text(HEAD + text)
    result = VerdictJob(ROW, described(f"{file}:MINE")).run()
    return result.verdict, result.reason, len(result.trace), result.sentence


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    source, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "batch.py"
    file.write_text(source)
    return file


def test_the_scenario_of_a_cpu_that_joins_is_as_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It passes on the rows that the page names, and a policy whose CPUs do not say that they join fails it."""
    (source,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "JOINS = " in text)
    file = tmp_path / "joins.py"
    file.write_text(source)
    rows = ["--arch", "x86", "--arch", "arm64", "--config", "arches-all.toml"]
    assert main(["--scenario", f"{file}:JOINS", *rows, "--no-costs", "--output", str(tmp_path)]) == 0
    plugin = tmp_path / "silent.py"
    plugin.write_text(
        "from arch_plugins.generic import Smp\nfrom core.hookspecs import hookimpl\n"
        "class Silent(Smp):\n    @hookimpl\n    async def switch_mm(self, prev, next):\n        pass\n"
    )
    capsys.readouterr()
    main(["explain", f"{plugin}:Silent", f"{file}:JOINS"])
    assert "use-after-free" in capsys.readouterr().out


def test_the_scenario_of_the_page_passes_on_a_row(
    batch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--scenario", f"{batch}:BATCH", "--arch", "smp-6.2-fix", "--no-costs", "--output", str(tmp_path)]
    assert main(arguments) == 0
    assert "pass" in capsys.readouterr().out


def test_its_broken_form_fails_with_a_trace(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch.write_text(batch.read_text().replace("frees_first=False", "frees_first=True"))
    assert main(["explain", "smp-6.2-fix", f"{batch}:BATCH"]) == 1
    shown = capsys.readouterr().out
    assert "use-after-free" in shown
    assert "load(1)" in shown


def test_a_deadlock_says_who_waits_for_what(tmp_path: Path) -> None:
    verdict, reason, steps, sentence = judged(tmp_path, ABBA)
    assert (verdict, reason, steps) == ("fail", "deadlock", 2)
    assert "one waits in 'lock PG_locked[1]', which two holds; two waits in 'lock PG_locked[0]', which one holds" in (
        sentence
    )
    assert sentence.partition(" one waits")[0] in PAGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SEEN, "SEEN changed: the scenario keeps state outside its programs' local variables"),
        (OTHER_EACH_TIME, "building the scenario twice gives different tasks"),
        (RAISES, "no such page"),
        (NO_MODEL, "the build function returned 7, expected a Model"),
    ],
)
def test_what_misbehaves_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    verdict, reason, _, _ = judged(tmp_path, text)
    assert verdict == "error"
    assert said in reason


def test_a_property_of_its_own_has_its_sentence(tmp_path: Path) -> None:
    verdict, reason, _, sentence = judged(tmp_path, OWN_SENTENCE)
    assert (verdict, reason, sentence) == ("fail", "my-rule", "What I said is not so.")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ('Scenario("own-tlb", "t", "o", idle)', "own-tlb is a scenario of the suite"),
        ('Scenario("Mine", "t", "o", idle)', "id: expected lower-case letters"),
        ('Scenario("mine", "", "o", idle)', "title: expected a string"),
        ('Scenario("mine", "t", "o", idle, tier="large")', "tier: expected one of smoke"),
        ('Scenario("mine", "t", "o", idle, requires=("wings",))', "there is no capability wings"),
        ('Scenario("mine", "t", "o", 3)', "build: expected a function"),
        ("3", "expected a Scenario, got 3"),
        ("exit(3)", "its process died|raised SystemExit"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_scenario_that_cannot_be_used_is_named(
    tmp_path: Path, made: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{HEAD}MINE = {made}\n")
    assert main(["--scenario", f"{file}:MINE", "--arch", "smp-6.2-fix"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert re.search(said, err), err
    assert f"scenario {file}:MINE" in err


def test_it_is_loaded_in_a_child_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"import pathlib, os\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n")
    assert "there is no MINE in it" in described(f"{file}:MINE").problem
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_an_entry_point_names_it(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[shootdown.scenarios]\nmy-batch = batch:BATCH\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    scenario = load("my-batch")
    assert scenario.id == "batch"
    assert check(scenario.build(ROW.arch(), ERAS["6.12"])).violated == ""
    with pytest.raises(PluginError, match=r"shootdown\.scenarios \(my-batch\)"):
        load("my-bat")


def test_the_digest_follows_the_file(batch: Path) -> None:
    before: Outside = described(f"{batch}:BATCH")
    batch.write_text(batch.read_text() + "\n# more\n")
    assert before.digest != described(f"{batch}:BATCH").digest
