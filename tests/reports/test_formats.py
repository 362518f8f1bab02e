"""The formats: made of the report alone, and each written and printed by `run`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.compare import main
from reports import formats
from reports.formats import FORMATS, Format

REPORTS = (
    "badge",
    "difference",
    "document",
    "formats",
    "gate",
    "github",
    "grid",
    "junit",
    "lines",
    "overview",
    "results",
    "separated",
    "tables",
)

LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"reports.{name}")
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("core", "arch_plugins")))
"""


def test_reports_load_nothing_that_results_come_from() -> None:
    """In a fresh interpreter. Of core they know the word for a cell that an interrupted run did not come to."""
    modules = sorted(path.stem for path in Path(formats.__file__).parent.glob("*.py") if path.stem != "__init__")
    assert tuple(modules) == REPORTS
    done = subprocess.run([sys.executable, "-c", LOADED, *REPORTS], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded == {"core", "core.run"}


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "html"])
def test_what_run_prints_in_a_format_is_the_file_that_it_writes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--arch", "smp-6.1", "--scenario", "own-tlb", "--no-costs", "--jobs", "1", "--output", str(tmp_path)]
    assert main([*run, "--format", name]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / FORMATS["json"].file).read_text(encoding="utf-8"))
    assert FORMATS[name].write(report) == printed
    if FORMATS[name].file:
        assert (tmp_path / FORMATS[name].file).read_text(encoding="utf-8") == printed
    assert name in ("badge", "csv-costs") or "own-tlb" in printed


def test_a_new_format_is_a_row_of_FORMATS(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """run offers it, prints it and writes its file, and no other room knows of it."""
    verdicts = Format(lambda report: " ".join(r["verdict"] for r in report["results"]) + "\n", "report.txt")
    monkeypatch.setitem(FORMATS, "verdicts", verdicts)
    run = ["--arch", "smp-6.1", "--scenario", "own-tlb", "--no-costs", "--jobs", "1", "--output", str(tmp_path)]
    assert main([*run, "--format", "verdicts"]) == 0
    assert capsys.readouterr().out == "pass\n"
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == "pass\n"
