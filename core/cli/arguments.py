"""Flags that several subcommands have, and what they select."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.cores import usable
from core.base.suggest import hint
from core.base.told import Told
from core.facts import MEMORY_MODELS
from core.mm.era import ERAS
from core.run import CELL_TIMEOUT
from core.run.before import protect, protect_code
from core.table.row import Row
from core.table.rows import DEFAULT_ERA, load, plugin_row

GUEST_GRACE = 1.0
"""Seconds after --timeout in which a search of a third party's code must have said how far it came."""


if TYPE_CHECKING:
    from core.conformance.judge import Walks
    from core.conformance.outside import Outside
    from core.conformance.rule import OutsideRule
    from core.cost.outside import OutsideWorkload
    from core.cost.workload import Workload
    from core.explore.model import Limits


class UsageError(Told):
    """A name on the command line is unknown; the message says what was expected, in one line."""


def add_selection(command: argparse.ArgumentParser, arch: bool = True) -> None:
    """Add --config and --era; with `arch`, --arch and --plugin too."""
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="rows from FILE instead of the embedded arches.toml"
    )
    if arch:
        command.add_argument("--arch", action="append", default=[], metavar="NAME", help="only this row")
        command.add_argument(
            "--plugin",
            action="append",
            default=[],
            metavar="REF",
            help="module:object, file.py:object, entry point",
        )
    command.add_argument(
        "--era",
        choices=tuple(ERAS),
        help=f"kernel era for a --plugin; rows set their own (default {DEFAULT_ERA})",
    )


def add_memory(command: argparse.ArgumentParser) -> None:
    """Add --memory."""
    command.add_argument(
        "--memory",
        choices=("arch", *MEMORY_MODELS),
        default="arch",
        help="memory model: sequentially consistent, or that of each architecture (the default)",
    )


def add_limits(command: argparse.ArgumentParser) -> None:
    """Add --searcher, --workers, --memory and the limits of a search."""
    add_memory(command)
    command.add_argument(
        "--workers", type=positive, metavar="N", help="threads of a large search (default: the cores that are left)"
    )
    command.add_argument("--searcher", choices=("auto", "reference", "fast"), default="auto")
    command.add_argument("--max-states", type=positive, metavar="N", help="stop a search after N states")
    command.add_argument("--timeout", type=seconds, metavar="S", help="stop a search after S seconds")
    command.add_argument(
        "--max-memory", type=number_of_bytes, metavar="N[K|M|G]", help="stop a search at N bytes of states"
    )


def add_timeout(command: argparse.ArgumentParser) -> None:
    """Add --timeout for subcommands that run a plugin but search nothing."""
    command.add_argument(
        "--timeout", type=seconds, default=CELL_TIMEOUT, metavar="S", help="stop a third-party plugin after S seconds"
    )


def add_walks(command: argparse.ArgumentParser) -> None:
    """Add --walks and --seed: random walks instead of a search."""
    command.add_argument(
        "--walks", type=positive, metavar="N", help="N random walks instead of a search; never exhaustive"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random walks")


def number_of_bytes(text: str) -> int:
    """Parse a size in bytes such as 500M."""
    units = {"K": 10, "M": 20, "G": 30}
    digits, shift = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 500M or 2G, got {text!r}")
    return int(digits) << shift


def positive(text: str) -> int:
    """Parse a number of at least 1."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return number


def shard(text: str) -> tuple[int, int]:
    """Parse I/N, the Ith of N parts."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected I/N with I from 1 to N, got {text!r}")
    return int(part), int(parts)


def seconds(text: str) -> float:
    """Parse a positive number of seconds."""
    try:
        time = float(text)
    except ValueError:
        time = 0.0
    if not 0 < time < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return time


def rows_of(arguments: argparse.Namespace) -> list[Row]:
    """The rows that --config, --arch and --plugin select, under the --memory that was chosen, if the command has it.

    UsageError for a row or plugin that does not exist.
    """
    memory = getattr(arguments, "memory", "arch")
    return [under(row, memory) for row in _rows(arguments)]


def under(row: Row, memory: str) -> Row:
    """The row under this memory model; 'arch' is its own."""
    return row if memory == "arch" else replace(row, facts={**row.facts, "memory_model": memory})


