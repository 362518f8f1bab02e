"""The verdicts as JUnit XML, which CI systems read: a suite per architecture, a case per scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from reports.document import AS_FAILURE
from reports.gate import unfinished
from reports.tables import by_architecture

Times = Mapping[tuple[str, str], float]
"""Seconds by architecture and scenario."""


def junit(report: Mapping[str, Any]) -> str:
    """The text of the file.

    `fail` and `xpass` are failures, with sentence and trace; `error` is an error; `xfail`, `unsupported`, and a search
    that stopped at a limit, which is neither passed nor failed, are skipped; the last is a failure on request
    (`reports.document.AS_FAILURE`).
    """
    stopped = "failure" if report.get(AS_FAILURE) else "skipped"
    root = ElementTree.Element("testsuites", name="shootdown")
    results = by_architecture(report)
    cells = report.get("timing", {}).get("cells", ())
    times = {(cell["architecture"], cell["scenario"]): cell["seconds"] for cell in cells}
    for arch in report["architectures"]:
        own = [(result, _element(result, stopped)) for result in results.get(arch["name"], ())]
        suite = ElementTree.SubElement(root, "testsuite", {"name": _printable(arch["name"]), **_counts(own, times)})
        _properties(suite, report, arch)
        for result, element in own:
            _case(suite, result, element, times)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


ELEMENT = {"fail": "failure", "xpass": "failure", "error": "error", "xfail": "skipped", "unsupported": "skipped"}


def _element(result: Mapping[str, Any], stopped: str) -> str | None:
    """The element inside a case; None for one that passed. `stopped` is that of a search that did not finish."""
    return stopped if unfinished(result) else ELEMENT.get(result["verdict"])


def _seconds(results: Sequence[Mapping[str, Any]], times: Times) -> dict[str, str]:
    """The time attribute, if it is known."""
    known = [times[where] for r in results if (where := (r["architecture"], r["scenario"])) in times]
    return {"time": f"{sum(known):.3f}"} if known else {}


def _properties(suite: ElementTree.Element, report: Mapping[str, Any], arch: Mapping[str, Any]) -> None:
    """What the verdicts of a suite are of: versions of the suite, of the plugin, and its source."""
    known = {"suite": report["suite"]["version"], "shootdown": report["suite"].get("shootdown", "")}
    known |= {name: arch.get(name, "") for name in ("plugin", "distribution", "digest")}
    listed = ElementTree.SubElement(suite, "properties")
    for name, value in known.items():
        if value:
            ElementTree.SubElement(listed, "property", name=name, value=_printable(value))


def _counts(results: Sequence[tuple[Mapping[str, Any], str | None]], times: Times) -> dict[str, str]:
    elements = [element for _, element in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
        **_seconds([result for result, _ in results], times),
    }


def _case(suite: ElementTree.Element, result: Mapping[str, Any], element: str | None, times: Times) -> None:
    named = {"classname": _printable(result["architecture"]), "name": _printable(result["scenario"])}
    case = ElementTree.SubElement(suite, "testcase", named | _seconds([result], times))
    if element:
        why = result["bounds"] if result["verdict"] == "bounded" else result["reason"]
        told = ElementTree.SubElement(case, element, message=_printable(f"{result['verdict']}: {why}"))
        if element == "failure":
            told.text = _printable("\n".join([result["sentence"], *map(_step, enumerate(result["trace"] or (), 1))]))


def _step(numbered: tuple[int, Mapping[str, Any]]) -> str:
    number, step = numbered
    return f"{number} CPU{step['cpu']} {step['thread']}: {step['step']}"


def _printable(text: str) -> str:
    """Replace control characters, which XML 1.0 cannot express; a plugin's message may contain some."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
