"""The suite under pytest: `pytest --pyargs core.conformance --arch NAME-or-plugin`, one test per scenario.

Loaded through the pytest11 entry point, so that `--arch` exists wherever Shootdown is installed; it collects nothing
by itself.  `--arch` takes a row of arches.toml, `module:object`, `file.py:object` or an entry point, and may be given
several times; `--era` chooses the policy era for plugins that no row names, `--arch-config` the file with the rows,
where what is known to fail is declared.  Without any `--arch` nothing would be judged, so that is an error.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--arch, --arch-config, --era, --searcher."""
    group = parser.getgroup("shootdown", "conformance of TLB-flush policies")
    group.addoption("--arch", action="append", default=[], help="architecture to judge: a row, or a plugin")
    group.addoption("--arch-config", type=Path, help="rows from this file, instead of the embedded arches.toml")
    group.addoption("--era", help="policy era of plugins that no row names (default 6.2-fix)")
    group.addoption("--searcher", default="auto", choices=("auto", "reference", "fast"), help="which searcher")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per architecture and scenario for whoever asks for `arch_name` and `scenario_id`."""
    if {"arch_name", "scenario_id"} <= set(metafunc.fixturenames):
        from core.conformance import SCENARIOS

        names = metafunc.config.getoption("--arch")
        if not names:
            raise pytest.UsageError(
                "no architecture to judge: name one, as in --arch mine.py:Mine (module:object, an entry point, a row)"
            )
        metafunc.parametrize("arch_name", names, ids=str)
        metafunc.parametrize("scenario_id", list(SCENARIOS))
