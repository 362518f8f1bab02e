"""The subcommand `list`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.cli.arguments import add_selection, rows_of
from core.conformance import FINDINGS, SUITE
from core.conformance.scenarios import MODULE_OF


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    listing = add("list", help="list architectures, scenarios, and who walks page tables")
    listing.add_argument("what", nargs="?", choices=("all", "arches", "scenarios", "walkers"), default="all")
    add_selection(listing)
    listing.set_defaults(command=list_command)


def list_command(arguments: argparse.Namespace) -> int:
    """Print architectures with their family, kernel version and source files, and scenarios with their origin.

    `kernel` is the version that the plugin was written from, `era` that of the generic mm code.
    """
    from tabulate import tabulate

    if arguments.what == "walkers":
        from core.cli import walkers

        print(walkers.table(rows_of(arguments)))
    if arguments.what in ("all", "arches"):
        table = []
        for row in rows_of(arguments):
            facts = row.stated
            if facts is None:
                table.append([row.name, f"cannot be used: {row.problem}", "", row.era.name, "", "", row.plugin])
                continue
            able, files = ", ".join(sorted(facts.capabilities)), " ".join(facts.sources)
            era = f"{row.era.name} ({row.era.release})" if row.era.release else row.era.name
            table.append([row.name, facts.family, facts.kernel, era, able, files, row.plugin])
        head = ["architecture", "family", "kernel", "era", "capabilities", "source files", "plugin"]
        print(tabulate(table, head, disable_numparse=True))
    if arguments.what == "all":
        print()
    if arguments.what in ("all", "scenarios"):
        scenarios = [
            [s.id, MODULE_OF.get(s.id, "large"), s.tier, ", ".join(s.requires), s.title, s.origin]
            for s in {**SUITE, **FINDINGS}.values()
        ]
        print(tabulate(scenarios, ["scenario", "module", "tier", "requires", "what must hold", "origin"]))
    return 0
