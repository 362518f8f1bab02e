"""A hostile plugin between good rows: their verdicts stay, the run ends in time and whole, and nothing is left.

The plugins of one harm run together, so that each also has the others beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.catalogue import HARMS, MOMENTS, REACHES_OUT, text
from tests.hostile.ways import WAYS, missing, wrapped

ROOT = Path(__file__).parents[2]

TIMEOUT = 3
"""Seconds that a hostile plugin may take for each thing that it is asked."""

OVERHEAD = 20
"""Seconds for everything else, on a machine with much to do: interpreters that start, good rows."""

SCENARIO = "lost-dirty-munmap"
GOOD = {"smp-6.1": "xfail", "smp-6.2-fix": "pass", "s390": "pass"}


def suite_files() -> dict[str, tuple[int, bytes]]:
    """Mode and contents of the suite's files; a directory has none."""
    paths = [ROOT, *(path for name in ("core", "arch_plugins") for path in (ROOT / name).rglob("*"))]
    kept = [path for path in paths if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")]
    return {str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in kept}


def left_over(mark: str) -> list[str]:
    """Processes that were given `mark` on their command line, or began with something that was."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().decode(errors="replace")[:200])
        except OSError:
            continue
    return found


def cases() -> Iterator[tuple[str, str]]:
    """(way, harm): all that machines as this one refuse nothing; all others with SHOOTDOWN_WAYS=all, else a few."""
    everywhere = os.environ.get("SHOOTDOWN_WAYS") == "all"
    for way, how in WAYS.items():
        for harm in HARMS:
            if harm not in how.unsafe and (everywhere or not how.refuses or harm in REACHES_OUT):
                yield way, harm


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what Linux's kernel does")
@pytest.mark.parametrize(("way", "harm"), list(cases()))
def test_a_hostile_plugin_changes_nothing_but_its_own_row(way: str, harm: str, tmp_path: Path) -> None:
    how = WAYS[way]
    if how.refuses and missing():
        pytest.skip(missing())
    argv = ["--no-costs", "--scenario", SCENARIO, "--format", "json", "--timeout", str(TIMEOUT), "--jobs", "2"]
    argv += ["--output", str(tmp_path / "out")]
    rows = [
        f'[[arch]]\nname = "{name}"\nplugin = "arch_plugins.{module}"\n{more}\n'
        for name, module, more in (
            ("smp-6.1", "generic:Smp", f'era = "6.1"\nexpect = {{ {SCENARIO} = "the bug that 5df397dec7c4 fixes" }}'),
            ("smp-6.2-fix", "generic:Smp", ""),
            ("s390", "s390:S390", ""),
        )
    ]
    for number, moment in enumerate(MOMENTS):
        (tmp_path / f"hostile{number}.py").write_text(text(harm, moment))
        rows.insert(2 * number, f'[[arch]]\nname = "{moment}"\nplugin = "hostile{number}.py:Hostile"\n')
    (tmp_path / "arches.toml").write_text("\n".join(rows))
    home = tmp_path / "home"
    home.mkdir()
    before, begun = suite_files(), time.monotonic()
    done = subprocess.run(
        wrapped(how, [sys.executable, "-m", "core.compare", "--config", str(tmp_path / "arches.toml"), *argv]),
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "MARK_OF_TEST": str(tmp_path)},
    )
    took = time.monotonic() - begun
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    found = {result["architecture"]: result["verdict"] for result in report["results"]}
    assert {name: verdict for name, verdict in found.items() if name in GOOD} == GOOD
    assert set(found) == {*GOOD, *MOMENTS}
    if how.refuses or not missing():
        assert report["suite"]["containment"].startswith(how.says)
    assert took < len(MOMENTS) * 2 * (TIMEOUT + 2) + OVERHEAD
    assert "\x1b" not in done.stderr + done.stdout
    assert left_over(f"MARK_OF_TEST={tmp_path}") == []
    assert suite_files() == before
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_there_are_at_least_120() -> None:
    assert len(HARMS) * len(MOMENTS) >= 120
    assert len({text(harm, moment) for harm in HARMS for moment in MOMENTS}) == len(HARMS) * len(MOMENTS)
