"""The subcommands about cost, as a user calls them."""

from __future__ import annotations

import csv

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
        (["--plot", "x.png", "--y", "flashes"], "--y flashes: expected one of pages, ipis, flushes"),
        (["--plot", "x.png", "--x", "arch"], "--x arch: expected one of pages"),
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
    assert rows[1].endswith("without IPTE")


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


def test_a_sweep_outlives_a_plugin_that_ends_its_process(tmp_path, capsys) -> None:
    plugin = tmp_path / "quits.py"
    plugin.write_text(
        "import os\n"
        "from arch_plugins.generic import Smp\n"
        "from core.hookspecs import hookimpl\n"
        "class Quits(Smp):\n"
        "    @hookimpl\n"
        "    async def flush_tlb_range(self, mm, start, end, stride, freed_tables):\n"
        "        os._exit(0)\n"
    )
    assert main(["sweep", "bundle=4,8", "pages=64", "--plugin", f"{plugin}:Quits"]) == 2
    assert "a process died while it counted" in capsys.readouterr().err
