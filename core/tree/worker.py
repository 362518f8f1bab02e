"""A process that runs kernel C: learns one automaton per line that it reads, under limits.

    python -m core.tree.worker UNIT.SO BINDING VERSION [counting]

It reads a JSON object {entry, args, cpus} per line and answers one: {automaton} or {error}.  Of {start, args, cpus} and
{call, answer} it does one step (core.tree.stepping), and the answer is {asked}.  With `counting` the words are those of
core.tree.counting.  What the C may do is bounded by limits on memory and processor time; a signal ends the
process with the place in the code on stderr.  So C that crashes or loops is one message, and the caller's process goes
on.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from core.tree.automaton import automaton_of
from core.tree.binding import binding
from core.tree.counting import counting
from core.tree.errors import TreeError
from core.tree.learn import Learner, Unlearned
from core.tree.manifest import Version
from core.tree.sites import lines_of
from core.tree.stepping import Stepper
from core.tree.unit import LoadedUnit
from core.tree.vocabulary import Vocabulary

MEMORY = 2 << 30
PROCESSOR_SECONDS = 60
"""For one answer."""


def limit() -> None:
    """The limits of this process: and no core file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_answer() -> None:
    """The limit of what follows."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + PROCESSOR_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def answer(unit: LoadedUnit, words: Vocabulary, stepper: Stepper, asked: dict[str, Any]) -> dict[str, Any]:
    """Learn what was asked for, or do a step of it."""
    lines: dict[int, str] = {}

    def line(site: int) -> str:
        return lines.get(site) or lines_of(unit.path, [site]).get(site, "?")

    try:
        if "start" in asked:
            return {"asked": stepper.start(asked["start"], tuple(asked["args"]), asked["cpus"])}
        if "call" in asked:
            return {"asked": stepper.answer(asked["call"], asked["answer"])}
        states = Learner(unit, words, asked["cpus"]).learn(asked["entry"], tuple(asked["args"]))
        lines = lines_of(unit.path, (state.site for state in states if state.site))
        return {"automaton": automaton_of(states, line).to_json()}
    except Unlearned as error:
        return {"error": f"{line(error.site)}: {error.what}"}
    except TreeError as error:
        return {"error": str(error)}


def main(path: str, reference: str, version: str, how: str = "") -> None:
    """Answer until stdin is closed."""
    of = binding(reference)
    words = counting(of.vocabulary) if how == "counting" else of.vocabulary
    manifest = of.manifest(Version(*map(int, version.split("."))))
    limit()
    unit = LoadedUnit(Path(path), manifest.owned)
    stepper = Stepper(unit, words)
    for line in sys.stdin:
        asked = json.loads(line)
        if "call" not in asked:
            limit_answer()
        print(json.dumps(answer(unit, words, stepper, asked)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
