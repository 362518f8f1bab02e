"""What anybody has called something is shown, and nothing in it is obeyed."""

from __future__ import annotations

import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.printable import Shown, all_printable, printable
from core.cli.report import Subject, document
from core.conformance import Result
from core.facts import Facts
from reports.formats import FORMATS

HARD = ("\x1b[2J", "a|b", "<script>", "`x`", "]](x)", "\udcff", "\x00", "\u2028", "\u009b31m", "]]>", "\\|", "|\n|-|\n")
anything = st.text(st.characters(), max_size=20) | st.sampled_from(HARD)


@given(anything)
def test_printable_is_printable_and_tells_texts_apart(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@given(st.recursive(anything, lambda below: st.lists(below) | st.dictionaries(anything, below), max_leaves=6))
def test_all_texts_in_plain_data_become_printable(value: Any) -> None:
    assert json.dumps(all_printable(value), ensure_ascii=False).isprintable()


def test_a_stream_shows_escapes_and_keeps_lines() -> None:
    bare = io.StringIO()
    print("a\x1b[31m\tb\r\u009b", file=Shown(bare))
    assert bare.getvalue() == "a\\x1b[31m\tb\\x0d\\x9b\n"


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_quiet_stream_costs_nobody_anything() -> None:
    print("lost", file=Shown(Broken(), quiet=True))
    with pytest.raises(BrokenPipeError):
        print("lost", file=Shown(Broken()))


def report(name: str, text: str) -> dict[str, Any]:
    """A report in which a plugin or a configuration has put `name` and `text` wherever it could."""
    subjects = [Subject(name, text, "6.2-fix", Facts(family=text, kernel=text, sources=(text,)), problem=text)]
    results = [
        Result(name, scenario, "required", "fail", text, violated=text, sentence=text, bounds=text)
        for scenario in ("own-tlb", "freed-once")
    ]
    return document(subjects, results, {}, {"seed": 0, "searcher": "auto", "bounds": text, "memory": text})


@given(anything, anything)
def test_no_name_breaks_a_report(name: str, text: str) -> None:
    found = report(name, text)
    for form in FORMATS.values():
        written = form.write(found)
        assert all(char.isprintable() or char in "\n\t" for char in written)
        written.encode("utf-8")
    assert json.loads(FORMATS["json"].write(found)) == found
    suite = ElementTree.fromstring(FORMATS["junit"].write(found))[0]
    assert len(suite.findall("testcase")) == 2
    table = [line for line in FORMATS["markdown"].write(found).splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table}
    assert len(columns) == 1, table
    assert "<" not in "".join(table)
