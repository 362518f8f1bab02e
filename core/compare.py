"""The command line: `python -m core.compare`, also installed as `shootdown`.

Results go to stdout, progress and diagnostics to stderr.  Exit status: 0 if everything is as declared (or every case is
equal), 1 if not, 2 for a usage, configuration or internal error.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.base.namesakes import warn_of_namesakes
from core.base.printable import Shown, printable
from core.base.suggest import hint
from core.cli import (
    against,
    costs,
    coverage,
    kernels,
    listing,
    litmus,
    new_plugin,
    reference,
    replay,
    run,
    traces,
    tree,
    verdicts,
)
from core.cli.arguments import UsageError
from core.cli.report import SUITE_VERSION
from core.cli.signals import ending_signals
from core.plugins.arch import PluginError
from core.run.isolate import interrupt
from core.run.pool import ExecutorError
from core.table.rows import ConfigError
from core.tree.errors import TreeError

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    _streams()
    stdout, stderr = sys.stdout, sys.stderr
    if argv is None:
        warn_of_namesakes()
        _forget_current_directory()
    sys.stdout, sys.stderr = Shown(stdout), Shown(stderr, quiet=True)
    try:
        with ending_signals():
            return _run(parse(sys.argv[1:] if argv is None else list(argv)))
    finally:
        sys.stdout, sys.stderr = stdout, stderr


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except (ConfigError, ExecutorError, PluginError, TreeError, UsageError) as error:
        print(f"shootdown: {printable(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has closed the pipe; keep the interpreter from flushing at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"shootdown: {printable(named)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        interrupt()
        print("shootdown: interrupted", file=sys.stderr)
        return 2


def _forget_current_directory() -> None:
    """Take the current directory, where `python -m` has put it, off the module path, unless the project is there."""
    here, ours = Path.cwd(), Path(__file__).resolve().parents[1]
    if here != ours:
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry) != here]


def version() -> str:
    """The version of the installed package; 'not installed' in a bare source tree."""
    try:
        return importlib.metadata.version("shootdown")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _streams() -> None:
    """Open /dev/null for a closed stdout or stderr; escape characters that stdout's encoding lacks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse the arguments; without a subcommand, `run` is used."""
    top, commands = parsers()
    named = bool(argv) and (argv[0] in commands.choices or argv[0] in ("-h", "--help", "--version"))
    if argv and not named and argv[0].isalpha():
        top.error(f"no command {argv[0]}: {hint(argv[0], commands.choices)}")
    return top.parse_args(argv if named else ["run", *argv])


def parsers() -> tuple[argparse.ArgumentParser, argparse._SubParsersAction[argparse.ArgumentParser]]:
    """The parser of the command line, and the action whose `choices` are the parsers of the subcommands."""
    top = argparse.ArgumentParser(
        "shootdown",
        description="Compare the TLB-flush policies of Linux architectures.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"shootdown {version()}, suite {SUITE_VERSION}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    rooms = (
        run,
        against,
        coverage,
        listing,
        verdicts,
        kernels,
        litmus,
        costs,
        replay,
        traces,
        tree,
        new_plugin,
        reference,
    )
    for room in rooms:
        room.add_parsers(commands.add_parser)
    return top, commands


if __name__ == "__main__":
    sys.exit(main())
