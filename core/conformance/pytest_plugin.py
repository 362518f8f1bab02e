"""The suite under pytest: `pytest --pyargs core.conformance --arch NAME-or-plugin`, one test per scenario.

Loaded through the pytest11 entry point, so that `--arch` exists wherever Shootdown is installed; it collects nothing
by itself.  `--arch` takes a row of arches.toml, `module:object`, `file.py:object` or an entry point, and may be given
several times; `--era` chooses the policy era for plugins that no row names.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--arch, --era, --searcher."""
    group = parser.getgroup("shootdown", "conformance of TLB-flush policies")
    group.addoption("--arch", action="append", default=[], help="architecture to judge: a row, or a plugin")
    group.addoption("--era", help="policy era of plugins that no row names (default 6.2-fix)")
    group.addoption("--searcher", default="auto", choices=("auto", "reference", "fast"), help="which searcher")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per architecture and scenario for whoever asks for `arch_name` and `scenario_id`."""
    if {"arch_name", "scenario_id"} <= set(metafunc.fixturenames):
        from core.conformance import SCENARIOS

        names = metafunc.config.getoption("--arch")
        metafunc.parametrize("arch_name", names, ids=str)
        metafunc.parametrize("scenario_id", list(SCENARIOS))
