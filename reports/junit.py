"""The verdicts as JUnit XML, which CI systems read: a suite per architecture, a case per scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree


def junit(report: Mapping[str, Any]) -> str:
    """The text of the file: `fail` and `xpass` are failures, `error` an error, `xfail` and `unsupported` skipped."""
    root = ElementTree.Element("testsuites", name="shootdown")
    for arch in report["architectures"]:
        own = [result for result in report["results"] if result["architecture"] == arch["name"]]
        suite = ElementTree.SubElement(root, "testsuite", {"name": arch["name"], **_counts(own)})
        for result in own:
            _case(suite, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


ELEMENT = {"fail": "failure", "xpass": "failure", "error": "error", "xfail": "skipped", "unsupported": "skipped"}


def _counts(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    elements = [ELEMENT.get(result["verdict"]) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
    }


def _case(suite: ElementTree.Element, result: Mapping[str, Any]) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=result["architecture"], name=result["scenario"])
    element = ELEMENT.get(result["verdict"])
    if element:
        ElementTree.SubElement(case, element, message=_printable(f"{result['verdict']}: {result['reason']}"))


def _printable(text: str) -> str:
    """Replace control characters, which XML 1.0 cannot express; a plugin's message may contain some."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
