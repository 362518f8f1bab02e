"""The wheel is whole: what the documents show works in an empty directory, and it goes without leaving anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import environment

COMMANDS = {
    ("shootdown", "list", "arches", "--config", "arches-all.toml"): "s390",
    ("shootdown", "explain", "smp-6.1", "lost-dirty-dontneed", "--format", "mermaid"): "sequenceDiagram",
    ("shootdown", "litmus", "litmus_own.jsonl"): "agree, 0 too strong, ",
    ("shootdown", "measured", "tests/data/order_public.jsonl.gz"): "154 equal, 0 different, 0 not modelled yet",
    ("shootdown", "replay", "recording_py_import.tsv.gz", "--arch", "smp-6.2-fix"): "smp-6.2-fix",
    ("shootdown", "--arch", "s390", "--scenario", "own-tlb", "--searcher", "fast"): "1 proved",
    ("python", "-P", "-m", "core.compare", "info", "s390"): "own hooks",
}
"""What stdout has, by the command; all exit with 0 but explain, which exits with 0 for what is declared."""


@pytest.mark.slow
def test_commands_work_in_an_empty_directory_and_uninstalling_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    of, home, empty = environment(tmp_path / "venv", wheel), tmp_path / "home", tmp_path / "empty"
    home.mkdir()
    empty.mkdir()
    (site,) = (of.directory / "lib").glob("python*/site-packages")
    for command, said in COMMANDS.items():
        done = of.run(*command, cwd=empty, HOME=str(home))
        assert (done.returncode, said in done.stdout) == (0, True), f"{command}\n{done.stdout}{done.stderr}"
    assert list(empty.iterdir()) == []
    assert (home / ".cache" / "shootdown").is_dir()
    cleared = of.run("shootdown", "cache", "clear", "--reports", cwd=empty, HOME=str(home))
    assert cleared.returncode == 0
    assert [path.name for path in home.rglob("*") if "shootdown" in path.name] == []
    python = str(of.directory / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "uninstall", "-y", "-q", "shootdown"],
        check=True,
        capture_output=True,
    )
    left = [path.name for path in site.iterdir()]
    assert left == ["outer.pth"], left  # which the tests have put there
