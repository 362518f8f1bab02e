"""The HTML report as a text: what is in it, that names stay text, and that its colours can be read."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from core.compare import main
from reports.page.page import place, write

HOSTILE = '<img src=x onerror="window.pwned=1"></script>'


def hostile_report() -> dict[str, Any]:
    """A report of one failing cell in which every name is markup."""
    step = {"cpu": 0, "thread": HOSTILE, "step": HOSTILE, "finds": []}
    step |= {"changes": [{"cell": HOSTILE, "before": HOSTILE, "after": HOSTILE}]}
    result = dict.fromkeys(("reason", "sentence", "bounds", "violated", "area", "tier", "searcher"), HOSTILE)
    result |= {"architecture": HOSTILE, "scenario": HOSTILE, "verdict": "fail", "exhaustive": False, "reductions": []}
    result |= {"states": 2, "transitions": 1, "depth": 1, "trace": [step]}
    arch = {"name": HOSTILE, "plugin": HOSTILE, "era": HOSTILE, "source": [HOSTILE], "family": HOSTILE, "kernel": ""}
    arch |= {"capabilities": [], "facts": {"memory_model": HOSTILE}, "problem": ""}
    price = {"model": "m", "unit": "ns", "low": 1, "high": 2, "unpriced": []}
    names = ("flushes", "pte_flushes", "ipis", "lock_holds", "batch_pages", "max_held", "max_delayed")
    cell = {"array": HOSTILE, "index": [HOSTILE], "shown": HOSTILE, "panel": "mm"}
    cell["values"] = [{"shown": HOSTILE, "value": HOSTILE}, {"shown": "2" + HOSTILE, "value": {"type": HOSTILE}}]
    gather = {"range": HOSTILE, "cleared": [HOSTILE], "flags": [HOSTILE], "batches": [[1, [HOSTILE]]], "tables": 0}
    model = {
        "states": 2,
        "transitions": 1,
        "agents": [{"name": HOSTILE, "cpu": 0, "task": 1, "kind": "thread"}],
        "cells": [cell],
        "rows": [[[0, [0], [[[0], [1, [0, 1], 1, 2]]], 0], None]],
        "strings": [HOSTILE, HOSTILE, HOSTILE],
        "notes": [[[HOSTILE], gather]],
        "asserts": [["", ""]],
        "properties": [],
        "sentences": {HOSTILE: HOSTILE},
        "trace": [[0, 0]],
        "stale": [],
    }
    return {
        "suite": dict.fromkeys(("version", "python", "searcher", "memory_model", "bounds", "seed"), HOSTILE),
        "architectures": [arch],
        "results": [result],
        "costs": [{"architecture": HOSTILE, "workload": HOSTILE, "counts": dict.fromkeys(names, 1), "price": price}],
        "recordings": [{"architecture": HOSTILE, "scenario": HOSTILE, "trace": "", "model": json.dumps(model)}],
        "scenarios": {HOSTILE: {"title": HOSTILE, "origin": HOSTILE}},
        "museum": [dict.fromkeys(("id", "scenario", "commit", "cve", "wrong", "found", "fixed"), HOSTILE)],
        "findings": [{"id": HOSTILE, "title": HOSTILE, "origin": HOSTILE}],
    }


def test_names_are_escaped_everywhere() -> None:
    page = write(hostile_report())
    assert HOSTILE not in page
    assert "<img" not in page
    assert html.escape(HOSTILE).replace("&quot;", "&#34;") in page
    assert page.count("</script>") == len(re.findall("<script", page))


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


def test_the_policy_allows_this_style_and_this_script_alone() -> None:
    page = write(hostile_report())
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = html.unescape(found.group(1))
    assert policy.startswith("default-src 'none'; ")
    own = re.findall(r"<(style|script)>(.*?)</", page, re.DOTALL)
    assert [kind for kind, _ in own] == ["style", "script"]
    for kind, text in own:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    parser = Attributes()
    parser.feed(page)
    assert not [name for name in parser.names if name == "style" or name.startswith("on")]


@pytest.mark.slow
def test_a_run_writes_the_page_on_request(tmp_path: Any, capsys: Any) -> None:
    command = [
        "run",
        "--arch",
        "smp-6.1",
        "--arch",
        "smp-6.2-fix",
        "--scenario",
        "lost-dirty-dontneed",
        "--output",
        str(tmp_path),
    ]
    assert main(command) == 0
    assert not (tmp_path / "report.html").exists()
    capsys.readouterr()
    assert main([*command, "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert (tmp_path / "report.html").read_text() == page
    assert f'href="{place("smp-6.1", "lost-dirty-dontneed")}"' in page
    assert "rmap is removed before the flush" in page
    block = re.search(r'id="m-0">([^<]*)</script>', page)
    assert block is not None
    cells = json.loads(gzip.decompress(base64.b64decode(block.group(1))))
    assert set(cells["of"]) == {"smp-6.1", "smp-6.2-fix"}
    kind, numbers = cells["cells"][cells["of"]["smp-6.1"]]
    assert (kind, cells["parts"]["states"][numbers["states"]]) == ("model", 5545)
    assert len(page) < 400_000
    assert "recordings" not in json.loads((tmp_path / "report.json").read_text())
    assert main([*command, "--format", "html"]) == 0
    assert capsys.readouterr().out == page


def test_without_jinja_it_is_said_before_any_work(monkeypatch: Any, capsys: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["run", "--arch", "smp-6.1", "--format", "html"]) == 2
    assert "needs Jinja2: pip install shootdown[html]" in capsys.readouterr().err


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    low, high = sorted((_luminance(one), _luminance(two)))
    return (high + 0.05) / (low + 0.05)


def _palettes() -> list[dict[str, str]]:
    style = files("reports.page").joinpath("style.css").read_text()
    blocks = re.findall(r"\{([^{}]*--back: [^{}]*)\}", style)
    found = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]
    assert len(found) == 3
    assert found[1] == found[2]
    return found[:2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(scheme: int) -> None:
    palette = _palettes()[scheme]
    grounds = [palette[name] for name in ("back", "card", "mark", "here")]
    for name in ("text", "quiet", "good", "bad", "warn"):
        for ground in grounds:
            assert _contrast(palette[name], ground) >= 4.5, (name, ground)
    for ground in (palette["back"], palette["card"]):
        assert _contrast(palette["link"], ground) >= 4.5
