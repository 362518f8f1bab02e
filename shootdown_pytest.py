"""The options of the conformance suite under pytest: `pytest --pyargs core.conformance --shootdown-arch NAME`.

Loaded by the entry point wherever Shootdown is installed, so in projects that have nothing to do with it: it imports
nothing else of Shootdown before one of its options is used, and takes no name that somebody else may want.  The short
names (`--arch`, `--arch-config`, `--scenario`, `--era`, `--searcher`) are added after the plugins and conftest.py
files of the project have added theirs, and only those that nobody has taken.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OPTIONS: dict[str, dict[str, Any]] = {
    "arch": {"action": "append", "default": [], "help": "architecture to judge: a row, or a plugin; may be repeated"},
    "arch-config": {"type": Path, "help": "rows from this file, instead of the embedded arches.toml"},
    "scenario": {
        "action": "append",
        "default": [],
        "help": "a scenario of your own, FILE.py:NAME, beside those of the suite; may be repeated",
    },
    "xfails-file": {"type": Path, "help": "a file of scenarios that are to fail: a line each, `SCENARIO the reason`"},
    "era": {"help": "kernel era for a plugin; rows set their own (default 6.2-fix)"},
    "searcher": {"default": "auto", "choices": ("auto", "reference", "fast"), "help": "which searcher"},
}
"""By the short name; what `Parser.addoption` takes."""


TIERS = ("smoke", "required", "optional", "long", "large", "finding")
"""Each is a marker, `-m shootdown_smoke`; core.conformance.scenario says what it means."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The names that are nobody else's."""
    group = parser.getgroup("shootdown", "conformance of TLB-flush policies")
    for name, attributes in OPTIONS.items():
        group.addoption(f"--shootdown-{name}", dest=_dest(name), **attributes)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, object, object]:
    """The short names, where they are free once everybody has spoken."""
    result = yield
    group = parser.getgroup("shootdown")
    for name, attributes in OPTIONS.items():
        if _is_free(parser, f"--{name}"):
            group.addoption(f"--{name}", dest=_dest(name), **{**attributes, "help": f"the same as --shootdown-{name}"})
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """With an architecture to judge, ours is `core` from now on. UsageError if another has been imported as that."""
    for tier in TIERS:
        config.addinivalue_line("markers", f"shootdown_{tier}: conformance scenarios of tier {tier}")
    if config.getoption(_dest("arch")):
        from shootdown import prefer_ours

        problem = prefer_ours()
        if problem:
            raise pytest.UsageError(
                f"shootdown: {problem}; judge the architecture in a run of its own, from a directory whose conftest.py "
                "does not import it"
            )


def _dest(name: str) -> str:
    return f"shootdown_{name.replace('-', '_')}"


def _is_free(parser: pytest.Parser, option: str) -> bool:
    given = f"{option}=auto"
    try:
        return given in parser.parse_known_and_unknown_args([given])[1]
    except pytest.UsageError:  # somebody has it, and does not like the value
        return False
