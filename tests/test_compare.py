"""The command line: what goes where, and the exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from core.cli import verdicts
from core.compare import main
from core.conformance.scenarios import MODULE_OF, SCENARIOS
from core.table.rows import load
from reports.document import schema
from tests.timeless import timeless

PLUGINS = """
import os, time
from core.hookspecs import Facts, hookimpl
from arch_plugins.generic import Smp, flush_by_ipi
from core.machine.ipi import FlushRequest

class Raises(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        raise ValueError("no such luck")

class Hangs(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        while True:
            time.sleep(0.01)

class Dies(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        os._exit(7)

class Confused(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        await Seven()

class Seven:
    def __await__(self):
        yield 7

class Interrupts(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        raise KeyboardInterrupt

class Prints(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        print("hello from", "the plugin")
        await flush_by_ipi(mm, FlushRequest(start, end))

class ExitsAtOnce(Smp):
    def __init__(self):
        os._exit(0)

class ExitsAskedForFacts(Smp):
    @hookimpl
    def arch_facts(self):
        os._exit(0)

class NeverReady(Smp):
    @hookimpl
    def arch_facts(self):
        time.sleep(1000)

class BigPages(Smp):
    @hookimpl
    def arch_facts(self):
        return Facts(page_size="big")

five = 5

class CountsFar(Smp):
    def __init__(self):
        self.calls = 0
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        self.calls += 1
        if self.calls < 1000000:
            await flush_by_ipi(mm, FlushRequest(start, end))

SEEN = []

class Notes(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        SEEN.append(start)
        await flush_by_ipi(mm, FlushRequest(start, end))

class Counts(Smp):
    calls = 0
    @hookimpl
    def tlb_delay_rmap(self, tlb):
        Counts.calls += 1
        tlb.delayed_rmap = Counts.calls % 2 == 0
        return Counts.calls % 2 == 0
"""


@pytest.fixture
def plugins(tmp_path: Path) -> str:
    path = tmp_path / "wrong.py"
    path.write_text(PLUGINS)
    return str(path)


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main([*argv, "--output", str(tmp_path / "out")])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_is_what_the_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--arch", "smp-6.1", "--arch", "s390", "--scenario", "lost-dirty-dontneed", "--format", "json")
    status, out, err = run(tmp_path, capsys, *argv)
    report = json.loads(out)
    jsonschema.validate(report, schema())
    assert (status, err) == (0, "")
    assert [(r["architecture"], r["verdict"]) for r in report["results"]] == [("smp-6.1", "xfail"), ("s390", "pass")]
    assert len(report["results"][0]["trace"]) == 31
    assert {c["workload"] for c in report["costs"]} == {"page_fault3", "malloc_trim", "checkpoint"}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert "## Correctness" in (tmp_path / "out" / "report.md").read_text()


def test_any_number_of_jobs_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--arch", "smp-6.1", "--arch", "up", "--scenario", "lost-dirty-munmap", "--format", "json")
    texts = {timeless(run(tmp_path, capsys, *argv, "--jobs", jobs)[1]) for jobs in ("1", "2", "5")}
    assert len(texts) == 1


def test_timing_is_all_that_two_runs_do_not_agree_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--arch", "smp-6.2-fix", "--scenario", "own-tlb", "--scenario", "huge-split", "--no-costs")
    report = json.loads(run(tmp_path, capsys, *argv, "--format", "json")[1])
    cells = report["timing"]["cells"]
    assert [cell["scenario"] for cell in cells] == ["own-tlb", "huge-split"]
    assert all(0 < cell["seconds"] <= report["timing"]["seconds"] for cell in cells)
    assert all(cell["states_per_second"] > 0 for cell in cells)
    assert [r["states"] for r in report["results"]] == [
        pytest.approx(cell["states_per_second"] * cell["seconds"], rel=0.05) for cell in cells
    ]
    assert "seconds" not in timeless(json.dumps(report))


def test_a_report_has_the_evidence_and_the_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("from arch_plugins.generic import Smp\n\nclass Mine(Smp):\n    pass\n")
    argv = ("--plugin", f"{tmp_path / 'mine.py'}:Mine", "--arch", "smp-6.1", "--scenario", "lost-dirty-dontneed")
    report = json.loads(run(tmp_path, capsys, *argv, "--no-costs", "--format", "json")[1])
    refuted, proved = report["results"]
    assert proved["reached"]
    assert proved["unreached"] == []
    assert set(refuted["reached"] + refuted["unreached"]) == set(proved["reached"])
    shipped, mine = report["architectures"]
    assert (shipped["distribution"], shipped["digest"]) == (f"shootdown {report['suite']['shootdown']}", "")
    assert mine["distribution"] == ""
    assert len(mine["digest"]) == 64
    told = run(tmp_path, capsys, *argv, "--no-costs")[1]
    assert f"{len(proved['reached'])} windows reached in 1 proofs" in told.replace("\n", " ")
    assert f"(digest {mine['digest'][:12]})" in told.replace("\n", " ")


def test_what_a_budget_leaves_is_bounded_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """49 scenarios cannot be searched in that time; the counts that are missing are told on stderr."""
    argv = ("--arch", "smp-6.2-fix", "--tier", "required", "--no-costs", "--budget", "0.001", "--format", "json")
    status, out, _ = run(tmp_path, capsys, *argv)
    results = json.loads(out)["results"]
    bounded = [r for r in results if r["verdict"] == "bounded"]
    assert status == 1
    assert {r["verdict"] for r in results} <= {"pass", "bounded"}
    assert "not searched: the run's time of 0.001 s was up" in {r["bounds"] for r in bounded}
    assert all("the run's time of 0.001 s was up" in r["bounds"] for r in bounded)
    assert run(tmp_path, capsys, *argv, "--fail-on", "unexpected")[0] == 0


def test_github_is_told_what_fails_where_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from arch_plugins.generic import Smp\nfrom core.hookspecs import hookimpl\n\n\nclass Mine(Smp):\n"
    source += "    @hookimpl\n    async def flush_tlb_range(self, mm, start, end, stride):\n        pass\n"
    (tmp_path / "mine.py").write_text(source)
    argv = ("--plugin", f"{tmp_path / 'mine.py'}:Mine", "--scenario", "use-after-free", "--no-costs")
    assert "::error" not in run(tmp_path, capsys, *argv)[2]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (line,) = [line for line in run(tmp_path, capsys, *argv)[2].splitlines() if line.startswith("::error ")]
    assert line.startswith(f"::error file={tmp_path / 'mine.py'},title=shootdown%3A ")
    assert "%0Ashootdown explain " in line
    assert "::error" not in run(tmp_path, capsys, *argv, "--annotations", "none")[2]
    bounded = ("--arch", "smp-6.2-fix", "--scenario", "use-after-free", "--no-costs", "--max-states", "9")
    assert "::warning title=" in run(tmp_path, capsys, *bounded)[2]


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        ("Raises", "raised ValueError: no such luck"),
        pytest.param("Hangs", "without awaiting an operation", marks=pytest.mark.slow),
        ("Dies", "its process died with exit status 7"),
        ("Confused", "awaited 7, expected an operation"),
        ("Interrupts", "raised KeyboardInterrupt"),
        ("ExitsAtOnce", "setting it up: its process died with exit status 0"),
        ("ExitsAskedForFacts", "setting it up: its process died with exit status 0"),
        ("NeverReady", "setting it up: timed out after 2 s"),
        ("CountsFar", "self.calls changed: the plugin keeps state outside its programs' local variables"),
        ("Notes", "shootdown_plugin_wrong.SEEN changed: the plugin keeps state outside its programs' local variables"),
        ("BigPages", "facts.page_size: expected int, got 'big'"),
        ("five", "5 is no architecture: expected an object with at least one method that is marked @hookimpl"),
    ],
)
def test_a_plugin_that_misbehaves_costs_its_own_cell(
    plugin: str,
    reason: str,
    plugins: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.table.row.SETUP_TIMEOUT", 2.0)
    argv = ["--plugin", f"{plugins}:{plugin}", "--arch", "smp-6.2-fix", "--scenario", "use-after-free"]
    if plugin in ("Dies", "Hangs"):
        argv += ["--no-costs"]
    status, out, _ = run(tmp_path, capsys, *argv, "--format", "json")
    report = json.loads(out)
    good, bad = report["results"]
    assert (status, good["verdict"], bad["verdict"]) == (1, "pass", "error")
    assert reason in bad["reason"]


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["explain", "ExitsAtOnce", "use-after-free"], 2, "setting it up: its process died with exit status 0"),
        (["explain", "five", "use-after-free"], 2, "5 is no architecture"),
        (["explain", "Dies", "use-after-free"], 1, "error: its process died with exit status 7"),
        (["mutants", "ExitsAtOnce"], 2, "setting it up: its process died with exit status 0"),
        (["mutants", "Dies", "--scenario", "use-after-free"], 2, "Dies fails use-after-free without a mutant: its pro"),
        (
            ["mutants", "Raises", "--scenario", "use-after-free"],
            2,
            "without a mutant: ProgramError: unmap: raised Valu",
        ),
    ],
)
def test_every_command_survives_what_a_plugin_does(
    command: list[str], status: int, message: str, plugins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, plugin, *rest = command
    assert main([name, f"{plugins}:{plugin}", *rest]) == status
    told = capsys.readouterr()
    assert message in told.out + told.err


def test_mutants_are_not_tried_where_a_row_is_declared_to_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mutant would look killed there."""
    row = next(row for row in load(None) if row.name == "smp-6.1")
    names = verdicts.expected_to_pass(row)
    assert row.expect
    assert set(names) == set(SCENARIOS) - set(row.expect)
    assert "left out, because smp-6.1 is declared to fail them: lost-dirty-dontneed" in capsys.readouterr().err


def test_mutants_are_made_of_what_holds_without(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "smp-6.1", "--scenario", "lost-dirty-dontneed"]) == 2
    assert "smp-6.1 fails lost-dirty-dontneed without a mutant: no-lost-dirty" in capsys.readouterr().err


def test_a_plugin_that_exits_is_an_error_of_the_pytest_plugin_too(plugins: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "core.conformance"]
    for plugin in ("ExitsAtOnce", "Dies"):
        only = ["--arch", f"{plugins}:{plugin}", "-k", "use-after-free"]
        done = subprocess.run([*command, *only], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "its process died with exit status" in done.stdout


def test_what_a_plugin_prints_is_no_result(plugins: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.compare", "--plugin", f"{plugins}:Prints", "--scenario", "use-after-free"]
    command += ["--no-costs", "--format", "json", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["results"][0]["verdict"] == "pass"
    assert "hello from the plugin" in done.stderr


def test_a_plugin_that_mutates_itself_is_found_out(
    plugins: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("--plugin", f"{plugins}:Counts", "--scenario", "lost-dirty-dontneed", "--format", "json")
    _, out, _ = run(tmp_path, capsys, *argv)
    (result,) = json.loads(out)["results"]
    assert result["verdict"] in ("error", "fail")
    assert "replayed with the same values" in result["reason"]


def test_a_broken_row_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "a.toml"
    good = '[[arch]]\nname = "good"\nplugin = "arch_plugins.generic:Smp"\n'
    config.write_text(good + '[[arch]]\nname = "bad"\nplugin = "arch_plugins.generic:Smp"\nfacts = { bundle = -2 }\n')
    argv = ("--config", str(config), "--scenario", "use-after-free", "--format", "json")
    status, out, _ = run(tmp_path, capsys, *argv)
    verdicts = {r["architecture"]: r for r in json.loads(out)["results"]}
    assert (status, verdicts["good"]["verdict"], verdicts["bad"]["verdict"]) == (1, "pass", "error")
    assert "facts.bundle: expected a number of at least 0, got -2" in verdicts["bad"]["reason"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--arch", "vax"], "--arch vax: no such row; expected one of smp-6.1"),
        (["--arch", "SMP-6.1"], "--arch SMP-6.1: no such row; did you mean smp-6.1?"),
        (["--plugin", "nowhere:Thing"], "--plugin: plugin nowhere:Thing: importing nowhere raised ModuleNotFoundError"),
        (["--plugin", "none.py:Mine"], "--plugin: plugin none.py:Mine: no such file: none.py"),
        (["--plugin", "arch_plugins.generic:Smq"], "there is no Smq in it; did you mean Smp?"),
        (["--fail-on", "regression"], "--fail-on regression: expected --baseline FILE"),
        (["--scenario", "own-tlb", "--shard", "2/3"], "--shard 2/3: there are only 1 scenarios"),
        (["--scenario", "nope"], "scenario nope: no such scenario; expected one of lost-dirty-dontneed"),
        (["--config", "none.toml"], "none.toml: no such file"),
        (["explain", "vax:X", "use-after-free"], "plugin vax:X: importing vax raised ModuleNotFoundError"),
        (["golden", "none.gz"], "none.gz: no such file"),
        (["golden", os.devnull], "/dev/null: empty, expected at least one line"),
        (["measured", os.devnull], "/dev/null: empty, expected at least one line"),
        (["replay", os.devnull], "/dev/null: empty, expected at least one line"),
        (["explain", "vax", "use-after-free"], "the rows are smp-6.1"),
        (["explain", "smp-6.12", "use-after-free", "--era", "6.1"], "row smp-6.12 is of era 6.12"),
        (["--arch", "smp-6.12", "--era", "6.1"], "--era is for a --plugin; a row has its own"),
        (["sweep", "pages=1:2000000"], "pages=1:2000000: expected 1 to 1000000 values, got more"),
        (["sweep", "pages=1:9999999999999999999999"], "expected 1 to 1000000 values, got more"),
        (["sweep", "pages=1:2000", "bundle=1:1000"], "2000000 points: at most 1000000 are possible"),
        (["sweep", "every=0", "--workload", "checkpoint"], "every: expected a number of at least 1, got 0"),
        (["bugs", "B-999"], "shootdown: B-999: expected the id of a historic bug: did you mean B-"),
        (["explain", "B-999"], "B-999: expected ARCH and SCENARIO, or the id of a historic bug: did you mean B-"),
        (["coverage", "smp-6.12", "--hook", "tlb_flsh"], "--hook tlb_flsh: no such hook; did you mean tlb_flush?"),
    ],
)
def test_usage_errors_are_one_line_and_status_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


COMPARE = [sys.executable, "-m", "core.compare"]


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen([*COMPARE, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), told) == (2, b"")


def test_a_closed_stdout_is_no_error() -> None:
    command = shlex.join([*COMPARE, "list", "scenarios"]) + " >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_encoding_that_lacks_a_letter_gets_an_escape(tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text('[[arch]]\nname = "h\u00fcbsch"\nplugin = "arch_plugins.generic:Smp"\n', encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*COMPARE, "list", "arches", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"h\\xfcbsch" in done.stdout


def test_a_misspelt_command_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lisst"])
    assert caught.value.code == 2
    assert "no command lisst: did you mean list?" in capsys.readouterr().err


ONE = ["--arch", "smp-6.2-fix", "--no-costs"]


def test_an_unfinished_search_fails_the_run_unless_only_the_unexpected_does(tmp_path: Path) -> None:
    bounded = [*ONE, "--scenario", "lost-dirty-munmap", "--max-states", "100", "--output", str(tmp_path)]
    assert main(bounded) == 1
    assert main([*bounded, "--fail-on", "unexpected"]) == 0


def test_a_run_is_compared_with_a_baseline_of_more_scenarios(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenarios = ["--scenario", "lost-dirty-munmap", "--scenario", "own-tlb"]
    assert main([*ONE, *scenarios, "--output", str(tmp_path)]) == 0
    baseline = ["--baseline", str(tmp_path / "report.json"), "--output", str(tmp_path / "new")]
    capsys.readouterr()
    assert main([*ONE, *scenarios[:2], *baseline]) == 0
    assert "0 changed since" in capsys.readouterr().err
    assert main([*ONE, *scenarios[:2], *baseline, "--max-states", "100"]) == 1
    assert "smp-6.2-fix lost-dirty-munmap: pass -> bounded (worse)" in capsys.readouterr().err


def test_shards_divide_the_scenarios_among_them(tmp_path: Path) -> None:
    chosen = ["own-tlb", "use-after-free", "range-of-three", "freed-once", "batch-limit"]
    given = [part for name in chosen for part in ("--scenario", name)]
    assert [_judged([*given, "--shard", f"{part}/2"], tmp_path) for part in (1, 2)] == [chosen[::2], chosen[1::2]]


def test_a_tier_is_a_choice_of_scenarios(tmp_path: Path) -> None:
    assert _judged(["--tier", "smoke"], tmp_path) == [s.id for s in SCENARIOS.values() if s.tier == "smoke"]


def _judged(argv: list[str], tmp_path: Path) -> list[str]:
    """The scenarios in which a run judges a row."""
    assert main([*ONE, *argv, "--output", str(tmp_path)]) == 0
    return [result["scenario"] for result in json.loads((tmp_path / "report.json").read_text())["results"]]


def test_a_wrong_number_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--jobs", "-3"])
    assert caught.value.code == 2
    assert "expected a number of at least 1, got '-3'" in capsys.readouterr().err


def test_limits_make_a_verdict_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "smp-6.2-fix", "lost-dirty-munmap", "--max-memory", "100K"]) == 0
    assert "bounded by 102400 bytes of memory; depth " in capsys.readouterr().out
    walks = ["explain", "smp-6.2-fix", "lost-dirty-munmap", "--walks", "20", "--seed", "3"]
    assert main(walks) == 0
    assert "bounded by 20 random walks of up to 1000 steps, seed 3; " in capsys.readouterr().out


def test_a_bounded_search_says_nothing_of_what_is_declared_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("--arch", "smp-6.1", "--scenario", "lost-dirty-dontneed", "--max-states", "10", "--format", "json")
    status, out, _ = run(tmp_path, capsys, *argv)
    (result,) = json.loads(out)["results"]
    assert (status, result["verdict"]) == (1, "bounded")
    assert result["reason"].endswith("but no violation was found within the bounds")


def test_explain_shows_columns_and_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "smp-6.1", "lost-dirty-dontneed"]) == 0
    out = capsys.readouterr().out
    assert "CPU0 user" in out
    assert "CPU2 writeback" in out
    assert "no-lost-dirty: A store reached the page, yet neither" in out
    assert main(["explain", "s390", "use-after-free"]) == 0
    assert "pass: every interleaving explored" in capsys.readouterr().out


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "flush at PTE clear" in out
    assert "nested-gathers" in out
    modules = {words[0]: words[1] for words in map(str.split, out.splitlines()) if len(words) > 1}
    assert {name: modules[name] for name in SCENARIOS} == {name: MODULE_OF[name] for name in SCENARIOS}
    assert modules["pfnmap-second"] == "vm_pfnmap"


def test_golden_counts_in_its_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gzip

    public = Path(__file__).parent / "data" / "golden_public.jsonl.gz"
    with gzip.open(public, "rt") as lines:
        cases = [json.loads(line) for line in lines]
    few = [c for c in cases if c["id"].startswith("multivma/") and c["kernel"] == "5df397dec7"][:3]
    wrong = dict(few[0], raw_sha256="0" * 64)
    unknown = dict(few[0], kernel="9.9")
    path = tmp_path / "few.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(c) + "\n" for c in few).encode()))
    assert main(["golden", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 equal, 0 different, 0 not modelled yet"
    path.write_bytes(gzip.compress("".join(json.dumps(c) + "\n" for c in [*few, wrong, unknown]).encode()))
    assert main(["golden", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "raw stream" in lines[0]
    assert lines[-2:] == ["kernel 9.9: not modelled yet: 1", "3 equal, 1 different, 1 not modelled yet"]
