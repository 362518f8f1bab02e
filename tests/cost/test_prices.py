"""Measured prices: what is measured, what the file says, and where prices from arches.toml apply."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from arch_plugins.arm64 import Arm64, Arm64Range
from core.compare import main
from core.cost import prices
from core.cost.calibrate import ONE_CPU, calibrate
from core.cost.coefficients import BY_FIRMWARE, INSTRUCTIONS, X86_INSTRUCTIONS, Coefficient
from core.cost.counts import instructions_in
from core.cost.price_model import DEFAULT, MODELS
from core.cost.workload_counts import account
from core.cost.workloads import STANDARD
from core.table.rows import ConfigError, load, parse

ROOT = Path(__file__).parents[2]
LOCAL = {"base", "invlpg", "full", "refill", "zap_page"}


def test_calibrate_measures_this_machine() -> None:
    measured = calibrate(rounds=2, samples=3)
    found = {c.name: c for c in measured.coefficients}
    assert found.keys() >= LOCAL
    assert ("ipi" in found) == (not measured.missing)
    assert found["zap_page"].high > 0
    assert "Linux" in measured.machine
    for c in found.values():
        assert 0 <= c.low <= c.high
        assert "rounds of" in c.source


def test_one_cpu_cannot_be_interrupted() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        measured = calibrate(rounds=2, samples=3)
    finally:
        os.sched_setaffinity(0, allowed)
    assert measured.missing == (ONE_CPU,)
    assert {c.name for c in measured.coefficients} == LOCAL


def test_what_calibrate_writes_is_what_prices_shows(tmp_path: Path, capsys) -> None:
    path = tmp_path / "mine.toml"
    assert main(["calibrate", "--rounds", "2", "--samples", "3", "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "zap_page" in out
    assert main(["prices", "--prices", str(path)]) == 0
    assert "DSB_ISHST" in capsys.readouterr().out  # what was not measured is the default's
    model = prices.load(str(path))
    assert model.name == "mine"
    assert model.coefficients["zap_page"].machine != MODELS[DEFAULT].coefficients["zap_page"].machine
    assert main(["workloads", "--workload", "page_fault3", "--prices", str(path)]) == 0
    assert "price (mine)" in capsys.readouterr().out


def test_a_file_says_what_was_written(tmp_path: Path) -> None:
    ipi = Coefficient("ipi", 1.5, 2.5, "ns per IPI", "", 'with "quotes"')
    prices.write(tmp_path / "p.toml", "a machine", [ipi])
    model = prices.load(str(tmp_path / "p.toml"))
    read = model.coefficients["ipi"]
    assert (read.low, read.high, read.machine, read.source) == (1.5, 2.5, "a machine", 'with "quotes"')
    assert model.coefficients["invlpg"] == MODELS[DEFAULT].coefficients["invlpg"]


WRONG = {
    "x": "Expected",
    "": "schema: expected 'shootdown-prices 1', got None",
    "base = 'no'": "base: expected one of zen4",
    "coefficients = 3": "expected machine = a string and tables",
    "[coefficients.ipo]\nlow = 1\nhigh = 2": r"coefficients.ipo: no such coefficient; did you mean ipi\?",
    "[coefficients.ipi]\nlow = 1": "coefficients.ipi: expected a table with low, high, source",
    "[coefficients.ipi]\nlow = -1\nhigh = 2": "coefficients.ipi: expected a number",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_costs_one_line(text: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text if text in ("", "x") else f'schema = "{prices.SCHEMA}"\n{text}\n')
    with pytest.raises(ValueError, match=WRONG[text]):
        prices.load(str(path))
    assert main(["workloads", "--prices", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_prices_that_are_nowhere(capsys) -> None:
    assert main(["workloads", "--prices", "nowhere"]) == 2
    assert "--prices nowhere: no such file; expected a file or one of zen4" in capsys.readouterr().err


# ---- in arches.toml ------------------------------------------------------------------------------------------

ROWS = """
[prices]
ipi = [100, 200]
zap_page = 0

[[arch]]
name = "a"
plugin = "arch_plugins.generic:Smp"

[[arch]]
name = "b"
plugin = "arch_plugins.generic:Smp"
prices = { ipi = 7 }
"""


def test_rows_have_prices_of_their_own() -> None:
    a, b = (row.model(MODELS[DEFAULT]) for row in parse(ROWS, "x.toml"))
    assert (a.coefficients["ipi"].low, a.coefficients["ipi"].high) == (100, 200)
    assert (b.coefficients["ipi"].low, b.coefficients["zap_page"].high) == (7, 0)
    assert a.coefficients["ipi"].source == "arches.toml: prices"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[prices]\nipo = 1\n", "x.toml: prices.ipo: no such coefficient; did you mean ipi?"),
        ("prices = 3\n", "x.toml: prices: expected a table, got 3"),
        ("[prices]\nIPTE = 'x'\n", "x.toml: prices.IPTE: expected a number or [low, high], not negative; is 'x'"),
    ],
)
def test_wrong_prices_name_their_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text + '[[arch]]\nname = "a"\nplugin = "arch_plugins.generic:Smp"\n', "x.toml")
    assert str(caught.value) == message


def test_a_row_with_a_wrong_price_leaves_the_others_alone() -> None:
    rows = parse(ROWS.replace("ipi = 7", "ipi = -7"), "x.toml")
    assert [bool(row.problem) for row in rows] == [False, True]
    assert rows[1].problem.startswith("x.toml: arch[1].prices.ipi: expected a number")


def test_reports_are_priced_as_the_rows_say(tmp_path: Path, capsys) -> None:
    config = tmp_path / "x.toml"
    config.write_text(ROWS)
    command = ["--config", str(config), "--scenario", "use-after-free", "--format", "json"]
    assert main([*command, "--output", str(tmp_path / "out"), "--prices", "milan"]) == 0
    report = json.loads(capsys.readouterr().out)
    high = {(c["architecture"], c["workload"]): c["price"]["high"] for c in report["costs"]}
    assert high["a", "page_fault3"] - high["b", "page_fault3"] == 4 * (200 - 7)
    assert {c["price"]["model"] for c in report["costs"]} == {"milan, changed"}


def test_every_coefficient_of_an_instruction_is_of_one_that_a_plugin_executes() -> None:
    """The name is all that ties the two: a misspelt one would price nothing, and nobody would be told."""
    executed = {
        name
        for row in load(ROOT / "arches-all.toml")
        for cpus in (1, 2)
        for workload in STANDARD.values()
        for name in instructions_in(account(row.arch(), row.era, workload, cpus))
    }
    non_leaf = {name for arm64 in (Arm64(), Arm64Range()) for name, *_ in arm64.of_range(0, 33, 1, leaf=False)}
    assert non_leaf == {"TLBI_VAE1IS", "TLBI_RVAE1IS"}  # where tables were freed, which no standard workload does
    priced = {coefficient.name for coefficient in INSTRUCTIONS} | X86_INSTRUCTIONS | {BY_FIRMWARE}
    assert priced - executed - non_leaf == set()
