"""The verdicts as JUnit XML, which CI systems read: a suite per architecture, a case per scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from reports.gate import unfinished
from reports.tables import by_architecture


def junit(report: Mapping[str, Any]) -> str:
    """The text of the file.

    `fail` and `xpass` are failures, with sentence and trace; `error` is an error; `xfail`, `unsupported`, and a search
    that stopped at a limit, which is neither passed nor failed, are skipped.
    """
    root = ElementTree.Element("testsuites", name="shootdown")
    results = by_architecture(report)
    for arch in report["architectures"]:
        own = results.get(arch["name"], [])
        suite = ElementTree.SubElement(root, "testsuite", {"name": _printable(arch["name"]), **_counts(own)})
        for result in own:
            _case(suite, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


ELEMENT = {"fail": "failure", "xpass": "failure", "error": "error", "xfail": "skipped", "unsupported": "skipped"}


def _element(result: Mapping[str, Any]) -> str | None:
    """The element inside a case; None for one that passed."""
    return "skipped" if unfinished(result) else ELEMENT.get(result["verdict"])


def _counts(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    elements = [_element(result) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
    }


def _case(suite: ElementTree.Element, result: Mapping[str, Any]) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=_printable(result["architecture"]), name=_printable(result["scenario"])
    )
    element = _element(result)
    if element:
        why = result["bounds"] if element == "skipped" and result["verdict"] == "bounded" else result["reason"]
        told = ElementTree.SubElement(case, element, message=_printable(f"{result['verdict']}: {why}"))
        if element == "failure":
            told.text = _printable("\n".join([result["sentence"], *map(_step, enumerate(result["trace"] or (), 1))]))


def _step(numbered: tuple[int, Mapping[str, Any]]) -> str:
    number, step = numbered
    return f"{number} CPU{step['cpu']} {step['thread']}: {step['step']}"


def _printable(text: str) -> str:
    """Replace control characters, which XML 1.0 cannot express; a plugin's message may contain some."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
