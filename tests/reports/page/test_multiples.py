"""A sweep of several parameters: a plot for each combination, a marker for each architecture, one scale."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.compare import main
from reports.page.multiples import BOTTOM, TOP, multiples
from reports.page.page import write_sweep
from tests.reports.page.test_page import HOSTILE


def sweep(**more: Any) -> dict[str, Any]:
    """Two architectures over bundle and dirty, equal where dirty is 0."""
    points = [
        {"arch": arch, "bundle": bundle, "dirty": dirty, "low": n, "high": n + dirty, "best": bundle == 8}
        for dirty in (0, 50)
        for arch, n in (("a", 10), ("b", 10 + dirty))
        for bundle in (1, 8)
    ]
    return {"workload": "mapping", "axes": ["bundle", "dirty"], "x": "bundle", "y": "flushes", "points": points, **more}


def test_a_second_parameter_has_plots_of_its_own_on_one_scale() -> None:
    found = multiples(sweep())
    assert [panel.title for panel in found.panels] == ["dirty 0", "dirty 50"]
    assert found.most == "110"
    assert [len(panel.marks) for panel in found.panels] == [4, 4]
    assert [value for _, value in found.panels[0].labels] == ["1", "8"]
    assert {mark.high for mark in found.panels[0].marks} == {round(BOTTOM - (BOTTOM - TOP) * 10 / 110)}
    assert min(mark.high for mark in found.panels[1].marks) == TOP


def test_architectures_are_told_apart_by_shape_and_stand_side_by_side() -> None:
    found = multiples(sweep())
    assert found.legend == [("●", ["a"]), ("■", ["b"])]
    places = {(mark.sign, mark.x) for mark in found.panels[0].marks}
    assert len(places) == 4
    assert "b at 8: 60 to 110" in found.panels[1].described


def test_architectures_that_are_equal_in_every_point_share_a_marker() -> None:
    points = [{**p, "low": 1, "high": 1} for p in sweep()["points"]]
    found = multiples(sweep(points=points))
    assert found.legend == [("●", ["a", "b"])]
    assert [len(panel.marks) for panel in found.panels] == [2, 2]


def test_names_stay_text() -> None:
    points = [{**p, "arch": HOSTILE} for p in sweep()["points"]]
    page = write_sweep(sweep(points=points, workload=HOSTILE), [HOSTILE], [[HOSTILE]])
    assert "<img" not in page
    assert page.startswith("<!doctype html>")


def test_the_command_writes_a_page_without_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "bundle=1,8", "dirty=0,50", "--arch", "smp-6.1", "--arch", "smp-6.2-fix", "--format", "html"]
    assert main([*command, "--y", "price"]) == 0
    page = capsys.readouterr().out
    assert len(re.findall("<figcaption>dirty ", page)) == 2
    assert "price in us of mapping over bundle" in page
    assert "<script" not in page
    assert "default-src 'none'; style-src 'sha256-" in page
