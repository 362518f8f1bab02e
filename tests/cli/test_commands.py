"""Only the module of the subcommand that is named is imported, and --help says what all of them are."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from core.compare import COMMANDS, parser


def added(module: str) -> dict[str, str | None]:
    """The subcommands that a module of core.cli adds, with their lines in --help."""
    lines: dict[str, str | None] = {}

    def add(name: str, *, help: str | None = None) -> argparse.ArgumentParser:
        lines[name] = help
        return argparse.ArgumentParser(name)

    import_module(f"core.cli.{module}").add_parsers(add)
    return lines


@pytest.mark.parametrize("module", sorted({command.module for command in COMMANDS.values()}))
def test_the_table_of_commands_says_what_their_modules_add(module: str) -> None:
    assert added(module) == {name: command.help for name, command in COMMANDS.items() if command.module == module}


def test_help_is_the_same_whether_commands_are_complete_or_not() -> None:
    assert parser(()).format_help() == parser().format_help()


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--help"], ("core.conformance", "core.cost", "core.explore", "pluggy")),
        (["prices"], ("core.truth.golden", "core.tree", "reports.traces")),
        (["workloads", "--workload", "mmap_over"], ("core.conformance", "core.explore", "core.run.isolate")),
        (
            ["--scenario", "own-tlb", "--arch", "smp-6.1", "--no-costs", "--jobs", "1", "--format", "json"],
            ("core.conformance.large", "core.conformance.outside", "core.cost.workloads", "reports.page"),
        ),
    ],
)
def test_a_command_imports_no_room_that_it_does_not_need(arguments: list[str], spared: tuple[str, ...]) -> None:
    code = f"import sys; from core.compare import main\ntry: main({arguments!r})\nfinally: print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(spared) & set(done.stdout.splitlines()[-1].split())
