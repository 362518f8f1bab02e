"""The subcommands about cost, as a user calls them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from core.compare import main


def test_sweep_prints_a_row_per_point_and_writes_csv(tmp_path, capsys) -> None:
    path = tmp_path / "points.csv"
    assert main(["sweep", "--era", "5df397dec7", "bundle=4,8", "pages=64", "--csv", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:]] == [["4", "64", "16"], ["8", "64", "8"]]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["flushes"] for row in rows] == ["16", "8"]


def test_sweep_front_leaves_out_what_is_beaten(capsys) -> None:
    assert main(["sweep", "--front", "--era", "5df397dec7", "bundle=4,8", "pages=64"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:3] for row in rows] == [["8", "64", "8"], ["4", "64", "16"]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["bundel=1"],
        ["bundle=x"],
        ["dirty=101"],
        ["bundle=-1"],
        ["ptes_per_table=0"],
        ["cpus=0"],
        ["--plugin", "no.such:thing", "pages=1"],
    ],
)
def test_bad_sweeps_cost_one_line_and_status_2(arguments, capsys) -> None:
    assert main(["sweep", *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--plot", "x.pdf"], "--plot x.pdf: expected a name that ends in .svg or .png"),
        (["--x", "arch"], "--x arch: expected one of pages"),
        (["--y", "flashes"], "--y flashes: expected one of pages, ipis, flushes"),
        (["pages=3"], "pages is given twice: give all its values at once, as in pages=64,512"),
        (["--arch", "nowhere"], "plugin nowhere: expected module:object"),
    ],
)
def test_wrong_flags_of_sweep(flags, message, capsys) -> None:
    assert main(["sweep", "pages=1,2", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_sweep_names_the_architecture_where_there_are_several_and_what_has_no_price(capsys) -> None:
    assert main(["sweep", "pages=1", "--arch", "smp-6.12", "--arch", "s390"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["smp-6.12", "s390"]
    assert "without IPTE" in rows[1]


def test_prices_name_their_sources(capsys) -> None:
    assert main(["prices", "--model", "ivybridge"]) == 0
    out = capsys.readouterr().out
    assert "a5102476a24b" in out
    assert "Ivy Bridge" in out


@pytest.mark.slow
def test_workloads_are_counted_and_priced(capsys) -> None:
    assert main(["workloads", "--arch", "smp-5df397dec7", "--arch", "s390"]) == 0
    smp, s390 = capsys.readouterr().out.split("\n\n")[:2]
    rows = {line.split()[0]: line.split() for line in smp.splitlines()[3:]}
    assert "without IPTE" in s390
    assert rows["page_fault3"][1] == "256"
    assert rows["exit_shared"][1] == str(2**40 // 4096 // 8)


# ---- plugins from elsewhere ----------------------------------------------------------------------------------

FOREIGN = """
import os, time
from arch_plugins.generic import Generic, Smp
from core.hookspecs import hookimpl


class Harmless(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        print("hello from the plugin")
        self.harm()
        await Generic().flush_tlb_range(mm, start, end, stride)

    def harm(self):
        pass


class Raises(Harmless):
    def harm(self):
        raise OSError("no such \\n luck")


class Quits(Harmless):
    def harm(self):
        os._exit(0)


class Exits(Harmless):
    def harm(self):
        raise SystemExit(0)


class Hangs(Harmless):
    def harm(self):
        time.sleep(1000)


class Remembers(Harmless):
    flushes = 0

    def harm(self):
        self.flushes += 1
"""
HARM = {
    "Raises": "raised OSError: no such luck",
    "Quits": "its process died with exit status 0",
    "Exits": "raised SystemExit: 0",
    "Hangs": "timed out after 2 s",
    "Remembers": "self.flushes changed: the plugin keeps state outside its programs' local variables",
}
COMMANDS = {
    "sweep": ["sweep", "pages=4,8", "dirty=50,100", "--era", "6.12"],
    "workloads": ["workloads", "--workload", "page_fault3", "--era", "6.12"],
    "replay": ["replay", "recording.gz", "--era", "6.12"],
}
OPERATIONS = (
    "mmap> 0 0x3000 3 0x22 0xffffffff 0",
    "mmap< 0x700000000000",
    "pf 700000000000 6",
    "pf 700000001000 6",
    "munmap> 0x700000000000 0x3000",
    "F 2 0",
    "munmap< 0x0",
)


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of plugins, in a directory with a recording."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{n}\t0\t1\t" + line.replace(" ", "\t", 1) for n, line in enumerate(OPERATIONS)]
    (tmp_path / "recording.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / "foreign.py").write_text(FOREIGN)
    return "foreign.py"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_foreign_plugin_does_costs_its_own_rows_and_one_line(command: str, foreign: str, capsys) -> None:
    good = ["--arch", "s390", "--arch", f"{foreign}:Harmless"]
    bad = [flag for name in HARM for flag in ("--plugin", f"{foreign}:{name}")]
    assert main([*COMMANDS[command], *good]) == 0
    alone = capsys.readouterr().out
    assert "hello" not in alone
    assert main([*COMMANDS[command], *good, *bad, "--timeout", "2"]) == 1
    told = capsys.readouterr()
    assert told.out == alone
    lines = [line.partition(" (")[0] for line in told.err.splitlines() if "hello" not in line]
    assert lines == [f"shootdown: {foreign}:{name}: not counted: {why}" for name, why in HARM.items()]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_row_that_cannot_be_used_does_not_stop_the_others(command: str, foreign: str, capsys) -> None:
    assert main([*COMMANDS[command], "--arch", "s390", "--plugin", f"{foreign}:Harmles"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"shootdown: {foreign}:Harmles: not counted: plugin {foreign}:Harmles: ")
    assert told.err.endswith("did you mean Harmless?\n")
    assert len(told.out.splitlines()) > 2
    assert main([*COMMANDS[command], "--plugin", f"{foreign}:Harmles"]) == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_latency_proxies_are_told_everywhere(command: str, foreign: str, capsys) -> None:
    assert main([*COMMANDS[command], "--arch", "s390"]) == 0
    out = capsys.readouterr().out
    for column in ("max_held", "max_ptes_per_hold", "max_flushes_per_hold", "max_ptes_unbroken", "longest lock hold"):
        assert column in out


def test_replay_adds_up_what_its_own_process_and_a_child_count(foreign: str, capsys) -> None:
    """Harmless is Smp, in a child."""
    assert main([*COMMANDS["replay"], "--arch", "smp-6.12", "--plugin", f"{foreign}:Harmless"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[2:4]}
    assert rows["smp-6.12"] == rows[f"{foreign}:Harmless"]


def test_a_sweep_draws_what_it_counts(tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / "front.svg", tmp_path / "front.png"]
    assert main(["sweep", "bundle=4,8", "pages=64", *(f"--plot={file}" for file in files)]) == 0
    assert "flushes" in capsys.readouterr().out
    assert b"<svg" in files[0].read_bytes()
    assert files[1].read_bytes().startswith(b"\x89PNG")
