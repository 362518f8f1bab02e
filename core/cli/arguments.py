"""The flags that several subcommands have, and what they choose."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.base.suggest import hint
from core.conformance import FINDINGS, SCENARIOS
from core.conformance.judge import Walks
from core.explore import Limits
from core.mm.era import ERAS
from core.run.isolate import CELL_TIMEOUT
from core.table.rows import DEFAULT_ERA, Row, load, plugin_row


class UsageError(Exception):
    """What the user asked for does not exist; one line that says what does."""


def add_selection(command: argparse.ArgumentParser, arch: bool = True) -> None:
    """--config and --era; --arch and --plugin too, where the rows are not arguments of their own."""
    command.add_argument("--config", type=Path, metavar="FILE", help="instead of the embedded arches.toml")
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
        help=f"the generic code under a plugin that is no row; a row has its own (default {DEFAULT_ERA})",
    )


def add_limits(command: argparse.ArgumentParser) -> None:
    """Which searcher, and when it gives up."""
    command.add_argument("--searcher", choices=("auto", "reference", "fast"), default="auto")
    command.add_argument("--max-states", type=positive, metavar="N", help="give up a cell after N states")
    command.add_argument("--timeout", type=seconds, metavar="S", help="give up a cell after S seconds")
    command.add_argument(
        "--max-memory", type=number_of_bytes, metavar="N[K|M|G]", help="give up a cell at N bytes of states"
    )


def add_timeout(command: argparse.ArgumentParser) -> None:
    """How long a plugin from elsewhere may take where nothing is searched."""
    command.add_argument(
        "--timeout", type=seconds, default=CELL_TIMEOUT, metavar="S", help="give up a foreign plugin after S seconds"
    )


def add_walks(command: argparse.ArgumentParser) -> None:
    """Random walks in the place of a search."""
    command.add_argument("--walks", type=positive, metavar="N", help="N random walks instead of a search: bounded")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="which random walks")


def number_of_bytes(text: str) -> int:
    """A size such as 500M."""
    units = {"K": 10, "M": 20, "G": 30}
    digits, shift = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 500M or 2G, got {text!r}")
    return int(digits) << shift


def positive(text: str) -> int:
    """A count."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return number


def seconds(text: str) -> float:
    """A time."""
    try:
        time = float(text)
    except ValueError:
        time = 0.0
    if not 0 < time < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return time


def rows_of(arguments: argparse.Namespace) -> list[Row]:
    """The rows that --config, --arch and --plugin choose. UsageError for a name that is no row."""
    if arguments.era is not None and not arguments.plugin:
        raise UsageError("--era is that of a --plugin; a row has its own, `era` in the configuration")
    plugins = [plugin_row(reference, arguments.era) for reference in arguments.plugin]
    if plugins and not arguments.arch and arguments.config is None:
        return plugins
    rows = load(arguments.config)
    if not arguments.arch:
        return rows + plugins
    by_name = {row.name: row for row in rows}
    for name in arguments.arch:
        if name not in by_name:
            raise UsageError(f"--arch {name}: no such row; {hint(name, by_name)}")
    return [by_name[name] for name in dict.fromkeys(arguments.arch)] + plugins


def scenario_of(name: str) -> str:
    """`name`, if it is a scenario's id."""
    if name in FINDINGS:
        raise UsageError(f"scenario {name}: not part of the suite; `explain ARCH {name}` shows it")
    if name not in SCENARIOS:
        raise UsageError(f"scenario {name}: no such scenario; {hint(name, SCENARIOS)}")
    return name


def patience(arguments: argparse.Namespace) -> float:
    """A cell's process gets a little longer than its search, for everything around it."""
    return CELL_TIMEOUT if arguments.timeout is None else float(arguments.timeout) + 30


def limits_of(arguments: argparse.Namespace) -> Limits:
    """What `add_limits` was given."""
    return Limits(arguments.max_states, arguments.timeout, arguments.max_memory)


def walks_of(arguments: argparse.Namespace) -> Walks | None:
    """What `add_walks` was given."""
    return None if arguments.walks is None else Walks(arguments.walks, arguments.seed)


def bounds_of(arguments: argparse.Namespace) -> str:
    """Both in words, for the report."""
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
