"""`explain --save` and `replay-trace`: a counterexample as a file, walked again, and the forms made of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.compare import main

CELL = ("smp-6.1", "lost-dirty-dontneed")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("traces") / "t.json"
    assert main(["explain", *CELL, "--save", str(file)]) == 0  # declared to fail
    return file


def test_the_file_is_what_its_schema_says(saved: Path) -> None:
    trace = json.loads(saved.read_text())
    jsonschema.validate(trace, json.loads(files("reports").joinpath("trace.schema.json").read_text()))
    assert (trace["architecture"], trace["scenario"]["id"], len(trace["steps"])) == (*CELL, 31)
    read = {trace["cells"][cell]["shown"] for cell in trace["violated"]["reads"]}
    assert read == {"newer[0]", "PG_dirty[0]", "pte[0]", "PG_locked[0]", "mapcount[0]"}


def test_it_happens_on_its_row_and_not_on_one_with_the_fix(saved: Path, capsys: Any) -> None:
    assert main(["replay-trace", str(saved)]) == 0
    assert main(["replay-trace", str(saved), "--arch", "smp-6.2-fix"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("smp-6.1 lost-dirty-dontneed: happens, 31 steps")
    assert "no longer happens: step 25: unmap does 'send IPI to CPU0: flush [0, 1)'" in said[1]


def form(saved: Path, name: str, capsys: Any) -> str:
    assert main(["replay-trace", str(saved), "--format", name]) == 0
    out: str = capsys.readouterr().out
    return out


def test_a_sequence_diagram_has_a_message_for_each_step(saved: Path, capsys: Any) -> None:
    text = form(saved, "mermaid", capsys)
    assert text.startswith("sequenceDiagram\n")
    assert len(re.findall(r"^    CPU\d->>CPU\d: ", text, re.MULTILINE)) == 31
    assert "    participant CPU2 as CPU2 writeback\n" in text


def test_itf_has_a_state_more_than_steps(saved: Path, capsys: Any) -> None:
    itf = json.loads(form(saved, "itf", capsys))
    assert len(itf["states"]) == 32
    assert all(set(itf["vars"]) | {"#meta"} == set(state) for state in itf["states"])
    assert itf["states"][3]["mmap_lock"] == {"#set": [{"task": 1}]}
    assert itf["states"][23]["pte[0]"] == "none"


def test_a_log_for_shiviz_orders_what_one_step_has_read_of_another(saved: Path, capsys: Any) -> None:
    lines = form(saved, "shiviz", capsys).splitlines()[2:]
    clocks = [json.loads(line.partition(" ")[2]) for line in lines[::2]]
    events = lines[1::2]
    clear = next(at for at, event in enumerate(events) if event.startswith("ptep_get_and_clear(0)"))
    assert clocks[clear]["CPU0_user"] == 17  # its mmap_read_unlock, which the mmap_read_lock of unmap has read
    assert clocks[0] == {"CPU0_user": 1}


def test_a_picture_is_well_formed_and_has_every_step(saved: Path, capsys: Any) -> None:
    root = ElementTree.fromstring(form(saved, "svg", capsys))
    said = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {str(number) for number in range(1, 29)} <= set(said)


def test_columns_are_those_of_explain(saved: Path, capsys: Any) -> None:
    text = form(saved, "columns", capsys)
    assert " 31>" in text
    assert "PG_locked[0]: 3 -> -" in text


HOSTILE = '<script>alert(1)</script>"; end'


def test_names_stay_text_in_every_form(saved: Path, tmp_path: Path, capsys: Any) -> None:
    trace = json.loads(saved.read_text())
    trace["scenario"]["title"] = trace["violated"]["sentence"] = HOSTILE
    file = tmp_path / "hostile.json"
    file.write_text(json.dumps(trace))
    assert "<script>" not in form(file, "svg", capsys)
    mermaid = form(file, "mermaid", capsys)
    assert "<script>" not in mermaid
    assert '"' not in mermaid


WRONG = (
    (lambda t: t.update(schema={"name": "other", "version": "1"}), "its schema is 'other'"),
    (lambda t: t["schema"].update(version="2.0"), "it is of version 2.0, expected 1.0"),
    (lambda t: t.pop("cells"), "cells is missing"),
    (lambda t: t["steps"][2].pop("state"), "steps[2].state is missing"),
    (lambda t: t["steps"][2].update(agent=99), "steps[2].agent: there are"),
    (lambda t: t["steps"][2].update(agent="user"), "steps[2].agent: expected int, found str"),
    (lambda t: t["steps"][2]["state"].append(0), "steps[2].state: expected"),
    (lambda t: t["steps"][2]["state"].__setitem__(0, 77), "steps[2].state: a cell has no such value"),
    (lambda t: t["steps"][2].update(outcome=-1), "steps[2].reads"),
)


@pytest.mark.parametrize(("damage", "message"), WRONG)
def test_a_damaged_file_is_one_line(saved: Path, tmp_path: Path, capsys: Any, damage: Any, message: str) -> None:
    trace = json.loads(saved.read_text())
    damage(trace)
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(trace))
    assert main(["replay-trace", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"shootdown: {file}: ")
    assert message in line


def test_a_file_that_is_cut_off_is_one_line(saved: Path, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "cut.json"
    file.write_text(saved.read_text()[:2000])
    assert main(["replay-trace", str(file)]) == 2
    assert "not JSON, or cut off" in capsys.readouterr().err


def test_code_that_a_file_names_is_not_run(saved: Path, tmp_path: Path, capsys: Any) -> None:
    ran = tmp_path / "ran"
    plugin = tmp_path / "evil.py"
    plugin.write_text(f"open({str(ran)!r}, 'w')\n")
    trace = json.loads(saved.read_text())
    trace["architecture"] = trace["plugin"] = f"{plugin}:Evil"
    file = tmp_path / "evil.json"
    file.write_text(json.dumps(trace))
    assert main(["replay-trace", str(file)]) == 2
    assert "name the plugin with --arch" in capsys.readouterr().err
    trace["architecture"], trace["scenario"]["id"] = "smp-6.1", f"{plugin}:evil"
    file.write_text(json.dumps(trace))
    assert main(["replay-trace", str(file)]) == 2
    assert "name it with --scenario" in capsys.readouterr().err
    assert not ran.exists()


def test_nothing_is_saved_where_there_is_no_trace(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "none.json"
    assert main(["explain", "smp-6.2-fix", "lost-dirty-dontneed", "--save", str(file)]) == 2
    assert "there is no trace" in capsys.readouterr().err
    assert not file.exists()
