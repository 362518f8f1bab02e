"""The subcommand `info`: what an architecture or plugin is, whose it is, and what of the suite is asked of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from textwrap import wrap

from core.base.told import Told
from core.base.version import WORDS_VERSION
from core.cli.arguments import add_selection, add_timeout
from core.cli.width import READABLE, terminal_width
from core.conformance import SUITE
from core.conformance.scenario import CAPABILITIES as DERIVED
from core.facts import CAPABILITIES, Facts
from core.plugins.origin import distribution_of
from core.table.row import Row
from core.table.rows import judged_as

NAME = 14
"""Columns of what a line is about."""

SHOWN_DIGEST = 16
"""Characters of a digest that tell two apart."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    info = add("info", help="what a plugin is: distribution, version, capabilities, what does not apply and why")
    info.add_argument("arch", metavar="PLUGIN", help="row of arches.toml, module:object, file.py:object, entry point")
    add_selection(info, arch=False)
    add_timeout(info)
    info.set_defaults(command=info_command)


def info_command(arguments: argparse.Namespace) -> int:
    """Print what is known without a search. Told if the plugin cannot be set up."""
    from core.cli.resolve_arch import choose
    from core.run.isolate import isolated
    from core.table.ability import AbilityJob

    row = choose(arguments.arch, arguments.era, arguments.config, arguments.timeout)
    job = AbilityJob(row)
    ability = isolated(job, arguments.timeout) if row.foreign else job.run()
    if ability.problem or row.stated is None:
        raise Told(f"{row.name}: {ability.problem or 'it has no facts'}")
    said = [
        ("plugin", row.plugin),
        ("distribution", distribution_of(row.plugin) or "none"),
        ("digest", row.digest[:SHOWN_DIGEST]),
        ("requires", f"{ability.requires or 'nothing said'} (hooks and words here: {WORDS_VERSION})"),
        ("ignored", ", ".join(ability.ignored) and f"{', '.join(ability.ignored)}: optional, not in this version"),
        ("judged", _judged(row)),
        *_of_facts(row.stated),
        ("own hooks", ", ".join(sorted(row.own))),
        *_declared(row),
    ]
    width = terminal_width() or READABLE
    print(row.name)
    for name, text in said:
        for line in _lines(name, text, width):
            print(line)
    for line in _not_asked(ability.lacking, width):
        print(line)
    return 0


def _judged(row: Row) -> str:
    if row.name == row.plugin:
        return judged_as(row).removeprefix(f"{row.name}: ")
    return f"on the generic mm code of era {row.era.name}"


def _of_facts(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "family", facts.family
    yield "kernel", facts.kernel
    yield "sources", " ".join(facts.sources)
    yield "memory model", facts.memory_model
    for name in sorted(facts.capabilities):
        yield "capability", f"{name}: {CAPABILITIES.get(name, 'of its vendor, for scenarios from outside')}"


def _declared(row: Row) -> Iterator[tuple[str, str]]:
    for scenario, reason in row.expect.items():
        yield "declared", f"{scenario} fails: {reason}"


def _not_asked(lacking: dict[str, str], width: int) -> Iterator[str]:
    """What does not apply, by what is missing."""
    yield from _lines("asked", f"{len(SUITE) - len(lacking)} of {len(SUITE)} scenarios", width)
    reasons: dict[str, list[str]] = {}
    for scenario, reason in lacking.items():
        reasons.setdefault(reason, []).append(scenario)
    for reason, scenarios in reasons.items():
        name, _, meaning = reason.partition(": ")
        meaning = meaning or CAPABILITIES.get(name) or (DERIVED[name][0] if name in DERIVED else "")
        said = f"{name} ({meaning})" if meaning else name
        yield from _lines("n/a", f"{', '.join(scenarios)}: needs {said}", width)


def _lines(name: str, text: str, width: int) -> list[str]:
    first, later = f"  {name:{NAME}}", " " * (NAME + 2)
    return wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False) if text else []
