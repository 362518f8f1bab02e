"""The command line: `python -m core.compare`, also installed as `shootdown`.

Results go to stdout, progress and diagnostics to stderr.  Exit status: 0 if everything is as declared (or every case is
equal), 1 if not, 2 for a usage, configuration or internal error.
"""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from core.base.namesakes import warn_of_namesakes
from core.base.printable import Shown, printable
from core.base.suggest import hint
from core.base.told import Told
from core.cli.signals import ending_signals
from core.run import GARBAGE
from core.run.before import this_is_the_commands_own

EPILOG = """examples:
  python -m core.compare                                  every row of the embedded arches.toml
  python -m core.compare --config arches-all.toml         every Linux architecture with an MMU
  python -m core.compare --arch smp-6.1 --scenario use-after-free
  python -m core.compare --plugin mine.py:Mine            a plugin of your own, from a file
  python -m core.compare explain smp-6.1 lost-dirty-dontneed
  python -m core.compare golden FILE...                   replay traces of the kernel's own code
  python -m core.compare tree /usr/src/linux --arch s390  a kernel tree's own C beside the plugin
  python -m core.compare bugs                             historic bugs, found and proved absent
"""


class Subcommand(NamedTuple):
    """A subcommand: the module of core.cli that adds its parser, and its line in --help."""

    module: str
    help: str


COMMANDS = {
    "run": Subcommand("run", "judge and count every architecture (the default)"),
    "diff": Subcommand("run", "what differs between two JSON reports"),
    "compare": Subcommand("against", "what one policy changes against another: rows, plugins, eras"),
    "coverage": Subcommand(
        "coverage", "which hooks of an architecture ran, where, with how many pages, under which locks"
    ),
    "list": Subcommand("listing", "list architectures, scenarios, and who walks page tables"),
    "info": Subcommand("info", "what a plugin is: distribution, version, capabilities, what does not apply and why"),
    "explain": Subcommand("verdicts", "show a counterexample, one column per CPU"),
    "bugs": Subcommand("verdicts", "historic bugs: each found with its fix taken out, and proved absent with it"),
    "mutants": Subcommand("verdicts", "what the suite would notice: mutants, and the scenarios that kill them"),
    "golden": Subcommand("kernels", "replay traces of the kernel's own gather and zap code"),
    "measured": Subcommand("kernels", "predict the flushes of running kernels, case by case"),
    "litmus": Subcommand("litmus", "run litmus tests on the memory model of an architecture"),
    "sweep": Subcommand("sweep", "count over ranges of parameters, with the Pareto front"),
    "workloads": Subcommand("costs", "count and price every workload, including the large ones"),
    "prices": Subcommand("costs", "the coefficients of the price models, with their sources"),
    "published": Subcommand("costs", "published effects beside the predictions, including the misses"),
    "calibrate": Subcommand("costs", "measure the coefficients of this machine, for --prices FILE"),
    "replay": Subcommand("replay", "the cost of a recorded program's changes of its mappings on every architecture"),
    "replay-trace": Subcommand("traces", "does a saved trace still happen, and if not, where does it end?"),
    "tree": Subcommand("tree", "judge the C of a kernel tree, as rows beside the plugins"),
    "cache": Subcommand("cache", "where files are kept, and `cache clear`, which removes them"),
    "new-plugin": Subcommand("new_plugin", "write a package with a policy of your own, to start from"),
    "reference": Subcommand("reference", "the pages about hooks, scenarios and words, as Markdown"),
}
"""The subcommands by name. Only the module of the one that is named is imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    _streams()
    stdout, stderr = sys.stdout, sys.stderr
    if argv is None:
        warn_of_namesakes()
        _forget_current_directory()
        this_is_the_commands_own()
        gc.set_threshold(GARBAGE)  # modules are what it makes most of, and none is garbage
    sys.stdout, sys.stderr = Shown(stdout), Shown(stderr, quiet=True)
    try:
        with ending_signals():
            return _run(parse(sys.argv[1:] if argv is None else list(argv)))
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        if argv is None:
            gc.freeze()  # the process ends: to look through all that is left for garbage takes longer than --help


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except Told as error:
        print(f"shootdown: {printable(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has closed the pipe; keep the interpreter from flushing at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        full = error.errno == errno.ENOSPC  # of files, reports are handled where they are written
        where = error.filename or ("standard output" if full else "")
        named = f"{where}: {error.strerror}" if where else str(error)
        print(f"shootdown: {printable(named)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        from core.run.isolate import interrupt

        interrupt()
        print("shootdown: interrupted", file=sys.stderr)
        return 2


def _forget_current_directory() -> None:
    """Take the current directory, where `python -m` has put it, off the module path, unless the project is there."""
    here, ours = Path.cwd(), Path(__file__).resolve().parents[1]
    if here != ours:
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry) != here]


class ShowVersion(argparse.Action):
    """Prints the versions of package and suite."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> None:
        """As argparse calls it."""
        from core.base.version import WORDS_VERSION, version
        from core.cli.report import SUITE_VERSION

        print(f"shootdown {version()}, suite {SUITE_VERSION}, hooks {WORDS_VERSION}")
        parser.exit()


def _streams() -> None:
    """Open /dev/null for a closed stdout or stderr; escape characters that stdout's encoding lacks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse the arguments; without a subcommand, `run` is used."""
    first = argv[0] if argv else "run"
    asked = first in ("-h", "--help", "--version")
    top = parser(()) if asked else parser((first if first in COMMANDS else "run",), others=False)
    if not asked and first not in COMMANDS and first.isalpha():
        top.error(f"no command {first}: {hint(first, COMMANDS)}")
    return top.parse_args(argv if asked or (argv and first in COMMANDS) else ["run", *argv])


def parser(complete: Collection[str] = tuple(COMMANDS), others: bool = True) -> argparse.ArgumentParser:
    """The parser of the command line, in which the commands `complete` have their flags.

    Of `others` it has their line in --help, if that is asked for.
    """
    top = argparse.ArgumentParser(
        "shootdown",
        description="Compare the TLB-flush policies of Linux architectures.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=ShowVersion, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    modules = {COMMANDS[name].module for name in complete}
    for name, command in COMMANDS.items():
        if command.module not in modules:
            if others:
                commands.add_parser(name, help=command.help)
        elif name not in commands.choices:
            import_module(f"core.cli.{command.module}").add_parsers(commands.add_parser)
    return top


if __name__ == "__main__":
    sys.exit(main())