def _rows(arguments: argparse.Namespace) -> list[Row]:
    if arguments.era is not None and not arguments.plugin:
        raise UsageError("--era is for a --plugin; a row has its own: set `era` in the configuration")
    timeout = getattr(arguments, "timeout", None)
    named = getattr(arguments, "scenario", [])
    scenarios = [named] if isinstance(named, str) else named
    protect_code(*arguments.plugin, *(name for name in scenarios if ":" in name))
    if arguments.config is not None:
        protect(arguments.config)  # it is read again for its workloads
    plugins = [plugin_row(reference, arguments.era, timeout) for reference in arguments.plugin]
    for row in plugins:
        if row.missing:
            raise UsageError(f"--plugin: {row.problem}")
    if plugins and not arguments.arch and arguments.config is None:
        return plugins
    rows = load(arguments.config, arguments.arch or None, timeout)
    if not arguments.arch:
        return rows + plugins
    by_name = {row.name: row for row in rows}
    for name in arguments.arch:
        if name not in by_name:
            raise UsageError(f"--arch {name}: no such row; {hint(name, by_name)}")
    return [by_name[name] for name in dict.fromkeys(arguments.arch)] + plugins


def scenario_of(name: str) -> str:
    """`name`, if it is the id of a scenario of the suite. UsageError otherwise."""
    from core.conformance import FINDINGS, SUITE

    if name in FINDINGS:
        raise UsageError(f"scenario {name}: not part of the suite; `explain ARCH {name}` shows it")
    if name not in SUITE:
        raise UsageError(f"scenario {name}: no such scenario; {hint(name, SUITE)}")
    return name


def chosen_scenario(name: str) -> str | Outside:
    """What --scenario names: the id of a scenario of the suite, or one from outside. UsageError if it is neither.

    FILE.py:NAME and MODULE:NAME are from outside; any other name is the suite's, or that of an entry point.
    """
    from core.conformance import FINDINGS, SUITE

    if name in SUITE or name in FINDINGS:
        return scenario_of(name)
    from core.conformance.outside import described, entry_points

    if ":" not in name and name not in entry_points():
        return scenario_of(name)
    scenario = described(name)
    if scenario.problem:
        raise UsageError(scenario.problem)
    return scenario


def chosen_workload(name: str, known: Mapping[str, Workload]) -> Workload | OutsideWorkload:
    """What --workload names: one of `known`, or FILE.py:NAME, MODULE:NAME, an entry point. UsageError if neither."""
    if name in known:
        return known[name]
    from core.cost.outside import described, entry_points

    if ":" not in name and name not in entry_points():
        raise UsageError(f"--workload {name}: no such workload; {hint(name, known)}")
    workload = described(name)
    if workload.problem:
        raise UsageError(workload.problem)
    return workload


def add_rules(command: argparse.ArgumentParser) -> None:
    """Add --property."""
    command.add_argument(
        "--property", action="append", default=[], metavar="REF", help="a rule that is to hold besides: FILE.py:NAME"
    )


def rules_of(arguments: argparse.Namespace) -> tuple[OutsideRule, ...]:
    """The rules that --property names. UsageError if one cannot be used."""
    if not arguments.property:
        return ()
    from core.conformance.rule import described

    rules = tuple(described(name) for name in dict.fromkeys(arguments.property))
    for rule in rules:
        if rule.problem:
            raise UsageError(rule.problem)
    return rules


def job_timeout(arguments: argparse.Namespace) -> float:
    """Seconds that a job's process may take: a little more than its search."""
    return CELL_TIMEOUT if arguments.timeout is None else float(arguments.timeout) + 30


def guest_timeout(arguments: argparse.Namespace) -> float:
    """The same for a job that runs a third party's code: it cannot be told from one that never ends."""
    return CELL_TIMEOUT if arguments.timeout is None else float(arguments.timeout) + GUEST_GRACE


def limits_of(arguments: argparse.Namespace) -> Limits:
    """The limits given with the flags of `add_limits`."""
    from core.explore.model import Limits

    return Limits(arguments.max_states, arguments.timeout, arguments.max_memory)


def workers_of(arguments: argparse.Namespace, searches: int) -> int:
    """Threads of each of so many searches at once: --workers, or an equal share of the cores, one at least."""
    return int(arguments.workers or max(1, usable() // max(1, searches)))


def walks_of(arguments: argparse.Namespace) -> Walks | None:
    """The random walks given with the flags of `add_walks`; None for a search."""
    from core.conformance.judge import Walks

    return None if arguments.walks is None else Walks(arguments.walks, arguments.seed)


def bounds_of(arguments: argparse.Namespace) -> str:
    """The limits and walks in words, for the report."""
    parts = []
    if arguments.max_states is not None:
        parts.append(f"{arguments.max_states} states")
    if arguments.timeout is not None:
        parts.append(f"{arguments.timeout:g} s")
    if arguments.max_memory is not None:
        parts.append(f"{arguments.max_memory} bytes")
    if arguments.walks is not None:
        parts.append(f"{arguments.walks} walks")
    return ", ".join(parts) or "none"
