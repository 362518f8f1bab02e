"""The subcommand `tree`: the C of a kernel tree as rows, beside the plugins in Python."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from core.cli.against import compared, wrapped
from core.cli.equal import Sides, equal_command
from core.cli.run import add_run, judged
from core.mm.era import ERAS
from core.run.trusted import cache_of
from core.table.row import Row, tried
from core.table.rows import plugin_row
from core.tree.binding import binding, names
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree, open_tree
from core.tree.learned import hidden_words
from core.tree.row import built, era_of


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    tree = add("tree", help="judge the C of a kernel tree, as rows beside the plugins")
    tree.add_argument("path", type=Path, metavar="PATH", help="a kernel tree, or a .tar.xz of one")
    tree.add_argument(
        "--arch",
        action="append",
        default=[],
        metavar="NAME",
        help="only this architecture (default: all whose C is known); or file.py:object, a binding of your own",
    )
    tree.add_argument("--against", type=Path, metavar="PATH2", help="another tree: what differs between the two")
    tree.add_argument(
        "--equal", action="store_true", help="prove that the plugin's programs equal the C, or say where they differ"
    )
    add_run(tree)
    tree.set_defaults(command=tree_command, config=None, workload=[])


def tree_command(arguments: argparse.Namespace) -> int:
    """Build each architecture, judge it beside its plugin, report."""
    tree, references = open_tree(arguments.path), arguments.arch or names()
    if arguments.equal:
        return equal_command([side_of(name, tree) for name in references], arguments)
    if arguments.against is None:
        rows = [rows_of(name, tree) for name in references]
        status = judged([row for pair in rows for row in pair], arguments, of_plugin=True)
        say_hidden(tree, zip(references, [c for _, c in rows], strict=True))
        return status
    other = open_tree(arguments.against)
    sides = [(row_of(name, tree, ""), row_of(name, other, "-against")) for name in references]
    status = max(compared(new, old, arguments) for new, old in sides if _usable(new) and _usable(old))
    say_hidden(tree, zip(references, [new for new, _ in sides], strict=True))
    return status


def say_hidden(tree: KernelTree, rows: Iterable[tuple[str, Row]]) -> None:
    """Say on stderr which words of the C the verdicts of its rows rest on, though the model does not know them."""
    for reference, row in rows:
        words = [] if row.problem else hidden_words(built(reference, tree), Path(cache_of(row.guest)))
        if words:
            said = f"shootdown: {row.name} rests on {len(words)} hidden words, whose answers change nothing:"
            print(wrapped(f"{said} {'; '.join(words)}"), file=sys.stderr)


def _usable(row: Row) -> bool:
    """Whether the row can run. TreeError if not."""
    if row.problem:
        raise TreeError(row.problem)
    return True


def rows_of(reference: str, tree: KernelTree) -> list[Row]:
    """The plugin in Python that stands for the C, and the tree's row. TreeError for an unknown architecture."""
    of = binding(reference)
    beside = tried(Row(f"{of.name}-python", of.beside(tree.version), ERAS[era_of(tree.version)]))
    return [beside, row_of(reference, tree, "")]


def side_of(reference: str, tree: KernelTree) -> Sides:
    """The plugin in Python and the tree's C, to be compared."""
    beside, c = rows_of(reference, tree)
    return Sides(beside, c, None if c.problem else built(reference, tree))


def row_of(reference: str, tree: KernelTree, suffix: str) -> Row:
    """A row whose plugin is the tree's C; with `problem` if it cannot be built, so that other rows go on."""
    name, era = f"{binding(reference).name}-{tree.version}-c{suffix}", era_of(tree.version)
    try:
        plugin = built(reference, tree).plugin
    except TreeError as error:
        print(f"shootdown: {name}: {error}", file=sys.stderr)
        return Row(name, reference, ERAS[era], problem=str(error))
    return replace(plugin_row(plugin, era), name=name)
