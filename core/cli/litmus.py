"""The subcommand `litmus`: published tests on the machines that stand for the architectures."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.suggest import hint
from core.cli.arguments import UsageError, positive, scenario_of
from core.conformance import SCENARIOS
from core.table.rows import ALL_ROWS, load
from core.truth.shipped import ground_truth

if TYPE_CHECKING:
    from core.explore.model import Model
    from core.table.row import Row
    from core.truth.lines import FileError
    from core.truth.litmus.judge import Judgement
    from core.truth.litmus.tests import LitmusTest

ETS = {"no": ("",), "yes": ("ets2", "ets3"), "both": ("", "ets2", "ets3")}
NAMES = {"": "", "ets2": " with FEAT_ETS2", "ets3": " with FEAT_ETS3"}


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    litmus = add("litmus", help="run litmus tests on the memory model of an architecture")
    litmus.add_argument("files", nargs="*", type=ground_truth, metavar="FILE")
    litmus.add_argument(
        "--from",
        nargs=2,
        dest="origin",
        metavar=("PLUGIN", "SCENARIO"),
        help="print the two programs of a scenario as a test for herd7, instead of running files",
    )
    litmus.add_argument("--config", type=Path, metavar="FILE", help="where the row PLUGIN is (default: arches.toml)")
    litmus.add_argument(
        "--arch", metavar="NAME", help="the architecture, or a row (by default the one that a test is written for)"
    )
    litmus.add_argument(
        "--ets2", choices=tuple(ETS), default="both", help="verdicts with FEAT_ETS2, without, or both (default)"
    )
    litmus.add_argument("--only", metavar="TEXT", help="only tests whose id contains TEXT")
    litmus.add_argument("--max-states", type=positive, metavar="N", help="give a test up after N states")
    litmus.add_argument("--trace", action="store_true", help="show an execution of what is printed, if there is one")
    litmus.set_defaults(command=litmus_command)


def litmus_command(arguments: argparse.Namespace) -> int:
    """Judge every test; print each that disagrees with its reason, then the counts.  A damaged test is one line, and
    the others are judged all the same.
    """
    from core.truth.lines import FileError

    if arguments.origin is not None:
        plugin, scenario = arguments.origin
        return _print_origin(plugin, scenario, arguments)
    if not arguments.files:
        raise UsageError("litmus: expected a FILE, or --from PLUGIN SCENARIO")
    judged: list[Judgement] = []
    status = 0
    named = None if arguments.arch is None else architecture(arguments.arch)
    for path in arguments.files:
        for judgement in _judged(path, named, arguments):
            if isinstance(judgement, FileError):
                print(f"shootdown: {judgement}", file=sys.stderr)
                status = 2
            else:
                judged.append(judgement)
                _print(judgement, arguments)
    return max(status, _summary(judged) if judged or not status else 2)


def _judged(path: Path, named: str | None, arguments: argparse.Namespace) -> Iterator[Judgement | FileError]:
    """What came of each test, or what is wrong with it."""
    from core.memory_model.search import LIMIT
    from core.truth.lines import FileError
    from core.truth.litmus.judge import judge
    from core.truth.litmus.tests import read_test, test_texts

    texts = test_texts(path)
    while True:
        try:
            where, text = next(texts)
            test = read_test(where, text)
            if arguments.only is None or arguments.only in test.id:
                yield from judge(test, named or _own(test), ETS[arguments.ets2], arguments.max_states or LIMIT)
        except StopIteration:
            return
        except FileError as error:
            yield error


def _print_origin(plugin: str, scenario: str, arguments: argparse.Namespace) -> int:
    """Print the programs of a scenario as a test of herd7, with what the explorer has found as its verdict."""
    from core.cli.resolve_arch import choose
    from core.conformance.judge import judge
    from core.truth.litmus.from_scenario import USE_AFTER_FREE, DoesNotFit

    if arguments.files:
        raise UsageError("litmus --from runs no files: leave them out")
    row, found = choose(plugin, None, arguments.config), scenario_of(scenario)
    arch, asked = row.arch(), SCENARIOS[found]
    if lacking := asked.lacking(arch):
        raise UsageError(f"{plugin} is not asked {scenario}: it needs {lacking}")
    result = judge(arch, row.era, asked)
    if result.verdict not in ("pass", "fail"):
        raise UsageError(f"{plugin}, {scenario}: {result.verdict}: {result.reason}; only a verdict can be compared")
    if result.violated not in ("", USE_AFTER_FREE):
        raise UsageError(f"{plugin}, {scenario}: no litmus test: it fails by {result.violated}, not {USE_AFTER_FREE}")
    try:
        text = _text(row, f"{row.name}/{scenario}", asked.build(arch, row.era), bool(result.violated))
    except DoesNotFit as reason:
        raise UsageError(f"{plugin}, {scenario}: no litmus test: {reason}") from None
    print(text, end="")
    return 0


def _text(row: Row, name: str, model: Model, reached: bool) -> str:
    """The test for herd7.  On an architecture that flushes by interrupts it has no translation tables."""
    from core.truth.litmus import herd7, herd7_plain
    from core.truth.litmus.by_interrupt import interrupt_test
    from core.truth.litmus.dialects import DIALECTS
    from core.truth.litmus.from_scenario import litmus_test

    own = _machine_of(row)
    if own not in DIALECTS:
        return herd7.text_of(litmus_test(name, model, reached))
    return herd7_plain.text_of(interrupt_test(name, model, reached, own), own)


def _own(test: LitmusTest) -> str:
    from core.truth.litmus.machines import OF_NOTATION

    return OF_NOTATION[test.notation]


OF_MODEL = {"sc": "sc", "tso": "x86"}
"""The machine of a row that is no architecture with a machine of its own, by its memory model."""


def architecture(name: str) -> str:
    """The architecture that `name` is, or that a row of this name is one of.  UsageError if there is none.

    A row has the machine of its architecture, or else that of its memory model.
    """
    from core.truth.litmus.machines import TARGETS

    if name in TARGETS:
        return name
    rows = {row.name: row for row in (*load(None), *load(ALL_ROWS))}
    if name not in rows:
        raise UsageError(f"--arch {name}: no such architecture or row; {hint(name, [*TARGETS, *rows])}")
    found = _machine_of(rows[name])
    if found is None:
        raise UsageError(f"--arch {name}: no memory model for its plugin; expected one of {', '.join(TARGETS)}")
    return found


def _machine_of(row: Row) -> str | None:
    """The architecture whose machine a row has: its own, or that of its memory model; None if there is none."""
    from core.truth.litmus.machines import TARGETS

    module = row.plugin.partition(":")[0].rpartition(".")[2]
    own = next((known for known in TARGETS if module.startswith(known)), None)
    return own or OF_MODEL.get(row.arch().facts.memory_model)


def _print(judgement: Judgement, arguments: argparse.Namespace) -> None:
    """A test that disagrees or cannot be run; with --only every test."""
    from core.truth.litmus.judge import AGREE

    if judgement.result in (AGREE, "") and arguments.only is None:
        return
    result = judgement.result or "no verdict"
    detail = f": {judgement.detail}" if judgement.detail else ""
    print(f"{judgement.test.id}: {result}{NAMES[judgement.extension]}{detail}")
    if arguments.trace:
        _print_trace(judgement, arguments)


def _print_trace(judgement: Judgement, arguments: argparse.Namespace) -> None:
    from core.memory_model.search import witness
    from core.truth.litmus.condition import holds
    from core.truth.litmus.judge import NOT_EXPRESSIBLE
    from core.truth.litmus.machines import machine_of

    if judgement.result == NOT_EXPRESSIBLE:
        return
    test = judgement.test
    named = _own(test) if arguments.arch is None else architecture(arguments.arch)
    steps = witness(machine_of(test, named, judgement.extension), lambda final: holds(test.condition, final))
    for step in steps or ("the condition is not reached",):
        print(f"    {step}")


def _summary(judged: list[Judgement]) -> int:
    """Print the counts; 1 if a test disagrees."""
    from core.truth.litmus.judge import RESULTS, TOO_STRONG, TOO_WEAK

    counted = [x for x in judged if not x.apart]
    for extension in NAMES:
        for tier in sorted({x.test.tier for x in counted if x.extension == extension}):
            here = Counter(x.result for x in counted if (x.extension, x.test.tier) == (extension, tier))
            print(f"tier {tier}{NAMES[extension]}: {', '.join(f'{n} {word}' for word, n in sorted(here.items()))}")
    for reason, number in sorted(Counter(x.apart for x in judged if x.apart).items()):
        print(f"apart: {number} tests {reason}")
    sets = Counter(x.same_set for x in judged if x.same_set is not None and x.test.notation != "kernel")
    if sets:
        print(f"sets of outcomes: {sets[True]} equal, {sets[False]} not")
    allowed = [x for x in judged if x.test.notation == "kernel" and x.test.expected.get("") == "allowed"]
    if allowed:
        print(f"allowed by the kernel's model: {sum(bool(x.reached) for x in allowed)} of {len(allowed)} reached")
    states = sorted(x.states for x in judged if x.states)
    if states:
        print(f"states: median {states[len(states) // 2]}, most {states[-1]}")
    counts = Counter(x.result for x in counted)
    print(", ".join(f"{counts[word]} {word}" for word in RESULTS))
    return 1 if counts[TOO_STRONG] or counts[TOO_WEAK] else 0
