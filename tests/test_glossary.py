"""The glossary names what there is, and a name means one thing."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:core|arch_plugins|reports)\.[\w.]+)`", GLOSSARY)))
SHARED = set(re.findall(r"^\| `(\w+)` \|", GLOSSARY.partition("## Names that two rooms share")[2], re.MULTILINE))


@pytest.mark.parametrize("name", NAMED)
def test_what_the_glossary_names_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), attribute)


def test_a_term_stands_once_in_its_section() -> None:
    for section in GLOSSARY.split("\n## ")[1:]:
        terms = re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)
        assert len(terms) == len(set(terms)), section.partition("\n")[0]


def test_no_two_rooms_give_a_class_the_same_name() -> None:
    """But for those that the glossary lists with the reason."""
    homes = defaultdict(list)
    for package in ("core", "arch_plugins", "reports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].append(str(path.relative_to(ROOT)))
    shared = {name: places for name, places in homes.items() if len(places) > 1 and name not in SHARED}
    assert shared == {}
