"""The subcommand `tree`: the C of a kernel tree as rows, beside the plugins in Python."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from core.cli.against import compared, wrapped
from core.cli.arguments import UsageError
from core.cli.equal import Sides, equal_command
from core.cli.run import add_run, judged
from core.cost.core_workloads import OF_THE_CORE
from core.cost.workload import Workload
from core.cost.workload_counts import counts_c
from core.cost.workloads import CHANGES
from core.mm.era import ERAS
from core.run.isolate import CELL_TIMEOUT, isolated
from core.run.trusted import cache_of
from core.table.row import Row, tried
from core.table.rows import plugin_row
from core.tree.binding import binding, names
from core.tree.errors import TreeError
from core.tree.kernel_tree import KNOWN, KernelTree
from core.tree.learned import hidden_words
from core.tree.row import built, counting_plugin, era_of
from core.tree.shipped import Shipped, Tree, all_kept, open_kernel, write_tables


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    tree = add("tree", help="judge the C of a kernel tree, as rows beside the plugins")
    tree.add_argument("path", type=Path, metavar="PATH", help="a kernel tree, a .tar.xz of one, or a release: 6.12")
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
    tree.add_argument("--tables", type=Path, metavar="DIR", help="write the tables of what was run, without the C")
    add_run(tree)
    tree.add_argument(
        "--workload",
        action="append",
        default=[],
        metavar="NAME",
        help="with --against: count only this one: a name, FILE.py:NAME",
    )
    tree.set_defaults(command=tree_command, config=None)


def tree_command(arguments: argparse.Namespace) -> int:
    """Build each architecture, judge it beside its plugin, report."""
    if arguments.workload and arguments.against is None:
        raise UsageError("--workload says what is counted of two trees: give --against PATH2 too")
    tree = open_kernel(arguments.path)
    _say_version(tree)
    references = arguments.arch or (tree.names() if isinstance(tree, Shipped) else names())
    if arguments.equal:
        return equal_command([side_of(name, tree) for name in references], arguments)
    if arguments.against is None:
        rows = [rows_of(name, tree) for name in references]
        status = judged([row for pair in rows for row in pair], arguments, of_plugin=True)
        if not arguments.no_costs:
            say_text(c for _, c in rows)
        say_hidden(tree, zip(references, [c for _, c in rows], strict=True))
        if arguments.tables is not None:
            keep_tables(tree, zip(references, [c for _, c in rows], strict=True), arguments.tables)
        return status
    return _against(references, tree, open_kernel(arguments.against), arguments)


def _against(references: Iterable[str], tree: Tree, other: Tree, arguments: argparse.Namespace) -> int:
    """Say what differs between two trees; the exit status of `compared`."""
    sides = [(row_of(name, tree, ""), row_of(name, other, "-against")) for name in references]
    of_c = not (isinstance(tree, Shipped) or isinstance(other, Shipped))
    if not of_c:
        print("shootdown: tables that come along have no barriers: they are not counted", file=sys.stderr)
    counting = _counting if of_c else _as_it_is
    status = max(
        compared(new, old, arguments, _loads(counting(new)), counting)
        for new, old in sides
        if _usable(new) and _usable(old)
    )
    say_hidden(tree, zip(references, [new for new, _ in sides], strict=True))
    return status


def _counting(row: Row) -> Row:
    """The row of a tree by which its workloads are counted."""
    return replace(row, plugin=counting_plugin(row.plugin))


def _loads(counted: Row) -> list[Workload]:
    """What is counted of two trees: more where the C is the core's."""
    return [*CHANGES.values(), *(OF_THE_CORE.values() if counts_c(counted.arch()) else ())]


def _as_it_is(row: Row) -> Row:
    return row


def _say_version(tree: Tree) -> None:
    """Say on stderr that a tree is of a version that bindings were not made for, or not of the one that it says."""
    if tree.version not in KNOWN:
        known = " and ".join(map(str, KNOWN))
        print(f"shootdown: a tree of {tree.version}; what is known in detail is {known}", file=sys.stderr)
    if isinstance(tree, KernelTree) and tree.doubt:
        print(f"shootdown: {tree.doubt}", file=sys.stderr)


def say_text(rows: Iterable[Row]) -> None:
    """Say on stderr of which rows costs are those of the core's text in Python, whose C is in the verdicts."""
    for row in rows:
        if not row.problem and getattr(row.arch().plugin, "one_path", False):
            said = f"shootdown: {row.name}: costs are of the core's text in Python; --against PATH2 counts its C"
            print(wrapped(said), file=sys.stderr)


def say_hidden(tree: Tree, rows: Iterable[tuple[str, Row]]) -> None:
    """Say on stderr which words of the C the verdicts of its rows rest on, though the model does not know them."""
    for reference, row in rows:
        words = [] if row.problem else hidden_words(built(reference, tree), Path(cache_of(row.guest)))
        if words:
            said = f"shootdown: {row.name} rests on {len(words)} hidden words, whose answers change nothing:"
            print(wrapped(f"{said} {'; '.join(words)}"), file=sys.stderr)


def keep_tables(tree: Tree, rows: Iterable[tuple[str, Row]], directory: Path) -> None:
    """Write what was learned of each architecture to a file under `directory` (core.tree.shipped).

    With what `--against` will count, which is run for that.
    """
    from core.table.count_jobs import CountJob

    if isinstance(tree, Shipped):
        raise TreeError(f"--tables: {tree.release} is tables already; give the tree itself")
    for reference, row in rows:
        if not row.problem:
            for load in CHANGES.values():
                isolated(CountJob(row, (load,)), CELL_TIMEOUT)
            unit, own = built(reference, tree).unit, Path(cache_of(row.guest))
            place = write_tables(directory, tree.release, unit.name, all_kept(unit, reference, own))
            print(f"shootdown: {place}: {place.stat().st_size} bytes", file=sys.stderr)


def _usable(row: Row) -> bool:
    """Whether the row can run. TreeError if not."""
    if row.problem:
        raise TreeError(row.problem)
    return True


def rows_of(reference: str, tree: Tree) -> list[Row]:
    """The plugin in Python that stands for the C, and the tree's row. TreeError for an unknown architecture."""
    of = binding(reference)
    beside = tried(Row(f"{of.name}-python", of.beside(tree.version), ERAS[era_of(tree.version)]))
    return [beside, row_of(reference, tree, "")]


def side_of(reference: str, tree: Tree) -> Sides:
    """The plugin in Python and the tree's C, to be compared."""
    beside, c = rows_of(reference, tree)
    return Sides(beside, c, None if c.problem else built(reference, tree))


def row_of(reference: str, tree: Tree, suffix: str) -> Row:
    """A row whose plugin is the tree's C; with `problem` if it cannot be built, so that other rows go on."""
    name, era = f"{binding(reference).name}-{tree.version}-c{suffix}", era_of(tree.version)
    try:
        plugin = built(reference, tree).plugin
    except TreeError as error:
        print(f"shootdown: {name}: {error}", file=sys.stderr)
        return Row(name, reference, ERAS[era], problem=str(error))
    return replace(plugin_row(plugin, era), name=name)
