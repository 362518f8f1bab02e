"""The subcommand `reference`: pages of documentation that are made from the code they are about.

docs/hooks.md, docs/scenarios.md, docs/words.md and docs/scenario-words.md are what it prints; `make docs` writes them,
a test compares them.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator

from core import hookspecs
from core.cli.words_page import as_markdown, scenario_words_page, words_page
from core.conformance import SUITE, LargeRun
from core.conformance.museum import EXHIBITS
from core.conformance.scenario import CAPABILITIES, Scenario
from core.conformance.scenarios import AREAS, MODULE_OF, module
from core.explore.model import Model
from core.facts import CAPABILITIES as DECLARED
from core.hookspecs import SPECS, is_program
from core.plugins.out_of_scope import OUT_OF_SCOPE
from core.table.row import Row
from core.table.rows import ALL_ROWS, load

MADE = "<!-- made by `python -m core.compare reference {}`; `make docs` writes it anew -->"


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    reference = add("reference", help="the pages about hooks, scenarios and words, as Markdown")
    reference.add_argument("page", choices=tuple(PAGES))
    reference.set_defaults(command=reference_command)


def reference_command(arguments: argparse.Namespace) -> int:
    """Print a page."""
    print(PAGES[arguments.page]())
    return 0


def hooks_page() -> str:
    """Every hook with its arguments and its docstring, which is the specification."""
    head = ["# The hooks", MADE.format("hooks"), as_markdown(inspect.cleandoc(hookspecs.__doc__ or ""))]
    left_out = [f"* `{name}`: {as_markdown(why)}" for name, why in OUT_OF_SCOPE.items()]
    tail = ["## Override points that are no hooks", "A plugin that defines one is told.", "\n".join(left_out)]
    return "\n\n".join([*head, *(_hook(name) for name in SPECS), *tail])


def _hook(name: str) -> str:
    spec = SPECS[name]
    kind = "async def" if is_program(name) else "def"
    signature = str(inspect.signature(spec)).replace("self, ", "").replace("self", "").replace("'", "")
    return f"## {name}\n\n```python\n{kind} {name}{signature}\n```\n\n{as_markdown(inspect.getdoc(spec) or '')}"


def scenarios_page() -> str:
    """Every scenario: what must hold, where it comes from, who runs in it, what is checked, which bugs it shows."""
    head = [
        "# The scenarios",
        MADE.format("scenarios"),
        "A scenario is a model of one danger. Its tasks run the kernel's functions in every interleaving. "
        "Its properties must hold throughout, or when all tasks have ended, and its window must be reached, or "
        "a pass would be vacuous. An architecture is asked if it has what the scenario requires. "
        "[README](../README.md) shows how to read a trace, [add-a-scenario](add-a-scenario.md) how to write one.",
    ]
    return "\n\n".join([*head, *_areas()])


def _areas() -> Iterator[str]:
    rows = [*load(None), *load(ALL_ROWS)]
    for area, names in AREAS.items():
        yield f"## {area}"
        for name in names:
            for scenario in module(name).SCENARIOS:
                yield _scenario(scenario, rows)
    yield "## large"
    for run in SUITE.values():
        if isinstance(run, LargeRun):
            yield f"### {run.id}\n\n{_sentence(run.title)} One schedule at real size on many layouts: {run.origin}."


def _scenario(scenario: Scenario, rows: list[Row]) -> str:
    lines = [
        f"{_sentence(scenario.title)} Tier {scenario.tier}; from {scenario.origin}; module `{MODULE_OF[scenario.id]}`."
    ]
    if scenario.requires:
        lines.append(f"Requires: {', '.join(map(_requirement, scenario.requires))}.")
    built = _built(scenario, rows)
    if built is not None:
        model, row = built
        lines.append(f"On {row.name}: {', '.join(f'{t.name} on CPU{t.cpu}' for t in model.threads)}.")
        lines += [_checked(model)]
    shows = [exhibit.id for exhibit in EXHIBITS if exhibit.scenario == scenario.id]
    if shows:
        lines.append(f"Shows [{', '.join(shows)}](museum.md).")
    return f"### {scenario.id}\n\n" + "\n".join(lines)


def _checked(model: Model) -> str:
    names = [("throughout", model.always), ("at the end", model.finally_), ("window", model.sometimes)]
    said = [f"{when}: {', '.join(dict.fromkeys(p.name for p in some))}" for when, some in names if some]
    return f"Checked {'; '.join(said)}." if said else "Checked: what a step itself may violate, and deadlock."


def _built(scenario: Scenario, rows: list[Row]) -> tuple[Model, Row] | None:
    """The model on the first row that it is asked of."""
    for row in rows:
        arch = row.arch()
        if not scenario.lacking(arch):
            return scenario.build(arch, row.era), row
    return None


def _requirement(name: str) -> str:
    meaning = CAPABILITIES[name][0] if name in CAPABILITIES else DECLARED.get(name, name)
    return f"`{name}` ({as_markdown(meaning)})"


def _sentence(title: str) -> str:
    return f"{title[0].upper()}{as_markdown(title[1:])}."


PAGES: dict[str, Callable[[], str]] = {
    "hooks": hooks_page,
    "scenarios": scenarios_page,
    "words": lambda: words_page(MADE.format("words")),
    "scenario-words": lambda: scenario_words_page(MADE.format("scenario-words")),
}
