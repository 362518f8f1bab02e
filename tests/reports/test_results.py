"""Results as plain objects, as data frames, and as what a notebook shows."""

from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.base.told import Told
from core.notebook import results
from reports.results import Results, load

FROZEN = Path(__file__).parent / "frozen"


@pytest.fixture(scope="module")
def frozen() -> Results:
    return load(FROZEN / "run-1.1.json")


def test_a_report_becomes_objects(frozen: Results) -> None:
    refuted = frozen.of("smp-6.1", "lost-dirty-dontneed")
    assert (refuted.verdict, refuted.steps, len(refuted.trace), refuted.expected) == ("xfail", 28, 28, True)
    assert not frozen.of("s390", "lost-dirty-dontneed").expected  # it is bounded
    assert frozen.of("s390", "batch-limit").verdict == "unsupported"
    assert {cost.workload for cost in frozen.costs} == {"page_fault3", "malloc_trim", "checkpoint"}
    with pytest.raises(KeyError, match="s390 none"):
        frozen.of("s390", "none")


def test_a_report_without_times_and_one_of_lines_are_read_too() -> None:
    assert load(FROZEN / "run-1.0.json").of("smp-6.1", "batch-limit").seconds is None
    assert load(FROZEN / "run-1.1.jsonl").of("smp-6.1", "batch-limit").seconds is not None


def test_a_run_from_python() -> None:
    found = results("--arch", "smp-6.1", "--scenario", "lost-dirty-dontneed", "--no-costs")
    assert [(one.scenario, one.verdict, one.steps) for one in found.verdicts] == [("lost-dirty-dontneed", "xfail", 31)]
    assert repr(found).startswith("1 architecture, 1 scenario: 0 proved, 1 fail, all as declared.")


def test_a_run_that_cannot_be_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Told, match="run --arch vax: no results; exit status 2"):
        results("--arch", "vax")


def test_data_frames(frozen: Results) -> None:
    pytest.importorskip("pandas")
    verdicts, costs = frozen.verdicts_frame(), frozen.costs_frame()
    assert list(verdicts[verdicts.verdict == "xfail"].scenario) == ["lost-dirty-dontneed"]
    assert len(verdicts) == 4
    assert (costs.low_ns <= costs.high_ns).all()
    assert len(costs) == 6


def test_without_pandas_it_is_said(frozen: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError):
        frozen.verdicts_frame()


class Tags(HTMLParser):
    """The tags that are open, and every text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_a_table_with_traces_to_unfold(frozen: Results) -> None:
    tags = Tags()
    tags.feed(frozen._repr_html_())
    assert tags.open == []
    assert "xfail(28)" in tags.texts
    assert any("CPU1 unmap: ptep_get_and_clear(0)" in text for text in tags.texts)


def test_markup_in_a_name_stays_text(frozen: Results) -> None:
    refuted = frozen.of("smp-6.1", "lost-dirty-dontneed")
    named = replace(refuted, architecture="<script>", scenario='"><img>', reason='"<b>')
    shown = replace(frozen, verdicts=(named,))._repr_html_()
    assert not any(markup in shown for markup in ("<script>", "<img>", "<b>"))
    tags = Tags()
    tags.feed(shown)
    assert "<script>" in tags.texts
