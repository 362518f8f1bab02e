"""The subcommand `list`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.cli.arguments import add_selection, rows_of
from core.cli.width import table, terminal_width
from core.conformance import FINDINGS, SUITE
from core.conformance.scenarios import MODULE_OF
from core.plugins.origin import installed


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    listing = add("list", help="list architectures, scenarios, and who walks page tables")
    listing.add_argument("what", nargs="?", choices=("all", "arches", "scenarios", "walkers"), default="all")
    add_selection(listing)
    listing.set_defaults(command=list_command)


def list_command(arguments: argparse.Namespace) -> int:
    """Print architectures with their family, kernel version and source files, and scenarios with their origin.

    Below the architectures stands what installed distributions offer, which is not loaded; `info` says more of one.
    `kernel` is the version that the plugin was written from, `era` that of the generic mm code.
    """
    width = terminal_width()
    if arguments.what == "walkers":
        from core.cli import walkers

        print(walkers.table(rows_of(arguments)))
    if arguments.what in ("all", "arches"):
        listed = []
        for row in rows_of(arguments):
            facts = row.stated
            if facts is None:
                listed.append([row.name, f"cannot be used: {row.problem}", "", row.era.name, "", "", row.plugin])
                continue
            able, files = ", ".join(sorted(facts.capabilities)), " ".join(facts.sources)
            era = f"{row.era.name} ({row.era.release})" if row.era.release else row.era.name
            listed.append([row.name, facts.family, facts.kernel, era, able, files, row.plugin])
        head = ["architecture", "family", "kernel", "era", "capabilities", "source files", "plugin"]
        print(table(listed, head, width))
        others = [list(one) for one in installed()]
        if others:
            print(f"\n{table(others, ['entry point', 'plugin', 'distribution'], width)}")
    if arguments.what == "all":
        print()
    if arguments.what in ("all", "scenarios"):
        scenarios = [
            [s.id, MODULE_OF.get(s.id, "large"), s.tier, ", ".join(s.requires), s.title, s.origin]
            for s in {**SUITE, **FINDINGS}.values()
        ]
        print(table(scenarios, ["scenario", "module", "tier", "requires", "what must hold", "origin"], width))
    return 0
